"""Where runs part, with which state: what an actor engine comes to that is stepped there by itself."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from eventnet.coding import decay
from eventnet.config import find_config, load_config, with_overrides
from eventnet.engines.actor import ActorEngine
from eventnet.opening import open_streams
from eventnet.reports.comparing import write_comparison
from eventnet.running import start
from eventnet.trace.comparing import Comparison, compare
from eventnet.trace.networks import NETWORKS_FILE
from eventnet.trace.queries import Run, open_run
from eventnet.why.parting import WEIGHTS, Neuron, PartingStates, states_at
from tests.cli.command import eventnet_here
from tests.recorded import two_rates

TWO_RATES = find_config("two_rates").read_text(encoding="utf-8")
FROM_FILES = """
seed: 4
sensors:
  skin: {file: samples.csv, time: t, columns: [left, right], nominal_period: 100 ms}
targets:
  touch: {population: output, file: labels.csv, time: t, columns: [label], nominal_period: 100 ms}
populations:
  skin: {}
  hidden: {size: 6}
  output: {size: 3, nonlinearity: softmax}
projections:
  - {from: skin, to: hidden}
  - {from: hidden, to: output}
learning: {rule: past, eta: 0.01}
"""
SAMPLES = ["t,left,right", *(f"{k / 10},{k % 7 / 3},{k % 5 / 4}" for k in range(40))]


def run_of(folder: Path, text: str, until_s: float | None = 1.5, engine: str = "actor", **options: Any) -> Run:
    """A run of a configuration, in a folder of its own."""
    folder.mkdir()
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    (folder / "samples.csv").write_text("\n".join(options.pop("samples", SAMPLES)) + "\n", encoding="utf-8")
    labels = ["t,label", *(f"{k / 10 + 0.05},{k % 3}" for k in range(40))]
    (folder / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    config = load_config(folder / "mine.yaml")
    if until_s is not None:
        config = with_overrides(config, until_ns=int(until_s * 1e9), **options)
    start(config, engine=engine, out=folder / "run", trace=True, command=[], console=Console(file=io.StringIO()))
    return open_run(folder / "run")


def stepped(run: Run, time_ns: int) -> ActorEngine:
    """An actor engine that has come to `time_ns` by itself, from the run's configuration and data."""
    config = run.config()
    engine = ActorEngine(config.network, open_streams(config))
    engine.run(time_ns)
    return engine


def expected_values(engine: ActorEngine, found: Neuron) -> dict[str, Any]:
    """What a neuron holds, read off the actors."""
    graph = engine.graph
    i = [each.name for each in graph.populations].index(found.population)
    neurons, j, now_ns = engine.neurons[i], found.neuron, engine.now_ns
    backward = found.direction == "backward"
    axon = neurons.error_axon if backward else neurons.axon
    has_encoded = axon.t_last_ns[j] >= axon.clock.phase_ns
    values: dict[str, Any] = {
        "phi": axon.phi[j],
        "e_last" if backward else "x_last": axon.x_last[j],
        "t_last_ns": axon.t_last_ns[j] if has_encoded else None,
        "k_beta": axon.k_beta,
    }
    if neurons.held is not None:
        return values | {"held": neurons.held[j]}
    values["b"] = neurons.bias[j]

    def decoded(symbol: str, dendrite: Any, senders: Sequence[int]) -> None:
        for y, clock, read_ns, sender in zip(dendrite.y, dendrite.clocks, dendrite.times_ns, senders, strict=True):
            left = decay(clock.k_alpha, now_ns - int(read_ns), clock.period_ns)
            values[f"{symbol} of {graph.populations[sender].name}"] = left * y[j]

    decoded("y", neurons.dendrite, graph.forward_codes[i])
    values["z"] = neurons.pre_activation(now_ns)[j]
    if backward:
        decoded("g", neurons.error_dendrite, graph.backward_codes[i])
    return values


def assert_as_stepped(states: PartingStates, runs: Sequence[Run]) -> None:
    """Every number that is shown is that of the two engines, and everything of theirs that differs is shown."""
    engines = [stepped(run, states.time_ns) for run in runs]
    assert states.problems == (None, None)
    for neuron in states.neurons:
        for side, engine in zip(("first", "second"), engines, strict=True):
            found = {each.where: getattr(each, side) for each in neuron.values}
            assert found == expected_values(engine, neuron)
    assert states.entries is not None
    assert {(each.where, each.what): each.n_different for each in states.entries} == differences(*engines)
    if states.onset is None:
        assert not states.entries
    elif states.onset.time_ns is None:
        assert differences(*(stepped(run, 0) for run in runs))
    else:
        assert not differences(*(stepped(run, states.onset.time_ns) for run in runs))
        after = differences(*(stepped(run, states.onset.time_ns + 1) for run in runs))
        assert {(each.where, each.what): each.n_different for each in states.onset.entries} == after != {}


