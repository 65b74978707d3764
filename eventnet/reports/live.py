"""A run while it goes on, on a terminal: how busy every population is, who pays for it, and how well it answers.

It looks at what the engine has counted, between slices of a run, and changes nothing. Who pays is found from the
events as they come (`eventnet.operations.ongoing`). Every line is made to fit: nothing wraps, and numbers stay in their
places.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventnet.engines.base import Engine
from eventnet.engines.dense import DenseEngine
from eventnet.network.graph import Graph
from eventnet.operations.bills import ADDS, BillTable, Totals, price
from eventnet.operations.conventions import SUMMED, WAYS
from eventnet.reports.grid import grid
from eventnet.reports.numbers import count, percent
from eventnet.reports.scores import ScoreKeeper
from eventnet.reports.senders import senders
from eventnet.trace.events import PROJECTION_KINDS, Kind
from eventnet.units import format_ns

if TYPE_CHECKING:
    from eventnet.operations.ongoing import OngoingBills

WINDOW_S = 2.0
"""Rates are over so much wall time, or since the last look where looks are rarer."""
N_LOOKS = 20
"""How many looks back the small curves go, where there is room."""
WIDE = 80
"""From so many columns on there is room for everything."""
NOBODY = "nobody"
NO_SHARES = "Every sample recomputes all of it: no part is one sensor's."
_BARS = "▁▂▃▄▅▆▇█"
_SPEED_WIDTHS = (17, 12, 14, 16, 13)
"""Of the parts of the line on speed, so that none moves when another grows; with the spaces between them 80."""
_BESIDE_CURVES = 50
_SHORTEST_CURVE = 8
_SHORTEST_NAME = 6
_FEWEST_PAYERS = 2


class Look(NamedTuple):
    """What has come to pass at one moment. By population, int64 [n]: spikes forward and of errors, and unit additions
    of all that it sent or decided. `dense`: what a dense engine counted of unit additions, by direction, else empty.
    `paid`: the unit additions that each payer has paid for up to `paid_ns`, int64 [n_payers, n_ways], in whole numbers
    as `eventnet ops` has them; without rows where nobody shares.
    """

    wall_s: float
    now_ns: int
    events: int
    forward: NDArray[np.int64]
    errors: NDArray[np.int64]
    adds_unit: NDArray[np.int64]
    dense: Mapping[str, int]
    paid_ns: int
    paid: NDArray[np.int64]


class LiveView:
    """Redraws a table on a terminal whenever it is updated; use it as a context manager, as `RunProgress`.

    Give it the console of the error stream, so that it never mixes with results. `engine` gives the engine that runs,
    which may be another after an epoch. `payers` has to hear the engine, between its start and its end, which are not
    the view's business.
    """

    def __init__(
        self,
        console: Console,
        graph: Graph,
        engine: Callable[[], Engine],
        scores: ScoreKeeper,
        until_ns: int,
        *,
        heading: str,
        payers: OngoingBills | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._graph = graph
        self._prices = price(graph)
        self._engine = engine
        self._scores = scores
        self._until_ns = until_ns
        self._heading = heading
        self._payers = payers
        self._clock = clock
        self._looks: deque[Look] = deque([self._look()])
        self._rates_hz: deque[NDArray[np.float64]] = deque(maxlen=N_LOOKS)
        self._live = Live(console=console, auto_refresh=False, transient=True, get_renderable=self.view)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, now_ns: int, events: int, accuracy: float | None = None) -> None:
        """Look and redraw. The arguments are those of `RunProgress.update`; a look finds them out by itself."""
        before, now = self._looks[-1], self._look()
        if now.now_ns > before.now_ns:
            self._rates_hz.append((now.forward + now.errors - before.forward - before.errors) / _seconds(before, now))
        self._looks.append(now)
        while len(self._looks) > 2 and now.wall_s - self._looks[0].wall_s > WINDOW_S:
            self._looks.popleft()
        self._live.refresh()

    def view(self) -> Group:
        """What is on the screen now."""
        first, last = self._looks[0], self._looks[-1]
        above: list[RenderableType] = [self._progress(last), *self._speed(first, last)]
        answers = self._answers()
        room = self._console.height - len(above) - len(answers) - 1
        if last.dense:
            return Group(*above, self._directions(first, last), _line(NO_SHARES), *answers)
        n_heads = 2  # names of columns and the line under them
        if len(last.paid) and room - 2 * n_heads >= 2 * _FEWEST_PAYERS:
            room -= 2 * n_heads
            n_paying = min(len(last.paid), max(_FEWEST_PAYERS, room // 3, room - len(self._graph.populations)))
            tables = [self._populations(first, last, room - n_paying), self._paying(first, last, n_paying)]
        else:
            tables = [self._populations(first, last, room - n_heads)]
        return Group(*above, *tables, *answers)

    def _look(self) -> Look:
        engine = self._engine()
        totals = engine.totals
        n = len(self._graph.populations)
        return Look(
            self._clock(),
            engine.now_ns,
            int(totals.events.sum()),
            totals.events[Kind.FORWARD, :n].copy(),
            totals.events[Kind.BACKWARD, :n].copy(),
            adds_by_sender(self._graph, self._prices, totals),
            dense_adds(engine),
            *self._look_at_payers(),
        )

    def _look_at_payers(self) -> tuple[int, NDArray[np.int64]]:
        if self._payers is None:
            return 0, np.zeros((0, len(WAYS)), np.int64)
        paid_ns, shared = self._payers.so_far()
        return paid_ns, shared.whole()[:, :, SUMMED.index("adds_unit")].astype(np.int64)

    def _progress(self, last: Look) -> Table:
        """What runs, and how much of it is done."""
        done = f"{100 * last.now_ns / max(1, self._until_ns):.0f} % of {format_ns(self._until_ns)}"
        bar_width = min(20, max(4, self._console.width - 50))
        room = self._console.width - bar_width - len(done) - 2
        bar = Table.grid(padding=(0, 1))
        bar.add_column(no_wrap=True, overflow="ellipsis", style="bold", max_width=max(_SHORTEST_NAME, room))
        bar.add_column(no_wrap=True)
        bar.add_column(no_wrap=True, overflow="ellipsis")
        progress = ProgressBar(total=max(1, self._until_ns), completed=last.now_ns, width=bar_width)
        bar.add_row(self._heading, progress, done)
        return bar

    def _speed(self, first: Look, last: Look) -> list[Text]:
        """How fast it runs, in one line or, where that is too long, in two."""
        wall_s = last.wall_s - first.wall_s
        events_s = speed = "–"
        if wall_s > 0:
            events_s = count(round((last.events - first.events) / wall_s))
            speed = count(float(f"{(last.now_ns - first.now_ns) / 1e9 / wall_s:.3g}"))
        parts = [
            f"{format_ns(_rounded(last.now_ns))} simulated",
            f"{count(last.events)} events",
            f"{events_s} events/s",
            f"{speed}× real time",
        ]
        pending = self._engine().n_pending
        if pending is not None:
            parts.append(f"{count(pending)} pending")
        placed = [part.ljust(width) for part, width in zip(parts, _SPEED_WIDTHS, strict=False)]
        lines = [placed] if self._console.width >= WIDE else [placed[:3], placed[3:]]
        return [_line("  ".join(line).rstrip()) for line in lines]

    def _populations(self, first: Look, last: Look, room: int) -> Table:
        """Who sends how much, in at most `room` rows: in simulated time, over the last `WINDOW_S` of wall time."""
        seconds = _seconds(first, last)
        populations = self._graph.populations
        n_curve = min(N_LOOKS, self._console.width - _BESIDE_CURVES)
        rows = [
            [
                populations[k].name,
                *([self._curve(k, n_curve)] if n_curve >= _SHORTEST_CURVE else []),
                _rate(last.forward[k] - first.forward[k], seconds) if self._graph.encodes_forward[k] else "–",
                _rate(last.errors[k] - first.errors[k], seconds) if self._graph.carries_error[k] else "–",
                _rate(last.adds_unit[k] - first.adds_unit[k], seconds),
            ]
            for k in range(len(populations))
        ]
        curves = [""] if n_curve >= _SHORTEST_CURVE else []
        return _fitting(
            ("sent, per simulated s", *curves, "spikes", "errors", "unit adds"), rows, room, self._console.width
        )

    def _paying(self, first: Look, last: Look, room: int) -> Table:
        """Who pays for how much, in at most `room` rows: rates likewise, and all that was paid so far."""
        assert self._payers is not None
        seconds = (last.paid_ns - first.paid_ns) / 1e9
        is_wide = self._console.width >= WIDE
        so_far = last.paid.sum(axis=1).tolist()
        rows = []
        for payer, paid, total in zip(self._payers.payers, last.paid - first.paid, so_far, strict=True):
            if payer is not None or total:
                ways = paid[: WAYS.index(None)].tolist() if is_wide else []
                rates = [_rate(amount, seconds) for amount in (*ways, int(paid.sum()))]
                share = f"{100 * total / max(1, sum(so_far)):.1f} %"
                rows.append([payer or NOBODY, *rates, count(total), share])
        heads = [way for way in WAYS if way is not None] if is_wide else []
        return _fitting(
            ("paid, per simulated s", *heads, "unit adds", "so far", "of all"), rows, room, self._console.width
        )

    def _directions(self, first: Look, last: Look) -> Table:
        """What a dense network costs, in which nothing is an event."""
        seconds = _seconds(first, last)
        rows = [[name, _rate(n - first.dense[name], seconds)] for name, n in last.dense.items()]
        return _fitting(("direction, per simulated s", "unit adds"), rows, len(rows), self._console.width)

    def _curve(self, population: int, n: int) -> str:
        """Its latest rates as a small curve."""
        return curve([float(each[population]) for each in self._rates_hz][-n:]).rjust(n)

    def _answers(self) -> list[Text]:
        lines = []
        for target, groups in self._scores.scores().items():
            for group, (every, latest) in groups.items():
                if every.labelled:
                    said = f"{percent(every.percent)} right of {count(every.labelled)}"
                    said += f", last quarter {percent(latest.percent)}"
                else:
                    said = f"loss {every.loss:.4g} of {count(every.samples)}, last quarter {latest.loss:.4g}"
                lines.append(_line(f"{target}, {group}: {said}"))
        return _first(lines, max(1, self._console.height // 4))


def adds_by_sender(graph: Graph, prices: BillTable, totals: Totals) -> NDArray[np.int64]:
    """Unit additions so far by the population that sent or decided (`eventnet.reports.senders`), int64 [n]."""
    adds = totals.bills(prices)[:, :, ADDS]
    n, m = len(graph.populations), len(graph.projections)
    sources = np.array([graph.source_of(k) for k in range(m)], np.int64)
    targets = np.array([graph.target_population_of(k) for k in range(m)], np.int64)
    found = np.zeros(n, np.int64)
    for kind in Kind:
        if kind in PROJECTION_KINDS:
            owners = senders(np.full(m, int(kind)), np.full(m, -1), sources, targets)
            np.add.at(found, owners, adds[kind, :m])
        else:
            found += adds[kind, :n]
    return found


def dense_adds(engine: Engine) -> dict[str, int]:
    """Unit additions so far by direction, of a dense engine; empty for the others, whose work is events."""
    if not isinstance(engine, DenseEngine):
        return {}
    return {direction: counts["adds_unit"] for direction, counts in engine.counts().items()}


def curve(values: Sequence[float]) -> str:
    """Numbers from 0 up as bars of a character each, the largest the highest."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[round(value / largest * (len(_BARS) - 1))] for value in values)


