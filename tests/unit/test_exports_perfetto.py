"""The Chrome trace, read back as JSON and by the rules of its viewers: slices, arrows and counters are the run's."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.exports.exporting import Selection, export_run
from eventnet.exports.perfetto import SLOT_NS, _Places, _spread
from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.trace.queries import Run
from tests.recorded import random_run, rows_of, two_rates

DIRECTIONS = {kind.name.lower(): direction for kind, direction in DIRECTION.items()}
ALL = Selection()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_rates(tmp_path_factory.mktemp("perfetto") / "run")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Hundreds of events in an instant and a microsecond to the next, causes from any time before."""
    return random_run(tmp_path_factory.mktemp("perfetto") / "run")


@pytest.fixture(params=["real", "crowded"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def trace_events(run: Run, folder: Path, selection: Selection = ALL) -> list[dict[str, Any]]:
    export_run(run, "perfetto", folder / "trace.json", selection)
    document = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    events: list[dict[str, Any]] = document["traceEvents"]
    assert {event["ph"] for event in events} <= set("MXsfC")
    return events


def ns(event: dict[str, Any], name: str = "ts") -> int:
    """A time of the file, microseconds, in nanoseconds."""
    return round(event[name] * 1000)


def of(events: list[dict[str, Any]], ph: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == ph]


def owner(row: dict[str, Any]) -> str:
    return f"population {row['population']}" if row["population"] else f"projection {row['projection']}"


def test_every_event_is_a_slice_of_its_owner(run: Run, tmp_path: Path) -> None:
    events = trace_events(run, tmp_path)
    threads = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in of(events, "M")
        if event["name"] == "thread_name"
    }
    slices, rows = of(events, "X"), rows_of(run)
    assert len(slices) == len(rows)
    for shown, row in zip(slices, rows, strict=True):
        args = shown["args"]
        assert (shown["name"], threads[shown["pid"], shown["tid"]]) == (row["kind"], owner(row))
        assert [args[name] for name in ("event", "neuron", "cause", "time_ns")] == [
            row[name] for name in ("event", "neuron", "cause", "time_ns")
        ]
        assert args["s" if "s" in args else "value"] == row["value"]
        assert ("s" in args) == (row["kind"] in {*DIRECTIONS} - {"dense_update", "accrue", "settle"})
    names = [*(f"population {name}" for name in run.populations), *(f"projection {name}" for name in run.projections)]
    assert list(threads.values()) == names
    assert len({tid for _, tid in threads}) == len(threads)
    assert not {tid for _, tid in threads} & {pid for pid, _ in threads}


def test_slices_keep_the_order_and_never_overlap(run: Run, tmp_path: Path) -> None:
    slices = of(trace_events(run, tmp_path), "X")
    starts = [ns(shown) for shown in slices]
    ends = [ns(shown) + ns(shown, "dur") for shown in slices]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    moved = [start - shown["args"]["time_ns"] for start, shown in zip(starts, slices, strict=True)]
    crowd = max(Counter(shown["args"]["time_ns"] for shown in slices).values())
    assert min(moved) == 0
    if run.provenance["config"] == "two_rates":
        assert max(moved) == SLOT_NS * (crowd - 1)  # each instant has settled before the next


def binding(events: list[dict[str, Any]]) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """The slices of each track: start, end and event."""
    tracks: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for shown in of(events, "X"):
        tracks[shown["pid"], shown["tid"]].append((ns(shown), ns(shown) + ns(shown, "dur"), shown["args"]["event"]))
    return tracks


@pytest.mark.parametrize("selection", [ALL, Selection(("hidden",)), Selection((), 10_000, 1_500_000_000)])
def test_arrows_lead_from_causes_to_effects(selection: Selection, run: Run, tmp_path: Path) -> None:
    """Each end of each arrow lies strictly within one slice of its track, which is how viewers bind it."""
    events = trace_events(run, tmp_path, selection)
    tracks = binding(events)
    ends: dict[str, dict[int, int]] = {"s": {}, "f": {}}
    for flow in (*of(events, "s"), *of(events, "f")):
        [bound] = [event for start, end, event in tracks[flow["pid"], flow["tid"]] if start < ns(flow) < end]
        assert flow["id"] not in ends[flow["ph"]]
        assert (flow["name"], flow["cat"], flow["bp"]) == ("cause", "cause", "e")
        ends[flow["ph"]][flow["id"]] = bound
    assert ends["s"].keys() == ends["f"].keys()
    shown = {event for track in tracks.values() for _, _, event in track}
    rows = [row for row in rows_of(run) if row["event"] in shown]
    expected = {(row["cause"], row["event"]) for row in rows if row["cause"] in shown}
    assert {(ends["s"][id_], ends["f"][id_]) for id_ in ends["s"]} == expected
    assert len(expected) == len(ends["s"]) > 50


def test_counters_are_the_bills_of_each_step(run: Run, tmp_path: Path) -> None:
    events = trace_events(run, tmp_path)
    counters = of(events, "C")
    length = {"real": 2_000_000, "crowded": 1_000}["real" if run.provenance["config"] == "two_rates" else "crowded"]
    text = {2_000_000: "2 ms", 1_000: "1 us"}[length]
    assert {event["name"] for event in counters} == {
        f"{track} in {text}" for track in ("unit additions", "operations", "words")
    }
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for event in counters:
        assert ns(event) % length == 0
        assert not event["args"].keys() & found[ns(event)].keys()  # a counter takes one value at a time
        found[ns(event)] |= event["args"]
    expected: dict[int, Counter[str]] = defaultdict(Counter)
    for row in rows_of(run):
        step = expected[row["time_ns"] // length * length]
        step.update({name: row[name] for name in COUNTS if name != "adds_unit"})
        if row["kind"] in DIRECTIONS:
            step[DIRECTIONS[row["kind"]]] += row["adds_unit"]
    names = {*COUNTS, *DIRECTIONS.values()} - {"adds_unit"}
    for time_ns, values in found.items():
        assert values == {name: expected[time_ns][name] for name in names}
    assert {time_ns for time_ns, step in expected.items() if step} <= found.keys()
    # what stands after a step without a follower is nothing
    assert {time_ns + length for time_ns, step in expected.items() if any(step.values())} <= found.keys()


def test_a_choice_of_populations_and_time(real: Run, tmp_path: Path) -> None:
    events = trace_events(real, tmp_path, Selection(("fast", "output"), 500_000_000, 900_000_000))
    expected = [
        row["event"]
        for row in rows_of(real)
        if row["population"] in ("fast", "output") and 500_000_000 <= row["time_ns"] < 900_000_000
    ]
    assert [shown["args"]["event"] for shown in of(events, "X")] == expected != []
    threads = [event["args"]["name"] for event in of(events, "M") if event["name"] == "thread_name"]
    assert threads == ["population fast", "population output"]


def test_a_choice_of_nothing(real: Run, tmp_path: Path) -> None:
    events = trace_events(real, tmp_path, Selection((), 10**12))
    assert {event["ph"] for event in events} == {"M"}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60), st.integers(-10, 300))
