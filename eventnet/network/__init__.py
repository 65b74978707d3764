"""The network description: what is simulated, and the graph derived from it."""

from eventnet.network.description import (
    Adaptation,
    Code,
    Decides,
    Initial,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)
from eventnet.network.graph import Graph, derive

__all__ = [
    "Adaptation",
    "Code",
    "Decides",
    "Graph",
    "Initial",
    "Learning",
    "Network",
    "Nonlinearity",
    "Population",
    "Probe",
    "Projection",
    "Rule",
    "Sensor",
    "Target",
    "Wake",
    "derive",
]
