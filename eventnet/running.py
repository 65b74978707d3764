"""A run from configuration to summary: the one place where config, streams, engine, recorders and reports meet.

    config -> network, streams -> engine -> run directory, scores -> summary

The engine is run in slices of simulated time, between which progress is shown, checkpoints are made and a wish to
stop is heard. Where the slices are cut changes nothing (`run(a); run(b)` equals `run(b)`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from eventnet.config import Config, describe, dump, load_config
from eventnet.engines.actor import ActorEngine
from eventnet.engines.base import Engine, State, Streams, TargetStream
from eventnet.engines.dense import DenseEngine
from eventnet.engines.streams import check_streams
from eventnet.errors import InputError, RunError
from eventnet.network import Graph, derive
from eventnet.reports.progress import RunProgress
from eventnet.reports.scores import ScoreKeeper
from eventnet.reports.summary import summary
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.spec import GeneratorSource, Sampling, SensorTarget
from eventnet.trace.events import EventBatch, Kind, Outcome
from eventnet.trace.store import RunWriter, read_provenance

ENGINES: dict[str, type[ActorEngine] | type[DenseEngine]] = {"actor": ActorEngine, "dense": DenseEngine}
SLICE_S = 0.2
CHECKPOINT_EVERY_S = 10.0


@dataclass(frozen=True)
class Interrupted(Exception):
    """The user asked a run to stop; it can be gone on with."""

    path: Path


class PassCounter:
    """How often a dense network would recompute: once at each instant at which any stream has a sample."""

    def __init__(self) -> None:
        self.passes = 0
        self._last_ns = -1

    def events(self, batch: EventBatch) -> None:
        """Count the instants of samples and losses."""
        if batch.kind in (Kind.SAMPLE, Kind.LOSS) and batch.time_ns != self._last_ns:
            self._last_ns = batch.time_ns
            self.passes += 1

    def outcome(self, outcome: Outcome) -> None:
        """Outcomes come with a loss, which is counted."""

    def state(self) -> State:
        """What a checkpoint needs."""
        return {"passes": self.passes, "last_ns": self._last_ns}

    def load_state(self, state: State) -> None:
        """Go on from a `state()`."""
        self.passes, self._last_ns = state["passes"], state["last_ns"]


@dataclass
class _Session:
    """A run under way."""

    config: Config
    engine_name: str
    engine: Engine
    streams: Streams
    until_ns: int
    writer: RunWriter
    scores: ScoreKeeper
    passes: PassCounter
    wall_s: float = 0.0

    def state(self) -> State:
        return {
            "engine": self.engine.state(),
            "scores": self.scores.state(),
            "passes": self.passes.state(),
            "wall_s": self.wall_s,
        }

    def load_state(self, state: State) -> None:
        self.engine.load_state(state["engine"])
        self.scores.load_state(state["scores"])
        self.passes.load_state(state["passes"])
        self.wall_s = state["wall_s"]


def start(
    config: Config, *, engine: str | None, out: Path | None, trace: bool, command: list[str], console: Console
) -> dict[str, Any]:
    """Run a configuration from the beginning to its end; returns the summary, which is also in the run directory.

    `engine` None: the configuration's, or actor. `out` None: a new directory under runs/. Raises InputError, RunError,
    or Interrupted where the user stopped it.
    """
    name = engine or config.engine or "actor"
    if name not in ENGINES:
        raise InputError("unknown engine", field="engine", value=name, remedy=f"use one of {', '.join(ENGINES)}")
    graph = derive(config.network)
    streams = open_streams(config)
    check_streams(graph, streams)
    until_ns = end_of(config, streams)
    path = out or _new_directory(config.name)
    writer = RunWriter.create(
        path,
        graph,
        config_text=dump(config),
        config_name=config.name,
        engine=name,
        groups=groups_of(graph, streams),
        command=command,
        trace=trace,
    )
    return _play(_open_session(config, name, streams, until_ns, writer), console)


def resume(path: Path, console: Console) -> dict[str, Any]:
    """Go on with an interrupted run from its last checkpoint; the trace becomes that of an uninterrupted run."""
    provenance = read_provenance(path)
    config = load_config(path / "config.yaml")
    streams = open_streams(config)
    writer, state = RunWriter.resume(path, derive(config.network))
    session = _open_session(config, provenance["engine"], streams, end_of(config, streams), writer)
    session.load_state(state)
    return _play(session, console)


def open_streams(config: Config) -> Streams:
    """The stream of every sensor and target; InputError where a file or its content will not do."""
    streams: dict[str, Any] = {}
    for name, sensor in config.sensors.items():
        sampling = _ending(sensor.source, sensor.sampling, config.duration_ns)
        streams[name] = build_sensor(replace(sensor, sampling=sampling), config.seed)
    for name, target in config.targets.items():
        source = target.source
        if isinstance(source, SensorTarget) and config.duration_ns is not None:
            end_ns = config.duration_ns + source.ahead_ns
            source = replace(source, sampling=_ending(source.source, source.sampling, end_ns))
        streams[name] = build_target(replace(target, source=source), config.seed)
    return streams


def _ending(source: object, sampling: Sampling, end_ns: int | None) -> Sampling:
    """Let an endless generator end with the run: one that has nothing to send would be searched for ever."""
    if isinstance(source, GeneratorSource) and sampling.end_ns is None and source.duration_ns is None:
        return replace(sampling, end_ns=end_ns)
    return sampling


def warnings_of(config: Config) -> list[str]:
    """What may go wrong in a run of this configuration, in words."""
    return [text for label, text in describe(config) if label == "warning"]


def groups_of(graph: Graph, streams: Streams) -> dict[str, tuple[str, ...]]:
    """The group names of every target, in the order of the network."""
    groups = {}
    for target in graph.network.targets:
        stream: TargetStream = streams[target.name]  # type: ignore[assignment]
        groups[target.name] = stream.groups
    return groups


def end_of(config: Config, streams: Mapping[str, Any]) -> int:
    """When a run ends, in ns: at its duration, or when the last of its streams does."""
    if config.duration_ns is not None:
        return config.duration_ns
    ends = [stream.duration_ns for stream in streams.values()]
    if None in ends or not ends:
        raise InputError(
            "nothing ends this run",
            place=str(config.path),
            field="duration",
            remedy="give a duration such as 10 s, in the file or with --until",
        )
    return int(max(ends))


def _open_session(config: Config, name: str, streams: Streams, until_ns: int, writer: RunWriter) -> _Session:
    graph = derive(config.network)
    scores, passes = ScoreKeeper(groups_of(graph, streams)), PassCounter()
    engine = ENGINES[name](config.network, streams, (writer, scores, passes))
    return _Session(config, name, engine, streams, until_ns, writer, scores, passes)


def _play(session: _Session, console: Console) -> dict[str, Any]:
    engine, writer = session.engine, session.writer
    with writer, _stop_wish() as wish:
        try:
            _run_slices(session, console, wish)
        except OSError as error:
            raise RunError(f"cannot write the run to {writer.path}: {error.strerror or error}") from error
        if wish():
            writer.checkpoint(session.state(), engine.now_ns)
            writer.close("interrupted", engine.now_ns)
            raise Interrupted(writer.path)
        result = _summary(session)
        writer.close("complete", engine.now_ns, summary=result)
    return result


def _run_slices(session: _Session, console: Console, wish: Callable[[], bool]) -> None:
    """Run to the end or until a wish to stop, a slice at a time, each as long as takes about `SLICE_S`."""
    engine, until_ns = session.engine, session.until_ns
    before_s, began_s = session.wall_s, time.monotonic()
    saved_s, slice_ns = began_s, max(1, until_ns // 1000)
    with RunProgress(console, until_ns, int(engine.totals.events.sum())) as progress:
        while engine.now_ns < until_ns and not wish():
            slice_began_s = time.monotonic()
            engine.run(min(until_ns, engine.now_ns + slice_ns))
            now_s = time.monotonic()
            session.wall_s = before_s + now_s - began_s
            progress.update(engine.now_ns, int(engine.totals.events.sum()), session.scores.latest_percent())
            took_s = max(now_s - slice_began_s, 1e-6)
            slice_ns = max(1, int(slice_ns * min(4.0, max(0.25, SLICE_S / took_s))))
            if now_s - saved_s > CHECKPOINT_EVERY_S:
                session.writer.checkpoint(session.state(), engine.now_ns)
                saved_s = time.monotonic()


def _summary(session: _Session) -> dict[str, Any]:
    engine = session.engine
    is_dense = isinstance(engine, DenseEngine)
    forward = engine.passes if isinstance(engine, DenseEngine) else session.passes.passes
    return summary(
        derive(session.config.network),
        engine.totals,
        session.scores,
        config=session.config.name,
        engine=session.engine_name,
        simulated_ns=engine.now_ns,
        wall_s=session.wall_s,
        run_dir=session.writer.path,
        dense_passes=(forward, session.scores.n_learned),
        dense_run=engine.counts() if isinstance(engine, DenseEngine) else None,
        streams={name: _counts_of(stream) for name, stream in session.streams.items()} if not is_dense else {},
    )


def _counts_of(stream: Any) -> dict[str, int]:
    return dict(vars(stream.counts))


def _new_directory(name: str) -> Path:
    """A directory under runs/ that does not exist yet, named by configuration and time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = Path("runs") / f"{name}-{stamp}"
    number = 2
    while path.exists():
        path = Path("runs") / f"{name}-{stamp}-{number}"
        number += 1
    return path


@contextmanager
def _stop_wish() -> Iterator[Callable[[], bool]]:
    """Hear Ctrl-C and SIGTERM between slices, so that a run stops with everything in order; a second one stops hard."""
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    try:
        before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: nobody sends it signals
        yield lambda: False
        return
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
