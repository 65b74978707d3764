"""What a report carries, against plain loops over the events: spikes, bins, costs, answers, the drawing."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eventnet.operations.bills import COUNTS
from eventnet.operations.conventions import SUMMED, WAYS
from eventnet.reports.html.answers import MAX_POINTS, answers_over_time
from eventnet.reports.html.costs import N_TIMES, SenderCosts, costs_by_sensor
from eventnet.reports.html.drawing import Node, depths, drawing, joined_lines
from eventnet.reports.html.packing import ALPHABET, packed
from eventnet.reports.html.raster import N_BINS, Raster, Spikes
from eventnet.trace.queries import Run
from eventnet.trace.schema import OUTCOME_FIELDS
from tests.recorded import random_run, rows_of, two_rates

SENDS = ("forward", "backward")


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Random events in parts, whose causes are any events before."""
    return random_run(tmp_path_factory.mktemp("random") / "run")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real run."""
    return two_rates(tmp_path_factory.mktemp("real") / "run")


def end_of(run: Run) -> int:
    return max(int(row["time_ns"]) for row in rows_of(run)) + 1


def raster_of(run: Run, limit: int, end_ns: int) -> Raster:
    raster = Raster(run, end_ns, limit)
    for batch in run.event_batches():
        raster.add(batch)
    return raster


# --- packing


def bytes_of(text: str) -> bytes:
    """Of two characters 13 bits, one after the other."""
    digits = [ALPHABET.index(each) for each in text]
    bits = "".join(f"{high * 91 + low:013b}" for high, low in zip(digits[::2], digits[1::2], strict=True))
    return bytes(int(bits[k : k + 8].ljust(8, "0"), 2) for k in range(0, len(bits), 8))


def unpacked(column: dict[str, Any]) -> NDArray[Any]:
    """As the page reads it."""
    is_whole = column["type"] != "Float64"
    dtype = np.dtype(column["type"].lower().replace("int", "uint"))
    planes = np.frombuffer(zlib.decompress(bytes_of(column["data"])[: column["bytes"]]), np.uint8)
    values = np.ascontiguousarray(planes.reshape(dtype.itemsize, column["n"]).T).view(dtype).ravel()
    if is_whole:
        values = np.array([-(v // 2) - 1 if v % 2 else v // 2 for v in values.tolist()], np.int64)
    return np.cumsum(values.astype(np.float64)) if column["differences"] else values


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1)), st.booleans())
def test_whole_numbers_come_back(values: list[int], as_differences: bool) -> None:
    if as_differences:
        values = sorted(abs(value) for value in values)  # differences of others may be beyond 2^53
    assert unpacked(packed(np.array(values, np.int64), as_differences=as_differences)).tolist() == values


@given(st.lists(st.floats(allow_nan=False)))
def test_others_come_back(values: list[float]) -> None:
    assert unpacked(packed(np.array(values, np.float64))).tolist() == values


def test_small_numbers_take_one_byte_and_too_large_ones_are_refused() -> None:
    assert [packed(np.array([v]))["type"] for v in (-128, 128, -32769, 2**31)] == ["Int8", "Int16", "Int32", "Float64"]
    assert [packed(np.array([v]))["type"] for v in (3.0, 0.5, -0.0, 1e300)] == ["Int8", "Float64", "Float64", "Float64"]
    for value in (2**53, -(2**53), 2**63 - 1, -(2**63)):
        with pytest.raises(ValueError, match="2\\^53"):
            packed(np.array([value], np.int64))


# --- spikes


def expected_spikes(run: Run, limit: int) -> list[dict[str, Any]]:
    """The latest spikes, by plain loops over all events."""
    rows = {row["event"]: row for row in rows_of(run)}
    spikes = [row for row in rows.values() if row["kind"] in SENDS]
    if len(spikes) > limit:
        cut_ns = spikes[len(spikes) - limit - 1]["time_ns"]
        spikes = [row for row in spikes if row["time_ns"] > cut_ns]
    shown = {row["event"] for row in spikes}
    named = Counter((row["cause"], row["kind"]) for row in rows.values())
    by_arrival = Counter(
        (rows[row["cause"]]["cause"], row["kind"])
        for row in rows.values()
        if row["cause"] >= 0 and rows[row["cause"]]["kind"] in ("forward_arrival", "backward_arrival")
    )
    first_row, sizes = {}, 0
    for each in run.provenance["populations"]:
        first_row[each["name"]] = sizes
        sizes += each["size"]
    found = []
    for row in spikes:
        behind = row["cause"]
        while behind >= 0 and rows[behind]["kind"] not in SENDS:
            behind = rows[behind]["cause"]
        event = row["event"]
        found.append(
            {
                "event": event,
                "time_ns": row["time_ns"],
                "row": first_row[row["population"]] + row["neuron"],
                "is_error": row["kind"] == "backward",
                "s": row["value"],
                "scale": row["scale"],
                "cause": row["cause"],
                "behind": behind if behind in shown else -1,
                "arrivals": named[event, "forward_arrival"] + named[event, "backward_arrival"],
                "decisions": named[event, "encode"] + named[event, "error_encode"],
                "changes": sum(
                    counted[event, kind] for counted in (named, by_arrival) for kind in ("row_update", "column_update")
                ),
            }
        )
    return found


def rows_of_spikes(spikes: Spikes) -> list[dict[str, Any]]:
    columns = {name: column.tolist() for name, column in spikes._asdict().items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("limit", [10**6, 400, 130, 1, 0])
def test_single_spikes_are_the_latest_in_whole_instants(limit: int, random: Run, real: Run) -> None:
    for run in (random, real):
        expected = expected_spikes(run, limit)
        assert rows_of_spikes(raster_of(run, limit, end_of(run)).spikes()) == expected
        assert len(expected) <= limit
        assert len({row["behind"] for row in expected}) > (10 if limit == 10**6 else 2 if limit > 100 else -1)


def test_bins_hold_every_spike(random: Run, real: Run) -> None:
    for run in (random, real):
        end_ns = end_of(run)
        raster = raster_of(run, 10, end_ns)
        bins = raster.bins()
        expected: Counter[tuple[int, int, int]] = Counter()
        for row in rows_of(run):
            if row["kind"] in SENDS:
                population = run.populations.index(row["population"])
                group = bins.first_group[population] + row["neuron"] // bins.neurons_per_group[population]
                expected[SENDS.index(row["kind"]), group, int(row["time_ns"] / end_ns * N_BINS)] += 1
        found = {tuple(place): int(bins.counts[tuple(place)]) for place in np.argwhere(bins.counts).tolist()}
        # at the very edge of a bin the two may round to either side
        assert sum((Counter(found) - expected).values()) <= 0.002 * raster.n_spikes
        assert bins.counts.sum() == raster.n_spikes == sum(expected.values()) > 100


# --- costs


def summed(rows: list[dict[str, Any]]) -> list[int]:
    return [len(rows), *(sum(row[name] for row in rows) for name in COUNTS)]


def test_costs_by_sender_are_sums_of_bills(random: Run, real: Run) -> None:
    for run in (random, real):
        end_ns = end_of(run)
        costs = SenderCosts(run, end_ns)
        for batch in run.event_batches():
            costs.add(batch)
        ends = {each["name"]: each for each in run.provenance["projections"]}

        def sender(row: dict[str, Any], ends: dict[str, Any] = ends) -> str:
            if row["population"] is not None:
                return str(row["population"])
            by_source = row["kind"] in ("forward_arrival", "row_update")
            return str(ends[row["projection"]]["source" if by_source else "target"])

        rows = rows_of(run)
        found = costs.costs()
        for k, name in enumerate(found.names):
            mine = [row for row in rows if sender(row) == name]
            assert found.sums[k].sum(axis=(0, 1)).tolist() == summed(mine)
            late = [row for row in mine if row["time_ns"] >= end_ns * 0.5]
            assert found.sums[k, N_TIMES // 2 :].sum(axis=(0, 1)).tolist() == summed(late)
        forward = [row for row in rows if row["kind"] in ("forward", "forward_arrival")]
        assert found.sums[:, :, WAYS.index("forward")].sum(axis=(0, 1)).tolist() == summed(forward)


def test_costs_by_sensor_are_those_of_the_query(real: Run) -> None:
    costs = costs_by_sensor(real, end_of(real))
    for row in real.bills("sensor"):
        name = row["sensor"] or "nobody"
        found = costs.whole()[costs.names.index(name)].sum(axis=0)
        # the query rounds to whole numbers, each of them off by less than 1
        assert found == pytest.approx([row[each] for each in SUMMED], abs=len(WAYS))
    assert {"fast", "slow", "ahead"} <= set(costs.names)


# --- answers


def outcomes(rows: list[tuple[int, str, str, int, int, float]]) -> pa.Table:
    time_ns, target, group, predicted, label, loss = zip(*rows, strict=True)
    columns = {"time_ns": time_ns, "target": target, "group": group, "predicted": predicted, "label": label}
    columns |= {"loss": loss, "learned": [True] * len(rows)}
    return pa.Table.from_pydict(columns, schema=pa.schema(list(OUTCOME_FIELDS)))


def test_answers_by_hand() -> None:
    rows = [(k, "word", "seen", 1, 1 if k % 4 else 0, 0.5) for k in range(8)]
    rows += [(8 + k, "word", "unseen", 1, 0, 0.5) for k in range(2)]
    rows += [(10, "height", "all", -1, -1, 2.0), (11, "height", "all", -1, -1, 4.0)]
    height, seen, unseen = answers_over_time(outcomes(rows))
    assert (height.target, height.is_loss, height.values) == ("height", True, (2.0, 4.0))
    assert (seen.group, seen.is_loss, seen.samples) == ("seen", False, (1,) * 8)
    assert seen.values == (0.0, 100.0, 100.0, 100.0) * 2
    assert (seen.begin_ns, seen.end_ns) == (tuple(range(8)), tuple(range(8)))
    assert unseen.values == (0.0, 0.0)


def test_answers_of_many_samples_are_few_and_lose_none() -> None:
    rows = [(k, "word", "seen" if k < 900 else "unseen", k % 3, 0, 1.0) for k in range(1200)]
    seen, unseen = answers_over_time(outcomes(rows))
    assert sum(seen.samples) == 900
    assert sum(unseen.samples) == 300
    assert len(seen.samples) + len(unseen.samples) == MAX_POINTS
    assert set(seen.samples + unseen.samples) == {25}
    right = sum(n * value for n, value in zip(seen.samples, seen.values, strict=True) if value is not None)
    assert right == pytest.approx(100 * 300)


# --- drawing


def test_depths_follow_the_longest_way_and_circles_are_no_hindrance() -> None:
    assert depths(4, [(0, 1), (1, 2), (0, 2), (2, 3)]) == [0, 1, 2, 3]
    assert depths(3, [(0, 1), (1, 1), (1, 2), (2, 1)]) == [0, 1, 2]
    assert depths(2, []) == [0, 0]


@given(st.integers(1, 6), st.data())
def test_without_circles_every_line_leads_on(n: int, data: st.DataObject) -> None:
    ends = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda each: each[0] < each[1])
    edges = data.draw(st.lists(ends)) if n > 1 else []
    found = depths(n, edges)
    assert all(found[a] < found[b] for a, b in edges)


@pytest.mark.parametrize("downwards", [False, True])
def test_the_drawing_names_everything_and_fits(downwards: bool) -> None:
    nodes = [
        Node("<in>", 3, "sensor", 12.0, None),
        Node("middle", 40, "", 300.0, 20.0),
        Node("out", 2, "target", None, 5.0),
    ]
    projections = [("<in>", "middle"), ("<in>", "middle"), ("middle", "middle"), ("middle", "out")]
    lines = joined_lines([{"source": a, "target": b} for a, b in projections], nodes)
    assert [(line.n_projections, line.forward_hz, line.error_hz) for line in lines] == [
        (2, 12.0, None),
        (1, 300.0, 20.0),
        (1, 300.0, 5.0),
    ]
    tree = ElementTree.fromstring(drawing(nodes, lines, downwards=downwards))
    width, height = (float(each) for each in tree.attrib["viewBox"].split()[2:])
    texts = [each.text or "" for each in tree.iter() if each.tag.endswith("text")]
    for words in ("<in>", "3 neurons, sensor", "2 × 12 spikes/s", "300 spikes/s", "errors 5 spikes/s"):
        assert words in texts
    for each in tree.iter("rect"):
        x, y, w, h = (float(each.attrib[name]) for name in ("x", "y", "width", "height"))
        assert (0 <= x <= width - w, 0 <= y <= height - h) == (True, True)
    for path in tree.iter("path"):
        numbers = [float(each) for each in re.findall(r"-?\d+", path.attrib["d"])]
        assert all(0 <= x <= width for x in numbers[::2])
        assert all(0 <= y <= height for y in numbers[1::2])


LONG = "a name of a population that no box has room for, and which nobody forbids"


def drawn_texts(tree: ElementTree.Element, within: str) -> list[tuple[float, float, float, float]]:
    """The texts of a drawing whose class begins so, as boxes: left, top, right, bottom, for letters of some width."""
    found = []
    for each in tree.iter():
        if each.tag.endswith("text") and each.attrib["class"].startswith(within):
            em = 14 if within == "name" else 11.5
            width, x, y = 0.55 * em * len(each.text or ""), float(each.attrib["x"]), float(each.attrib["y"])
            found.append((x - width / 2, y - 0.7 * em, x + width / 2, y))
    return found


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("n_targets", [1, 2, 3])
def test_rates_cover_neither_each_other_nor_populations(n_targets: int, downwards: bool) -> None:
    """Two sensors, a population with a way back to itself, and several targets that send errors."""
    targets = [Node(f"out {k}", 2, "target", None, 46.5) for k in range(n_targets)]
    nodes = [
        Node("fast", 3, "sensor", 252.0, None),
        Node("slow", 2, "sensor", 55.7, None),
        Node("hidden", 20, "", 579.0, 167.0),
    ]
    projections = [(0, 2), (0, 2), (1, 2), (2, 2), *((2, 3 + k) for k in range(n_targets))]
    nodes += targets
    lines = joined_lines([{"source": nodes[a].name, "target": nodes[b].name} for a, b in projections], nodes)
    tree = ElementTree.fromstring(drawing(nodes, lines, downwards=downwards))
    rates = drawn_texts(tree, "rate")
    assert len(rates) == 4 + 2 * n_targets
    boxes = [tuple(float(each.attrib[name]) for name in ("x", "y", "width", "height")) for each in tree.iter("rect")]
    taken = rates + [(x, y, x + width, y + height) for x, y, width, height in boxes]
    assert not [(one, other) for one in rates for other in taken if one is not other and overlap(one, other)]
    # nothing is drawn over them
    classes = [each.attrib.get("class", "") for each in tree.iter()]
    assert "projection" not in classes[classes.index("rate") :]


@pytest.mark.parametrize("name", [LONG, LONG.upper(), "網" * 40, "short", "MMMMMMMMMMMMMMMM"])
def test_names_stay_in_their_boxes(name: str) -> None:
    tree = ElementTree.fromstring(drawing([Node(name, 10**7, "sensor", 0.000432, None)], (), downwards=False))
    [rect] = tree.iter("rect")
    left, right = float(rect.attrib["x"]), float(rect.attrib["x"]) + float(rect.attrib["width"])
    [shown] = [each.text or "" for each in tree.iter() if each.attrib.get("class") == "name"]
    wide = 14 if name[0] == "網" else 12.5 if name[0] == "M" else 10 if name.isupper() else 7.5
    assert len(shown) * wide <= right - left
    assert shown == name or (
        shown[-1] == "…" and name.startswith(shown[:-1]) and len(shown) * wide > (right - left) / 2
    )
    assert any(
        each.text == f"{name}: 10,000,000 neurons, 1.56 spikes/h" for each in tree.iter()
    )  # all of it, to point at


def test_a_drawing_shrinks_only_as_far_as_it_can_be_read() -> None:
    nodes = [Node(f"layer {k}", 4, "", 10.0, None) for k in range(60)]
    lines = joined_lines([{"source": f"layer {k}", "target": f"layer {k + 1}"} for k in range(59)], nodes)
    tree = ElementTree.fromstring(drawing(nodes, lines, downwards=False))
    width = float(tree.attrib["viewBox"].split()[2])
    least = re.search(r"min-width:(\d+)px", tree.attrib["style"])
    assert least is not None
    assert width > 10_000
    assert 0.7 * width < float(least[1]) < width


def test_rates_that_are_not_known_are_not_said_to_be_none() -> None:
    nodes = [Node("a", 1, "", None, None), Node("b", 1, "", None, None)]
    tree = ElementTree.fromstring(
        drawing(nodes, joined_lines([{"source": "a", "target": "b"}], nodes), downwards=False)
    )
    assert not drawn_texts(tree, "rate")
    assert "spikes/s" not in tree.attrib["aria-label"]


def test_a_network_of_unconnected_populations_is_drawn(tmp_path: Path) -> None:
    tree = ElementTree.fromstring(drawing([Node("one", 1, "", 0.0, None)], (), downwards=False))
    assert len(list(tree.iter("rect"))) == 1
