"""A run from configuration to summary: the one place where config, streams, engine, recorders and reports meet.

    config -> network, streams -> engine -> run directory, scores -> summary

The engine is run in slices of simulated time, between which progress is shown, checkpoints are made and a wish to
stop is heard. Where the slices are cut changes nothing (`run(a); run(b)` equals `run(b)`).
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.text import Text

from eventnet.arguments import one_of_kind
from eventnet.config import Config, describe, dump, load_config, warnings_of_classes
from eventnet.config.faults import called, naming_files
from eventnet.config.inputs import describe_inputs
from eventnet.config.unchanged import check_unchanged
from eventnet.engines.actor import ActorEngine
from eventnet.engines.base import STATES_VERSION, Engine, OutcomeRecorder, State, Streams
from eventnet.engines.dense import DenseEngine
from eventnet.engines.divergence import LossWatch
from eventnet.errors import InputError, RunError
from eventnet.network import Graph, Network, derive
from eventnet.network.stages import are_equal
from eventnet.opening import end_of, groups_of, open_streams, with_origin_found
from eventnet.operations.accounts import Accounts
from eventnet.operations.ongoing import OngoingBills
from eventnet.reports.live import LiveView
from eventnet.reports.numbers import count, percent
from eventnet.reports.progress import RunProgress, can_redraw
from eventnet.reports.scores import ScoreKeeper
from eventnet.reports.summary import adds_by_direction, summary
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.build import SampledTarget
from eventnet.sensors.images import open_images
from eventnet.sensors.streams import ConfiguredSensor, ConfiguredStreams, ConfiguredTarget
from eventnet.spans import left_out, readable, spans_of, warnings_of_spans
from eventnet.trace.events import Kind
from eventnet.trace.networks import planned, write_plan
from eventnet.trace.provenance import read_provenance
from eventnet.trace.queries import open_run
from eventnet.trace.store import RunWriter, check_resumable
from eventnet.training import (
    DIRECTIONS,
    Epochs,
    Tally,
    fixed_network,
    network_in,
    of_test_images,
    percent_right,
    stages,
)
from eventnet.why.trail import Trail

COMPILING_S = 2.0
"""A first step that takes longer has compiled kernels."""


def _compiled(network: Network, streams: Streams, recorders: Sequence[OutcomeRecorder]) -> Engine:
    # only here, since it loads Numba, which takes longer than many a run without it
    from eventnet.engines.compiled import CompiledEngine

    return CompiledEngine(network, streams, recorders)


ENGINES: dict[str, Callable[..., Engine]] = {"actor": ActorEngine, "compiled": _compiled, "dense": DenseEngine}
CHECKPOINT_VERSION = 100 * STATES_VERSION + 1
"""Of what a checkpoint holds: the engine's state, and from 1 on what stands beside it."""
SLICE_S = 0.1
FIRST_SLICE_NS = 10**7
CHECKPOINT_EVERY_S = 10.0


