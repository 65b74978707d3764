"""How fast the actor engine is: spike events a second, beside bare SimPy on as many events, in one run.

    python tools/bench_actor.py                  # speed: fan-out 200, learning on
    python tools/bench_actor.py --memory         # resident memory over ten million events, traced to disk
    python tools/bench_actor.py --json

The network is 200 - 200 - 200: random walks as input, a linear output that learns to give them back, a target at every
tick. Every spike has a fan-out of 200 and changes a row or a column of 200 weights. Machines differ, so a ratio to
SimPy's own rate, taken in turns with ours, is given beside the absolute numbers.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simpy

from eventnet.engines.actor import ActorEngine
from eventnet.engines.base import SampleBlock, TargetBlock
from eventnet.network import Code, Learning, Network, Nonlinearity, Population, Projection, Rule, Sensor, Target, Wake
from eventnet.trace.events import Kind
from eventnet.trace.store import RunWriter

PERIOD_NS = 10_000_000
SIZE = 200
BLOCK = 1000
CASES = ((Wake.LAZY, Rule.FUTURE), (Wake.LAZY, Rule.PAST), (Wake.CLOCKED, Rule.FUTURE), (Wake.EXACT, Rule.FUTURE))


@dataclass(frozen=True)
class Walks:
    """Endless random walks around zero, made block by block."""

    seed: int = 0

    @property
    def n_channels(self) -> int:
        return SIZE

    def blocks(self) -> Iterator[SampleBlock]:
        rng = np.random.default_rng(self.seed)
        x, k = np.zeros(SIZE), 0
        while True:
            values = np.empty((BLOCK, SIZE))
            for row in values:
                x = 0.99 * x + rng.normal(0, 0.2, SIZE)
                row[:] = x
            yield SampleBlock((k + np.arange(BLOCK)) * PERIOD_NS, values)
            k += BLOCK


@dataclass(frozen=True)
class SameWalks:
    """The walks again, as what the output should give."""

    groups: tuple[str, ...] = ("all",)

    def blocks(self) -> Iterator[TargetBlock]:
        for block in Walks().blocks():
            yield TargetBlock(block.times_ns, block.values, np.zeros(BLOCK, np.int64), np.ones(BLOCK, bool))


def network(wake: Wake, rule: Rule) -> Network:
    forward, backward = Code(0.75, 0.5), Code(0.5, 0.5)
    return Network(
        (
            Population("in", SIZE, forward=forward, wake=wake),
            Population("hidden", SIZE, forward=forward, backward=backward, wake=wake),
            Population("out", SIZE, Nonlinearity.LINEAR, backward=backward, wake=wake),
        ),
        (Projection("in", "hidden"), Projection("hidden", "out")),
        (Sensor("s", "in", PERIOD_NS),),
        (Target("t", "out", PERIOD_NS),),
        Learning(rule, 0.0002),
    )


def actor_rate(wake: Wake, rule: Rule, n_ticks: int) -> dict[str, float]:
    """One run of `n_ticks`: spikes, all events, seconds; the first ticks are not counted."""
    engine = ActorEngine(network(wake, rule), {"s": Walks(), "t": SameWalks()})
    engine.run(20 * PERIOD_NS)
    before = engine.totals.events.copy()
    began = time.perf_counter()
    engine.run((20 + n_ticks) * PERIOD_NS)
    seconds = time.perf_counter() - began
    events = engine.totals.events - before
    spikes = int(events[Kind.FORWARD].sum() + events[Kind.BACKWARD].sum())
    return {"spikes": spikes, "events": int(events.sum()), "seconds": seconds}


def simpy_rate(n_events: int) -> float:
    """Seconds that bare SimPy takes for as many timeouts, spread over 100 processes."""
    env = simpy.Environment()

    def process(n: int, step: int):
        for _ in range(n):
            yield env.timeout(step)

    for k in range(100):
        env.process(process(n_events // 100, 1 + k))
    began = time.perf_counter()
    env.run()
    return time.perf_counter() - began


def speed(repeats: int, n_ticks: int) -> list[dict[str, float | str]]:
    rows = []
    for wake, rule in CASES:
        runs, ratios, simpy_rates = [], [], []
        for _ in range(repeats):
            run = actor_rate(wake, rule, n_ticks)
            bare = run["spikes"] / simpy_rate(int(run["spikes"]))
            runs.append(run)
            simpy_rates.append(bare)
            ratios.append(run["spikes"] / run["seconds"] / bare)
        rows.append(
            {
                "wake": wake.value,
                "rule": rule.value,
                "spikes": runs[0]["spikes"],
                "spikes_per_s": statistics.median(r["spikes"] / r["seconds"] for r in runs),
                "events_per_s": statistics.median(r["events"] / r["seconds"] for r in runs),
                "simpy_timeouts_per_s": statistics.median(simpy_rates),
                "share_of_simpy": statistics.median(ratios),
            }
        )
    return rows


def memory(n_events: int) -> list[dict[str, float]]:
    """Resident memory at each tenth of a traced run of `n_events`."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        engine_network = network(Wake.LAZY, Rule.FUTURE)
        made = ActorEngine(engine_network, {"s": Walks(), "t": SameWalks()})
        writer = RunWriter.create(
            Path(folder) / "run",
            made.graph,
            config_text="",
            config_name="bench",
            engine="actor",
            groups={"t": ("all",)},
        )
        engine = ActorEngine(engine_network, {"s": Walks(), "t": SameWalks()}, [writer])
        with writer:
            until = 0
            for tenth in range(1, 11):
                while engine.totals.events.sum() < n_events * tenth // 10:
                    until += 10 * PERIOD_NS
                    engine.run(until)
                rows.append({"events": int(engine.totals.events.sum()), "resident_mb": resident_mb()})
            writer.close("interrupted", engine.now_ns)
    return rows


def resident_mb() -> float:
    """Resident memory now (Linux), else the largest so far."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure memory in place of speed")
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the memory run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind, in turns with SimPy")
    parser.add_argument("--ticks", type=int, default=600, help="ticks of each run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rows = memory(arguments.events) if arguments.memory else speed(arguments.repeats, arguments.ticks)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print("  ".join(f"{name:>20}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>20,.3f}" if isinstance(value, float) else f"{value:>20}" for value in row.values()))


if __name__ == "__main__":
    main()
