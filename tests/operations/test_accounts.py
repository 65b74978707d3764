"""Sums from accounts are those of a loop over the rows of the trace, whatever became of the run or of its accounts, and
what accounts cover is not read again.
"""

from __future__ import annotations

import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import eventnet.running
from eventnet.config import load_config, with_overrides
from eventnet.errors import InputError
from eventnet.network import Rule, Wake
from eventnet.network.graph import Graph
from eventnet.operations.accounts import ACCOUNTS_VERSION, FOLDER, Accounts
from eventnet.operations.bills import COUNTS, BillTable, price
from eventnet.operations.charges import ANY_INPUT, Answers, Ledger, Runs, summed, sums_together
from eventnet.operations.payers import COLUMNS, share_bills
from eventnet.operations.summing import accounted_of, instants_of
from eventnet.running import resume, start
from eventnet.trace.events import NO_CAUSE, EventBatch, Kind, Phase
from eventnet.trace.parts import Parts
from eventnet.trace.queries import Run, open_run
from eventnet.trace.schema import KIND_NUMBERS
from eventnet.trace.store import RunWriter
from tests.cli.test_training import CONFIG as EPOCHS
from tests.unit.test_payers import random_run

CASES = [(31, Wake.LAZY, Rule.ACCRUAL), (32, Wake.CLOCKED, Rule.PAST), (33, Wake.EXACT, Rule.RECONSTRUCTION)]
KEYS = ("kind", "population", "projection", "direction", "second", "label", "sensor")
TOGETHER = 3
"""Accounts of so many parts become one here, so that a few parts have such accounts and others."""
BUT_LABEL = tuple(key for key in KEYS if key != "label")
PART_EVENTS = 30_000
DIRECTIONS = {
    "forward": "forward",
    "forward_arrival": "forward",
    "backward": "backward",
    "backward_arrival": "backward",
    **dict.fromkeys(("row_update", "column_update", "dense_update", "accrue", "settle"), "update"),
}

Sums = dict[Any, list[int]]
"""Events and bills by key."""


@pytest.fixture(scope="module", autouse=True)
def together_soon() -> Iterator[None]:
    with patch("eventnet.operations.accounts.TOGETHER", TOGETHER):
        yield


@contextmanager
def short_parts() -> Iterator[None]:
    """Parts and slices so short that a run of seconds has many, and a checkpoint after each slice."""
    clock_s = count(step=eventnet.running.SLICE_S)
    with (
        patch.dict(RunWriter.create.__func__.__kwdefaults__, part_events=PART_EVENTS),  # type: ignore[attr-defined]
        patch.object(eventnet.running, "FIRST_SLICE_NS", 10**8),
        patch.object(eventnet.running, "CHECKPOINT_EVERY_S", 0.0),
        patch.object(eventnet.running, "time", SimpleNamespace(monotonic=lambda: next(clock_s))),
        patch("eventnet.operations.ongoing.BLOCK_EVENTS", 400),
    ):
        yield


def quiet() -> Console:
    return Console(file=io.StringIO())


