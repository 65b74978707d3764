"""What it costs to record which event led to which, and to be ready to record at all.

Causes are always recorded. Here the same images are traced as they are and by a writer that leaves the column out of
every row before it is laid out, encoded and written. What stays in both is the store of a whole number an event in the
engine, and its way to the writer: too little to be seen in the time of a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock

from benchmarks.images import IMAGE_NS, TRACED_IMAGES, WARMING, network
from benchmarks.rows import Row, Settings, compared, in_turns, seconds
from eventnet.datasets.streams import ImageStream, LabelStream
from eventnet.engines.base import Recorders
from eventnet.engines.compiled import CompiledEngine
from eventnet.network.graph import Graph
from eventnet.reports.numbers import count
from eventnet.trace.events import EventBlock
from eventnet.trace.parts import PartWriter
from eventnet.trace.schema import EventRows
from eventnet.trace.store import PART_EVENTS, RunWriter

MOST = 1.5
"""How much longer a trace may take with causes than without."""


def causes(settings: Settings) -> list[Row]:
    """A traced run with causes beside one without; an untraced run that is heard beside one that is not."""
    details: dict[str, Any] = {}
    took = in_turns(
        {
            "with": lambda: _traced(settings, RunWriter, details, "with"),
            "without": lambda: _traced(settings, CauselessWriter, details, "without"),
            "heard": lambda: _untraced(settings, heard=True),
            "unheard": lambda: _untraced(settings, heard=False),
        },
        settings.repeats,
    )
    sizes = [details[f"bytes_{name}"] / details["events"] for name in ("with", "without")]
    note = f"{count(details['events'])} events of {sizes[0]:.2f} bytes, {sizes[1]:.2f} without"
    return [
        compared("trace with causes", "s", took["with"], took["without"], "without", MOST, note=note, details=details),
        compared("no trace, outcomes told", "s", took["heard"], took["unheard"], "nobody told", None),
    ]


class CauselessRows(EventRows):
    """The rows of events without the column `cause`."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.causeless = self.schema.remove(self.schema.get_field_index("cause"))

    def table(self, block: EventBlock) -> pa.Table:
        return super().table(block).select(self.causeless.names)


class CauselessWriter(RunWriter):
    """Records a run but for its causes; eventnet cannot read it."""

    def __init__(self, path: Path, graph: Graph, provenance: Mapping[str, Any], lock: FileLock) -> None:
        super().__init__(path, graph, provenance, lock)
        rows = CauselessRows(graph)
        self._events = rows
        self._event_parts = PartWriter(path / "trace", "events", rows.causeless, PART_EVENTS)


def _traced(settings: Settings, writer_type: type[RunWriter], details: dict[str, Any], name: str) -> float:
    """Seconds from the first image that is timed until all is on disk."""
    streams = _streams(settings)
    wanted = network(settings.learning)
    with tempfile.TemporaryDirectory() as folder:
        writer = writer_type.create(
            Path(folder) / "run",
            CompiledEngine(wanted, streams).graph,
            config_text="",
            config_name="bench",
            engine="compiled",
            groups={"digit": ("all",)},
        )
        with writer:
            engine = CompiledEngine(wanted, _streams(settings), [writer])
            engine.run(WARMING * IMAGE_NS)

            def work() -> None:
                engine.run(_until_ns(settings))
                writer.close("interrupted", engine.now_ns)

            took = seconds(work)
        details["events"] = int(engine.totals.events.sum())
        details[f"bytes_{name}"] = sum(file.stat().st_size for file in (writer.path / "trace").glob("*.parquet"))
    return took


def _untraced(settings: Settings, heard: bool) -> float:
    """Seconds of the same images where only outcomes are told, or nothing."""
    recorders: Recorders = [_Outcomes()] if heard else []
    engine = CompiledEngine(network(settings.learning), _streams(settings), recorders)
    engine.run(WARMING * IMAGE_NS)
    return seconds(lambda: engine.run(_until_ns(settings)))


class _Outcomes:
    """Counts outcomes and hears no event."""

    def __init__(self) -> None:
        self.n = 0

    def outcome(self, outcome: object) -> None:
        self.n += 1


def _n_images(settings: Settings) -> int:
    return min(settings.n_images or TRACED_IMAGES, TRACED_IMAGES) + WARMING


def _until_ns(settings: Settings) -> int:
    return _n_images(settings) * IMAGE_NS


def _streams(settings: Settings) -> dict[str, ImageStream | LabelStream]:
    n, mnist = _n_images(settings), settings.mnist
    return {
        "pixels": ImageStream(mnist.train_images[:n], IMAGE_NS),
        "digit": LabelStream(mnist.train_labels[:n], IMAGE_NS),
    }