def differences(first: ActorEngine, second: ActorEngine) -> dict[tuple[str, str], int]:
    """How many entries of every part of the state differ, if any do."""
    graph, found = first.graph, {}
    for i, population in enumerate(graph.populations):
        where = f"population {population.name}"
        a, b = (engine.neurons[i] for engine in (first, second))
        found[where, "b"] = a.bias != b.bias
        if a.held is not None and b.held is not None:
            found[where, "held"] = a.held != b.held
        for code, sender in enumerate(graph.forward_codes[i]):
            found[where, f"y of {graph.populations[sender].name}"] = a.dendrite.y[code] != b.dendrite.y[code]
        for code, sender in enumerate(graph.backward_codes[i]):
            differ = a.error_dendrite.y[code] != b.error_dendrite.y[code]
            found[where, f"g of {graph.populations[sender].name}"] = differ
        for name, one, other in (("", a.axon, b.axon), (" of errors", a.error_axon, b.error_axon)):
            for what in ("phi", "x_last", "t_last_ns", "k_beta"):
                found[where, what + name] = np.asarray(getattr(one, what) != getattr(other, what))
    for name in first.weights:
        found[f"projection {name}", "weights"] = first.weights[name] != second.weights[name]
    return {key: int(np.count_nonzero(differ)) for key, differ in found.items() if differ.any()}


