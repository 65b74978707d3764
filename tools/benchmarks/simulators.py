"""The spikes of `benchmarks.synapses` in another simulator; needs that simulator and NumPy, and nothing of ours.

    python tools/benchmarks/simulators.py "brian2 standalone" spikes.npz

Prints JSON: seconds of simulation without what comes before it, and the synaptic operations done. The hidden neurons
are leaky integrators of the simulator's own, so their spikes are not ours; operations count what was sent there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

THRESHOLD = 0.25  # about as many hidden spikes as ours
DECAY_TICKS = 9.5  # a factor of 0.9 a tick


def brian2(mode: str, inputs, first, second) -> dict[str, object]:
    """Ticks of 1 ms, single precision, exact decay."""
    import brian2 as b

    n_ticks, n = inputs.shape
    standalone = mode == "standalone"
    if standalone:
        b.set_device("cpp_standalone", directory="brian", build_on_run=False)
        b.prefs.codegen.cpp.extra_compile_args_gcc = ["-O3", "-march=native", "-ffast-math"]
    else:
        b.prefs.codegen.target = "cython"
    b.prefs.core.default_float_dtype = np.float32
    b.defaultclock.dt = 1 * b.ms
    times = np.repeat(np.arange(n_ticks), n) * b.ms
    source = b.SpikeGeneratorGroup(first.shape[0], inputs.ravel(), times)
    tau = DECAY_TICKS * b.ms
    model = "dv/dt = -v / tau : 1"
    arguments = {"threshold": "v > threshold", "reset": "v -= threshold", "method": "exact"}
    names = {"tau": tau, "threshold": THRESHOLD}
    hidden = b.NeuronGroup(first.shape[1], model, namespace=names, **arguments)
    output = b.NeuronGroup(second.shape[1], model, namespace={"tau": tau}, method="exact")
    ways = []
    for group, into, weights in ((source, hidden, first), (hidden, output, second)):
        way = b.Synapses(group, into, "w : 1", on_pre="v_post += w")
        way.connect()
        way.w = weights.ravel()
        ways.append(way)
    counter = b.SpikeMonitor(hidden, record=False)
    net = b.Network(source, hidden, output, *ways, counter)
    if standalone:
        net.run(n_ticks * b.ms)
        b.device.build(run=True, with_output=False)
        took = b.device._last_run_time
    else:
        net.run(1 * b.ms)  # compiles
        began = time.perf_counter()
        net.run((n_ticks - 1) * b.ms)
        took = time.perf_counter() - began
    return result(b.__version__, took, inputs.size, int(counter.num_spikes), first, second)


def nest(inputs, first, second) -> dict[str, object]:
    """Ticks of 1 ms, one thread, iaf_psc_delta."""
    import nest as n

    n.ResetKernel()
    n.set_verbosity("M_ERROR")
    n.resolution, n.local_num_threads = 1.0, 1
    n_ticks = len(inputs)
    trains = [np.flatnonzero((inputs == i).any(axis=1)) + 1.0 for i in range(first.shape[0])]
    source = n.Create("spike_generator", first.shape[0])
    for one, train in zip(source, trains, strict=True):
        one.spike_times = train
    neuron = {"V_th": THRESHOLD, "V_reset": 0.0, "V_m": 0.0, "E_L": 0.0, "tau_m": DECAY_TICKS, "t_ref": 1.0}
    hidden = n.Create("iaf_psc_delta", first.shape[1], params=neuron)
    output = n.Create("iaf_psc_delta", second.shape[1], params={**neuron, "V_th": 1e9})
    for group, into, weights in ((source, hidden, first), (hidden, output, second)):
        synapse = {"synapse_model": "static_synapse", "weight": weights.T.astype(float), "delay": 1.0}
        n.Connect(group, into, "all_to_all", synapse)
    n.Prepare()
    began = time.perf_counter()
    n.Run(float(n_ticks))
    took = time.perf_counter() - began
    n.Cleanup()
    # counts the spikes of neurons, and the outputs have none
    return result(n.__version__, took, inputs.size, int(n.local_spike_counter), first, second)


def result(version: str, took: float, n_inputs: int, n_hidden: int, first, second) -> dict[str, object]:
    operations = n_inputs * first.shape[1] + n_hidden * second.shape[1]
    return {"version": version, "seconds": took, "operations": operations, "hidden_spikes": n_hidden}


def main(name: str, file: str) -> None:
    with np.load(Path(file)) as arrays:
        inputs, first, second = (arrays[each] for each in ("inputs", "first", "second"))
    simulator, _, mode = name.partition(" ")
    found = brian2(mode, inputs, first, second) if simulator == "brian2" else nest(inputs, first, second)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
