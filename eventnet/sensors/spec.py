"""What a stream is made of, as plain data: where its samples come from, when they are taken, what is refused.

The configuration builds these; `eventnet.sensors.build` turns them into streams that engines read. All times are
integer nanoseconds of simulated time unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Policy(StrEnum):
    """What to do with a sample that breaks an expectation; every case is counted whatever is done."""

    ERROR = "error"  # stop with an error that names the file, the row and the value
    DROP = "drop"  # leave the sample (or the channel of it) out
    HOLD = "hold"  # send the last good value in its place


@dataclass(frozen=True)
class Policies:
    """One policy for each thing that can be wrong with a stream of samples.

    `hold`, fault by fault: a duplicate or late sample stays out, since its instant is past and what is held
    there is the last good value already; a non-finite value is replaced by the channel's last good one (left
    out where there is none); in a gap the last good values are sent again every `max_gap_ns`. With gap `drop`,
    a sensor with a period skips the ticks at which its latest value would be older than `max_gap_ns`. More in
    `eventnet.sensors.policies`.
    """

    duplicate: Policy = Policy.ERROR  # a time equal to the one before
    late: Policy = Policy.ERROR  # a time before the one before
    gap: Policy = Policy.DROP  # no sample for longer than max_gap_ns
    nonfinite: Policy = Policy.ERROR  # NaN or infinity
    max_gap_ns: int | None = None  # None: no gap is too long


@dataclass(frozen=True)
class Sampling:
    """How a sensor looks at its source.

    `period_ns` None: at the source's own times. Otherwise at phase + k * period, the latest source value before or at
    that time. `jitter_ns` moves each sample time by a uniform draw in [-jitter, jitter] (order is kept), `dropout` is
    the probability that a sample is lost, `send_on_delta` sends a channel only when it has moved at least that far
    from the value last sent. `start_ns` and `end_ns` cut the source, half-open. Values leave as
    (value - center) / scale; `center` and `scale` are one number or one for each channel.
    """

    period_ns: int | None = None
    phase_ns: int = 0
    jitter_ns: int = 0
    dropout: float = 0.0
    send_on_delta: float | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    center: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    policies: Policies = field(default_factory=Policies)


@dataclass(frozen=True)
class ArraySource:
    """Arrays in memory: `times_ns` int64 [n], `values` float [n, n_channels]; NaN marks a channel without a sample
    only if `partial` is true."""

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    partial: bool = False


@dataclass(frozen=True)
class TableSource:
    """A file of samples: .npz (arrays by name), .csv or .parquet (columns by name).

    `time` names the time column, in `time_unit` (a key of `eventnet.units.NS_PER`); `columns` the channels. In an
    .npz a 2-D array may be named once as `values`, with `columns` its column numbers. An empty cell is a channel
    without a sample where `partial` is true. `origin_ns`: the time in the file that is 0 of the run; None: that of its
    first row, or of the first of all files of which this is said (`eventnet.opening.with_origin_found`).
    """

    file: Path
    time: str
    time_unit: str = "s"
    columns: tuple[str | int, ...] = ()
    values: str | None = None
    partial: bool = False
    origin_ns: int | None = 0


@dataclass(frozen=True)
class GeneratorSource:
    """A signal made on the fly, in bounded memory however long the run.

    `kind`: "constant" (of `level`), "sine" (`level` + `amplitude` sin(2 pi t / wave_period), channels evenly out of
    phase) or "random_walk" (a value drawn anew every `step_ns`: the last plus normal(0, amplitude), decaying toward
    `level` so that its standard deviation stays `amplitude` * 10; linear in between). `duration_ns` None: endless.
    Streams whose generators have the same `signal` see the same draws ("": the name of the stream itself), so
    that a target can ask for what a sensor shows.
    """

    kind: str
    n_channels: int
    level: float = 0.0
    amplitude: float = 1.0
    wave_period_ns: int = 10**9
    step_ns: int = 10**8
    duration_ns: int | None = None
    signal: str = ""


@dataclass(frozen=True)
class Recordings:
    """Many recordings with one clock in one .npz: `values` [n, columns], recording k in rows offsets[k]:offsets[k+1],
    one row every `row_period_ns`. `factor` multiplies the stored values (integers on disk). `fields` names arrays with
    one entry a recording, such as a label or a person."""

    file: Path
    row_period_ns: int
    values: str = "X"
    offsets: str = "offsets"
    factor: float = 1.0


@dataclass(frozen=True)
class PlaylistGroup:
    """A part of a playlist: the recordings whose fields match `where`, cut into pieces of `piece_ns` (None: whole),
    the pieces of all of them in an order shuffled by the seed (or in file order), the whole repeated `passes` times
    (each pass shuffled anew). `limit_ns` ends the group early. `learn`: whether its labels are learned from."""

    name: str
    where: tuple[tuple[str, tuple[int, ...]], ...] = ()
    piece_ns: int | None = None
    passes: int = 1
    shuffled: bool = True
    learn: bool = True
    limit_ns: int | None = None


@dataclass(frozen=True)
class Playlist:
    """Recordings played one after another on one timeline, group by group; every sensor and target of a network that
    names it sees the same order."""

    recordings: Recordings
    groups: tuple[PlaylistGroup, ...]


@dataclass(frozen=True)
class PlaylistSource:
    """Some columns of the recordings of a playlist."""

    playlist: Playlist
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Images:
    """Images of a data set ("mnist" or "mnist-subset"), in the order in which they are shown.

    `folder`: where mnist/ is; None: where `eventnet.datasets.mnist.load_mnist` looks. `limit`: at most so many of the
    training images and of the test images, the first in the files. `order` "file", or "temporal": a walk among the next
    `window` images to the nearest by `metric` ("l1" or "l2"). Each image fades into the next over `frames` samples.
    """

    dataset: str
    folder: Path | None = None
    order: str = "file"
    metric: str = "l1"
    window: int = 1000
    frames: int = 1
    limit: int | None = None

    @property
    def n_channels(self) -> int:
        """Pixels of an image."""
        return 28 * 28


@dataclass(frozen=True)
class ImageSource:
    """The images themselves, a channel for each pixel, gone through `epochs` times; `test`: the test images.

    Taken at every period of the sampling, which must be without anything else (no jitter, no scale).
    """

    images: Images
    epochs: int = 1
    test: bool = False


@dataclass(frozen=True)
class SensorSpec:
    """A sensor's stream: `name` also keys its random draws."""

    name: str
    source: ArraySource | TableSource | GeneratorSource | PlaylistSource | ImageSource
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class PlaylistLabels:
    """Labels of a playlist's recordings: `label` names the field. A label comes at phase + k * period, but none in the
    first `settle_ns` of a piece, while delayed copies still show the piece before."""

    playlist: Playlist
    label: str
    period_ns: int
    phase_ns: int = 0
    settle_ns: int = 0


