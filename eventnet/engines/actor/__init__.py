"""The actor engine: the readable reference.

Neurons (`neuron.py`) and synapses (`synapse.py`) are actors that meet only through spikes on a queue
(`spike_queue.py`); SimPy drives time and the sensor processes (`scheduler.py`); `engine.py` says what happens in each
phase of an instant.
"""

from eventnet.engines.actor.engine import ActorEngine

__all__ = ["ActorEngine"]
