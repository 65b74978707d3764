"""From a stream's plain description to the stream that an engine reads.

Everything that can be checked without reading all samples is checked here, once, before a run; faults of
single rows come up where they are read, as the policies say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, TargetBlock
from eventnet.errors import InputError, Written
from eventnet.sensors.arrays import ArrayRows, rows_of_arrays
from eventnet.sensors.generators import Signal, open_signal
from eventnet.sensors.images import image_stream, label_stream
from eventnet.sensors.playlist import open_playlist, recording_field, timeline
from eventnet.sensors.samples import RowSource, Samples, StreamCounts, forward_fill, tick_chunks
from eventnet.sensors.sampling import check_sampling, deliver, end_of_source_ns, start_of_source_ns
from eventnet.sensors.spec import (
    ArrayLabels,
    ArraySource,
    GeneratorSource,
    ImageLabels,
    ImageSource,
    PlaylistLabels,
    PlaylistSource,
    Sampling,
    SensorSpec,
    SensorTarget,
    TableLabels,
    TableSource,
    TargetSpec,
)
from eventnet.units import NEVER_NS

if TYPE_CHECKING:
    from eventnet.datasets.streams import ImageStream, LabelStream
    from eventnet.sensors.tables import Table

ALL = ("all",)


def build_sensor(spec: SensorSpec, seed: int) -> SampledSensor | ImageStream:
    """The stream of a sensor; `seed` is the simulation's. Raises InputError for what cannot be used."""
    place = f"sensor {spec.name!r}"
    if isinstance(spec.source, ImageSource):
        period_ns = spec.sampling.period_ns
        if period_ns is None or spec.sampling != Sampling(period_ns=period_ns, phase_ns=spec.sampling.phase_ns):
            raise InputError("images take a period and a phase, and nothing else", place=place, field="sampling")
        return image_stream(spec.source, period_ns, spec.sampling.phase_ns)
    source = _open(spec.source, seed, spec.name, place)
    check_sampling(spec.sampling, source, place)
    return SampledSensor(source, spec.sampling, seed, spec.name)


def build_target(spec: TargetSpec, seed: int) -> SampledTarget | PlaylistTarget | LabelStream:
    """The stream of a target; `seed` is the simulation's. Raises InputError for what cannot be used.

    `spec.policies` are for labels; a `SensorTarget` brings its own in its sampling.
    """
    place = f"target {spec.name!r}"
    source = spec.source
    if isinstance(source, PlaylistLabels):
        return PlaylistTarget(source, seed, place)
    if isinstance(source, ImageLabels):
        return label_stream(source)
    if isinstance(source, SensorTarget):
        return _sensor_target(source, seed, spec.name, place)
    if isinstance(source, ArrayLabels):
        rows, is_class = _label_rows(source, place)
        why = None if is_class else "they are given as floats"
        return SampledTarget(rows, Sampling(policies=spec.policies), 0, seed, spec.name, why, True, source.group_names)
    from eventnet.sensors.tables import why_values  # only here, since it loads Arrow

    table = _open_table(source)
    sampling = Sampling(
        period_ns=source.period_ns,
        phase_ns=source.phase_ns,
        start_ns=source.start_ns,
        end_ns=source.end_ns,
        policies=spec.policies,
    )
    check_sampling(sampling, table.rows, place)
    return SampledTarget(table.rows, sampling, 0, seed, spec.name, why_values(table), False, ALL)


class SampledSensor:
    """A sensor's samples (a `SensorStream`), made anew on each pass.

    Blocks come in the channels-and-offsets form where the source is partial or send-on-delta is on, and where
    a policy left a channel out.
    """

    counted_until_ns = NEVER_NS

    def __init__(self, source: RowSource | Signal, sampling: Sampling, seed: int, name: str) -> None:
        self._source = source
        self._sampling = sampling
        self._key = (seed, name)
        self._counts = StreamCounts()

    @property
    def n_channels(self) -> int:
        return self._source.n_channels if isinstance(self._source, Signal) else len(self._source.columns)

    @property
    def begins_ns(self) -> int | None:
        """A time before which no sample is taken (jitter aside), where the rows of its source are in order; None where
        the first row does not tell.
        """
        return start_of_source_ns(self._source, self._sampling, 0)

    @property
    def own_step_ns(self) -> int | None:
        """The usual time from one sample to the next, as the first rows have it; None where a period says when to take
        samples.
        """
        if isinstance(self._source, Signal) or self._sampling.period_ns is not None:
            return None
        return self._source.step_ns

    @cached_property
    def duration_ns(self) -> int | None:
        """The earliest time before which every sample is taken (jitter aside); None where there is no end.

        For a .csv or .parquet this reads the column of times, once.
        """
        with _read_for(self._key[1]):
            return end_of_source_ns(self._source, self._sampling, 0)

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        return replace(self._counts)

    def blocks(self) -> Iterator[SampleBlock]:
        counts = self._counts = StreamCounts(until_ns=self.counted_until_ns)
        sparse = self._sampling.send_on_delta is not None
        sparse |= not isinstance(self._source, Signal) and self._source.partial
        with _read_for(self._key[1]):
            for samples in deliver(self._source, self._sampling, 0, *self._key, counts):
                block = _sample_block(samples, sparse)
                n = counts.n_counted(block.times_ns)
                counts.delivered += n
                counts.values += n * self.n_channels if block.offsets is None else int(block.offsets[n])
                yield block