class Interrupted(Exception):
    """The user asked a run to stop; it can be gone on with. `path` is its directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@dataclass
class _Ongoing:
    """A run under way. `epochs` None: streams are gone through once, and nothing is tested. `trail` None: afterwards
    nobody can ask why.
    """

    config: Config
    engine_name: str
    engine: Engine
    recorders: list[OutcomeRecorder]  # all that the engine tells
    streams: ConfiguredStreams
    until_ns: int
    writer: RunWriter
    scores: ScoreKeeper
    watch: LossWatch
    epochs: Epochs | None
    trail: Trail | None
    live: bool
    bills: OngoingBills | None  # who sums up what events cost, for `live` or for later
    wall_s: float = 0.0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # of the streams, when it was saved

    @property
    def is_over(self) -> bool:
        """Whether all has happened, and the last epoch has been tested."""
        return self.engine.now_ns >= self.until_ns and (self.epochs is None or self.epochs.are_over)

    def stream_counts(self) -> dict[str, dict[str, int]]:
        """What streams say of themselves; those of a run that was stopped in its last test were read before that."""
        found = {name: stream.counts.by_name() for name, stream in self.streams.items()}
        return {name: each if any(each.values()) else self.counts.get(name, each) for name, each in found.items()}

    def state(self) -> State:
        return {
            "version": CHECKPOINT_VERSION,
            "engine": self.engine.state(),
            "scores": self.scores.state(),
            "watch": self.watch.state(),
            "epochs": None if self.epochs is None else self.epochs.state(),
            "counts": self.stream_counts() if self.epochs else {},
            "wall_s": self.wall_s,
        }

    def load_state(self, state: State) -> None:
        self.engine.load_state(state["engine"])
        self.scores.load_state(state["scores"])
        self.watch.load_state(state["watch"])
        if self.epochs is not None:
            self.epochs.load_state(state["epochs"])
        self.counts = state["counts"]
        self.wall_s = state["wall_s"]


def start(
    config: Config,
    *,
    engine: str | None,
    out: Path | str | None,
    trace: bool,
    command: list[str],
    console: Console,
    live: bool = False,
) -> dict[str, Any]:
    """Run a configuration from the beginning to its end; returns the summary, which is also in the run directory.

    `engine` None: the configuration's, or actor. `out` None: a new directory under runs/. `live`: show a `LiveView`
    where the console is a terminal. What may go wrong is said on the console first. Raises InputError, RunError, or
    Interrupted where the user stopped it.
    """
    # a path stands for no configuration here, though it does on the command line
    one_of_kind(config, Config, "config", "give what load_config returns")
    name = _engine_name(engine or config.engine or "actor")
    graph, config = derive(config.network), with_origin_found(config)
    streams = open_streams(config)
    end_of(config, streams)
    for text in _warnings(config, streams):
        _warn(console, text)
    writer = RunWriter.create(
        Path(out) if out else _new_directory(config.name),
        graph,
        config_text=dump(config),
        config_name=config.name,
        engine=name,
        groups=groups_of(graph, streams),
        command=command,
        inputs=describe_inputs(config.as_document(), config.path.parent),
        trace=trace,
    )
    return _play(config, name, streams, writer, None, console, live)


def resume(path: Path | str, console: Console, live: bool = False) -> dict[str, Any]:
    """Go on with an interrupted run from its last checkpoint; the trace becomes that of an uninterrupted run.

    Raises InputError where there is nothing to go on with, or its configuration or a file that it reads is not what it
    was when the run began.
    """
    path = Path(path)
    provenance = read_provenance(path)
    name = _engine_name(provenance.get("engine"), str(path / "provenance.json"))
    # before what it reads is asked for: to put old files back would be of no use
    check_resumable(path)
    # before all else is read: of a file that is gone, what reads a configuration would ask whether its name is right
    check_unchanged(provenance, path)
    config = load_config(path / "config.yaml")
    if not are_equal(planned(path).plan, config.plan):
        raise InputError(
            "it describes other networks than those with which the run began",
            place=str(path / "config.yaml"),
            remedy="put the old text back if it was changed, or start a new run",
        )
    streams = open_streams(config)
    writer, state = RunWriter.resume(path, derive(config.network), CHECKPOINT_VERSION)
    return _play(config, name, streams, writer, state, console, live)


def _warnings(config: Config, streams: ConfiguredStreams) -> list[str]:
    """What may go wrong in a run of this configuration, in words."""
    classes = [name for name, each in streams.items() if isinstance(each, SampledTarget) and each.is_class]
    described = [text for label, text in describe(config) if label == "warning"]
    return described + warnings_of_classes(config, classes) + list(_odd_spans(config, streams).values())


def _odd_spans(config: Config, streams: ConfiguredStreams) -> dict[str, str]:
    """By stream, what is odd about when it gives samples, as far as that is known without reading on."""
    return warnings_of_spans(config, streams, spans_of(config, streams))


def _warn(console: Console, text: str) -> None:
    console.print(Text.assemble(("warning: ", "yellow"), text), soft_wrap=True)


def _warn_of_losses(ongoing: _Ongoing, console: Console) -> None:
    """At the end of a run: of streams that gave nothing all along, unless that was foreseen when it began, and of those
    of which more was left out than given.
    """
    graph, events = derive(ongoing.config.network), ongoing.engine.totals.events
    scores = ongoing.scores.scores()
    given = {graph.network.sensors[k].name: int(events[Kind.SAMPLE, p]) for p, k in graph.sensor_of.items()}
    given |= {target: sum(every.samples for every, _ in groups.values()) for target, groups in scores.items()}
    found = {name: left_out(ongoing.config, ongoing.streams, name) for name in ongoing.streams}
    silent = [name for name, n_samples in given.items() if n_samples == 0]
    foreseen = _odd_spans(ongoing.config, ongoing.streams) if silent else {}
    for name in silent:
        text = f"gave nothing: no sample of its source came before the end at {readable(ongoing.until_ns)}"
        found[name] = found[name] or (None if name in foreseen else text)
    for name, told in found.items():
        if told is not None:
            _warn(console, f"{called(ongoing.config, name)} {told}")


def _engine_name(name: object, place: str | None = None) -> str:
    if name not in ENGINES:
        remedy = f"use one of {', '.join(ENGINES)}"
        raise InputError("unknown engine", place=place, field="engine", value=name, remedy=remedy)
    return str(name)


def _open(
    config: Config, name: str, streams: ConfiguredStreams, writer: RunWriter, state: State | None, live: bool
) -> _Ongoing:
    """A run at its beginning, or where its `state` was saved; `live`: to be shown in a `LiveView`."""
    graph = derive(config.network)
    scores = ScoreKeeper(groups_of(graph, streams))
    until_ns, network, epochs = end_of(config, streams), config.network, None
    for stream in streams.values():
        stream.counted_until_ns = until_ns
    if config.training is not None:
        epochs = Epochs(config.training, len(open_images(config.training.images, test=False).order), until_ns)
        if state is not None:
            epochs.load_state(state["epochs"])
        network = network_in(network, config.training, epochs.number)
    watch = LossWatch(derive(network))
    trail, bills = None, None
    if writer.provenance["trace"] and name != "dense":
        if state is None:
            write_plan(writer.path, config.plan)
        part_events = writer.provenance["part_events"]
        trail = Trail(writer.path, graph, part_events, from_actor=name == "actor")
        bills = _accounting(writer.path, _networks(config, epochs), part_events, resumed=state is not None, live=live)
    if bills is not None:
        writer.tell(bills)
    recorders: list[OutcomeRecorder] = [writer.recorder, scores, watch]
    if bills is None and live and name != "dense":
        bills = OngoingBills(_networks(config, epochs))
        recorders.append(bills)
    engine = ENGINES[name](network, streams, recorders)
    ongoing = _Ongoing(
        config,
        name,
        engine,
        recorders,
        streams,
        until_ns,
        writer,
        scores,
        watch,
        epochs,
        trail,
        live=live,
        bills=bills,
    )
    if state is not None:
        ongoing.load_state(state)
    return ongoing


def _play(
    config: Config,
    name: str,
    streams: ConfiguredStreams,
    writer: RunWriter,
    state: State | None,
    console: Console,
    live: bool,
) -> dict[str, Any]:
    """Run from the beginning or from a checkpoint's `state`. The engine is made here, so that a fault in what it reads
    first ends the run like any later one.
    """
    # a wish to stop that comes when all has happened changes nothing, up to the last that is put away
    with _stop_wish() as wish, ExitStack() as after, writer:
        try:
            with naming_files(config):
                ongoing = _open(config, name, streams, writer, state, live and can_redraw(console))
                if ongoing.bills is not None:
                    after.enter_context(ongoing.bills)  # so that it ends when the trace has
                _run_slices(ongoing, console, wish)
        except OSError as error:
            raise RunError(f"cannot write the run to {writer.path}: {error.strerror or error}") from error
        now_ns = ongoing.engine.now_ns
        if not ongoing.is_over:
            writer.checkpoint(ongoing.state(), now_ns)
            writer.close("interrupted", now_ns)
            raise Interrupted(writer.path)
        result = _summary(ongoing)
        writer.close("complete", now_ns, summary=result)
        _warn_of_losses(ongoing, console)
    return result


def _run_slices(ongoing: _Ongoing, console: Console, wish: Callable[[], bool]) -> None:
    """Run to the end or until a wish to stop, a slice at a time, each as long as takes about `SLICE_S`. Where an epoch
    ends, a slice does.
    """
    until_ns = ongoing.until_ns
    if ongoing.engine_name == "compiled":
        # not beyond an epoch: a run that was stopped at its end, or in its test, goes on with the test
        _compile(ongoing.engine, until_ns if ongoing.epochs is None else ongoing.epochs.end_ns, console)
    before_s, began_s = ongoing.wall_s, time.monotonic()
    saved_s, slice_ns = began_s, FIRST_SLICE_NS
    with _shown(ongoing, console) as progress:
        while not ongoing.is_over and not wish():
            engine, epochs = ongoing.engine, ongoing.epochs
            if epochs is not None and engine.now_ns == epochs.end_ns:
                test_began_s = time.monotonic()
                _end_epoch(ongoing, epochs, console, wish)
                began_s += time.monotonic() - test_began_s
                continue
            slice_began_s = time.monotonic()
            if ongoing.trail is not None:
                ongoing.trail.pass_by(engine)
            _advance(ongoing, min(until_ns if epochs is None else epochs.end_ns, engine.now_ns + slice_ns))
            now_s = time.monotonic()
            ongoing.wall_s = before_s + now_s - began_s
            progress.update(engine.now_ns, int(engine.totals.events.sum()), ongoing.scores.latest_percent())
            took_s = max(now_s - slice_began_s, 1e-6)
            slice_ns = max(1, int(slice_ns * min(4.0, max(0.25, SLICE_S / took_s))))
            # none at the end: a run resumed there would have nothing to read, and nothing to say of its streams
            if now_s - saved_s > CHECKPOINT_EVERY_S and engine.now_ns < until_ns:
                ongoing.writer.checkpoint(ongoing.state(), engine.now_ns)
                saved_s = time.monotonic()


def _advance(ongoing: _Ongoing, until_ns: int) -> None:
    """Run to `until_ns`; RunError where learning diverges, the same wherever slices are cut."""
    try:
        ongoing.engine.run(until_ns)
    finally:
        if ongoing.engine_name != "dense":  # which has neither rules nor codes to speak of
            ongoing.watch.check()  # it sees earlier what the engine stops at, if that came in the same slice


def _shown(ongoing: _Ongoing, console: Console) -> RunProgress | LiveView:
    """What the user sees while it runs."""
    if not ongoing.live:
        return RunProgress(console, ongoing.until_ns, int(ongoing.engine.totals.events.sum()))
    return LiveView(
        console,
        derive(ongoing.config.network),
        lambda: ongoing.engine,
        ongoing.scores,
        ongoing.until_ns,
        heading=f"{ongoing.config.name}, {ongoing.engine_name} engine",
        payers=ongoing.bills,
    )


def _networks(config: Config, epochs: Epochs | None) -> list[tuple[int, Graph]]:
    """The network of a run, or those that it will have one after the other, each with the time when it begins."""
    return [
        (0 if epochs is None else epochs.start_ns(each.epoch), derive(each.network))
        for each in stages(config.network, config.training)
    ]


def _accounting(
    path: Path, networks: list[tuple[int, Graph]], part_events: int, *, resumed: bool, live: bool
) -> OngoingBills | None:
    """Who keeps accounts of a trace as it grows; None where the trace of a run that was resumed has damage."""
    bills = OngoingBills(networks, Accounts(path), part_events, at_once=live)
    if resumed:
        try:
            bills.go_on(open_run(path))
        except InputError:
            return None  # whoever asks what the run cost is told
    return bills


def _end_epoch(ongoing: _Ongoing, epochs: Epochs, console: Console, wish: Callable[[], bool]) -> None:
    """Test what has been learned, record the epoch, and go on as the next one does. Where a wish to stop comes
    on the way none of it has happened, and whoever goes on begins with the test.
    """
    training = ongoing.config.training
    assert training is not None
    spiking = conventional = None
    if training.evaluate:
        spiking, conventional = _test(ongoing, wish)
        if wish():
            return
    record = epochs.finish(_tally(ongoing), spiking, conventional)
    epochs.write(ongoing.writer.path)
    console.print(_epoch_line(record, training.epochs), soft_wrap=True, highlight=False, markup=False)
    for stage in stages(ongoing.config.network, training):
        if stage.epoch == epochs.number and not epochs.are_over:
            _go_on_as(ongoing, stage.network)
            ongoing.engine.set_scales(stage.k_beta_forward, stage.k_beta_backward)


def _go_on_as(ongoing: _Ongoing, network: Network) -> None:
    """Go on with an engine of another network, which differs in its codes and rates of learning only."""
    state = ongoing.engine.state()
    ongoing.watch.graph = derive(network)
    ongoing.engine = ENGINES[ongoing.engine_name](network, ongoing.streams, ongoing.recorders)
    ongoing.engine.load_state(state)


def _test(ongoing: _Ongoing, wish: Callable[[], bool]) -> tuple[float | None, float | None]:
    """Right answers in percent to the test images, as the spiking network that the run has come to and as an ordinary
    network of the same weights. A dense run has no spiking one.
    """
    config = ongoing.config
    assert config.training is not None
    assert ongoing.epochs is not None
    streams: dict[str, ConfiguredSensor | ConfiguredTarget] = {}
    for name, sensor in config.sensors.items():
        streams[name] = build_sensor(of_test_images(sensor), config.seed)
    for name, target in config.targets.items():
        streams[name] = build_target(of_test_images(target), config.seed)
    now = network_in(config.network, config.training, ongoing.epochs.number)
    network = fixed_network(now, ongoing.engine.parameters())
    is_dense = isinstance(ongoing.engine, DenseEngine)
    spiking = None if is_dense else percent_right(ENGINES[ongoing.engine_name], network, streams, wish)
    return spiking, None if wish() else percent_right(DenseEngine, network, streams, wish)


def _tally(ongoing: _Ongoing) -> Tally:
    scores = [score for groups in ongoing.scores.scores().values() for score, _ in groups.values()]
    engine = ongoing.engine
    if isinstance(engine, DenseEngine):
        adds = {direction: counts["adds_unit"] for direction, counts in engine.counts().items()}
    else:
        adds = adds_by_direction(derive(ongoing.config.network), engine.totals)
    return Tally(
        labelled=sum(score.labelled for score in scores),
        correct=sum(score.correct for score in scores),
        events=int(engine.totals.events.sum()),
        adds_unit=tuple(adds[direction] for direction in DIRECTIONS),
        wall_s=ongoing.wall_s,
    )


def _epoch_line(record: Mapping[str, Any], epochs: int) -> str:
    tested = [f"{percent(right)} {kind}" for kind, right in record["test"].items() if right is not None]
    test = f", test {', '.join(tested)}" if tested else ""
    adds = sum(record["adds_unit_per_image"].values())
    return (
        f"epoch {record['epoch']} of {epochs}: {percent(record['train'])} right{test}; "
        f"{count(round(adds))} unit adds an image, {record['wall_s']:.3g} s"
    )


def _compile(engine: Engine, until_ns: int, console: Console) -> None:
    """Take the first step, in which kernels are compiled if they have not been; that is not the run's own time."""
    began_s = time.monotonic()
    with console.status("compiling kernels, the first time only: a minute or two"):
        engine.run(min(until_ns, engine.now_ns + 1))
    took_s = time.monotonic() - began_s
    if took_s > COMPILING_S:
        console.print(f"kernels compiled in {took_s:.0f} s; later runs begin at once", highlight=False)


def _summary(ongoing: _Ongoing) -> dict[str, Any]:
    engine = ongoing.engine
    is_dense = isinstance(engine, DenseEngine)
    return summary(
        derive(ongoing.config.network),
        engine.totals,
        ongoing.scores,
        config=ongoing.config.name,
        engine=ongoing.engine_name,
        simulated_ns=engine.now_ns,
        wall_s=ongoing.wall_s,
        run_dir=ongoing.writer.path,
        dense_passes=engine.passes,
        dense_run=engine.counts() if isinstance(engine, DenseEngine) else None,
        streams={} if is_dense else ongoing.stream_counts(),
        test=ongoing.epochs.records[-1]["test"] if ongoing.epochs is not None else None,
    )


def _new_directory(name: str) -> Path:
    """Make a directory under runs/, named by configuration and time; runs begun at once get one each."""
    stem = f"{re.sub(r'[^0-9A-Za-z_.-]', '_', name)[:80]}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = Path("runs") / stem, 1
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
            path = Path("runs") / f"{stem}-{number}"
        except OSError:
            return path  # the writer will meet the same error, and words it


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
