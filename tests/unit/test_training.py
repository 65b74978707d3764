"""Learning in epochs: where epochs end, what a change of codes means to a network at work, what a test measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.engines.dense import DenseEngine
from eventnet.network import (
    Adaptation,
    Code,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)
from eventnet.network.stages import Stage
from eventnet.sensors import sensor_from_arrays
from eventnet.sensors.images import image_stream, label_stream, open_images
from eventnet.sensors.spec import ImageLabels, Images, ImageSource
from eventnet.trace.events import EventBatch, Kind, Outcome
from eventnet.training import (
    Change,
    ChangedCode,
    Epochs,
    Tally,
    Training,
    fixed_network,
    network_in,
    percent_right,
    stages,
)

MS = 10**6
N = 400
IMAGES = Images("mnist-subset", limit=N)
PERIOD_NS = 20 * MS


class Kept:
    """Keeps all events of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.batches: list[EventBatch] = []

    def events(self, batch: EventBatch) -> None:
        if batch.kind is self.kind:
            self.batches.append(batch)

    def outcome(self, outcome: Outcome) -> None:
        pass


def training(*schedule: Change, epochs: int = 3) -> Training:
    return Training(epochs, True, schedule, IMAGES, PERIOD_NS)


def digits_network(**more: Any) -> Network:
    """Pixels to ten classes by way of a hidden layer, with scales that adapt fast."""
    code = Code(k_alpha=0.5, adaptation=Adaptation(eta_k=0.01))
    return Network(
        populations=(
            Population("pixels", 784, Nonlinearity.LINEAR, code, code, Wake.LAZY),
            Population("hidden", 12, Nonlinearity.RELU, code, code, Wake.LAZY),
            Population("output", 10, Nonlinearity.SOFTMAX, code, code, Wake.LAZY),
        ),
        projections=(Projection("pixels", "hidden"), Projection("hidden", "output")),
        sensors=(Sensor("camera", "pixels", PERIOD_NS),),
        targets=(Target("digit", "output", PERIOD_NS),),
        learning=Learning(Rule.PAST, 0.01),
        **more,
    )


def digits_streams(test: bool) -> dict[str, Any]:
    return {
        "camera": image_stream(ImageSource(IMAGES, test=test), PERIOD_NS, 0),
        "digit": label_stream(ImageLabels(IMAGES, PERIOD_NS, test=test)),
    }


@pytest.fixture(scope="module")
def trained() -> ActorEngine:
    """A network that has seen the training images once."""
    engine = ActorEngine(digits_network(), digits_streams(test=False))
    engine.run(len(open_images(IMAGES, test=False).order) * PERIOD_NS)
    return engine


# --- codes of an epoch


def test_codes_change_in_their_epoch_and_stay_changed() -> None:
    network = digits_network()
    plan = training(Change(2, ChangedCode(k_alpha=0.9)), Change(3, ChangedCode(k_beta=0.2), ChangedCode(k_alpha=0.75)))
    assert network_in(network, plan, 1) == network
    for epoch, forward, backward in ((2, (0.9, 0.91), (0.5, 0.91)), (3, (0.9, 0.2), (0.75, 0.91))):
        for before, after in zip(network.populations, network_in(network, plan, epoch).populations, strict=True):
            assert (after.forward.k_alpha, after.forward.k_beta) == forward
            assert (after.backward.k_alpha, after.backward.k_beta) == backward
            assert after.forward.adaptation == before.forward.adaptation
            assert replace(after, forward=before.forward, backward=before.backward) == before


def test_rates_change_in_their_epoch_and_stay_changed() -> None:
    network = digits_network()
    plan = training(Change(2, eta=0.005), Change(3, eta_bias=0.25), Change(4, eta=0.001), epochs=4)
    rates = [network_in(network, plan, epoch).learning for epoch in (1, 2, 3, 4)]
    assert rates == [
        Learning(Rule.PAST, 0.01),
        Learning(Rule.PAST, 0.005),
        Learning(Rule.PAST, 0.005, 0.25),
        Learning(Rule.PAST, 0.001, 0.25),
    ]
    assert replace(network_in(network, plan, 4), learning=network.learning) == network
    assert network_in(replace(network, learning=None), plan, 4).learning is None
    assert [(each.epoch, each.network.learning) for each in stages(network, plan)] == list(enumerate(rates, 1))


