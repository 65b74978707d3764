"""From a validated document to what a run needs: the network, and the specification of every stream.

Here is settled what takes more than one section to know (names that refer to others, sizes, defaults of
codes, which files are meant), and the errors of `eventnet.network.derive` are given back their place in the
file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from eventnet.config.models import (
    FIRST,
    AdaptSection,
    ArrayFileSection,
    ChangedCodeSection,
    CodeSection,
    Document,
    PopulationSection,
    ProjectionSection,
    SensorSection,
    SignalSection,
    StreamSection,
    TargetSection,
)
from eventnet.config.reading import Source, Where, nearest
from eventnet.errors import InputError
from eventnet.network import (
    Adaptation,
    Code,
    Graph,
    Initial,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.sensors.spec import (
    ArraySource,
    GeneratorSource,
    ImageLabels,
    Images,
    ImageSource,
    Playlist,
    PlaylistGroup,
    PlaylistLabels,
    PlaylistSource,
    Policies,
    Recordings,
    Sampling,
    SensorSpec,
    SensorTarget,
    TableLabels,
    TableSource,
    TargetSpec,
)
from eventnet.training import Change, ChangedCode, Training, network_in
from eventnet.units import format_ns

ProjectionPlace = tuple[int, int | None]
"""Where a projection of the network stands in the document: its entry, and which of that entry's delays."""


@dataclass(frozen=True)
class Built:
    """What a document comes to."""

    network: Network
    sensors: dict[str, SensorSpec]
    targets: dict[str, TargetSpec]
    training: Training | None


def build(source: Source, document: Document) -> Built:
    """Build and check the network and the stream specifications; `InputError` with file, line and field."""
    playlists = {name: _playlist(source, document, name) for name in document.playlists}
    images = {name: _images(source, document, name) for name in document.images}
    origin = _origin(source, document)
    if "test" in document.targets:
        raise source.error(("targets", "test"), "this name is kept for scores of tests", remedy="give it another name")
    sensors = {
        name: SensorSpec(
            name,
            _sensor_source(source, ("sensors", name), section, playlists, images, origin),
            _sampling(source, ("sensors", name), section),
        )
        for name, section in document.sensors.items()
    }
    targets = {
        name: _target(source, ("targets", name), section, playlists, origin)
        if section.images is None
        else _image_labels(source, document, name, images)
        for name, section in document.targets.items()
    }
    _check_driven_populations(source, document)
    projections, places = _projections(source, document)
    network = Network(
        populations=tuple(_population(source, document, name, sensors) for name in document.populations),
        projections=projections,
        sensors=tuple(
            Sensor(
                name,
                section.population or name,
                stream_period_ns(section, sensors[name].source),
                section.phase,
            )
            for name, section in document.sensors.items()
        ),
        targets=tuple(_network_target(name, section, targets[name]) for name, section in document.targets.items()),
        learning=_learning(document),
        probes=_probes(source, document),
        seed=document.seed,
        dtype=document.dtype,
    )
    _check_network(source, document, network, places)
    return Built(network, sensors, targets, _training(source, document, network, images))


# --- streams


def _playlist(source: Source, document: Document, name: str) -> Playlist:
    section = document.playlists[name]
    recordings = Recordings(
        file=_existing(source, ("playlists", name, "file"), section.file),
        row_period_ns=section.row_period_ns,
        values=section.values,
        offsets=section.offsets,
        factor=section.factor,
    )
    groups = tuple(
        PlaylistGroup(
            name=group.name,
            where=tuple((field, tuple(allowed)) for field, allowed in group.where.items()),
            piece_ns=group.piece,
            passes=group.passes,
            shuffled=group.shuffled,
            learn=group.learn,
            limit_ns=group.limit,
        )
        for group in section.groups
    )
    return Playlist(recordings, groups)


