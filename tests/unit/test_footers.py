"""What is noted of footers changes how long a look takes, and nothing of what is seen."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventnet.errors import InputError
from eventnet.trace import footers
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.footers import FILE, known_footers, mark_of
from eventnet.trace.parts import Parts
from eventnet.trace.queries import Run, open_run
from eventnet.trace.sql import ask
from eventnet.trace.store import RunWriter
from tests.fake_runs import new_writer, random_batches, random_outcomes, record, small_graph

N_PARTS = 4


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    with new_writer(path, small_graph(), part_events=500) as writer:
        record(writer, random_batches(small_graph(), 2_200, seed=8))
        for outcome in random_outcomes(40, seed=9):
            writer.outcome(outcome)
    return path


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "run")


def no_footer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"the footer of {path} was read")

    monkeypatch.setattr(pq, "read_metadata", refuse)


def test_lines_are_what_the_footers_say(run: Path) -> None:
    lines = [json.loads(line.partition(" ")[2]) for line in (run / "trace" / FILE).read_text().splitlines()]
    assert [line["part"] for line in lines] == list(range(N_PARTS))
    for line in lines:
        file = run / "trace" / f"events-{line['part']:06d}.parquet"
        table = pq.read_table(file, columns=["event", "time_ns"])
        for name in ("event", "time_ns"):
            values = table[name].to_numpy()
            assert line[name] == [values.min(), values.max()]
        assert line["rows"] == table.num_rows == pq.read_metadata(file).num_rows
        assert line["n_bytes"] == file.stat().st_size
        assert line["schema_version"] == SCHEMA_VERSION


def test_a_copy_of_a_run_is_opened_without_reading_a_footer(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_footer_is_read(monkeypatch)
    trace = open_run(run).trace
    assert trace is not None
    assert (len(trace.parts), trace.n_rows) == (N_PARTS, 2_200)


def test_what_a_run_lacks_is_noted_once_it_has_ended(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run / "trace" / FILE
    noted = file.read_bytes()
    status = json.loads((run / "status.json").read_text())
    file.unlink()
    (run / "status.json").write_text(json.dumps(status | {"state": "running"}))
    open_run(run)
    assert not file.exists()  # its writer may be adding to it
    (run / "status.json").write_text(json.dumps(status))
    open_run(run)
    assert file.read_bytes() == noted
    no_footer_is_read(monkeypatch)
    open_run(run)


def test_a_part_in_the_place_of_another_is_noticed(run: Path) -> None:
    first, second = (run / "trace" / f"events-00000{k}.parquet" for k in (0, 1))
    shutil.copyfile(second, first)
    with pytest.raises(InputError, match=r"events-000000\.parquet.*another part under this name.*events-000001"):
        open_run(run)


def as_old_as_its_lines(file: Path) -> None:
    """Have a file that looks as if it had not been written since its footer was noted."""
    noted = (file.parent / FILE).stat()
    os.utime(file, ns=(noted.st_atime_ns, noted.st_mtime_ns))


def test_a_part_of_another_size_is_noticed_whatever_its_date(run: Path) -> None:
    first, second = (run / "trace" / f"events-00000{k}.parquet" for k in (0, 1))
    assert first.stat().st_size != second.stat().st_size
    shutil.copyfile(second, first)
    as_old_as_its_lines(first)
    with pytest.raises(InputError, match=r"events-000000\.parquet.*another part under this name"):
        open_run(run)


def test_a_younger_part_of_the_same_size_is_noticed(run: Path) -> None:
    file = run / "trace" / "events-000000.parquet"
    content = bytearray(file.read_bytes())
    content[-6] ^= 255  # how long its footer is
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"events-000000\.parquet: is damaged"):
        open_run(run)


def test_parts_are_not_looked_into_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a copy are once, and so are no longer younger than what is noted of them."""
    expected = open_run(run).trace
    for file in (run / "trace").glob("events-*"):
        file.touch()
    looked: list[Path] = []

    def noted(file: Path) -> footers.Mark:
        looked.append(file)
        return mark_of(file)

    monkeypatch.setattr("eventnet.trace.parts.mark_of", noted)
    assert open_run(run).trace == expected
    assert len(looked) == N_PARTS
    looked.clear()
    assert open_run(run).trace == expected
    assert not looked


def test_a_part_that_was_cut_is_noticed(run: Path) -> None:
    file = run / "trace" / "events-000002.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"events-000002\.parquet: is damaged"):
        open_run(run)
    assert list(open_run(run, skip_damaged=True).damaged) == [file]


def test_a_footer_longer_than_one_look_is_marked_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run / "trace" / "events-000000.parquet"
    usual = mark_of(file)
    monkeypatch.setattr(footers, "_USUAL_BYTES", 64)
    assert mark_of(file) == usual
    content = bytearray(file.read_bytes())
    n_footer = int.from_bytes(content[-8:-4], "little")
    content[-8 - n_footer] ^= 1
    file.write_bytes(content)
    assert mark_of(file) != usual