@dataclass(frozen=True)
class ImageLabels:
    """What the images show, `labels_per_image` labels each, at phase + k * period; more as for `ImageSource`."""

    images: Images
    period_ns: int
    phase_ns: int = 0
    labels_per_image: int = 1
    epochs: int = 1
    test: bool = False


@dataclass(frozen=True)
class ArrayLabels:
    """Targets in memory: `times_ns` int64 [n], `values` int [n] classes or float [n, size]; `learn` bool [n] or all;
    `groups` int [n] indices into `group_names` or one group."""

    times_ns: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]
    learn: NDArray[np.bool_] | None = None
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ("all",)


@dataclass(frozen=True)
class TableLabels:
    """Targets in a file, as `TableSource`; one column of whole numbers gives classes, anything else values. They are
    taken as `Sampling` says.
    """

    file: Path
    time: str
    time_unit: str = "s"
    columns: tuple[str | int, ...] = ()
    values: str | None = None
    origin_ns: int | None = 0
    period_ns: int | None = None
    phase_ns: int = 0
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True)
class SensorTarget:
    """The target is what a source shows (predict or reproduce a signal), `ahead_ns` later, sampled as said."""

    source: ArraySource | TableSource | GeneratorSource | PlaylistSource
    sampling: Sampling
    ahead_ns: int = 0


@dataclass(frozen=True)
class TargetSpec:
    """A target's stream."""

    name: str
    source: PlaylistLabels | ArrayLabels | TableLabels | ImageLabels | SensorTarget
    policies: Policies = field(default_factory=Policies)