def _origin(source: Source, document: Document) -> int | None:
    """The time in files that give none of their own that is 0 of the run; None: that of the first row of them all."""
    sections: list[StreamSection | TargetSection] = [*document.sensors.values(), *document.targets.values()]
    sections += [each.signal for each in document.targets.values() if each.signal is not None]
    if document.origin is not None and not any(each.file and each.origin is None for each in sections):
        remedy = "take it out: it is for sensors and targets that read a file and give no origin of their own"
        raise source.error(("origin",), "no file takes it", remedy=remedy)
    return None if document.origin == FIRST else int(document.origin or 0)


def _stream(
    source: Source, where: Where, section: StreamSection, playlists: dict[str, Playlist], origin_ns: int | None
) -> TableSource | GeneratorSource | PlaylistSource:
    if section.playlist is not None:
        playlist = _known_playlist(source, where, section.playlist, playlists)
        return PlaylistSource(playlist, tuple(column for column in section.columns or () if isinstance(column, int)))
    if section.generator is not None:
        made = section.generator
        return GeneratorSource(
            kind=made.kind,
            n_channels=made.n_channels,
            level=made.level,
            amplitude=made.amplitude,
            wave_period_ns=made.wave_period,
            step_ns=made.step,
            duration_ns=made.duration,
            signal=made.signal or "",
        )
    return TableSource(
        file=_existing(source, (*where, "file"), section.file or ""),
        time=section.time or "",
        time_unit=section.time_unit,
        columns=tuple(section.columns or ()),
        values=section.values,
        partial=section.partial,
        origin_ns=origin_ns if section.origin is None else section.origin,
    )


def _sampling(source: Source, where: Where, section: StreamSection) -> Sampling:
    channels = _n_channels(section)
    for key, values in (("center", section.center), ("scale", section.scale)):
        if channels is not None and len(values) not in (1, channels):
            raise source.error(
                (*where, key),
                f"{len(values)} numbers for {channels} channels",
                remedy=f"give one number, or {channels}",
            )
    return Sampling(
        period_ns=section.sampled_period_ns,
        phase_ns=section.phase,
        jitter_ns=section.jitter,
        dropout=section.dropout,
        send_on_delta=section.send_on_delta,
        start_ns=section.start,
        end_ns=section.end,
        center=tuple(section.center),
        scale=tuple(section.scale),
        policies=_policies(section),
    )


def _policies(section: StreamSection | TargetSection) -> Policies:
    given = section.policies
    return Policies(
        duplicate=given.duplicate,
        late=given.late,
        gap=given.gap,
        nonfinite=given.nonfinite,
        max_gap_ns=given.max_gap,
    )


def _target(
    source: Source, where: Where, section: TargetSection, playlists: dict[str, Playlist], origin_ns: int | None
) -> TargetSpec:
    name = str(where[-1])
    if section.signal is not None:
        inner = (*where, "signal")
        stream = _stream(source, inner, section.signal, playlists, origin_ns)
        sampling = _sampling(source, inner, section.signal)
        return TargetSpec(name, SensorTarget(stream, sampling, section.signal.ahead), sampling.policies)
    if section.playlist is not None:
        playlist = _known_playlist(source, where, section.playlist, playlists)
        period_ns = section.rate or section.period or 0  # the section made sure that one is given
        labels = PlaylistLabels(playlist, section.label or "", period_ns, section.phase, section.settle)
        return TargetSpec(name, labels, _policies(section))
    table = TableLabels(
        file=_existing(source, (*where, "file"), section.file or ""),
        time=section.time or "",
        time_unit=section.time_unit,
        columns=tuple(section.columns or ()),
        values=section.values,
        origin_ns=origin_ns if section.origin is None else section.origin,
        period_ns=section.rate or section.period,
        phase_ns=section.phase,
        start_ns=section.start,
        end_ns=section.end,
    )
    return TargetSpec(name, table, _policies(section))


# --- images