def test_stages_begin_where_codes_change() -> None:
    """What is said of the first epoch is there from the beginning: nothing is set to it on the way."""
    network = digits_network()
    assert stages(network, None) == [Stage(1, network)]
    plan = training(
        Change(1, ChangedCode(k_beta=0.3)),
        Change(2, ChangedCode(k_alpha=0.9), ChangedCode(k_beta=0.125)),
        Change(5, ChangedCode(k_beta=0.2)),
        epochs=6,
    )
    found = stages(network, plan)
    assert [(each.epoch, each.k_beta_forward, each.k_beta_backward) for each in found] == [
        (1, None, None),
        (2, None, 0.125),
        (5, 0.2, None),
    ]
    codes = [(hidden.forward, hidden.backward) for hidden in (each.network.populations[1] for each in found)]
    assert [(forward.k_alpha, forward.k_beta, backward.k_beta) for forward, backward in codes] == [
        (0.5, 0.3, 0.91),
        (0.9, 0.3, 0.125),
        (0.9, 0.2, 0.125),
    ]
    # without a word of the first epoch it begins as it is
    assert stages(network, training(*plan.schedule[1:], epochs=6))[0] == Stage(1, network)


def pulse_network(k_alpha: float) -> tuple[Network, dict[str, Any]]:
    """One sensor that shows 1.0 for a tick, then 0.0 for ever, read by one linear neuron through weight 1."""
    code = Code(k_alpha=k_alpha, k_beta=1.0)
    network = Network(
        populations=(
            Population("pulse", 1, Nonlinearity.LINEAR, code, wake=Wake.LAZY),
            Population("reader", 1, Nonlinearity.LINEAR, wake=Wake.LAZY),
        ),
        projections=(Projection("pulse", "reader", weights=np.ones((1, 1))),),
        sensors=(Sensor("pulse", "pulse", MS),),
        probes=(Probe("z", "reader", "z", MS),),
    )
    return network, {"pulse": sensor_from_arrays(np.array([0], np.int64), np.array([[1.0]]))}


def test_what_was_sent_before_a_change_decays_with_the_new_rate() -> None:
    (old, streams), (new, _) = pulse_network(0.5), pulse_network(0.75)
    kept = Kept(Kind.PROBE)
    first = ActorEngine(old, streams, (kept,))
    first.run(4 * MS)
    second = ActorEngine(new, streams, (kept,))
    second.load_state(first.state())
    second.run(8 * MS)
    read = [float(batch.values[0]) for batch in kept.batches]
    # as docs/training.md says: also for the time since the spike came, where none has come since
    assert read == [0.5**n for n in range(4)] + [0.75**n for n in range(4, 8)]


def test_a_network_goes_on_from_a_state_under_other_codes_alike_in_one_piece_or_two() -> None:
    plan = training(Change(2, ChangedCode(k_alpha=0.9), ChangedCode(k_alpha=0.9)))
    streams = digits_streams(test=False)
    middle, end = 30 * PERIOD_NS, 60 * PERIOD_NS
    first = ActorEngine(digits_network(), streams)
    first.run(middle)
    ends = []
    for cuts in ((end,), (middle + 7 * PERIOD_NS, end)):
        engine = ActorEngine(network_in(digits_network(), plan, 2), streams)
        engine.load_state(first.state())
        for until_ns in cuts:
            engine.run(until_ns)
        ends.append(engine)
    unchanged = ActorEngine(digits_network(), streams)
    unchanged.run(end)
    for name, weights in ends[0].weights.items():
        assert np.array_equal(weights, ends[1].weights[name])
        assert not np.array_equal(weights, unchanged.weights[name])


def test_a_scale_that_is_set_is_the_one_that_spikes_carry() -> None:
    code = Code(k_alpha=0.5, k_beta=0.25)
    network = digits_network()
    network = replace(
        network, populations=tuple(replace(each, forward=code, backward=code) for each in network.populations)
    )
    forward, backward = Kept(Kind.FORWARD), Kept(Kind.BACKWARD)
    engine = ActorEngine(network, digits_streams(test=False), (forward, backward))
    engine.run(10 * PERIOD_NS)
    n_before = len(forward.batches), len(backward.batches)
    engine.set_scales(0.125, None)
    engine.run(20 * PERIOD_NS)
    assert {batch.scale for batch in forward.batches[: n_before[0]]} == {0.25}
    assert {batch.scale for batch in forward.batches[n_before[0] :]} == {0.125}
    assert len(backward.batches) > n_before[1] > 0
    assert {batch.scale for batch in backward.batches} == {0.25}
    engine.set_scales(None, 0.5)
    parameters = engine.parameters()
    assert set(parameters.k_beta_forward.values()) == {0.125}
    assert set(parameters.k_beta_backward.values()) == {0.5}


# --- tests


def test_images_are_read_once_for_all_who_show_them() -> None:
    assert open_images(IMAGES, test=False) is open_images(IMAGES, test=False)
    assert not np.shares_memory(open_images(IMAGES, test=False).images, open_images(IMAGES, test=True).images)


