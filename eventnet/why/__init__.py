"""Why a spike was sent and why a weight is what it is, out of the directory of a run.

    past = open_past("runs/my-run")                           # eventnet.why.past
    explanation = explain(past, 1234)                         # .explaining: phi, arrivals, drift, bias add up to a(t)
    lineage = trace_back(past, 1234, depth=3, breadth=4)      # .lineage: the spikes behind it
    came_of_it = effects(past, 1234, breadth=4)               # .effects: whom it reached, which weights it changed
    history = weight_history(open_run(path), "hidden->output", 3, 0)  # .weight_history: all that changed a weight

What the trace does not hold is found by replaying the run (`replay.py`) or, for a weight, worked out from what reached
its synapse (`synapse.py`), and everything is checked against what was recorded. docs/why.md shows how to read them.
What is read of a run, `reading.py` says (`log.py` and `targets.py` load Arrow); `beside.py` has another process read it
while this one loads what replays it.

Here trace, configuration and engine meet, as in `eventnet/running.py`; the trace itself knows no engine. Nothing is
imported here, since most of it needs Numba.
"""