def _images(source: Source, document: Document, name: str) -> Images:
    section = document.images[name]
    folder = None
    if section.folder is not None:
        folder = (source.path.parent / section.folder).resolve()
        if not folder.is_dir():
            raise source.error(("images", name, "folder"), "no such folder", remedy="name the folder that holds mnist/")
    return Images(
        dataset=section.dataset,
        folder=folder,
        order=section.order,
        metric=section.metric,
        window=section.window,
        frames=section.frames,
        limit=section.limit,
    )


def _sensor_source(
    source: Source,
    where: Where,
    section: SensorSection,
    playlists: dict[str, Playlist],
    images: dict[str, Images],
    origin_ns: int | None,
) -> TableSource | GeneratorSource | PlaylistSource | ImageSource:
    if section.images is None:
        return _stream(source, where, section, playlists, origin_ns)
    period_ns = section.rate or section.period or 0  # the section made sure that one is given
    _check_phase(source, where, section.phase, period_ns)
    return ImageSource(_known_images(source, where, section.images, images))


def _image_labels(source: Source, document: Document, name: str, images: dict[str, Images]) -> TargetSpec:
    section, where = document.targets[name], ("targets", name)
    period_ns = section.rate or section.period or 0  # the section made sure that one is given
    known = _known_images(source, where, section.images or "", images)
    image_ns = _image_ns(source, document, section.images or "")
    if image_ns % period_ns:
        raise source.error(
            _clock_place(source, where, ("period",)),
            f"an image takes {format_ns(image_ns)}",
            remedy=f"give {format_ns(image_ns)}, or a whole part of it",
        )
    _check_phase(source, where, section.phase, period_ns)
    return TargetSpec(name, ImageLabels(known, period_ns, section.phase, image_ns // period_ns))


def _known_images(source: Source, where: Where, name: str, images: dict[str, Images]) -> Images:
    if name not in images:
        remedy = nearest(name, tuple(images)) if images else "describe them under images"
        raise source.error((*where, "images"), "no images have this name", remedy=remedy)
    return images[name]


def _check_phase(source: Source, where: Where, phase_ns: int, period_ns: int) -> None:
    """So that whatever belongs to an image comes while it is shown, and epochs can be told apart."""
    if phase_ns >= period_ns:
        raise source.error((*where, "phase"), "must be less than the period", remedy="give a shorter time")


def _image_ns(source: Source, document: Document, name: str) -> int:
    """How long each of these images is shown: the same for every sensor that shows them."""
    times: dict[int, str] = {}
    for sensor, section in document.sensors.items():
        if section.images == name:
            times.setdefault((section.rate or section.period or 0) * document.images[name].frames, sensor)
    if len(times) > 1:
        second = list(times.values())[1]
        raise source.error(
            _clock_place(source, ("sensors", second), ("period",)),
            "another sensor shows the same images at another period",
            remedy="give both the same",
        )
    if not times:
        raise source.error(("images", name), "no sensor shows these images", remedy="add one under sensors")
    return next(iter(times))


def _training(source: Source, document: Document, network: Network, images: dict[str, Images]) -> Training | None:
    section = document.training
    if section is None:
        return None
    sections: list[SensorSection | TargetSection] = [*document.sensors.values(), *document.targets.values()]
    names = {each.images for each in sections}
    if len(names) != 1 or None in names or not document.targets:
        raise source.error(
            ("training",),
            "epochs go through one set of images, which all sensors show and all targets name",
            value=sorted(str(name) for name in names),
            remedy="name the same images everywhere, or take training out",
        )
    name = str(next(iter(names)))
    changes = tuple(
        Change(each.epoch, _changed_code(each.forward), _changed_code(each.backward), each.eta, each.eta_bias)
        for each in section.schedule
    )
    training = Training(section.epochs, section.evaluate, changes, images[name], _image_ns(source, document, name))
    _check_schedule(source, network, training)
    return training


def _changed_code(section: ChangedCodeSection) -> ChangedCode:
    return ChangedCode(section.k_alpha, section.k_beta)


def _check_schedule(source: Source, network: Network, training: Training) -> None:
    """Every change must leave a network that can be run, and none may come while spikes are foreseen."""
    for k, change in enumerate(training.schedule):
        where = ("training", "schedule", k)
        for key, rate in (("eta", change.eta), ("eta_bias", change.eta_bias)):
            if rate is not None and network.learning is None:
                raise source.error((*where, key), "nothing learns", value=rate, remedy="add learning, or take it out")
        if change.epoch > 1 and change.is_of_codes and Wake.EXACT in derive(network).wakes:
            raise source.error(
                where,
                "with wake exact, neurons have foreseen their spikes under the codes from before",
                value=change.epoch,
                remedy="use wake clocked or lazy for all populations",
            )
        try:
            derive(network_in(network, training, change.epoch))
        except InputError as error:
            raise source.error(where, error.problem, remedy=error.remedy, value=error.value) from None


def _known_playlist(source: Source, where: Where, name: str, playlists: dict[str, Playlist]) -> Playlist:
    if name not in playlists:
        remedy = nearest(name, tuple(playlists)) if playlists else "describe it under playlists"
        raise source.error((*where, "playlist"), "no playlist has this name", remedy=remedy)
    return playlists[name]


def stream_period_ns(
    section: SensorSection | SignalSection,
    source: ArraySource | TableSource | GeneratorSource | PlaylistSource | ImageSource,
) -> int:
    """The (nominal) sample period: as given, or a playlist's own row period."""
    given = section.rate or section.period or section.nominal_period
    if given is None:
        assert isinstance(source, PlaylistSource), "other sources give a period"
        return source.playlist.recordings.row_period_ns
    return given


def _network_target(name: str, section: TargetSection, spec: TargetSpec) -> Target:
    if section.signal is not None:
        assert isinstance(spec.source, SensorTarget)
        period_ns, phase_ns = stream_period_ns(section.signal, spec.source.source), section.signal.phase
    else:
        period_ns, phase_ns = section.rate or section.period or section.nominal_period or 0, section.phase
    return Target(name, section.population or name, period_ns, phase_ns, section.label_smoothing)


def _n_channels(section: StreamSection) -> int | None:
    """How many channels a stream has, None where only its file knows."""
    if section.generator is not None:
        return section.generator.n_channels
    return None if section.columns is None else len(section.columns)


# --- the network


def _population(source: Source, document: Document, name: str, sensors: dict[str, SensorSpec]) -> Population:
    section = document.populations[name]
    where: Where = ("populations", name)
    sensor = next((key for key, each in document.sensors.items() if (each.population or key) == name), None)
    channels = None if sensor is None else _n_channels(document.sensors[sensor])
    if sensor is not None and isinstance(shown := sensors[sensor].source, ImageSource):
        channels = shown.images.n_channels
    if section.size is None and channels is None:
        remedy = "add size: how many neurons the population has"
        if sensor is not None:  # only its file knows, and what streams read is not looked at here
            remedy += f', one for each column of what `values` names; or list the columns of sensor "{sensor}"'
        raise source.error((*where, "size"), "the size is missing", remedy=remedy)
    if section.size is not None and channels is not None and section.size != channels:
        raise source.error(
            (*where, "size"),
            f'sensor "{sensor}" has {channels} channels',
            remedy=f"write {channels}, or leave size out",
        )
    if sensor is not None:
        _check_driven(source, where, section)
    size = section.size if section.size is not None else channels or 0
    default = Nonlinearity.RELU if sensor is None else Nonlinearity.LINEAR
    return Population(
        name=name,
        size=size,
        nonlinearity=section.nonlinearity or default,
        forward=_code(document.codes.forward, section.forward),
        backward=_code(document.codes.backward, section.backward),
        wake=section.wake or document.wake,
        decides=section.decides or document.decides,
        bias=_bias(source, (*where, "bias"), section),
        learns_bias=section.learns_bias,
    )


def _check_driven_populations(source: Source, document: Document) -> None:
    """Before sizes are taken from sensors: a misspelt population would show up as one without a size."""
    for name, section in document.sensors.items():
        population = section.population or name
        if population not in document.populations:
            where: Where = ("sensors", name, *section.given("population"))
            remedy = nearest(population, tuple(document.populations))
            raise source.error(where, "no population has this name", value=population, remedy=remedy)


def _check_driven(source: Source, where: Where, section: PopulationSection) -> None:
    """A sensor's population shows its samples as they are: refuse what would be ignored."""
    for key in section.given("nonlinearity", "bias", "learns_bias"):
        if key != "nonlinearity" or section.nonlinearity is not Nonlinearity.LINEAR:
            raise source.error(
                (*where, key),
                "a population driven by a sensor shows the samples as they are",
                remedy="take it out (center and scale of the sensor change its values)",
            )


def _bias(source: Source, where: Where, section: PopulationSection) -> float | NDArray[np.float64]:
    if isinstance(section.bias, ArrayFileSection):
        return _array(source, where, section.bias)
    return section.bias if isinstance(section.bias, float) else np.array(section.bias, dtype=np.float64)


def _code(default: CodeSection, own: CodeSection) -> Code:
    """A population's code: what it says itself, then the document's default, then the specification's."""
    resolved = Code()
    scale = {"k_alpha": resolved.k_alpha, "k_beta": resolved.k_beta} | _scale(default) | _scale(own)
    adapt = own.adapt if own.adapt is not None else default.adapt
    return Code(
        k_alpha=scale["k_alpha"],
        k_beta=scale["k_beta"],
        period_ns=own.period if own.period is not None else default.period,
        adaptation=_adaptation(adapt),
    )


def _scale(section: CodeSection) -> dict[str, float]:
    """k_alpha and k_beta as far as a section gives them (Eq. 18: k_d / (k_p + k_d) and 1 / (k_p + k_d))."""
    if section.k_p is not None and section.k_d is not None:
        total = section.k_p + section.k_d
        return {"k_alpha": section.k_d / total, "k_beta": 1.0 / total}
    pairs = (("k_alpha", section.k_alpha), ("k_beta", section.k_beta))
    return {key: value for key, value in pairs if value is not None}


def _adaptation(adapt: AdaptSection | bool | None) -> Adaptation | None:
    if isinstance(adapt, AdaptSection):
        return Adaptation(adapt.eta_k, adapt.k_rel, adapt.mu_0, adapt.period)
    return Adaptation() if adapt else None


def _projections(source: Source, document: Document) -> tuple[tuple[Projection, ...], list[ProjectionPlace]]:
    projections: list[Projection] = []
    places: list[ProjectionPlace] = []
    for k, section in enumerate(document.projections):
        weights = _weights(source, ("projections", k, "weights"), section)
        for j, delay_ns in enumerate(section.delays if section.delays is not None else [section.delay]):
            name = section.name or ""
            if name and section.delays is not None:
                name = f"{name}@{format_ns(delay_ns).replace(' ', '')}"  # one name for each of the delays
            projections.append(
                Projection(
                    source=section.source,
                    target=section.target,
                    delay_ns=delay_ns,
                    delay_back_ns=section.delay_back,
                    weights=weights,
                    gain=section.gain,
                    learns=section.learns,
                    name=name,
                )
            )
            places.append((k, None if section.delays is None else j))
    return tuple(projections), places


def _weights(source: Source, where: Where, section: ProjectionSection) -> Initial | NDArray[np.float64]:
    if isinstance(section.weights, Initial):
        return section.weights
    if isinstance(section.weights, ArrayFileSection):
        return _array(source, where, section.weights)
    return np.array(section.weights, dtype=np.float64)


def _learning(document: Document) -> Learning | None:
    section = document.learning
    return None if section is None else Learning(section.rule, section.eta, section.eta_bias)


def _probes(source: Source, document: Document) -> tuple[Probe, ...]:
    probes: list[Probe] = []
    for k, section in enumerate(document.probes):
        name = section.name or f"{section.population}.{section.variable}"
        if any(name == probe.name for probe in probes):
            raise source.error(
                ("probes", k, "name"), f'two probes are named "{name}"', remedy="give each a name of its own"
            )
        period_ns = section.rate or section.period or 0  # the section made sure that one is given
        probes.append(Probe(name, section.population, section.variable, period_ns, section.phase))
    return tuple(probes)


# --- files


def _existing(source: Source, where: Where, name: str) -> Path:
    """The absolute path of a file that the document names relative to itself; refused where there is none."""
    try:
        path = (source.path.parent / name).resolve()
        found = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long a name, a NUL in it, a loop of links
        found = False
    if not found:
        raise source.error(
            where,
            "no such file",
            remedy=f"paths are relative to {source.path.parent.resolve()}, where this file is",
        )
    return path


def _array(source: Source, where: Where, section: ArrayFileSection) -> NDArray[np.float64]:
    path = _existing(source, (*where, "file"), section.file)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("not an .npz archive")
            names = tuple(archive.files)
            array = archive[section.array] if section.array in names else None
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, TypeError) as error:
        reason = " ".join(str(error).split())
        raise source.error(
            (*where, "file"), f"cannot be read as .npz: {reason}", remedy="save the array with numpy.savez"
        ) from None
    if array is None:
        raise source.error((*where, "array"), "no such array in the file", remedy=nearest(section.array, names))
    if array.dtype.kind not in "fiu":
        raise source.error((*where, "array"), f"not an array of numbers but of {array.dtype}", remedy="save floats")
    return np.asarray(array, dtype=np.float64)


# --- errors of the graph, with their place in the file

_ITEM = re.compile(r"(populations|projections|sensors|targets|probes)\[(\d+)\](?:\.(.+))?")


def _check_network(source: Source, document: Document, network: Network, places: list[ProjectionPlace]) -> Graph:
    try:
        return derive(network)
    except InputError as error:
        where = _place_of(source, network, places, error.field or "")
        raise source.error(where, error.problem, remedy=error.remedy, value=error.value) from None


def _place_of(source: Source, network: Network, places: list[ProjectionPlace], field: str) -> Where:
    """The place in the document of a field of the network, as the graph names it."""
    match = _ITEM.fullmatch(field)
    if match is None:
        return tuple(field.split(".")) if field else ()
    kind, index, rest = match.group(1), int(match.group(2)), tuple((match.group(3) or "").split("."))
    steps: Where = () if rest == ("",) else rest
    if kind == "projections":
        return _projection_place(places[index], steps)
    if kind == "probes":
        return _clock_place(source, ("probes", index), steps)
    if kind == "populations":
        steps = tuple("adapt" if step == "adaptation" else step for step in steps)
        own: Where = (kind, network.populations[index].name, *steps)
        shared: Where = steps if steps in (("wake",), ("decides",)) else ("codes", *steps)
        return shared if not source.has(own) and source.has(shared) else own
    name = (network.sensors if kind == "sensors" else network.targets)[index].name
    return _clock_place(source, (kind, name), steps)


def _projection_place(place: ProjectionPlace, steps: Where) -> Where:
    entry, delay = place
    if steps == ("delay",) and delay is not None:
        return ("projections", entry, "delays", delay)
    renamed = {"source": "from", "target": "to"}
    return ("projections", entry, *(renamed.get(str(step), step) for step in steps))


def _clock_place(source: Source, where: Where, steps: Where) -> Where:
    """A period may have been given as a rate."""
    if steps == ("period",) and source.has((*where, "rate")):
        return (*where, "rate")
    return (*where, *steps)
