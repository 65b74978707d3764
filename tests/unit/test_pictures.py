"""Pictures show what the answers say: they are read back, and compared with the numbers that they were drawn from."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.operations.conventions import Convention
from eventnet.operations.energy import load_energy_table
from eventnet.reports.costs import costs_of, name_of, shown_columns
from eventnet.reports.numbers import signed
from eventnet.reports.pictures import raster as drawing
from eventnet.reports.pictures.bars import bars_picture
from eventnet.reports.pictures.raster import raster_picture
from eventnet.reports.pictures.spike import spike_picture
from eventnet.reports.pictures.svg import TEXT_EM, document, shortened, text, text_width, ticks_ns, wrapped
from eventnet.reports.pictures.weight import weight_picture
from eventnet.reports.why import made_of
from eventnet.trace.events import Kind
from eventnet.trace.queries import Run, open_run
from eventnet.why.effects import effects
from eventnet.why.lineage import trace_back
from eventnet.why.past import Past, open_past
from eventnet.why.weight_history import weight_history
from tests.recorded import random_run, two_rates

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_rates(tmp_path_factory.mktemp("pictures") / "run", 3.0)


@pytest.fixture(scope="module")
def past(run: Run) -> Past:
    return open_past(run.path)


def read(picture: str) -> ET.Element:
    """A picture by a reader of XML; everything in it lies within it."""
    root = ET.fromstring(picture)
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    for rect in root.iter(f"{SVG}rect"):
        assert -1 <= float(rect.attrib["x"]) <= float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width + 1
        assert float(rect.attrib["height"]) <= height
    return root


def titled(root: ET.Element, shape: str) -> dict[str, ET.Element]:
    """The shapes of one kind by their titles."""
    found = {}
    for each in root.iter(f"{SVG}{shape}"):
        title = each.find(f"{SVG}title")
        if title is not None and title.text:
            found[title.text] = each
    return found


def words_of(root: ET.Element) -> list[str]:
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


def some_spikes(past: Past, n: int = 4) -> list[int]:
    """Spikes and errors of every population, the last of each."""
    events, found = past.log.between(0, past.log.n_events), []
    for kind in (Kind.FORWARD, Kind.BACKWARD):
        for owner in range(past.log.n_populations):
            found += events.event[(events.kind == kind) & (events.owner == owner)].tolist()[-n:]
    assert len(found) > 4 * n
    return found


# --- what they are made of


@given(st.text())
def test_any_text_is_told(words: str) -> None:
    """But for what no XML may hold."""
    root = read(document(100, 50, words, text(1, 1, words)))
    told = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", words)
    expected = told.replace("\r\n", "\n").replace("\r", "\n")  # as XML has it
    assert "".join(words_of(root)) == expected
    assert (root[0].text or "") == expected


@given(st.text(min_size=1, max_size=60), st.floats(30, 300))
def test_a_text_is_cut_to_its_room(words: str, room: float) -> None:
    cut = shortened(words, TEXT_EM, room)
    assert text_width(cut, TEXT_EM) <= room
    assert cut == words or (cut.endswith("…") and words.startswith(cut[:-1]))
    lines = wrapped(words, room)
    assert " ".join(lines).split() == words.split()
    assert all(text_width(each, TEXT_EM) <= room or " " not in each for each in lines)


@given(st.integers(0, 10**18), st.integers(1, 10**18), st.integers(2, 20))
def test_round_times(start_ns: int, span_ns: int, n: int) -> None:
    found = ticks_ns(start_ns, start_ns + span_ns, n)
    assert len(found) <= n + 1
    assert all(start_ns <= each <= start_ns + span_ns for each in found)
    steps = {b - a for a, b in pairwise(found)}
    assert len(steps) <= 1
    for step in steps:
        assert re.fullmatch("[125]0*", str(step))
        assert all(each % step == 0 for each in found)
    assert len(found) >= n // 3 or span_ns < n


# --- why


def test_what_made_a_spike_adds_up_to_what_was_sent(past: Past) -> None:
    """Each bar begins where the one before ends, in one scale, and phi is what lies between the sum and the spikes."""
    for event in some_spikes(past):
        lineage = trace_back(past, event, 1, 3)
        explanation = lineage.explanations[event]
        root = read(spike_picture(lineage, effects(past, event, 3), 3))
        bars = [each for each in root.iter(f"{SVG}rect") if float(each.attrib["height"]) == 14]
        shares = [part.share for part in made_of(explanation, 3)]
        total = explanation.phi_before + explanation.a
        expected = [*shares, total, explanation.s, explanation.phi_after]
        titles = ["".join(each.itertext()) for each in bars]
        assert [title.rpartition(": ")[2] for title in titles] == [signed(share) for share in expected]
        begins = [*np.cumsum([0, *shares])[:-1].tolist(), 0.0, 0.0, explanation.s]
        edges = [(min(b, b + share), max(b, b + share)) for b, share in zip(begins, expected, strict=True)]
        lefts = [float(each.attrib["x"]) for each in bars]
        widths = [float(each.attrib["width"]) for each in bars]
        least, most = min(a for a, _ in edges), max(b for _, b in edges)
        scale = 400 / (most - least)
        for (begin, end), left, width in zip(edges, lefts, widths, strict=True):
            assert left == pytest.approx(330 + (begin - least) * scale, abs=0.2)
            assert width == pytest.approx(max((end - begin) * scale, 1.0), abs=0.2)


def test_every_spike_behind_it_and_after_it_has_a_box_and_its_share(past: Past) -> None:
    n_links = 0
    for event in some_spikes(past, 2):
        lineage, caused = trace_back(past, event, 2, 3), effects(past, event, 3)
        root = read(spike_picture(lineage, caused, 3))
        after: dict[int, float] = {}
        for each in (each for reached in caused.reached for each in reached.spikes):
            after[each.event] = after.get(each.event, 0.0) + each.share
        boxes = [title for title, each in titled(root, "rect").items() if float(each.attrib["height"]) == 40]
        numbers = sorted(int(re.match(r"event (\d+):", title)[1]) for title in boxes)  # type: ignore[index]
        assert numbers == sorted({*lineage.explanations, *after})
        shares = [
            sum(arrival.share for arrival in lineage.explanations[effect].arrivals if arrival.spike == cause)
            for effect, causes in lineage.followed.items()
            for cause in causes
        ]
        shares += after.values()
        links = [each.find(f"{SVG}title") for each in root.iter(f"{SVG}path")]
        told = [each.text for each in links if each is not None]
        assert Counter(told) == Counter(f"share {signed(share)}" for share in shares)
        n_links += len(told)
    assert n_links > 10


def test_a_weight_goes_from_its_first_to_its_last_value(run: Run) -> None:
    history = weight_history(run, run.projections[-1], 0, 1)
    assert len(history.changes) > 20
    root = read(weight_picture(history, 4))
    (way,) = (each.attrib["d"] for each in root.iter(f"{SVG}path") if each.attrib["class"] == "s-plus")
    assert way[0] == "M"
    begin = float(way[1:].split("H")[0].split()[1])
    heights = [begin, *map(float, re.findall(r"V([\d.]+)", way))]
    weights = [history.initial, *(change.weight for change in history.changes)]
    least, most = min(weights), max(weights)
    # from above, 300 high
    assert heights[0] == pytest.approx(362 - 300 * (history.initial - least) / (most - least), abs=0.1)
    assert heights[-1] == pytest.approx(362 - 300 * (weights[-1] - least) / (most - least), abs=0.1)
    assert (min(heights), max(heights)) == (62, 362)
    largest = sorted(history.changes, key=lambda change: -abs(change.change))[:4]
    marked = titled(root, "rect")
    assert sorted(title.split(",")[0] for title in marked) == sorted(f"event {each.event}" for each in largest)


def test_a_spike_that_owes_by_two_ways_has_one_line_with_both(past: Past) -> None:
    event = some_spikes(past)[0]
    lineage, caused = trace_back(past, event, 1, 3), effects(past, event, 3)
    reached = next(each for each in caused.reached if each.spikes)
    other = replace(reached, spikes=tuple(replace(each, share=0.25) for each in reached.spikes))
    root = read(spike_picture(lineage, replace(caused, reached=(reached, other)), 3))
    told = [each.findtext(f"{SVG}title") for each in root.iter(f"{SVG}path")]
    for each in reached.spikes:
        assert told.count(f"share {signed(each.share + 0.25)}") == 1


def test_a_weight_that_was_elsewhere_for_a_moment(run: Run) -> None:
    """Within one place of the picture."""
    history = weight_history(run, run.projections[-1], 0, 1)
    one, two = history.changes[0], history.changes[1]
    at_ns = history.time_ns // 2
    changes = (replace(one, time_ns=at_ns, weight=5.0), replace(two, time_ns=at_ns + 1, weight=1.0))
    root = read(weight_picture(replace(history, initial=1.0, changes=changes, weight=1.0), 4))
    (way,) = (each.attrib["d"] for each in root.iter(f"{SVG}path") if each.attrib["class"] == "s-plus")
    assert "V62.0" in way
    read(weight_picture(replace(history, initial=1e17, changes=(), weight=1e17), 4))


def test_a_weight_that_never_changed(run: Run) -> None:
    history = replace(weight_history(run, run.projections[-1], 0, 1), changes=(), weight=0.25, initial=0.25)
    assert "0.25 at first" in " ".join(words_of(read(weight_picture(history, 4))))


# --- who fired when


def drawn(run: Run, **question: object) -> tuple[ET.Element, list[dict[str, object]]]:
    """The picture of a question, and the rows that answer it."""
    rows = [row for batch in run.spikes(**question) for row in batch.to_pylist()]  # type: ignore[arg-type]
    return read(raster_picture(run, **question)), rows  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "question",
    [
        {"start_ns": 10**9, "end_ns": 11 * 10**8},
        {"population": "hidden", "neuron": 3, "end_ns": 2 * 10**9},
        {"kind": "backward", "start_ns": 2 * 10**9, "end_ns": 21 * 10**8},
        {"kind": "column_update", "start_ns": 2 * 10**9, "end_ns": 21 * 10**8},
        {"kind": "encode", "start_ns": 2 * 10**9, "end_ns": 21 * 10**8},
    ],
)
def test_each_of_few_spikes_has_a_mark_that_says_which_it_is(run: Run, question: dict[str, object]) -> None:
    root, rows = drawn(run, **question)
    assert 5 < len(rows) <= drawing.SINGLES
    marks = titled(root, "rect")
    assert len(marks) == len(rows)
    by_event = {int(re.match(r"event (\d+):", title)[1]): (title, each) for title, each in marks.items()}  # type: ignore[index]
    start_ns, end_ns = int(question.get("start_ns", 0)), int(question["end_ns"])  # type: ignore[call-overload]
    heights: dict[tuple[object, object], set[tuple[object, float]]] = {}
    for row in rows:
        title, mark = by_event[row["event"]]  # type: ignore[index]
        place = row["population"] or row["projection"]
        whose = place if row["neuron"] == -1 else f"{place} {row['neuron']}"
        assert f": {whose}, {row['kind']} {row['value']:+g} at" in title
        share = (row["time_ns"] - start_ns) / (end_ns - start_ns)  # type: ignore[operator]
        middle = float(mark.attrib["x"]) + 0.75
        assert middle == pytest.approx(drawing.LEFT + share * (drawing.RIGHT - drawing.LEFT), abs=0.1)
        assert mark.attrib["class"] == {"forward": "plus", "backward": "minus"}.get(str(row["kind"]), "other")
        lane = heights.setdefault((place, row["kind"]), set())
        lane.add((row["neuron"], float(mark.attrib["y"])))
    for places in heights.values():  # each neuron in its row, those with larger numbers lower
        in_order = sorted(places)
        assert len({neuron for neuron, _ in in_order}) == len(in_order)
        assert [y for _, y in in_order] == sorted(y for _, y in in_order)


def shaded(root: ET.Element) -> dict[float, Counter[tuple[int, float]]]:
    """By strength the places that have a mark: columns, and how far down."""
    found: dict[float, Counter[tuple[int, float]]] = {}
    wide = (drawing.RIGHT - drawing.LEFT) / drawing.COLUMNS
    for each in root.iter(f"{SVG}path"):
        if each.attrib["class"] in ("s-plus", "s-minus"):
            places = found.setdefault(float(each.attrib.get("opacity", 1)), Counter())
            for x, y, length in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", each.attrib["d"]):
                begin = round((float(x) - drawing.LEFT) / wide)
                for column in range(begin, begin + max(1, round(float(length) / wide))):
                    places[column, float(y)] += 1
    return found


def test_of_many_spikes_places_are_shaded_by_how_many_there_are(run: Run) -> None:
    root, rows = drawn(run, population="hidden", kind="forward")
    assert len(rows) > drawing.SINGLES
    end_ns = run.end_ns()
    counts = Counter(
        (int(row["time_ns"] / end_ns * drawing.COLUMNS), row["neuron"])  # type: ignore[operator]
        for row in rows
    )
    most = max(counts.values())
    expected: dict[float, Counter[int]] = {}
    for (column, _), n in counts.items():
        expected.setdefault(np.ceil(4 * n / most) / 4, Counter())[column] += 1
    found = {strength: Counter(column for column, _ in places) for strength, places in shaded(root).items()}
    assert found == expected
    assert all(n == 1 for places in shaded(root).values() for n in places.values())


def test_large_populations_share_rows_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(4)
    neurons, times_ns = rng.integers(0, 5_000, 3_000), np.sort(rng.integers(0, 10**6, 3_000))
    raster = drawing._Raster("many", 0, 10**6, drawing._Sizes({"wide": 5_000}, {}), None)
    batch = pa.record_batch(
        {
            "time_ns": times_ns,
            "kind": pa.array(["forward"] * 3_000).dictionary_encode(),
            "population": pa.array(["wide"] * 3_000).dictionary_encode(),
            "projection": pa.nulls(3_000, pa.string()),
            "neuron": neurons,
        }
    )
    for first in range(0, 3_000, 700):
        raster.count(pa.Table.from_batches([batch.slice(first, 700)]))
    places = shaded(read(raster.draw()))
    columns, lines = times_ns * drawing.COLUMNS // 10**6, neurons * drawing.LANE // 5_000
    expected = set(zip(columns.tolist(), lines.tolist(), strict=True))
    assert sum(map(len, places.values())) == len(expected)
    assert {column for each in places.values() for column, _ in each} == set(columns.tolist())


def test_names_of_populations_and_projections_are_apart() -> None:
    """And a lane of a projection has the neurons of the end that its kind tells of."""
    sizes = drawing._Sizes({"h": 40, "a long name of a population": 3}, {"h": (40, 2)})
    raster = drawing._Raster("names", 0, 10, sizes, None)
    batch = pa.record_batch(
        {
            "time_ns": [1, 2, 3, 4],
            "kind": pa.array(["forward", "row_update", "column_update", "backward"]).dictionary_encode(),
            "population": pa.array(["h", None, None, "a long name of a population"]).dictionary_encode(),
            "projection": pa.array([None, "h", "h", None]).dictionary_encode(),
            "neuron": [39, 39, 1, 2],
            "event": [0, 1, 2, 3],
            "value": [1.0, 1.0, 1.0, 1.0],
        }
    )
    raster.count(pa.Table.from_batches([batch]))
    raster.tell(pa.Table.from_batches([batch]))
    words = words_of(read(raster.draw()))
    assert {"40 neurons", "row_update, 40 neurons"} <= set(words)
    assert "h, column_update" in words  # of two neurons, for whom a line is enough
    assert any(word.endswith("…, errors") for word in words)


def test_where_nothing_fired(run: Run) -> None:
    root, rows = drawn(run, population="hidden", start_ns=0, end_ns=1)
    assert rows == []
    assert "0 events from 0 ns to 1 ns" in words_of(root)


# --- what it cost


@pytest.mark.parametrize("by", ["kind", "population", "projection", "direction", "sensor", "label", "network"])
@pytest.mark.parametrize("convention", ["counts", "paper"])
def test_bars_are_the_numbers_of_the_table(run: Run, tmp_path: Path, by: str, convention: str) -> None:
    run = random_run(tmp_path / "classes") if by == "label" else run  # whose configuration has gone
    costs = costs_of(run, by, Convention(convention), load_energy_table(None))
    costs = replace(costs, rows=list(costs.rows))
    columns, rows = shown_columns(costs), list(costs.rows)
    root = read(bars_picture(costs, "costs"))
    words, bars = words_of(root), titled(root, "rect")
    for column in columns:
        assert column.head in words
        values = {name_of(by, row[by]): row[column.name] or 0 for row in rows}
        widths = {
            name: float(bars[title].attrib["width"])
            if (title := f"{name}, {column.head}: {column.cell(row)}") in bars
            else 0
            for name, row in zip(values, rows, strict=True)
        }
        largest = max(values.values())
        for name, value in values.items():
            if largest:
                assert widths[name] == pytest.approx(max(widths.values()) * value / largest, abs=0.6)
            assert (widths[name] > 0) == (value > 0)
    assert len(bars) == sum(1 for column in columns for row in rows if row[column.name])
    if any(column.measure.is_energy for column in columns) and by != "label":
        assert "estimate" in " ".join(words)


def test_seconds_are_lines_over_time(run: Run) -> None:
    costs = costs_of(run, "second", Convention.COUNTS, load_energy_table(None))
    costs = replace(costs, rows=[row for row in costs.rows if row["second"] != 1])  # as if nothing had happened then
    root = read(bars_picture(costs, "costs"))
    lines = [each.attrib["d"] for each in root.iter(f"{SVG}path") if "V" in each.attrib["d"]]
    columns, rows = shown_columns(costs), list(costs.rows)
    assert len(lines) == len(columns)
    for column, way in zip(columns, lines, strict=True):
        ground, *heights = map(float, re.findall(r"(?:M[\d.]+ |V)([\d.]+)", way))
        first, nothing, *others = (ground - each for each in heights)
        assert nothing == 0
        values = [row[column.name] or 0 for row in rows]
        expected = [70 * value / (max(values) or 1) for value in values]
        assert [first, *others] == pytest.approx(expected, abs=0.15)


def test_of_long_runs_each_step_is_a_mean(run: Run) -> None:
    costs = costs_of(run, "second", Convention.COUNTS, load_energy_table(None))
    (row, *_) = costs.rows
    rows = [row | {"second": second, "acs": second % 7} for second in range(3_002)]
    root = read(bars_picture(replace(costs, rows=rows), "costs"))
    assert "means over 3 seconds; at most in one" in words_of(root)
    way = [each.attrib["d"] for each in root.iter(f"{SVG}path") if "V" in each.attrib["d"]][1]
    ground, *heights = map(float, re.findall(r"(?:M[\d.]+ |V)([\d.]+)", way))
    means = [np.mean([k % 7 for k in range(first, min(first + 3, 3_002))]) for first in range(0, 3_002, 3)]
    assert [ground - each for each in heights] == pytest.approx([70 * mean / max(means) for mean in means], abs=0.1)


def test_a_run_on_disk_says_when_it_ended(run: Run, tmp_path: Path) -> None:
    """Or just after its last event, where it has not."""
    assert run.end_ns() == run.status["time_ns"]
    going = replace(run, status={"state": "running"})
    assert going.end_ns() == 1 + max(row["time_ns"] for row in run.events().to_pylist())
    assert open_run(run.path).end_ns() == run.end_ns()