class SampledTarget:
    """A target's samples, taken like a sensor's (a `TargetStream`).

    `why_values`: why its numbers are values, in words; None: they are classes. `tagged`: the source's last two columns
    are the group and whether the sample is learned from.
    """

    counted_until_ns = NEVER_NS

    def __init__(
        self,
        source: RowSource | Signal,
        sampling: Sampling,
        ahead_ns: int,
        seed: int,
        name: str,
        why_values: str | None,
        tagged: bool,
        groups: tuple[str, ...],
    ) -> None:
        self._source = source
        self._sampling = sampling
        self._ahead_ns = ahead_ns
        self._key = (seed, name)
        self.why_values = why_values
        self._tagged = tagged
        self._groups = groups
        self._counts = StreamCounts()

    @property
    def groups(self) -> tuple[str, ...]:
        return self._groups

    @property
    def is_class(self) -> bool:
        """Whether each sample is a class, and not values to give."""
        return self.why_values is None

    @property
    def n_values(self) -> int:
        """How many numbers a sample has."""
        n = self._source.n_channels if isinstance(self._source, Signal) else len(self._source.columns)
        return n - 2 if self._tagged else n

    @property
    def begins_ns(self) -> int | None:
        """As for a sensor."""
        return start_of_source_ns(self._source, self._sampling, self._ahead_ns)

    @cached_property
    def duration_ns(self) -> int | None:
        """As for a sensor."""
        with _read_for(self._key[1]):
            return end_of_source_ns(self._source, self._sampling, self._ahead_ns)

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        return replace(self._counts)

    def blocks(self) -> Iterator[TargetBlock]:
        counts = self._counts = StreamCounts(until_ns=self.counted_until_ns)
        with _read_for(self._key[1]):
            samples = deliver(self._source, self._sampling, self._ahead_ns, *self._key, counts)
            for part in _complete(samples):
                block = self._target_block(part)
                n = counts.n_counted(block.times_ns)
                counts.delivered += n
                counts.values += block.values[:n].size
                yield block

    def _target_block(self, samples: Samples) -> TargetBlock:
        n = len(samples.times_ns)
        values, groups, learn = samples.values, np.zeros(n, np.int64), np.ones(n, np.bool_)
        if self._tagged:
            groups, learn = values[:, -2].astype(np.int64), values[:, -1] > 0
            values = values[:, :-2]
        if self.is_class:
            return TargetBlock(samples.times_ns, self._as_classes(samples.times_ns, values[:, 0]), groups, learn)
        return TargetBlock(samples.times_ns, values, groups, learn)

    def _as_classes(self, times_ns: NDArray[np.int64], labels: NDArray[np.float64]) -> NDArray[np.int64]:
        bad = (labels < 0) | (labels != np.rint(labels)) | (labels >= 2.0**63)
        if bad.any():
            first = int(bad.argmax())
            origin_ns = 0 if isinstance(self._source, Signal) else self._source.origin_ns
            raise InputError(
                "a class must be a whole number from 0 up to 2**63 - 1",
                place=f"target {self._key[1]!r}",
                field=f"the label at {int(times_ns[first]) + origin_ns} ns",
                value=Written(f"{labels[first]:.17g}"),
                remedy="number the classes from 0; values are given as floats, or put the file under signal",
            )
        return labels.astype(np.int64)


class PlaylistTarget:
    """Labels of a playlist's recordings along its timeline (a `TargetStream`)."""

    counted_until_ns = NEVER_NS

    def __init__(self, spec: PlaylistLabels, seed: int, place: str) -> None:
        for field, value, least in (
            ("period", spec.period_ns, 1),
            ("phase", spec.phase_ns, 0),
            ("settle", spec.settle_ns, 0),
        ):
            if value < least:
                raise InputError(f"must be at least {least} ns", place=place, field=field, value=value)
        self._spec = spec
        self._timeline = timeline(spec.playlist, seed)
        self._labels = recording_field(spec.playlist.recordings, spec.label)
        if self._labels.min() < 0:
            raise InputError(
                "a class must not be negative",
                place=str(spec.playlist.recordings.file),
                field=spec.label,
                value=int(self._labels.min()),
                remedy="number the classes from 0",
            )
        self._counts = StreamCounts()

    @property
    def groups(self) -> tuple[str, ...]:
        return self._timeline.group_names

    @property
    def never_settled(self) -> tuple[str, ...]:
        """The groups that give no label, since no piece of theirs is longer than the time in which none comes."""
        line = self._timeline
        lengths_ns = (line.stop_row - line.start_row) * line.row_period_ns
        longest_ns = np.zeros(len(line.group_names), np.int64)
        np.maximum.at(longest_ns, line.group, lengths_ns)
        names = zip(line.group_names, longest_ns.tolist(), strict=True)
        return tuple(name for name, length_ns in names if length_ns <= self._spec.settle_ns)

    @property
    def begins_ns(self) -> int:
        """The first time at which a label may come."""
        return self._spec.phase_ns

    @property
    def duration_ns(self) -> int:
        """When the playlist ends."""
        return self._timeline.duration_ns

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        return replace(self._counts)

    def blocks(self) -> Iterator[TargetBlock]:
        counts = self._counts = StreamCounts(until_ns=self.counted_until_ns)
        line, spec = self._timeline, self._spec
        learn = np.array(line.learn)
        for ticks in tick_chunks(range(spec.phase_ns, line.duration_ns, spec.period_ns)):
            piece = np.searchsorted(line.start_ns, ticks, side="right") - 1
            settled = ticks - line.start_ns[piece] >= spec.settle_ns
            times, piece = ticks[settled], piece[settled]
            if len(times) == 0:
                continue
            n = counts.n_counted(times)
            counts.delivered += n
            counts.values += n
            group = line.group[piece]
            yield TargetBlock(times, self._labels[line.recording[piece]], group, learn[group])