def test_parameters_are_what_was_learned_and_are_copies(trained: ActorEngine) -> None:
    parameters = trained.parameters()
    assert set(parameters.weights) == {"pixels->hidden", "hidden->output"}
    for name, weights in parameters.weights.items():
        assert np.array_equal(weights, trained.weights[name])
        assert not np.shares_memory(weights, trained.weights[name])
    assert np.any(parameters.biases["hidden"] != 0)
    assert parameters.k_beta_forward["pixels"] < 0.7  # it adapts to pixels whose mean is far below 1
    assert parameters.k_beta_backward["hidden"] < 0.7


@pytest.mark.parametrize("engine_class", [ActorEngine, DenseEngine])
def test_a_fixed_network_learns_and_adapts_nothing(engine_class: Any, trained: ActorEngine) -> None:
    before = trained.parameters()
    engine = engine_class(fixed_network(trained.graph.network, before), digits_streams(test=True))
    engine.run(N * PERIOD_NS)
    assert int(engine.totals.events[Kind.LOSS].sum()) == N
    after = engine.parameters()
    for name in before.weights:
        assert np.array_equal(before.weights[name], after.weights[name])
    for name in ("hidden", "output"):
        assert np.array_equal(before.biases[name], after.biases[name])
    assert after.k_beta_forward == before.k_beta_forward
    assert (
        int(engine.totals.units[[Kind.ROW_UPDATE, Kind.COLUMN_UPDATE, Kind.DENSE_UPDATE, Kind.BIAS_UPDATE]].sum()) == 0
    )


def test_the_ordinary_network_is_the_matrix_product_of_the_weights(trained: ActorEngine) -> None:
    shown, parameters = open_images(IMAGES, test=True), trained.parameters()
    hidden = shown.images.reshape(N, -1) / 255 @ parameters.weights["pixels->hidden"] + parameters.biases["hidden"]
    output = np.maximum(hidden, 0) @ parameters.weights["hidden->output"] + parameters.biases["output"]
    expected = 100 * np.mean(output.argmax(axis=1) == shown.labels)
    assert 30 < expected < 100  # chance is 10; of wrong signs, less
    network = fixed_network(trained.graph.network, parameters)
    assert percent_right(DenseEngine, network, digits_streams(test=True), lambda: False) == expected


def test_a_test_leaves_the_engine_that_learns_alone_and_can_be_stopped(trained: ActorEngine) -> None:
    before = trained.state()
    network = fixed_network(trained.graph.network, trained.parameters())
    right = percent_right(ActorEngine, network, digits_streams(test=True), lambda: False)
    assert right is not None
    assert right > 30
    assert percent_right(ActorEngine, network, digits_streams(test=True), lambda: True) is None
    np.testing.assert_equal(trained.state(), before)


# --- records


def test_epochs_end_where_the_images_begin_anew_and_count_what_is_new() -> None:
    epochs = Epochs(training(), n_images=60, until_ns=180 * PERIOD_NS)
    ends = []
    for k in range(3):
        assert not epochs.are_over
        assert epochs.number == k + 1
        ends.append(epochs.end_ns)
        record = epochs.finish(
            Tally(60 * (k + 1), 10 * (k + 1) ** 2, 600 * (k + 1), (6000, 0, 60), 2.0 * k), 50.0, None
        )
        assert record["epoch"] == k + 1
        assert record["images"] == 60
        assert record["train"] == pytest.approx(100 * 10 * (2 * k + 1) / 60)
        assert record["events"] == 600
        assert record["wall_s"] == (2.0 if k else 0.0)
        assert record["adds_unit_per_image"]["forward"] == (0.0 if k else 100.0)
        assert record["test"] == {"spiking": 50.0, "conventional": None}
    assert ends == [60 * PERIOD_NS, 120 * PERIOD_NS, 180 * PERIOD_NS]
    assert epochs.are_over


@pytest.mark.parametrize(("n_shown", "images"), [(30, [30]), (60, [60]), (61, [60, 1]), (125, [60, 60, 5])])
def test_a_run_that_is_cut_short_ends_its_last_epoch(n_shown: int, images: list[int]) -> None:
    epochs = Epochs(training(), n_images=60, until_ns=n_shown * PERIOD_NS)
    while not epochs.are_over:
        epochs.finish(Tally(), None, None)
    assert [record["images"] for record in epochs.records] == images


def test_epochs_go_on_from_a_state() -> None:
    epochs, again = (Epochs(training(), 60, 180 * PERIOD_NS) for _ in range(2))
    epochs.finish(Tally(60, 30, 100, (1, 2, 3), 1.5), 40.0, 45.0)
    again.load_state(epochs.state())
    tally = Tally(120, 80, 250, (61, 2, 3), 2.0)
    assert again.finish(tally, 1.0, 2.0) == epochs.finish(tally, 1.0, 2.0)
    assert again.records == epochs.records
    assert again.records[1]["train"] == pytest.approx(100 * 50 / 60)
