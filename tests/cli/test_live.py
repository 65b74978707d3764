"""`eventnet run --live`: it says what was counted, in a real terminal, and changes nothing that is recorded."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eventnet.config import find_config, load_config
from eventnet.engines.actor import ActorEngine
from eventnet.network import derive
from eventnet.operations.bills import price
from eventnet.reports.live import N_LOOKS, LiveView, adds_by_sender, curve, n_pending
from eventnet.reports.scores import ScoreKeeper
from eventnet.running import groups_of, open_streams
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from tests.cli.command import eventnet_here, in_a_terminal, parts_of
from tests.recorded import rows_of, two_rates

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
POPULATIONS = ("fast", "slow", "hidden", "output")


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
    for words in ("of 12 s", "events/s", "× real time", "pending", "unit adds", "ahead, all: loss", *POPULATIONS):
        assert words in last, words
    assert "100 %" in last
    assert "12 s simulated" in last
    assert "written to watched" in ESCAPE.sub("", closing)
    assert eventnet_here(*options, str(tmp_path / "unwatched")).code == 0
    assert parts_of(tmp_path / "watched") == parts_of(tmp_path / "unwatched")
    assert len(rows_of(open_run(tmp_path / "watched"))) > 1000


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

    def __init__(self, height: int = 40) -> None:
        config = load_config(find_config("two_rates"))
        streams = open_streams(config)
        self.graph = derive(config.network)
        self.scores = ScoreKeeper(groups_of(self.graph, streams))
        self.engine = ActorEngine(config.network, streams, (self.scores,))
        self.clock = Clock()
        self.file = io.StringIO()
        console = Console(file=self.file, width=100, height=height, force_terminal=True, color_system=None)
        self.view = LiveView(
            console, self.graph, lambda: self.engine, self.scores, 10**10, heading="mine", clock=self.clock
        )

    def go_on(self, until_ns: int, wall_s: float) -> None:
        self.engine.run(until_ns)
        self.clock.now_s += wall_s
        self.view.update(self.engine.now_ns, 0)

    def lines(self) -> list[str]:
        console = Console(file=io.StringIO(), width=100, height=40, color_system=None)
        with console.capture() as capture:
            console.print(self.view.view())
        return capture.get().splitlines()


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    with found.view:
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
    assert speed.split("  ")[:2] == ["3 s simulated", f"{n:,} events"]
    assert f"{round((n - events) / 1.5):,} events/s" in speed
    assert "1.33 × real time" in speed
    assert f"{len(watched.engine.queue)} pending" in speed
    assert "30 % of 10 s" in lines[0]


def test_answers_are_those_of_the_scores(watched: Watched) -> None:
    watched.go_on(2 * 10**9, wall_s=1.0)
    every, latest = watched.scores.scores()["ahead"]["all"]
    expected = f"ahead, all: loss {every.loss:.4g} over {every.samples} samples, last quarter {latest.loss:.4g}"
    assert watched.lines()[-1] == expected


def test_before_anything_has_happened_and_with_little_room() -> None:
    low = Watched(height=10)
    with low.view:
        assert any("0 ns simulated" in line for line in low.lines())
        low.view.update(0, 0)
        low.go_on(10**9, wall_s=1.0)
        assert "and 3 more" in "\n".join(low.lines())


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
    for direction in ("forward", "backward", "update"):
        assert re.search(rf"^{direction} +[\d.,]+k?", last, re.MULTILINE)


def test_curves() -> None:
    assert curve([0.0, 1.0, 3.5, 7.0]) == "▁▂▅█"
    assert curve([0.0, 0.0]) == "▁▁"
    assert curve([]) == ""
    assert n_pending(object()) is None  # type: ignore[arg-type]


def test_curves_do_not_grow(watched: Watched) -> None:
    for k in range(1, 3 * N_LOOKS):
        watched.go_on(k * 10**8, wall_s=0.2)
    assert len(row_of(watched.lines(), "hidden")[1]) == N_LOOKS
