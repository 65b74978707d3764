"""eventnet: a discrete-event simulator for temporally efficient spiking networks."""

__version__ = "0.1.0"
