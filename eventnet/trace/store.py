"""The directory of a run: written as the run goes on, whole at every moment, resumed from its last
checkpoint.

    config.yaml          the configuration, as given
    provenance.json      what ran: versions, engine, seed, the network's names and sizes, the files that it reads
    networks.npz         the networks that it has, see `eventnet.trace.networks`
    status.json          running, interrupted, failed or complete, and how far it came
    trace/               events, see `eventnet.trace.parts` and docs/trace.md
    outcomes/            what every target sample said, likewise
    checkpoint/state.npz the last checkpoint
    summary.json         written last, and only when the run is complete

Recording a batch appends it to a list. Memory is bounded: batches become rows every `BATCH_ROWS` events and
rows become a part of the trace every `part_events`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pyarrow as pa

from eventnet import __version__
from eventnet.engines.base import OutcomeRecorder, Recorder, State
from eventnet.errors import InputError, RunError
from eventnet.network.graph import Graph
from eventnet.trace.events import SCHEMA_VERSION, EventBatch, EventBlock, Outcome, block_of, join
from eventnet.trace.files import only_writer, write_json, write_text
from eventnet.trace.layout import cut
from eventnet.trace.parts import PartWriter, check_part_events, open_parts
from eventnet.trace.provenance import FORMAT, facts_of, first_difference, read_provenance
from eventnet.trace.schema import STATES, EventRows, OutcomeRows
from eventnet.trace.state import load_state, save_state

if TYPE_CHECKING:
    from filelock import FileLock

PART_EVENTS = 2**18
BATCH_ROWS = 2**15
PART_OUTCOMES = 2**16
BATCH_OUTCOMES = 2**12


class LastingRecorder(Recorder, Protocol):
    """Is told many events at once in arrays that do not change, so that it need not copy them."""

    def lasting_block(self, block: EventBlock) -> None: ...


class RunWriter:
    """Records a run into its directory; a `Recorder` for engines.

    Start one with `create`, or go on with `resume`. `checkpoint` makes what happened so far safe, `close`
    ends the run as "complete", "interrupted" or "failed". As a context manager it closes by itself on the way
    out: "interrupted" where nobody closed it or on Ctrl-C, "failed" on any other exception.

    The arrays of a batch must not be changed after they are handed over.
    """

    def __init__(self, path: Path, graph: Graph, provenance: Mapping[str, Any], lock: FileLock) -> None:
        """For `create` and `resume` only. `lock`: of the directory, let go of when the run is closed."""
        self.path, self.provenance = path, provenance
        self._lock = lock
        self._trace = bool(provenance["trace"])
        self._events = EventRows(graph)
        self._outcomes = OutcomeRows({target["name"]: target["groups"] for target in provenance["targets"]})
        self._part_events = int(provenance["part_events"])
        self._event_parts = PartWriter(path / "trace", "events", self._events.schema, self._part_events)
        self._outcome_parts = PartWriter(path / "outcomes", "outcomes", self._outcomes.schema, PART_OUTCOMES)
        self._batches: list[EventBatch] = []
        self._blocks: list[EventBlock] = []
        self._n_pending = 0
        self._pending_outcomes: list[Outcome] = []
        self._next_event = 0
        self._n_outcomes = 0
        self._time_ns = 0
        self._closed = False
        self._hearing: LastingRecorder | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        graph: Graph,
        *,
        config_text: str,
        config_name: str,
        engine: str,
        groups: Mapping[str, Sequence[str]],
        command: Sequence[str] = (),
        inputs: Sequence[Mapping[str, Any]] = (),
        trace: bool = True,
        part_events: int = PART_EVENTS,
    ) -> Self:
        """Start a run in a new or empty directory.

        `groups`: for every target of the network, the names of its stream's groups; `inputs`: the files that the run
        reads (see `eventnet.config.inputs`). `trace=False` records outcomes and summary only. Raises InputError where
        the directory holds anything or a target has no groups, RunError where the disk refuses.
        """
        provenance = describe_run(graph, config_text, config_name, engine, groups, command, inputs, trace, part_events)
        _claim(path)
        with _opening(path) as lock:
            writer = cls(path, graph, provenance, lock)
            for directory in ("outcomes", "checkpoint", *(["trace"] if trace else [])):
                try:
                    (path / directory).mkdir()
                except FileExistsError as error:  # of a run that was begun since it was found empty
                    raise _not_empty(path) from error
            write_text(path / "config.yaml", config_text)
            writer._write_status("running", 0, "")
            # last, since this file is what makes the directory one of a run
            write_json(path / "provenance.json", provenance)
        return writer

    @classmethod
    def resume(cls, path: Path, graph: Graph, version: int | None = None) -> tuple[Self, State]:
        """Go on from the last checkpoint of a run that did not end: the writer and the state given to
        `checkpoint`.

        Everything recorded after the checkpoint is dropped; the engine will do it again. `graph` is that of
        the run's own configuration, `version` what the state must have under that name. Raises InputError where
        there is nothing to resume, the network or the version differs or files are damaged.
        """
        provenance = read_provenance(path)
        with _opening(path) as lock:
            _check_unfinished(path)
            _check_same_network(path, graph, provenance)
            saved = _last_checkpoint(path, version)
            for temporary in path.rglob(".*.tmp"):
                temporary.unlink(missing_ok=True)  # it may be of one that only asks the run, and be gone by now
            if provenance["trace"]:
                check_part_events(path, provenance, open_parts(path / "trace", "events"))
            writer = cls(path, graph, provenance, lock)
            if writer._trace:
                writer._event_parts.go_back_to(saved["event_rows"])
            writer._outcome_parts.go_back_to(saved["outcome_rows"])
            writer._next_event = saved["next_event"]
            writer._n_outcomes = saved["outcome_rows"]
            writer._write_status("running", saved["time_ns"], "")
        state: State = saved["state"]
        return writer, state

    @property
    def recorder(self) -> OutcomeRecorder:
        """What an engine is to tell: events too only where they are written."""
        return self if self._trace else _OutcomesOnly(self)

    def tell(self, recorder: LastingRecorder) -> None:
        """Have another recorder hear all events and outcomes that are recorded from now on."""
        self._hearing = recorder

    def events(self, batch: EventBatch) -> None:
        """Record a batch. Raises RunError where ids go backward, which would be a fault of the engine."""
        n = len(batch.neurons)
        self._take_number(batch.first_event)
        self._next_event = batch.first_event + n
        self._time_ns = batch.time_ns
        if n == 0 or not self._trace:
            return
        self._batches.append(batch)
        self._count(n)
        if self._hearing is not None:
            self._hearing.events(batch)

    def block(self, block: EventBlock) -> None:
        """Record many batches, whose arrays may change afterwards. Raises RunError as `events` does."""
        ends = block.first_events + block.sizes
        self._take_number(int(block.first_events[0]))
        if (ends[:-1] > block.first_events[1:]).any():
            raise RunError("the events of a block are out of order; report this fault")
        self._next_event = int(ends[-1])
        self._time_ns = int(block.times_ns[-1])
        if self._trace:
            kept = block.copy()
            self._blocks += [*self._left_batches(), kept]
            self._count(block.values.size)
            if self._hearing is not None:
                self._hearing.lasting_block(kept)

    def outcome(self, outcome: Outcome) -> None:
        """Record what a target sample said."""
        self._pending_outcomes.append(outcome)
        self._n_outcomes += 1
        if self._hearing is not None:
            self._hearing.outcome(outcome)
        if len(self._pending_outcomes) >= BATCH_OUTCOMES:
            self._rows_from_outcomes()

    def checkpoint(self, state: State, time_ns: int) -> None:
        """Make everything so far safe: rows first, then the state, from which `resume` goes on."""
        self._write_tails()
        save_state(
            _checkpoint_file(self.path),
            {
                "next_event": self._next_event,
                "event_rows": self._event_parts.n_rows,
                "outcome_rows": self._outcome_parts.n_rows,
                "time_ns": time_ns,
                "state": state,
            },
        )
        self._write_status("running", time_ns, "")

    def close(self, status: str, time_ns: int, *, summary: Mapping[str, Any] | None = None, message: str = "") -> None:
        """End the run as "complete" (with a `summary`), "interrupted" or "failed" (with a `message`)."""
        if status not in STATES[1:] or (summary is not None) != (status == "complete"):
            raise ValueError("close as interrupted or failed, or as complete with a summary")
        self._closed = True
        try:
            try:
                self._write_tails()
            except RunError as error:
                with suppress(RunError):  # a few bytes may fit where the tail does not
                    self._write_status("failed", time_ns, str(error))
                raise
            self._write_status(status, time_ns, message)
            if summary is not None:
                write_json(self.path / "summary.json", summary)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._closed:
            return
        if error is None or isinstance(error, KeyboardInterrupt):
            self.close("interrupted", self._time_ns)
        else:
            self.close("failed", self._time_ns, message=str(error) or type(error).__name__)

    def _take_number(self, event: int) -> None:
        if event < self._next_event:
            raise RunError(f"event {event} came after event {self._next_event - 1}; report this fault")

    def _count(self, n: int) -> None:
        self._n_pending += n
        if self._n_pending >= BATCH_ROWS:
            self._rows_from_pending()

    def _left_batches(self) -> list[EventBlock]:
        """What came batch by batch since the last block, as a block."""
        batches, self._batches = self._batches, []
        return [block_of(batches)] if batches else []

    def _rows_from_pending(self) -> None:
        # let go of the events first: if the disk refuses the rows, closing must not add them a second time
        blocks, self._blocks, self._n_pending = [*self._blocks, *self._left_batches()], [], 0
        pieces = cut(join(blocks), self._event_parts.room, self._part_events)
        self._event_parts.append(*(self._events.table(each) for each in pieces))

    def _rows_from_outcomes(self) -> None:
        outcomes, self._pending_outcomes = self._pending_outcomes, []
        self._outcome_parts.append(self._outcomes.table(outcomes))

    def _write_tails(self) -> None:
        if self._n_pending:
            self._rows_from_pending()
        if self._pending_outcomes:
            self._rows_from_outcomes()
        if self._trace:
            self._event_parts.write_tail()
        self._outcome_parts.write_tail()

    def _write_status(self, status: str, time_ns: int, message: str) -> None:
        self._time_ns = time_ns
        write_json(
            self.path / "status.json",
            {
                "state": status,
                "time_ns": time_ns,
                "events": self._next_event,
                "outcomes": self._n_outcomes,
                "message": message,
            },
        )


def describe_run(
    graph: Graph,
    config_text: str,
    config_name: str,
    engine: str,
    groups: Mapping[str, Sequence[str]],
    command: Sequence[str],
    inputs: Sequence[Mapping[str, Any]],
    trace: bool,
    part_events: int,
) -> dict[str, Any]:
    """The content of provenance.json: what ran, on which files, by which versions. Raises InputError where a target
    has no groups.
    """
    facts = facts_of(graph)
    for target in graph.network.targets:
        if not groups.get(target.name):
            raise InputError("no groups are given for this target", field="groups", value=target.name)
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "eventnet": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "platform": platform.platform(),
        "config": config_name,
        "command": list(command),
        "engine": engine,
        "seed": facts["seed"],
        "dtype": facts["dtype"],
        "trace": trace,
        "part_events": part_events,
        "populations": facts["populations"],
        "projections": facts["projections"],
        "targets": [{**each, "groups": list(groups[each["name"]])} for each in facts["targets"]],
        "configuration": config_text,
        "inputs": [dict(each) for each in inputs],
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def _opening(path: Path) -> Iterator[FileLock]:
    """Become the only writer of a directory, as `only_writer` does; not where it then cannot be opened: who holds the
    error would else hold the lock with it.
    """
    lock = only_writer(path)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def check_resumable(path: Path) -> None:
    """Raise InputError where a run cannot be gone on with whatever it reads: it is complete, being written at this
    moment, or ended before its first checkpoint.
    """
    lock = only_writer(path)
    try:
        _check_unfinished(path)
    finally:
        lock.release()


def _check_unfinished(path: Path) -> None:
    """For who holds the lock: before that, the run might yet be completed."""
    if (path / "summary.json").exists():
        raise InputError("this run is complete", place=str(path), remedy="start a new run")
    if not _checkpoint_file(path).exists():
        raise InputError(
            "this run ended before its first checkpoint",
            place=str(path),
            remedy="start it anew in another directory",
        )


def _checkpoint_file(path: Path) -> Path:
    return path / "checkpoint" / "state.npz"


def _last_checkpoint(path: Path, version: int | None) -> dict[str, Any]:
    """What `checkpoint` saved last, with a state of this version."""
    file = _checkpoint_file(path)
    saved = load_state(file)
    if saved["state"].get("version") != version:
        raise InputError(
            "this checkpoint is of a version of eventnet that computes otherwise",
            place=str(file),
            remedy="start the run anew in another directory, or go on with the version that began it",
        )
    return saved


def _claim(path: Path) -> None:
    """Make the directory, or raise InputError where something is there already."""
    if path.is_dir() and any(path.iterdir()):
        raise _not_empty(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make this directory: {error.strerror}",
            place=str(path),
            remedy="give another place for the run",
        ) from error


def _not_empty(path: Path) -> InputError:
    can_go_on = _checkpoint_file(path).exists() and not (path / "summary.json").exists()
    remedy = "give another directory" + (", or resume the run that is in it" if can_go_on else "")
    return InputError("the directory is not empty", place=str(path), remedy=remedy)


def _check_same_network(path: Path, graph: Graph, provenance: Mapping[str, Any]) -> None:
    field = first_difference(provenance, graph)
    if field is not None:
        raise InputError(
            "the network given is not the one that was run",
            place=str(path / "provenance.json"),
            field=field,
            remedy="resume with the run's own config.yaml",
        )


class _OutcomesOnly:
    """A writer that does not hear events."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer

    def outcome(self, outcome: Outcome) -> None:
        self._writer.outcome(outcome)
