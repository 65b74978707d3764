"""A run while it goes on, on a terminal: how busy every population is, what that costs, and how well it answers.

It looks at what the engine has counted, between slices of a run, and changes nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventnet.engines.base import Engine
from eventnet.engines.dense import DenseEngine
from eventnet.network.graph import Graph
from eventnet.operations.bills import ADDS, BillTable, Totals, price
from eventnet.reports.grid import grid
from eventnet.reports.numbers import count, percent
from eventnet.reports.scores import ScoreKeeper
from eventnet.reports.senders import senders
from eventnet.trace.events import PROJECTION_KINDS, Kind
from eventnet.units import format_ns

WINDOW_S = 2.0
"""Rates are over so much wall time, or since the last look where looks are rarer."""
N_LOOKS = 20
"""How many looks back the small curves go."""
_BARS = "▁▂▃▄▅▆▇█"
_AROUND = 8
"""Lines of a terminal that are not populations."""


class Look(NamedTuple):
    """What has come to pass at one moment. By population, int64 [n]: spikes forward and of errors, and unit additions
    of all that it sent or decided. `dense`: what a dense engine counted of unit additions, by direction, else empty.
    """

    wall_s: float
    now_ns: int
    events: int
    forward: NDArray[np.int64]
    errors: NDArray[np.int64]
    adds_unit: NDArray[np.int64]
    dense: Mapping[str, int]


class LiveView:
    """Redraws a table on a terminal whenever it is updated; use it as a context manager, as `RunProgress`.

    Give it the console of the error stream, so that it never mixes with results. `engine` gives the engine that runs,
    which may be another after an epoch.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._graph = graph
        self._prices = price(graph)
        self._engine = engine
        self._scores = scores
        self._until_ns = until_ns
        self._heading = heading
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
        bar = Table.grid(padding=(0, 1))
        done = 100 * last.now_ns / max(1, self._until_ns)
        bar.add_row(
            Text(self._heading, style="bold"),
            ProgressBar(total=max(1, self._until_ns), completed=last.now_ns, width=20),
            f"{done:.0f} % of {format_ns(self._until_ns)}",
        )
        table = self._directions(first, last) if last.dense else self._populations(first, last)
        return Group(bar, Text(self._speed(first, last)), table, *self._answers())

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
        )

    def _speed(self, first: Look, last: Look) -> str:
        wall_s = last.wall_s - first.wall_s
        parts = [f"{format_ns(_rounded(last.now_ns))} simulated", f"{count(last.events)} events"]
        if wall_s > 0:
            parts.append(f"{count(round((last.events - first.events) / wall_s))} events/s")
            parts.append(f"{count(float(f'{(last.now_ns - first.now_ns) / 1e9 / wall_s:.3g}'))} × real time")
        pending = n_pending(self._engine())
        if pending is not None:
            parts.append(f"{count(pending)} pending")
        return "  ".join(parts)

    def _populations(self, first: Look, last: Look) -> Table:
        """Rates in simulated time, over the last `WINDOW_S` of wall time."""
        seconds = _seconds(first, last)
        populations = self._graph.populations
        room = max(1, self._console.height - _AROUND - len(self._scores.scores()))
        shown = range(min(len(populations), room))
        rows = [
            [
                populations[k].name,
                self._curve(k),
                _rate(last.forward[k] - first.forward[k], seconds) if self._graph.encodes_forward[k] else "–",
                _rate(last.errors[k] - first.errors[k], seconds) if self._graph.carries_error[k] else "–",
                _rate(last.adds_unit[k] - first.adds_unit[k], seconds),
            ]
            for k in shown
        ]
        if len(populations) > room:
            rows.append([f"and {len(populations) - room} more", "", "", "", ""])
        heads = ("population, per simulated s", "", "spikes", "errors", "unit adds")
        return grid(heads, rows, n_names=1)

    def _directions(self, first: Look, last: Look) -> Table:
        """What a dense network costs, in which nothing is an event."""
        seconds = _seconds(first, last)
        rows = [[name, _rate(n - first.dense[name], seconds)] for name, n in last.dense.items()]
        return grid(("direction, per simulated s", "unit adds"), rows, n_names=1)

    def _curve(self, population: int) -> str:
        """Its latest rates as a small curve."""
        return curve([float(each[population]) for each in self._rates_hz]).rjust(N_LOOKS)

    def _answers(self) -> list[Text]:
        lines = []
        for target, groups in self._scores.scores().items():
            for group, (every, latest) in groups.items():
                if every.labelled:
                    said = f"{percent(every.percent)} right of {count(every.labelled)}"
                    said += f", last quarter {percent(latest.percent)}"
                else:
                    said = f"loss {every.loss:.4g} over {count(every.samples)} samples, last quarter {latest.loss:.4g}"
                lines.append(Text(f"{target}, {group}: {said}"))
        return lines


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


def n_pending(engine: Engine) -> int | None:
    """How many events wait in an engine's queue; None where it has none to look at."""
    queue = getattr(engine, "queue", None)
    return None if queue is None else len(queue)


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