@contextmanager
def _read_for(stream: str) -> Iterator[None]:
    """Let errors know which stream was read: several may read one file."""
    try:
        yield
    except InputError as error:
        error.stream = stream
        raise


def _open_table(source: TableSource | TableLabels) -> Table:
    from eventnet.sensors.tables import open_table  # only here, since it loads Arrow

    return open_table(source)


def _open(
    source: ArraySource | TableSource | GeneratorSource | PlaylistSource, seed: int, name: str, place: str
) -> RowSource | Signal:
    if isinstance(source, ArraySource):
        return rows_of_arrays(source.times_ns, source.values, source.partial, place)
    if isinstance(source, TableSource):
        return _open_table(source).rows
    if isinstance(source, GeneratorSource):
        return open_signal(source, seed, name, place)
    return open_playlist(source, seed)


def _sensor_target(spec: SensorTarget, seed: int, name: str, place: str) -> SampledTarget:
    source = _open(spec.source, seed, name, place)
    check_sampling(spec.sampling, source, place)
    if spec.sampling.send_on_delta is not None:
        raise InputError(
            "a target compares all values each time",
            place=place,
            field="send_on_delta",
            remedy="leave it out",
        )
    if spec.ahead_ns < 0:
        raise InputError("must not be negative", place=place, field="ahead", value=spec.ahead_ns)
    why = "a signal's numbers are values"
    return SampledTarget(source, spec.sampling, spec.ahead_ns, seed, name, why, False, ALL)


def _label_rows(spec: ArrayLabels, place: str) -> tuple[ArrayRows, bool]:
    """Labels as rows whose last two columns are the group and whether to learn; whether the labels are
    classes.

    As columns, groups and learning go with their labels through whatever the policies do.
    """
    labels = np.asarray(spec.values)
    is_class = labels.ndim == 1 and bool(np.issubdtype(labels.dtype, np.integer))
    if not is_class and labels.ndim != 2:
        raise InputError(
            "must be whole numbers [n], classes, or floats [n, size]",
            place=place,
            field="values",
            value=f"{labels.dtype} of shape {labels.shape}",
        )
    n = len(labels)
    learn = np.ones(n, np.bool_) if spec.learn is None else np.asarray(spec.learn)
    groups = np.zeros(n, np.int64) if spec.groups is None else np.asarray(spec.groups)
    for field, array in (("learn", learn), ("groups", groups)):
        if array.shape != (n,):
            raise InputError("must have one entry a label", place=place, field=field, value=array.shape, remedy=f"{n}")
    if n and not (groups.min() >= 0 and groups.max() < len(spec.group_names)):
        raise InputError(
            "must be indices into group_names",
            place=place,
            field="groups",
            value=int(groups.min() if groups.min() < 0 else groups.max()),
            remedy=f"use 0 to {len(spec.group_names) - 1}",
        )
    columns = labels[:, None] if is_class else labels
    return rows_of_arrays(spec.times_ns, np.column_stack([columns, groups, learn]), False, place), is_class


def _complete(samples: Iterator[Samples]) -> Iterator[Samples]:
    """Fill in channels that a sample leaves out with their last values; leave it out until all have one."""
    held: NDArray[np.float64] | None = None
    for part in samples:
        filled = forward_fill(part.values, np.full(part.values.shape[1], np.nan) if held is None else held)
        held = filled[-1]
        whole = Samples(part.times_ns, filled)
        whole = whole.where(np.logical_and.reduce(whole.carried, axis=1))
        if len(whole.times_ns):
            yield whole


def _sample_block(samples: Samples, sparse: bool) -> SampleBlock:
    carried = samples.carried
    if not sparse and carried.all():
        return SampleBlock(samples.times_ns, samples.values)
    offsets = np.concatenate([[0], np.cumsum(np.count_nonzero(carried, axis=1))]).astype(np.int64)
    return SampleBlock(samples.times_ns, samples.values[carried], np.nonzero(carried)[1].astype(np.int64), offsets)
