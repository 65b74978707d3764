"""A configuration in a few rows of text: what was understood, and what to be wary of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from eventnet.config.config import Config
from eventnet.config.faults import called, source_of
from eventnet.network import Code, Graph, Nonlinearity, Projection, derive
from eventnet.network.stability import FITTING_SCALE, MEASURED_LENGTH, Guarded, guarded_rate, stabler_rules
from eventnet.sensors.spec import (
    ArrayLabels,
    ArraySource,
    GeneratorSource,
    ImageLabels,
    ImageSource,
    PlaylistLabels,
    PlaylistSource,
    Sampling,
    SensorTarget,
    TableLabels,
    TableSource,
    TargetSpec,
)
from eventnet.training import Change, Training, stages
from eventnet.units import exact_ns, format_ns


@dataclass(frozen=True)
class Labels:
    """What the samples of a target turned out to be: classes, of which these are the least and the greatest, or so many
    values each; neither where there is no sample.
    """

    classes: tuple[int, int] | None = None
    n_values: int | None = None


def describe(config: Config, labels: Mapping[str, Labels] | None = None) -> list[tuple[str, str]]:
    """Rows of (what, how it will be), in the order of the document, warnings last.

    `labels`: what those know who have read the data, by target.
    """
    labels = labels or {}
    graph = derive(config.network)
    rows = [("name", config.name)]
    if config.description:
        rows.append(("description", config.description))
    rows.append(("seed, dtype", f"{config.seed}, {config.dtype}"))
    rows.append(("duration", "until the streams end" if config.duration_ns is None else format_ns(config.duration_ns)))
    rows += [(f"sensor {name}", _sensor(graph, config, name)) for name in config.sensors]
    rows += [(f"target {name}", _target(graph, spec, labels.get(name))) for name, spec in config.targets.items()]
    rows += [(f"population {p.name}", _population(graph, k)) for k, p in enumerate(graph.populations)]
    rows += [(f"projection {p.name}", _projection(graph, k, p)) for k, p in enumerate(graph.projections)]
    rows.append(("learning", _learning(config)))
    if config.training is not None:
        rows.append(("training", _training(config.training)))
        rows += [(f"epoch {change.epoch}", _change(change)) for change in config.training.schedule]
    rows += [
        (f"probe {p.name}", f"{p.variable} of {p.population} every {format_ns(p.period_ns)}")
        for p in config.network.probes
    ]
    of_classes = warnings_of_classes(config, [name for name, each in labels.items() if each.classes is not None])
    return rows + [("warning", text) for text in (*_warnings(config, graph), *of_classes)]


def warnings_of_classes(config: Config, are_classes: Collection[str]) -> list[str]:
    """What may surprise who has whole numbers in a file: they are classes, where these targets have turned out so."""
    graph = derive(config.network)
    texts = []
    for target in graph.network.targets:
        source, population = config.targets[target.name].source, _population_of(graph, target.name)
        if isinstance(source, TableLabels) and target.name in are_classes and not _is_softmax(graph, target.name):
            texts.append(
                f"the numbers of target {target.name} ({source.file.name}) are whole, so they are classes: population "
                f"{graph.populations[population].name} is to give 1 at the neuron of that number and 0 at the others; "
                "to have it give the numbers themselves, put the file under signal"
            )
    return texts


def _sensor(graph: Graph, config: Config, name: str) -> str:
    spec = config.sensors[name]
    sensor = next(each for each in graph.network.sensors if each.name == name)
    return f"{_source(spec.source)} to {sensor.population}, {_sampling(spec.sampling, sensor.period_ns)}"


def _source(source: ArraySource | TableSource | GeneratorSource | PlaylistSource | ImageSource) -> str:
    if isinstance(source, ImageSource):
        images = source.images
        walk = f", a walk to the nearest of {images.window} by {images.metric}" if images.order == "temporal" else ""
        fading = f", each fading into the next over {images.frames} samples" if images.frames > 1 else ""
        limit = f"first {images.limit} " if images.limit is not None else ""
        return f"{limit}images of {images.dataset} in {images.order} order{walk}{fading}"
    if isinstance(source, PlaylistSource):
        groups = ", ".join(group.name for group in source.playlist.groups)
        return f"columns {list(source.columns)} of {source.playlist.recordings.file.name} ({groups})"
    if isinstance(source, GeneratorSource):
        return f"{source.kind} of {source.n_channels} channels"
    return _table(source) if isinstance(source, TableSource) else "arrays"


def _table(source: TableSource | TableLabels) -> str:
    """Times of a calendar keep all their digits, so that they can be found in the file."""
    since = "the first row of all files" if source.origin_ns is None else exact_ns(source.origin_ns)
    return source.file.name if source.origin_ns == 0 else f"{source.file.name} since {since}"


def _sampling(sampling: Sampling, period_ns: int) -> str:
    if sampling.period_ns is None:
        return f"at its own times, about every {format_ns(period_ns)}"
    text = f"every {format_ns(sampling.period_ns)}"
    if sampling.phase_ns:
        text += f" from {format_ns(sampling.phase_ns)}"
    if sampling.jitter_ns:
        text += f", jitter {format_ns(sampling.jitter_ns)}"
    if sampling.dropout:
        text += f", dropout {sampling.dropout:g}"
    if sampling.send_on_delta is not None:
        text += f", sent when moved by {sampling.send_on_delta:g}"
    return text


def _target(graph: Graph, spec: TargetSpec, labels: Labels | None) -> str:
    target = next(each for each in graph.network.targets if each.name == spec.name)
    smoothing = f", smoothed by {target.label_smoothing:g}" if target.label_smoothing else ""
    text = f"{_labels(spec.source)} for {target.population}, every {format_ns(target.period_ns)}{smoothing}"
    return text if labels is None else f"{text}; {_what_is_given(labels, _is_softmax(graph, spec.name))}"


def _what_is_given(labels: Labels, is_softmax: bool) -> str:
    if labels.classes is not None:
        low, high = labels.classes
        classes = f"classes {low} to {high}" if low < high else f"class {low} only"
        return classes if is_softmax else f"{classes}, each 1 at its neuron and 0 at the others"
    if labels.n_values is None:
        return "without a sample"
    return f"{labels.n_values} value{'s' * (labels.n_values != 1)}"


def _is_softmax(graph: Graph, target: str) -> bool:
    return graph.populations[_population_of(graph, target)].nonlinearity is Nonlinearity.SOFTMAX


def _population_of(graph: Graph, target: str) -> int:
    return next(i for i, k in graph.target_of.items() if graph.network.targets[k].name == target)


def _labels(source: PlaylistLabels | ArrayLabels | TableLabels | ImageLabels | SensorTarget) -> str:
    if isinstance(source, ImageLabels):
        return f"labels of {source.images.dataset}"
    if isinstance(source, PlaylistLabels):
        return f"{source.label} of {source.playlist.recordings.file.name}"
    if isinstance(source, SensorTarget):
        ahead = f", {format_ns(source.ahead_ns)} ahead" if source.ahead_ns else ""
        return f"{_source(source.source)}{ahead}"
    return _table(source) if isinstance(source, TableLabels) else "arrays"


def _population(graph: Graph, index: int) -> str:
    population = graph.populations[index]
    text = f"{population.size} {population.nonlinearity}, wakes {graph.wakes[index]}, decides at {population.decides}"
    if graph.encodes_forward[index]:
        text += f"; forward {_code(population.forward, graph.forward_period_ns[index])}"
    if graph.carries_error[index]:
        text += f"; backward {_code(population.backward, graph.backward_period_ns[index])}"
    return text


def _code(code: Code, period_ns: int) -> str:
    adapted = ", adapted" if code.adaptation else ""
    return f"k_alpha {code.k_alpha:g}, k_beta {code.k_beta:g}{adapted}, period {format_ns(period_ns)}"


def _projection(graph: Graph, index: int, projection: Projection) -> str:
    weights = "given" if isinstance(projection.weights, np.ndarray) else str(projection.weights)
    text = f"{graph.size_of_source(index)} x {graph.size_of_target(index)} weights, {weights}"
    if projection.delay_ns:
        text += f", delay {format_ns(projection.delay_ns)}"
    if projection.delay_back_ns:
        text += f", {format_ns(projection.delay_back_ns)} back"
    return f"{text}, {'learns' if graph.learns[index] else 'fixed'}"


def _learning(config: Config) -> str:
    learning = config.network.learning
    if learning is None:
        return "nothing learns"
    eta_bias = learning.eta if learning.eta_bias is None else learning.eta_bias
    return f"{learning.rule}, eta {learning.eta:g}, biases {eta_bias:g}"


def _training(training: Training) -> str:
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
    tested = "tested after each" if training.evaluate else "not tested"
    return f"{epochs} of {training.images.dataset}, {tested}"


def _change(change: Change) -> str:
    rates = (("eta", change.eta), ("eta of biases", change.eta_bias))
    parts = [f"{name} {value:g}" for name, value in rates if value is not None]
    parts += [
        f"{way} {name} {value:g}"
        for way, code in (("forward", change.forward), ("backward", change.backward))
        for name, value in (("k_alpha", code.k_alpha), ("k_beta", code.k_beta))
        if value is not None
    ]
    return f"from here on {', '.join(parts)}"


def _warnings(config: Config, graph: Graph) -> list[str]:
    warnings = _unsafe_steps(config) + _odd_columns(config)
    if config.network.learning is not None and not any(graph.learns):
        warnings.append("learning is set, but no projection that learns lies before a target")
    if config.is_endless:
        warnings.append("nothing ends this run: give a duration, here or when you run it")
    return warnings


def _odd_columns(config: Config) -> list[str]:
    """Channels that nobody may have meant: a column that is several of them, or the times as one."""
    texts = []
    for name in [*config.sensors, *config.targets]:
        source, what = source_of(config, name), called(config, name)
        if not isinstance(source, TableSource | TableLabels | PlaylistSource):
            continue
        columns = source.columns
        texts += [
            f"{what} names the column {column} {columns.count(column)} times, so these channels are alike"
            for column in dict.fromkeys(columns)
            if columns.count(column) > 1
        ]
        if not isinstance(source, PlaylistSource) and source.time in columns:
            texts.append(f"{what} has its times, the column {source.time}, among its channels")
    return texts


def _unsafe_steps(config: Config) -> list[str]:
    """At most one warning, of all projections that learn in steps that are too large."""
    learning, graphs = config.network.learning, _graphs(config)
    least: dict[str, Guarded] = {}
    for guarded in (each for graph in graphs for each in guarded_rate(graph)):
        if guarded.projection not in least or guarded.safe_eta < least[guarded.projection].safe_eta:
            least[guarded.projection] = guarded
    if learning is None or not least:
        return []
    places = ", ".join(f"{name} (safe up to {each.safe_eta:.2g})" for name, each in least.items())
    better = [f"rule: {rule} (safe up to {eta:.2g})" for rule, eta in stabler_rules(graphs, learning.rule)]
    finer = min(each.finer_eta for each in least.values())
    if finer > min(each.safe_eta for each in least.values()):
        better.append(f"a smaller k_beta of backward codes at first (with {FITTING_SCALE:g} safe up to {finer:.2g})")
    remedies = ["a smaller learning.eta", "a smaller k_alpha", *better]
    return [
        f"learning may diverge: eta {learning.eta:g} is large for the rule {learning.rule} and the k_alpha of "
        f"{places}; take {', '.join(remedies[:-1])} or {remedies[-1]}. This was measured on images of mean squared "
        f"length {MEASURED_LENGTH:g}, a new one each period; how large your inputs are is not known here: larger ones "
        "allow less, and what changes slowly often more (docs/stability.md)"
    ]


def _graphs(config: Config) -> list[Graph]:
    """The network as it is under each of the codes that its training brings."""
    return [derive(each.network) for each in stages(config.network, config.training)]