def record(path: Path, engine: str = "compiled", *, seed: int = 2, trace: bool = True) -> Path:
    """A run of epochs of images, with labels and codes that change in between, in several parts and a tail."""
    file = path.with_suffix(".yaml")
    file.write_text(EPOCHS, encoding="utf-8")
    with short_parts():
        config = with_overrides(load_config(file), seed=seed)
        start(config, engine=engine, out=path, trace=trace, command=[], console=quiet())
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("accounts") / "run")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network from another seed."""
    return record(tmp_path_factory.mktemp("accounts") / "run", seed=3)


def by_loop(run: Run) -> dict[str, Sums]:
    """What the rows of a trace and of its outcomes say, without accounts."""
    outcomes = run.outcomes().to_pylist()
    rows = run.events().to_pylist()
    n_samples = sum(row["kind"] == "loss" for row in rows)
    is_cut_off = run.status["state"] == "running" and n_samples > len(outcomes)  # the run of these tests has one target
    rest = {"label": None} if is_cut_off else outcomes[-1]
    found: dict[str, Any] = {key: defaultdict(lambda: [0] * (1 + len(COUNTS))) for key in KEYS[:-1]}
    for row in rows:
        coming = next((each for each in outcomes if each["time_ns"] >= row["time_ns"]), rest)
        names = (
            row["kind"],
            row["population"],
            row["projection"],
            DIRECTIONS.get(row["kind"]),
            row["time_ns"] // 10**9,
            coming["label"],
        )
        bill = [1, *(row[name] for name in COUNTS)]
        for key, name in zip(KEYS, names, strict=False):
            found[key][name] = [a + b for a, b in zip(found[key][name], bill, strict=True)]
    assert run.trace is not None
    shared = share_bills(run.trace.batches(COLUMNS), run.networks())
    by_payer = zip(shared.payers, shared.whole().sum(axis=1).tolist(), strict=True)
    found["sensor"] = {name: sums for name, sums in by_payer if name is not None or any(sums)}
    return {key: dict(sums) for key, sums in found.items()} | {"instants": instants_by_loop(run)}


def instants_by_loop(run: Run) -> Sums:
    """At how many instants each population took samples, and anything came at all (None)."""
    times_ns = defaultdict(set)
    for row in run.events().to_pylist():
        if row["kind"] in ("sample", "loss"):
            times_ns[None].add(row["time_ns"])
        if row["kind"] == "sample":
            times_ns[row["population"]].add(row["time_ns"])
    return {name: [len(each)] for name, each in times_ns.items()}


def asked(run: Run, keys: Sequence[str] = KEYS) -> dict[str, Sums]:
    """What `Run.sums` and `instants_of` say."""
    found = {key: {name: sums.sum(axis=0).tolist() for name, sums in run.sums(key).items()} for key in keys}
    return found | {"instants": {name: [n] for name, n in instants_of(run).items()}}


@contextmanager
def no_reading() -> Iterator[None]:
    """Reading events is a fault."""
    piece = Parts.piece

    def only_outcomes(parts: Parts, *given: Any, **named: Any) -> pa.Table:
        assert parts.name != "events", "events were read"
        return piece(parts, *given, **named)

    with patch.object(Parts, "piece", only_outcomes):
        yield


def accounts_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((path / FOLDER).iterdir())}


def names_for(n_parts: int) -> set[str]:
    """Of the files of accounts of a run with so many parts and a tail."""
    n_together = n_parts // TOGETHER * TOGETHER
    pieces = [
        *(f"{first:06d}-{first + TOGETHER - 1:06d}" for first in range(0, n_together, TOGETHER)),
        *(f"{k:06d}" for k in range(n_together, n_parts)),
        "tail",
    ]
    return {f"{what}-{piece}.account" for what in ("sums", "shares") for piece in pieces}


@pytest.mark.parametrize("engine", ["compiled", "actor"])
def test_a_run_leaves_all_that_is_asked_and_events_are_not_read(engine: str, compiled: Path, tmp_path: Path) -> None:
    path = record(tmp_path / "run", engine)
    run = open_run(path)
    assert run.trace is not None
    assert len(run.trace.parts) >= 3
    assert run.trace.tail is not None
    assert len(run.trace.parts) % TOGETHER
    assert set(accounts_of(path)) == names_for(len(run.trace.parts))
    expected = by_loop(run)
    assert all(min(sums) > 0 for sums in (expected["kind"]["forward"][:2], expected["sensor"]["pixels"][:2]))
    with no_reading():
        assert asked(run) == expected
    # both engines leave the same, and so does whoever asks
    assert accounts_of(path) == accounts_of(compiled)
    shutil.rmtree(path / FOLDER)
    assert asked(open_run(path)) == expected
    assert accounts_of(path) == accounts_of(compiled)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def changed(content: bytes) -> bytes:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


def test_accounts_of_other_rules_are_not_used(compiled: Path) -> None:
    accounts = Accounts(compiled)
    for piece in (range(TOGETHER), TOGETHER):
        assert accounts.sums(piece) is not None
        assert accounts.shares(piece) is not None
        with patch("eventnet.operations.accounts.ACCOUNTS_VERSION", ACCOUNTS_VERSION + 1):
            assert Accounts(compiled).sums(piece) is None
            assert Accounts(compiled).shares(piece) is None


def after(names: list[str], name: str) -> str:
    """The next of the accounts of the same kind, the first after the last."""
    alike = [each for each in names if each.partition("-")[0] == name.partition("-")[0]]
    return alike[(alike.index(name) + 1) % len(alike)]


damages = st.sampled_from(["kept", "kept", "missing", "cut", "changed", "empty", "foreign", "of other parts"])


@settings(max_examples=15)
@given(data=st.data())
def test_whatever_became_of_accounts(compiled: Path, other: Path, data: st.DataObject) -> None:
    names = list(accounts_of(compiled))
    done: dict[str, Callable[[str], bytes | None]] = {
        "kept": lambda name: (compiled / FOLDER / name).read_bytes(),
        "missing": lambda name: None,
        "cut": lambda name: cut((compiled / FOLDER / name).read_bytes()),
        "changed": lambda name: changed((compiled / FOLDER / name).read_bytes()),
        "empty": lambda name: b"",
        "foreign": lambda name: (other / FOLDER / name).read_bytes() if (other / FOLDER / name).exists() else None,
        "of other parts": lambda name: (compiled / FOLDER / after(names, name)).read_bytes(),
    }
    order = data.draw(st.permutations(KEYS))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        shutil.copytree(compiled, path)
        for name in names:
            content = done[data.draw(damages)](name)
            (path / FOLDER / name).unlink()
            if content is not None:
                (path / FOLDER / name).write_bytes(content)
        run = open_run(path)
        found = asked(run, order)
        assert found == expected_of(compiled)
        with no_reading():
            assert asked(run) == found
        assert accounts_of(path) == accounts_of(compiled)


def test_what_is_worked_out_goes_on_where_parts_together_end(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    for name in accounts_of(path):
        if not name.endswith(f"-{TOGETHER - 1:06d}.account"):
            (path / FOLDER / name).unlink()
    assert {name.partition("-")[0] for name in accounts_of(path)} == {"sums", "shares"}
    assert asked(open_run(path)) == expected_of(compiled)
    assert accounts_of(path) == accounts_of(compiled)


def expected_of(path: Path) -> dict[str, Sums]:
    """`by_loop`, once for each run."""
    if path not in _EXPECTED:
        _EXPECTED[path] = by_loop(open_run(path))
    return _EXPECTED[path]


_EXPECTED: dict[Path, dict[str, Sums]] = {}


@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("n_outcomes", [0.3, 0.6, 1.0])
def test_a_run_that_was_killed(n_parts: int, n_outcomes: float, compiled: Path, tmp_path: Path) -> None:
    """Later parts are missing though accounts know of them, and the answers of the last events were not recorded."""
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    (path / "summary.json").unlink()
    status = json.loads((path / "status.json").read_text(encoding="utf-8"))
    (path / "status.json").write_text(json.dumps(status | {"state": "running"}), encoding="utf-8")
    for part in sorted((path / "trace").glob("events-*.parquet"))[n_parts:]:
        part.unlink()
    (path / "trace" / "tail.parquet").unlink()
    answers = pq.read_table(path / "outcomes" / "tail.parquet")
    answers = answers.slice(0, int(n_outcomes * n_parts * answers.num_rows / 4))
    pq.write_table(answers, path / "outcomes" / "tail.parquet")
    run = open_run(path)
    assert run.n_events == n_parts * PART_EVENTS
    expected = by_loop(run)
    assert len(expected["label"]) > 1
    assert asked(run) == expected
    with no_reading():
        assert asked(run) == expected
    shutil.rmtree(path / FOLDER)
    assert asked(run) == expected


def test_who_asks_while_a_run_goes_on_spoils_nothing(compiled: Path, tmp_path: Path) -> None:
    """Answers are recorded more rarely than parts of the trace: what was summed without them is put right."""
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    shutil.rmtree(path / FOLDER)
    (path / "summary.json").unlink()
    status = json.loads((path / "status.json").read_text(encoding="utf-8"))
    (path / "status.json").write_text(json.dumps(status | {"state": "running"}), encoding="utf-8")
    for part in sorted((path / "trace").glob("events-*.parquet"))[TOGETHER - 1 :]:
        part.unlink()
    (path / "trace" / "tail.parquet").unlink()
    answers = pq.read_table(path / "outcomes" / "tail.parquet")
    pq.write_table(answers.slice(0, 3), path / "outcomes" / "tail.parquet")
    assert asked(open_run(path)) == by_loop(open_run(path))
    # it goes on, and ends
    for folder in ("trace", "outcomes"):
        shutil.copytree(compiled / folder, path / folder, dirs_exist_ok=True)
    for file in ("summary.json", "status.json"):
        shutil.copy(compiled / file, path / file)
    open_run(path).sums("kind")
    assert asked(open_run(path)) == expected_of(compiled)


@pytest.mark.parametrize("engine", ["compiled", "actor"])
@pytest.mark.parametrize("without", ["", "shares", "all"])
def test_a_run_that_was_resumed(engine: str, without: str, compiled: Path, tmp_path: Path) -> None:
    """What was recorded after the last checkpoint is dropped, and accounts of it are of no use."""
    advance, n_slices = eventnet.running._advance, 0

    def stopping(*given: Any) -> None:
        nonlocal n_slices
        n_slices += 1
        advance(*given)
        if n_slices == 7:
            raise KeyboardInterrupt

    path = tmp_path / "run"
    with patch.object(eventnet.running, "_advance", stopping), pytest.raises(KeyboardInterrupt):
        record(path, engine)
    before = open_run(path)
    assert 0 < before.n_events < open_run(compiled).n_events
    for file in (path / FOLDER).iterdir():
        if without == "all" or (without and file.name.startswith(without)):
            file.unlink()
    with short_parts():
        resume(path, quiet())
    expected = expected_of(compiled)
    with no_reading():
        assert asked(open_run(path)) == expected
    assert accounts_of(path) == accounts_of(compiled)


def test_where_nothing_can_be_kept(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    shutil.rmtree(path / FOLDER)
    (path / FOLDER).write_text("in the way", encoding="utf-8")
    assert asked(open_run(path)) == expected_of(compiled)
    assert (path / FOLDER).read_text(encoding="utf-8") == "in the way"


def test_answers_are_read_where_sums_are_made_and_once(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    with patch.object(Run, "outcomes", side_effect=AssertionError("answers were read")):
        run = open_run(path)
        found = {key: {name: sums.sum(axis=0).tolist() for name, sums in run.sums(key).items()} for key in BUT_LABEL}
    assert found == {key: expected_of(compiled)[key] for key in BUT_LABEL}
    shutil.rmtree(path / FOLDER)
    with patch.object(Run, "outcomes", autospec=True, side_effect=Run.outcomes) as reading:
        open_run(path).sums("kind")
        assert reading.call_count == 1
        shutil.rmtree(path / FOLDER)
        accounted = accounted_of(open_run(path))
        assert accounted.answers.next_after(0, np.array([10**12])) > 0
        accounted.settled(open_run(path).networks)
        assert reading.call_count == 2
    assert asked(open_run(path)) == expected_of(compiled)
    assert accounts_of(path) == accounts_of(compiled)


def test_where_answers_cannot_be_read(compiled: Path, tmp_path: Path) -> None:
    """Only what is summed by them is not known, and no sums are kept that lack them."""
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    shutil.rmtree(path / FOLDER)
    run = open_run(path)
    with patch.object(Run, "outcomes", side_effect=InputError("is damaged")) as reading:
        for key in BUT_LABEL:
            found = {name: sums.sum(axis=0).tolist() for name, sums in run.sums(key).items()}
            assert found == expected_of(compiled)[key]
        with pytest.raises(InputError, match="is damaged"):
            run.sums("label")
        reading.reset_mock()
        run.sums("kind")
        assert reading.call_count == 1  # not for each part
    assert {name.partition("-")[0] for name in accounts_of(path)} == {"shares"}
    assert asked(run) == expected_of(compiled)
    assert accounts_of(path) == accounts_of(compiled)


def test_damaged_parts_are_left_out_of_the_answer_too(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    part = path / "trace" / "events-000001.parquet"
    part.write_bytes(cut(part.read_bytes()))
    run = open_run(path, skip_damaged=True)
    before = accounts_of(path)
    events = sum(sums[0] for sums in asked(run)["kind"].values())
    assert events == open_run(compiled).n_events - PART_EVENTS == run.n_events
    assert accounts_of(path) == before


def test_another_configuration_makes_accounts_useless(compiled: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(compiled, path)
    config = path / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    with no_reading(), pytest.raises(AssertionError):
        open_run(path).sums("kind")
    assert asked(open_run(path)) == expected_of(compiled)


def test_a_short_run_is_not_shared_and_one_without_a_trace_leaves_nothing(tmp_path: Path) -> None:
    with patch("tests.operations.test_accounts.PART_EVENTS", 10**6):
        short = record(tmp_path / "short")
    assert set(accounts_of(short)) == {"sums-tail.account"}
    assert asked(open_run(short)) == by_loop(open_run(short))
    assert set(accounts_of(short)) == {"sums-tail.account", "shares-tail.account"}
    assert not (record(tmp_path / "untraced", trace=False) / FOLDER).exists()


# --- traces that no engine made


def recorded(path: Path, graph: Graph, batches: list[EventBatch], part_events: int) -> Run:
    """These events as the trace of a run."""
    with RunWriter.create(
        path,
        graph,
        config_text="none: the network is given\n",
        config_name="random",
        engine="actor",
        groups={target.name: ("all",) for target in graph.network.targets},
        part_events=part_events,
    ) as writer:
        for batch in batches:
            writer.events(batch)
        writer.close("complete", 10**9, summary={})
    return open_run(path)


def assert_shared_alike(run: Run, graph: Graph, begins_ns: tuple[int, ...] = (0,)) -> None:
    """By accounts, when they are made and after, as one by one; and there is something in it."""
    assert run.trace is not None
    networks = [(begin_ns, graph) for begin_ns in begins_ns]
    shutil.rmtree(run.path / FOLDER, ignore_errors=True)
    slow = share_bills(run.trace.batches(COLUMNS), networks)
    for _ in range(2):
        quick = accounted_of(run).shared(lambda: networks)
        assert quick.payers == slow.payers
        assert (quick.numerators == slow.numerators).all()
    assert all(quick.share(payer, "adds_unit") > 0 for payer in quick.payers[:3])


@pytest.mark.parametrize(("seed", "wake", "rule"), CASES)
@pytest.mark.parametrize("part_events", [97, 1000, 10**6])
def test_shared_as_one_by_one(seed: int, wake: Wake, rule: Rule, part_events: int, tmp_path: Path) -> None:
    graph, recorder, _ = random_run(seed, wake, rule)
    run = recorded(tmp_path / "run", graph, recorder.batches, part_events)
    with patch("eventnet.operations.payers.weighed", side_effect=AssertionError("each bill was weighed")):
        accounted_of(run).shared(lambda: [(0, graph)])
    assert_shared_alike(run, graph)
    middle_ns = recorder.batches[len(recorder.batches) // 2].time_ns
    assert_shared_alike(run, graph, (0, middle_ns))


def test_a_trace_written_at_other_prices(tmp_path: Path) -> None:
    """What is summed and shared is what the trace says."""
    graph, recorder, totals = random_run(*CASES[0])
    dearer = BillTable(**{name: 3 * column for name, column in vars(price(graph)).items() if name[0] != "_"})
    with patch("eventnet.trace.schema.price", return_value=dearer):
        run = recorded(tmp_path / "run", graph, recorder.batches, 500)
    assert_shared_alike(run, graph)
    bills = totals.bills(dearer).sum(axis=(0, 1)).tolist()
    shared = accounted_of(run).shared(lambda: [(0, graph)])
    assert sum(shared.share(payer, "adds_unit") for payer in shared.payers) == bills[0] > 0
    assert sum(sums.sum(axis=0)[1] for sums in run.sums("kind").values()) == bills[0]


def test_spikes_beyond_what_64_bits_hold(tmp_path: Path) -> None:
    graph, recorder, _ = random_run(*CASES[0])
    first = max(batch.first_event + len(batch.neurons) for batch in recorder.batches)
    huge = EventBatch(
        first_event=first,
        time_ns=recorder.batches[-1].time_ns + 1,
        phase=Phase.FORWARD,
        kind=Kind.FORWARD,
        owner=0,
        neurons=np.zeros(3, np.int64),
        values=np.full(3, -(2.0**40)),
        scale=0.5,
        causes=np.full(3, NO_CAUSE, np.int64),
    )
    run = recorded(tmp_path / "run", graph, [*recorder.batches, huge], 500)
    assert_shared_alike(run, graph)
    shared = accounted_of(run).shared(lambda: [(0, graph)])
    assert sum(shared.share(payer, "adds_unit") for payer in shared.payers) > 2**40


@given(
    st.lists(st.tuples(*[st.integers(-3, 3) | st.integers(0, 2**34)] * 2, st.integers(-(2**58), 2**58)), max_size=30)
)
def test_rows_of_equal_keys_are_added_up(rows: list[tuple[int, int, int]]) -> None:
    expected: dict[tuple[int, int], int] = defaultdict(int)
    for *keys, number in rows:
        expected[keys[0], keys[1]] += number
    table = np.array(rows, np.int64).reshape(-1, 3)
    keys_found, sums = summed((table[:, 0], table[:, 1]), table[:, 2:])
    assert list(map(tuple, keys_found.tolist())) == sorted(expected)
    assert sums[:, 0].tolist() == [expected[each] for each in sorted(expected)]


@given(
    events=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["sample", "loss", "forward"]), st.integers(0, 2))),
    pieces=st.lists(st.integers(1, 4), min_size=40, max_size=40),
)
def test_instants_are_counted_once_however_the_run_is_cut(
    events: list[tuple[int, str, int]], pieces: list[int]
) -> None:
    """Into stretches of so many calls of so many events; those of a call may lie in any order."""
    rows = [(time_ns, KIND_NUMBERS[kind], owner) for time_ns, kind, owner in sorted(events)]
    stretches, lengths = [], iter(pieces)
    while rows:
        ledger = Ledger(Answers(0))
        for n in (next(lengths), next(lengths)):
            some, rows = rows[:n][::-1], rows[n:]
            if some:
                times_ns, kinds, owners = np.array(some, np.int64).T
                ledger.add(Runs(times_ns, kinds, owners, np.ones((len(some), 1 + len(COUNTS)), np.int64)))
        stretches.append(ledger.close())
    found = sums_together(stretches).instants.tolist() if stretches else []
    expected = defaultdict(set)
    for time_ns, kind, owner in events:
        for each in {"sample": (ANY_INPUT, owner), "loss": (ANY_INPUT,), "forward": ()}[kind]:
            expected[each].add(time_ns)
    assert found == [[owner, len(each), min(each), max(each)] for owner, each in sorted(expected.items())]