def _seconds(first: Look, last: Look) -> float:
    return (last.now_ns - first.now_ns) / 1e9


def _rate(n: int, seconds: float) -> str:
    return count(float(f"{n / seconds:.3g}")) if seconds > 0 else "–"


def _rounded(time_ns: int) -> int:
    """A time cut to four digits, so that the line does not flicker."""
    return round(time_ns, min(0, 4 - len(str(time_ns))))


def _fitting(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int, width: int) -> Table:
    """A table in which names are cut where `width` has no room for them, and at most `room` rows are shown."""
    shown = list(rows)
    if len(shown) > max(1, room):
        kept = max(0, room - 1)
        shown = [*shown[:kept], [f"and {len(shown) - kept} more", *[""] * (len(heads) - 1)]]
    table = grid(heads, shown, n_names=1)
    names, *numbers = table.columns
    names.no_wrap, names.overflow = True, "ellipsis"
    names.max_width = max(_SHORTEST_NAME, width - sum(2 + (each.min_width or 0) for each in numbers))
    return table


def _first(lines: list[Text], room: int) -> list[Text]:
    return lines if len(lines) <= room else [*lines[: room - 1], _line(f"and {len(lines) - room + 1} more")]


def _line(text: str) -> Text:
    """A line that is cut where the screen ends."""
    return Text(text, no_wrap=True, overflow="ellipsis")
