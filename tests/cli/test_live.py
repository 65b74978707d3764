"""`eventnet run --live`: it says what was counted, in a real terminal, and changes nothing that is recorded."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import eventnet.running
from eventnet.config import find_config, load_config, with_overrides
from eventnet.engines.actor import ActorEngine
from eventnet.network import derive
from eventnet.opening import groups_of, open_streams
from eventnet.operations.bills import price
from eventnet.operations.ongoing import OngoingBills
from eventnet.reports.live import N_LOOKS, LiveView, adds_by_sender, curve
from eventnet.reports.numbers import count
from eventnet.reports.scores import ScoreKeeper
from eventnet.running import start
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from tests.cli.command import eventnet_here, in_a_terminal, parts_of
from tests.cli.test_training import CONFIG as EPOCHS
from tests.recorded import rows_of, two_rates

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
POPULATIONS = ("fast", "slow", "hidden", "output")
PAYERS = ("fast", "slow", "ahead")


# --- in a terminal


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals as on Unix")
def test_it_is_redrawn_in_place_and_the_run_is_the_same(tmp_path: Path) -> None:
    options = ("run", "two_rates", "--until", "12 s", "--out")
    written = in_a_terminal((*options, "watched", "--live"), tmp_path)
    live, closing = written.split("Accuracy", 1) if "Accuracy" in written else written.split("Losses", 1)
    frames = live.split("two_rates, actor engine")[1:]
    assert len(frames) > 3
    # the view is drawn over itself: the cursor goes up, and lines are cleared
    assert "\x1b[1A" in live
    assert "\x1b[2K" in live
    last = ESCAPE.sub("", frames[-1])
    for words in (
        "of 12 s",
        "events/s",
        "× real time",
        "pending",
        "unit adds",
        "ahead, all: loss",
        *POPULATIONS,
        *PAYERS,
    ):
        assert words in last, words
    assert "100 %" in last
    assert "12 s simulated" in last
    assert "written to watched" in ESCAPE.sub("", closing)
    assert eventnet_here(*options, str(tmp_path / "unwatched")).code == 0
    assert parts_of(tmp_path / "watched") == parts_of(tmp_path / "unwatched")
    assert len(rows_of(open_run(tmp_path / "watched"))) > 1000


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals as on Unix")
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_nothing_wraps_and_the_height_stays(columns: int, tmp_path: Path) -> None:
    """A terminal that wraps a line draws the next frame too low, and leaves the top of the last one behind."""
    options = ("run", "two_rates", "--until", "8 s", "--out", "run", "--live")
    written = in_a_terminal(options, tmp_path, rows=24, columns=columns)
    frames = re.split(r"(?=two_rates, actor engine)", written)[1:]
    frames[-1] = frames[-1].split("\x1b[?25h")[0]
    plain = [ESCAPE.sub("", frame).replace("\r", "").rstrip().split("\n") for frame in frames]
    assert len(plain) > 3
    assert max(len(line.rstrip()) for lines in plain for line in lines) <= columns
    heights = {len(lines) for lines in plain[2:]}  # the first answer adds a line
    assert len(heights) == 1
    assert heights.pop() < 24


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals as on Unix")
@pytest.mark.parametrize("columns", [44, 60, 80])
def test_names_of_any_length_leave_the_numbers_where_they_are(columns: int, tmp_path: Path) -> None:
    name = "ein sehr, sehr langer Name, der nirgends hineinpasst und trotzdem erlaubt ist, 網網網網網網"
    text = find_config("two_rates").read_text(encoding="utf-8")
    text = re.sub(r"\bhidden\b", f'"{name}"', text).replace("name: two_rates", f'name: "{name}"')
    (tmp_path / "long.yaml").write_text(text, encoding="utf-8")
    options = ("run", "long.yaml", "--until", "8 s", "--out", "run", "--live")
    written = ESCAPE.sub("", in_a_terminal(options, tmp_path, rows=24, columns=columns))
    frame = written.split("sent, per sim")[-2:]  # the last look: its first line stands before
    assert "100 % of 8 s" in frame[0].rpartition("ein sehr")[2]
    lines = [line.rstrip() for line in frame[1].replace("\r", "").split("\n")]
    assert lines[0].endswith("spikes  errors  unit adds")
    [hidden] = [line for line in lines[:8] if line.startswith("ein se")]
    assert re.search(r"….* [0-9.,k]+ +[0-9.,k]+ +[0-9.,k]+$", hidden), hidden
    [paid] = [line for line in lines if line.startswith("paid")]
    assert paid.endswith("unit adds  so far  of all")
    assert [line for line in lines if line.startswith("fast")][1].endswith(" %")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals as on Unix")
@pytest.mark.parametrize("live", [(), ("--live",)])
def test_a_dumb_terminal_has_the_plain_progress(live: tuple[str, ...], tmp_path: Path) -> None:
    """It cannot draw a line again, so that nothing would be seen before the end."""
    options = ("run", "two_rates", "--until", "1 s", "--out", "run", *live)
    written = in_a_terminal(options, tmp_path, term="dumb").replace("\r", "")
    assert "\x1b" not in written
    assert re.match(r"1 s of 1 s  [0-9.,]+k? events  ", written)


@pytest.mark.parametrize("engine", ["actor", "compiled"])
@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("config", ["two_rates", "epochs"])
def test_who_pays_at_the_end_is_who_pays_by_the_trace(
    config: str, engine: str, trace: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = find_config("two_rates")
    if config == "epochs":  # with codes that change between them
        assert "schedule" in EPOCHS
        file = tmp_path / "epochs.yaml"
        file.write_text(EPOCHS, encoding="utf-8")
    loaded = load_config(file)
    if config == "two_rates":
        loaded = with_overrides(loaded, until_ns=3 * 10**9)
    kept: list[LiveView] = []

    class Kept(LiveView):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            kept.append(self)

    monkeypatch.setattr(eventnet.running, "LiveView", Kept)
    for name, live in (("live", True), ("afterwards", False)):
        console = Console(file=io.StringIO(), width=80, height=40, force_terminal=live)
        traced = trace or not live
        start(loaded, engine=engine, out=tmp_path / name, trace=traced, command=[], console=console, live=live)
    assert len(kept) == 1
    expected = open_run(tmp_path / "afterwards").sums("sensor")
    assert kept[0]._payers is not None
    found = dict(zip(kept[0]._payers.payers, kept[0]._payers.so_far()[1].whole(), strict=True))
    for payer, sums in found.items():
        assert np.array_equal(sums, expected[payer] if payer in expected else 0 * sums), payer
    assert sum(sums[:, 1].sum() for sums in found.values()) > 10_000
    assert all(found[payer].sum() for payer in found if payer is not None)


def test_elsewhere_it_is_the_plain_progress(tmp_path: Path) -> None:
    options = ("run", "two_rates", "--until", "1 s", "--out")
    live = eventnet_here(*options, str(tmp_path / "one"), "--live")
    plain = eventnet_here(*options, str(tmp_path / "two"))
    assert (live.code, plain.code) == (0, 0)
    assert "\x1b" not in live.err + live.out
    assert re.sub(r"\S+ events/s", "", live.err) == re.sub(r"\S+ events/s", "", plain.err)


# --- what it says


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Watched:
    """A run of two_rates, seen through a live view, that goes on when told."""

    def __init__(self, height: int = 40, width: int = 100) -> None:
        config = load_config(find_config("two_rates"))
        streams = open_streams(config)
        self.graph = derive(config.network)
        self.scores = ScoreKeeper(groups_of(self.graph, streams))
        self.payers = OngoingBills([(0, self.graph)])
        self.engine = ActorEngine(config.network, streams, (self.scores, self.payers))
        self.clock = Clock()
        self.file = io.StringIO()
        self.size = {"width": width, "height": height}
        console = Console(file=self.file, force_terminal=True, color_system=None, **self.size)
        self.view = LiveView(
            console,
            self.graph,
            lambda: self.engine,
            self.scores,
            10**10,
            heading="mine",
            payers=self.payers,
            clock=self.clock,
        )

    def go_on(self, until_ns: int, wall_s: float) -> None:
        self.engine.run(until_ns)
        self.clock.now_s += wall_s
        self.view.update(self.engine.now_ns, 0)

    def lines(self) -> list[str]:
        console = Console(file=io.StringIO(), color_system=None, **self.size)
        with console.capture() as capture:
            console.print(self.view.view())
        return capture.get().splitlines()


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    with found.payers, found.view:
        yield found


def row_of(lines: list[str], name: str) -> list[str]:
    return next(line for line in lines if line.startswith(name)).split()


def test_rates_are_of_simulated_time_over_the_last_seconds_of_wall_time(watched: Watched) -> None:
    watched.go_on(10**9, wall_s=1.0)
    before = {kind: watched.engine.totals.events[kind].copy() for kind in (Kind.FORWARD, Kind.BACKWARD)}
    events = int(watched.engine.totals.events.sum())
    watched.go_on(3 * 10**9, wall_s=1.5)  # the beginning is now too long ago
    lines = watched.lines()
    for k, name in enumerate(POPULATIONS):
        forward, errors = (
            (watched.engine.totals.events[kind, k] - before[kind][k]) / 2 for kind in (Kind.FORWARD, Kind.BACKWARD)
        )
        found = row_of(lines, name)
        expected = "–" if name == "output" else f"{forward:.3g}"
        assert found[-3] == expected
        assert found[-2] == (f"{errors:.3g}" if name in ("hidden", "output") else "–")
    n = int(watched.engine.totals.events.sum())
    speed = next(line for line in lines if "simulated" in line)
    assert re.split(r" {2,}", speed)[:2] == ["3 s simulated", f"{n:,} events"]
    assert f"{round((n - events) / 1.5):,} events/s" in speed
    assert "1.33× real time" in speed
    assert f"{watched.engine.n_pending} pending" in speed
    assert "30 % of 10 s" in lines[0]


def test_answers_are_those_of_the_scores(watched: Watched) -> None:
    watched.go_on(2 * 10**9, wall_s=1.0)
    every, latest = watched.scores.scores()["ahead"]["all"]
    expected = f"ahead, all: loss {every.loss:.4g} of {every.samples}, last quarter {latest.loss:.4g}"
    assert watched.lines()[-1] == expected


def settled(watched: Watched) -> None:
    """Wait until all that was heard but the last instant has been shared."""
    deadline = time.monotonic() + 30
    before = -1
    while before != (before := watched.payers.so_far()[0]) or not before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def paid_rows(lines: list[str]) -> dict[str, list[str]]:
    """The rows under `paid, per simulated s`, by name."""
    first = next(k for k, line in enumerate(lines) if line.startswith("paid")) + 2
    return {line.split()[0]: line.split()[1:] for line in lines[first : first + len(PAYERS)]}


def test_what_each_pays_is_by_simulated_time_over_the_last_seconds_too(watched: Watched) -> None:
    looks = []
    for until_ns, wall_s in ((10**9, 1.0), (3 * 10**9, 1.5)):
        watched.go_on(until_ns, wall_s)
        settled(watched)
        watched.clock.now_s += 0.5  # so that the window begins with a look like this one
        watched.view.update(0, 0)
        looks.append(watched.payers.so_far())
    (first_ns, first), (last_ns, last) = looks
    found = paid_rows(watched.lines())
    assert tuple(found) == PAYERS
    total = int(last.whole()[:, :, 1].sum())
    for k, payer in enumerate(PAYERS):
        paid = (last.whole() - first.whole())[k, :, 1] / ((last_ns - first_ns) / 1e9)
        so_far = int(last.whole()[k, :, 1].sum())
        rates = [count(float(f"{rate:.3g}")) for rate in (*paid[:3], paid.sum())]
        assert found[payer] == [*rates, count(so_far), f"{100 * so_far / total:.1f}", "%"], payer
        assert so_far > 1_000
    # the rates of sensors are those of the trace, give or take the last instants
    assert first_ns > 0.9e9
    assert last_ns > 2.9e9


def test_before_anything_has_happened_and_with_little_room() -> None:
    low = Watched(height=8)
    with low.view:
        assert any("0 ns simulated" in line for line in low.lines())
        low.view.update(0, 0)
        low.go_on(10**9, wall_s=1.0)
        assert "and 3 more" in "\n".join(low.lines())


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("height", [8, 12, 16, 24])
def test_it_fits_every_screen(width: int, height: int) -> None:
    found = Watched(height, width)
    with found.view:
        found.go_on(10**9, wall_s=1.0)
        found.go_on(2 * 10**9, wall_s=1.0)
        lines = found.lines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert ("paid" in text) == (height >= 16 or (height == 12 and width >= 80))
    for words in ("simulated", "real time", "pending", "ahead, all"):
        assert words in text
    if height >= 24:
        assert not re.search("and . more", text)


def test_costs_by_sender_are_those_of_the_trace(tmp_path: Path, watched: Watched) -> None:
    run = two_rates(tmp_path / "run", until_s=2.0)
    watched.engine.run(2 * 10**9)
    found = adds_by_sender(watched.graph, price(watched.graph), watched.engine.totals)
    ends: dict[str, Any] = {each["name"]: each for each in run.provenance["projections"]}
    expected = dict.fromkeys(run.populations, 0)
    for row in rows_of(run):
        end = "source" if row["kind"] in ("forward_arrival", "row_update") else "target"
        expected[row["population"] or ends[row["projection"]][end]] += row["adds_unit"]
    assert dict(zip(run.populations, found.tolist(), strict=True)) == expected
    assert min(expected.values()) > 0


def test_a_dense_network_is_shown_by_direction(tmp_path: Path) -> None:
    written = in_a_terminal(("run", "two_rates", "--engine", "dense", "--live", "--out", "run"), tmp_path)
    last = ESCAPE.sub("", written.split("two_rates, dense engine")[-1])
    assert "no part is one sensor's" in last
    assert "pending" not in last
    for direction in ("forward", "backward", "update"):
        assert re.search(rf"^{direction} +[\d.,]+k?", last, re.MULTILINE)


def test_curves() -> None:
    assert curve([0.0, 1.0, 3.5, 7.0]) == "▁▂▅█"
    assert curve([0.0, 0.0]) == "▁▁"
    assert curve([]) == ""


def test_curves_do_not_grow(watched: Watched) -> None:
    for k in range(1, 3 * N_LOOKS):
        watched.go_on(k * 10**8, wall_s=0.2)
    assert len(row_of(watched.lines(), "hidden")[1]) == N_LOOKS
