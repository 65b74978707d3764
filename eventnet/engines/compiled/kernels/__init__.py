"""Kernels by phase: each a plain loop over arrays, in the order of the actor engine's operations.

| module | what | beside |
| --- | --- | --- |
| `instants.py` | from one instant to the next, phase after phase | `actor/engine.py`, `actor/scheduler.py` |
| `sampling.py` | where in its window each stream is | `engines/streams.py` |
| `deciding.py` | who decides, encoding, spikes on their way | `actor/engine.py`, `actor/neuron.py` |
| `delivering.py` | spikes that arrive | `actor/engine.py`, `actor/synapse.py` |
| `reading.py` | dendrites, nonlinearities | `actor/neuron.py` |
| `losing.py` | targets | `actor/loss.py` |
| `summing.py` | rows and columns of weights, summed | `actor/synapse.py` |
| `tracing.py` | spike traces | `actor/spike_trace.py` |
| `learning.py` | weights | `actor/synapse.py` |
| `accruing.py` | weights under the rule `accrual` | `actor/accrual.py` |
| `waking.py` | self-made spikes | `actor/self_wake.py` |
| `recording.py` | events, outcomes, totals | |

Every order of floating-point operations is part of the meaning: what decides a spike must come out to the bit as the
actor engine has it.
"""