def shown(comparison: Comparison, states: PartingStates | None) -> str:
    """The comparison as it stands on a screen of 80 columns."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as capture:
        write_comparison(comparison, console, states)
    return capture.get()


def compared(first: Run, second: Run) -> tuple[Comparison, PartingStates]:
    comparison = compare(first, second)
    states = states_at(comparison, first, second)
    assert states is not None
    return comparison, states


# --- two runs that differ in one thing


@pytest.mark.parametrize("engines", [("actor", "actor"), ("compiled", "actor")])
def test_another_rate_of_learning(engines: tuple[str, str], tmp_path: Path) -> None:
    # probes would see the change in the instant in which it is made, and biases hide that of weights
    text = TWO_RATES.partition("probes:")[0].replace("size: 20}", "size: 20, learns_bias: false}")
    text = text.replace("nonlinearity: linear}", "nonlinearity: linear, learns_bias: false}")
    rates = (" eta: 0.02", " eta: 0.021")
    first, second = (
        run_of(tmp_path / rate[-3:], text.replace(" eta: 0.02", rate), engine=engine)
        for rate, engine in zip(rates, engines, strict=True)
    )
    comparison, states = compared(first, second)
    assert comparison.events is not None
    assert comparison.events.row > 10
    assert_as_stepped(states, (first, second))
    assert states.onset is not None
    assert states.onset.time_ns is not None
    assert states.onset.time_ns < states.time_ns
    # of all that happened in that instant, only what was learned differed
    assert {each.what for each in states.onset.entries} == {"weights"}
    [neuron] = states.neurons
    a, b = (stepped(run, states.time_ns) for run in (first, second))
    for each in neuron.weights:
        projection, sender = each.where.partition(", ")[2], int(each.where.partition(",")[0].split()[-1])
        place = (sender, neuron.neuron)
        assert (each.first, each.second) == (a.weights[projection][place], b.weights[projection][place])
    names = {each.where.partition(", ")[2] for each in neuron.weights}
    n_different = sum(np.count_nonzero(a.weights[k][:, neuron.neuron] != b.weights[k][:, neuron.neuron]) for k in names)
    assert 0 < len(neuron.weights) == min(WEIGHTS, n_different)
    on_screen = shown(comparison, states)
    assert "The states were the same up to" in on_screen
    assert f"{neuron.population} {neuron.neuron}, " in on_screen
    assert "What differed just before" in on_screen


def test_another_seed_differs_from_the_beginning(tmp_path: Path) -> None:
    first, second = run_of(tmp_path / "a", TWO_RATES), run_of(tmp_path / "b", TWO_RATES, seed=2)
    comparison, states = compared(first, second)
    assert_as_stepped(states, (first, second))
    assert states.onset is not None
    assert states.onset.time_ns is None
    assert {each.where for each in states.onset.entries} == {f"projection {name}" for name in first.projections}
    weights = next(each for each in states.onset.entries if each.where == "projection hidden->output")
    assert (weights.n_different, weights.n) == (40, 40)
    a, b = (stepped(run, 0).weights["hidden->output"] for run in (first, second))
    assert abs(weights.first - weights.second) == np.abs(a - b).max()
    assert (weights.first, weights.second) == (a[weights.at], b[weights.at])
    assert "The states differed from the beginning: in projection" in shown(comparison, states)


def test_one_value_of_the_data_that_comes_in_the_instant_itself(tmp_path: Path) -> None:
    changed = [*SAMPLES[:21], "2.0,9,0", *SAMPLES[22:]]
    first, second = (
        run_of(tmp_path / name, FROM_FILES, None, samples=samples) for name, samples in (("a", SAMPLES), ("b", changed))
    )
    comparison, states = compared(first, second)
    assert states.time_ns == 2 * 10**9
    assert states.entries == ()
    assert states.onset is None
    assert_as_stepped(states, (first, second))
    [neuron] = states.neurons
    assert (neuron.population, neuron.neuron, neuron.weights) == ("skin", 0, ())
    held = next(each for each in neuron.values if each.where == "held")
    assert held.first == held.second == pytest.approx(19 % 7 / 3)
    assert comparison.events is not None
    assert comparison.events.first is not None
    assert comparison.events.first["kind"] == "sample"
    assert "they part by what came then" in shown(comparison, states)


def test_a_run_that_ended_sooner(tmp_path: Path) -> None:
    first, second = run_of(tmp_path / "a", TWO_RATES, 1.0), run_of(tmp_path / "b", TWO_RATES, 1.5)
    comparison, states = compared(first, second)
    assert comparison.events is not None
    assert comparison.events.first is None
    assert states.time_ns >= 10**9
    assert states.entries == ()
    assert_as_stepped(states, (first, second))


def test_codes_that_adapt(tmp_path: Path) -> None:
    """The event that differs may be of a whole population: then it is of the neuron that differs most."""
    text = TWO_RATES.replace("learning: {rule: past, eta: 0.02}", "")
    texts = [text.replace("k_beta: 0.1}", f"k_beta: {k_beta}}}") for k_beta in (0.1, 0.11)]
    first, second = (run_of(tmp_path / f"{k}", each) for k, each in enumerate(texts))
    comparison, states = compared(first, second)
    assert comparison.events is not None
    assert_as_stepped(states, (first, second))
    assert states.onset is not None
    assert {each.what for each in states.onset.entries} == {"k_beta"}


# --- a side that cannot be replayed


def without_config(run: Path) -> None:
    (run / "config.yaml").unlink()
    (run / NETWORKS_FILE).unlink(missing_ok=True)


def with_another_network(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("size: 20", "size: 21"), encoding="utf-8")
    (run / NETWORKS_FILE).unlink(missing_ok=True)


@pytest.mark.parametrize("damage", [without_config, with_another_network])
def test_one_side_alone(damage: Callable[[Path], None], tmp_path: Path) -> None:
    first = run_of(tmp_path / "a", TWO_RATES, 0.4)
    second = run_of(tmp_path / "b", TWO_RATES.replace(" eta: 0.02", " eta: 0.03"), 0.4)
    whole, _ = compared(first, second)
    damage(second.path)
    comparison, states = compared(first, open_run(second.path))
    assert states.problems[0] is None
    assert states.problems[1] is not None
    assert states.entries is None
    assert states.onset is None
    [neuron] = states.neurons
    found = {each.where: each.first for each in neuron.values}
    assert found == expected_values(stepped(first, states.time_ns), neuron)
    assert all(each.second is None for each in neuron.values)
    text = shown(comparison, states)
    assert f"No state of {second.path}: " in text
    assert comparison.events == whole.events
    assert "Totals" in text


def test_other_networks_have_no_states(tmp_path: Path) -> None:
    first = run_of(tmp_path / "a", TWO_RATES, 0.4)
    second = run_of(tmp_path / "b", TWO_RATES.replace("size: 20", "size: 21"), 0.4)
    comparison, states = compared(first, second)
    assert all("networks are not the same" in str(problem) for problem in states.problems)
    assert states.neurons == ()
    assert "No state of" in shown(comparison, states)


# --- the command


def test_the_command_shows_states_unless_told_not_to(tmp_path: Path) -> None:
    first, second = two_rates(tmp_path / "a", 0.5).path, two_rates(tmp_path / "b", 0.5, seed=2).path
    arguments = ("diff", str(first), str(second))
    shown_states = eventnet_here(*arguments)
    assert (shown_states.code, shown_states.err) == (1, "")
    assert "from the beginning" in shown_states.out
    document = json.loads(eventnet_here(*arguments, "--json").out)
    comparison, states = compared(open_run(first), open_run(second))
    assert document["states"] == json.loads(json.dumps(states.as_document()))
    assert document["events"] == json.loads(json.dumps(comparison.as_document()))["events"]
    assert document["states"]["onset"]["entries"][0]["n_different"] == 40
    without = eventnet_here(*arguments, "--no-states")
    assert without.code == 1
    assert "beginning" not in without.out
    assert "part at event" in without.out
    assert json.loads(eventnet_here(*arguments, "--no-states", "--json").out)["states"] is None
    shutil.copytree(first, tmp_path / "copy")
    assert json.loads(eventnet_here("diff", str(first), str(tmp_path / "copy"), "--json").out)["states"] is None
