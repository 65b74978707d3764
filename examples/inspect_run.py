"""A run is a directory that can be asked what happened, why, and what it cost.

    python examples/inspect_run.py

Runs three seconds of the shipped configuration `two_rates`, lists spikes of its hidden layer, follows the causes of one
of them back to what set it off, and sums the bills of all events.
"""

import tempfile
from pathlib import Path

from rich.console import Console

from eventnet.config import find_config, load_config, with_overrides
from eventnet.running import start
from eventnet.trace.queries import open_run

UNTIL_NS = 3 * 10**9


def causes_of(run, event):
    """The chain of causes from an event back to one that has none. Events are numbered from 0 in order."""
    events = run.events()
    chain = []
    while event >= 0:
        (row,) = events.slice(event, 1).to_pylist()
        chain.append(row)
        event = row["cause"]
    return chain


def told(row):
    where = row["population"] or row["projection"]
    neuron = f"[{row['neuron']}]" if row["neuron"] >= 0 else ""
    return f"{row['time_ns'] / 1e6:9.3f} ms  {row['kind']:<15} {where}{neuron}  {row['value']:g}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        config = with_overrides(load_config(find_config("two_rates")), until_ns=UNTIL_NS)
        path = Path(folder) / "run"
        summary = start(
            config, engine="actor", out=path, trace=True, command=["inspect_run.py"], console=Console(quiet=True)
        )
        run = open_run(path)
        losses = summary["losses"]["ahead"]["all"]
        print(f"{run.n_events} events; mean loss {losses['mean']:.4f}, last quarter {losses['mean_last_quarter']:.4f}")

        print("\nthe first spikes of the hidden layer after 2 s")
        spikes = run.events(population="hidden", kind="forward", start_ns=2 * 10**9, limit=5).to_pylist()
        for row in spikes:
            print(told(row))

        print("\nwhy the last of them came about, latest first")
        for row in causes_of(run, spikes[-1]["event"]):
            print(told(row))

        print("\nwhat it cost")
        print(f"{'':>10} {'events':>9} {'unit adds':>10} {'acs':>8} {'macs':>9}")
        for row in run.bills("direction"):
            name = row["direction"] or "the rest"
            print(f"{name:>10} {row['events']:9} {row['adds_unit']:10} {row['acs']:8} {row['macs']:9}")
        print(f"estimated energy {summary['energy']['total_j'] * 1e6:.1f} uJ ({summary['energy']['table']})")