def test_slots_against_a_loop(steps: list[int], earliest: int) -> None:
    times = np.cumsum(np.array(steps, np.int64))
    expected, free = [], earliest
    for time in times.tolist():
        expected.append(max(time, free))
        free = expected[-1] + SLOT_NS
    assert _spread(times, earliest).tolist() == expected


def test_places_of_events_far_apart(tmp_path: Path) -> None:
    """Numbers with holes, over several growths of the file; events that were not put have no track."""
    rng = np.random.default_rng(2)
    events = np.cumsum(rng.integers(1, 200, 5_000)) + 10**9
    tracks = rng.integers(1, 9, events.size)
    with _Places(tmp_path) as places:
        for k in range(0, events.size, 500):
            places.put(events[k : k + 500], 3 * events[k : k + 500], tracks[k : k + 500])
        assert list(tmp_path.iterdir()) == [] or all(path.is_file() for path in tmp_path.iterdir())
        shown, found = places.get(events)
        assert (shown == 3 * events).all()
        assert (found == tracks).all()
        absent = np.setdiff1d(np.arange(events[0], events[-1]), events)
        assert not places.get(absent)[1].any()
        assert not places.get(np.array([-1, 0, events[0] - 1, events[-1] + 1, 10**12]))[1].any()
    assert list(tmp_path.iterdir()) == []