def test_notes_of_another_version_are_left_out(run: Path) -> None:
    known = known_footers(run / "trace")
    with patch("eventnet.trace.footers.SCHEMA_VERSION", SCHEMA_VERSION + 1):
        assert known_footers(run / "trace") == {}
        open_run(run)
        assert known_footers(run / "trace") == known
    assert known_footers(run / "trace") == {}


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_bit_does_no_harm(original: Path, place: int, bit: int) -> None:
    file = original / "trace" / FILE
    whole, known = file.read_bytes(), known_footers(file.parent)
    changed = bytearray(whole)
    changed[place % len(changed)] ^= 1 << bit
    try:
        file.write_bytes(changed)
        told = known_footers(file.parent)
        assert told.items() <= known.items()
        # a line is lost, or two where one ends and the next begins; none where a letter of a checksum becomes a capital
        assert N_PARTS - 2 <= len(told) <= N_PARTS
        open_run(original)
        assert known_footers(file.parent) == known
    finally:
        file.write_bytes(whole)


@given(cut=st.integers(0, 10_000), foreign=st.binary(max_size=40), twice=st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_notes_do_no_harm(original: Path, cut: int, foreign: bytes, twice: bool) -> None:
    file = original / "trace" / FILE
    whole, known = file.read_bytes(), known_footers(file.parent)
    expected = open_run(original).events()
    try:
        file.write_bytes(whole[: cut % (len(whole) + 1)] + foreign + (whole if twice else b""))
        assert open_run(original).events() == expected
        assert open_run(original).events() == expected
        assert known_footers(file.parent) == known
    finally:
        file.write_bytes(whole)


def test_a_resumed_run_drops_the_notes_of_parts_that_it_writes_again(tmp_path: Path) -> None:
    graph, path = small_graph(), tmp_path / "run"
    batches = list(random_batches(graph, 2_200, seed=8))
    with new_writer(path, graph, part_events=500) as writer:
        record(writer, iter(batches[:40]))
        writer.checkpoint({"next_batch": 40}, batches[39].time_ns)
        record(writer, iter(batches[40:]))
    before = (path / "trace" / FILE).read_bytes()
    assert len(before.splitlines()) == N_PARTS
    resumed, state = RunWriter.resume(path, graph)
    with resumed:
        n_left = len((path / "trace" / FILE).read_bytes().splitlines()) if (path / "trace" / FILE).exists() else 0
        assert n_left == sum(batch.neurons.size for batch in batches[:40]) // 500 < N_PARTS
        record(resumed, iter(batches[state["next_batch"] :]))
    assert (path / "trace" / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "asked", [{"start_ns": 10_000, "end_ns": 12_000}, {"end_ns": 1}, {"start_ns": 55_000}, {"end_ns": 20_000}, {}]
)
def test_parts_of_other_times_are_not_looked_into(
    run: Path, asked: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = open_run(run)
    assert found.trace is not None
    reads_what_it_needs(found, asked, monkeypatch)


def test_where_parts_begin_and_end(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = open_run(run)
    assert found.trace is not None
    for first_ns, last_ns in (footer.ranges["time_ns"] for footer in found.trace.footers):
        for asked in ({"start_ns": last_ns}, {"start_ns": last_ns + 1}, {"end_ns": first_ns}, {"end_ns": first_ns + 1}):
            with monkeypatch.context() as context:
                reads_what_it_needs(found, asked, context)


def reads_what_it_needs(found: Run, asked: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The right events, from the parts alone that have any of that time, and from the tail, which is in memory."""
    every = found.events()
    times_ns = every["time_ns"].to_numpy()
    wanted = (times_ns >= asked.get("start_ns", 0)) & (times_ns < asked.get("end_ns", 2**63 - 1))
    read: list[int] = []
    piece = Parts.piece

    def noted(self: Parts, k: int, *rest: Any) -> pa.Table:
        read.append(k)
        return piece(self, k, *rest)

    monkeypatch.setattr(Parts, "piece", noted)
    assert found.events(**asked).equals(every.filter(pa.array(wanted)))
    with_some = [k for k in range(N_PARTS) if wanted[500 * k : 500 * (k + 1)].any()]
    assert read == [*with_some, N_PARTS]


def answer(run: Path, query: str) -> list[tuple[Any, ...]]:
    with ask(open_run(run), query) as found:
        return list(found.rows)


@pytest.mark.parametrize("where", ["event between 1100 and 1399", "event = 1499", "time_ns = {time_ns}"])
def test_sql_looks_into_no_part_of_other_events_or_times(run: Path, where: str) -> None:
    whole = open_run(run).events()
    time_ns = whole["time_ns"][1_250].as_py()
    query = f"select event from events where {where.format(time_ns=time_ns)} order by event"
    expected = answer(run, query)
    for k in (0, 1, 3):
        file = run / "trace" / f"events-{k:06d}.parquet"
        content = bytearray(file.read_bytes())
        n_footer = int.from_bytes(content[-8:-4], "little")
        content[4 : len(content) - 8 - n_footer] = bytes(len(content) - 12 - n_footer)  # all rows, but not the footer
        file.write_bytes(content)
    assert answer(run, query) == expected
    assert expected
    with pytest.raises(InputError, match="is damaged"):
        answer(run, "select sum(value) from events")
