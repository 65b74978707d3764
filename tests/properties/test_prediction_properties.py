"""Prediction against the clocked algorithm: the same spikes at the same ticks, the same state in between."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventnet.coding.drive import NEVER, Clock, Drive, Signal, room_for
from eventnet.coding.prediction import catch_up, predict
from eventnet.coding.prediction_kernels import drive_at, foresee_kernel
from tests.oracles.prediction import ClockedNeuron, Fading, random_neuron, run_clocked

KINDS = ("sensor", "linear", "relu", "error")
BOUNDED_KINDS = ("sensor", "linear", "relu")  # not where one signal gates another


def as_signal(fading: Fading) -> Signal:
    """One neuron's `Fading` as the arrays of the package."""
    values, times_ns, alphas, periods_ns = zip(*fading.codes, strict=True) if fading.codes else ((), (), (), ())
    return Signal(
        np.array([fading.offset]),
        np.array(values, np.float64).reshape(len(values), 1),
        np.array(times_ns, np.int64),
        np.array(alphas, np.float64),
        np.array(periods_ns, np.int64),
    )


def as_drive(neuron: ClockedNeuron) -> Drive:
    """What the neuron encodes."""
    signal = as_signal(neuron.signal)
    return Drive(signal, signal if neuron.gate is None else as_signal(neuron.gate), neuron.gate is not None)


@dataclass
class Axon:
    """One neuron as an engine with `wake: exact` keeps it."""

    clock: Clock
    drive: Drive
    t_last: np.ndarray
    phi: np.ndarray
    x_last: np.ndarray

    @classmethod
    def of(cls, neuron: ClockedNeuron) -> Axon:
        clock = Clock(neuron.k_alpha, neuron.k_beta, neuron.period_ns, neuron.phase_ns)
        arrays = np.array([neuron.t_last], np.int64), np.array([neuron.phi]), np.array([neuron.x_last])
        return cls(clock, as_drive(neuron), *arrays)

    def predict(self) -> int:
        return int(predict(self.t_last, self.phi, self.x_last, self.clock, self.drive)[0])

    def bound(self) -> tuple[int, bool]:
        """A time before which it does not spike by itself, and whether it may not spike then either."""
        times_ns, bounds = np.zeros(1, np.int64), np.zeros(1, np.int64)
        state = self.t_last, self.phi, self.x_last, self.clock, self.drive, np.zeros(1, np.int64)
        room = np.empty(room_for(max(part.alphas.size for part in self.drive[:2])))
        assert foresee_kernel(*state, times_ns, True, bounds, room) == -1
        return int(times_ns[0]), bool(bounds[0])

    def as_float32(self) -> Axon:
        """The same with numbers of single precision, as a network may keep them."""

        def narrow(signal: Signal) -> Signal:
            return signal._replace(offset=signal.offset.astype("f4"), values=signal.values.astype("f4"))

        drive = Drive(narrow(self.drive.signal), narrow(self.drive.gate), self.drive.gated)
        return Axon(self.clock, drive, self.t_last, self.phi.astype("f4"), self.x_last.astype("f4"))

    def catch_up(self, until_ns: int) -> None:
        catch_up(until_ns, self.t_last, self.phi, self.x_last, self.clock, self.drive)

    def encode(self, time_ns: int) -> int:
        x = drive_at(self.drive, 0, time_ns)
        decay = self.clock.k_alpha ** ((time_ns - int(self.t_last[0])) / self.clock.period_ns)
        total = self.phi[0] + (x - decay * self.x_last[0]) / self.clock.k_beta
        spike = int(np.rint(total))
        self.t_last[0], self.phi[0], self.x_last[0] = time_ns, total - spike, x
        return spike


def follow(axon: Axon, until_ns: int) -> tuple[list[tuple[int, int]], int]:
    """Spikes of the predicted kind up to a time, and how many predicted ticks turned out silent."""
    spikes: list[tuple[int, int]] = []
    silent = 0
    while (time_ns := axon.predict()) < until_ns:
        axon.catch_up(time_ns)
        spike = axon.encode(time_ns)
        if spike:
            spikes.append((time_ns, spike))
        else:
            silent += 1
    return spikes, silent


@pytest.mark.parametrize("kind", KINDS)
def test_predicted_spikes_are_the_clocked_ones(kind: str) -> None:
    """600 neurons of each kind over 400 ticks: at most one spike in ten thousand differs, no tick is vain."""
    rng = random.Random(f"{kind} anything")
    total = differing = n_silent = 0
    for _ in range(600):
        neuron = random_neuron(rng, kind, dyadic=False)
        axon = Axon.of(neuron)
        until_ns = neuron.t_last + 400 * neuron.period_ns
        clocked = run_clocked(neuron, until_ns).spikes
        predicted, silent = follow(axon, until_ns)
        total += len(clocked)
        differing += len(set(clocked) ^ set(predicted))
        n_silent += silent
    print(f"{kind}: {differing} of {total} spikes differ, {n_silent} predicted ticks were silent")
    assert total > 1000
    assert differing <= 1e-4 * total
    assert n_silent == 0


@pytest.mark.parametrize("kind", KINDS)
def test_dyadic_spikes_are_exactly_the_clocked_ones(kind: str) -> None:
    """With sums that floats hold exactly, ties at one half included."""
    rng = random.Random(f"{kind} dyadic")
    total = ties = 0
    for _ in range(500):
        neuron = random_neuron(rng, kind, dyadic=True)
        axon = Axon.of(neuron)
        until_ns = neuron.t_last + 20 * neuron.period_ns
        clocked = run_clocked(neuron, until_ns)
        predicted, silent = follow(axon, until_ns)
        assert predicted == clocked.spikes
        assert silent == 0
        total += len(predicted)
        ties += clocked.closest == 0.0
    assert total > 300
    assert ties > 20


@pytest.mark.parametrize("kind", KINDS)
def test_dyadic_spikes_differ_over_long_spans_only_at_a_near_tie(kind: str) -> None:
    rng = random.Random(f"{kind} long")
    total = 0
    for _ in range(100):
        neuron = random_neuron(rng, kind, dyadic=True)
        axon = Axon.of(neuron)
        until_ns = neuron.t_last + 1000 * neuron.period_ns
        clocked = run_clocked(neuron, until_ns)
        predicted, _ = follow(axon, until_ns)
        assert predicted == clocked.spikes or clocked.closest < 1e-13
        total += len(predicted)
    assert total > 50


@pytest.mark.parametrize("kind", KINDS)
def test_catch_up_is_the_clocked_state(kind: str) -> None:
    """Up to its predicted spike a neuron can be caught up to any time, in one go or in two."""
    rng = random.Random(f"{kind} state")
    moved = 0
    for _ in range(300):
        neuron = random_neuron(rng, kind, dyadic=False)
        axon = Axon.of(neuron)
        end_ns = min(axon.predict(), neuron.t_last + 300 * neuron.period_ns)
        if end_ns <= neuron.t_last + 1:
            continue
        until_ns = rng.randint(neuron.t_last + 1, end_ns)
        before = (neuron.phi, neuron.x_last)
        in_two = copy.deepcopy(axon)
        clocked = run_clocked(neuron, until_ns)
        assert clocked.spikes == []
        axon.catch_up(until_ns)
        in_two.catch_up(rng.randint(in_two.t_last[0], until_ns))
        in_two.catch_up(until_ns)
        for caught in (axon, in_two):
            assert caught.t_last[0] == neuron.t_last
            assert caught.phi[0] == pytest.approx(neuron.phi, abs=1e-9)
            assert caught.x_last[0] == pytest.approx(neuron.x_last, abs=1e-9)
            assert abs(caught.phi[0]) <= 0.5
        moved += abs(neuron.phi - before[0]) > 1e-3 and abs(neuron.phi) > 1e-3
    assert moved > 20, "too few neurons moved for the comparison to mean something"


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(KINDS), n_ticks=st.integers(1, 300))
def test_any_neuron_spikes_as_clocked(seed: int, kind: str, n_ticks: int) -> None:
    neuron = random_neuron(random.Random(seed), kind, dyadic=False)
    axon = Axon.of(neuron)
    until_ns = neuron.t_last + n_ticks * neuron.period_ns
    clocked = run_clocked(neuron, until_ns)
    predicted, _ = follow(axon, until_ns)
    assert predicted == clocked.spikes or clocked.closest < 1e-9


fractions = st.integers(-2048, 2048).map(lambda k: k / 1024)


@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(fractions, min_size=3, max_size=3),
    gate_values=st.lists(fractions, min_size=3, max_size=3),
    bias=fractions,
    alphas=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]), min_size=3, max_size=3),
    phi=st.floats(-0.5, 0.5),
)
def test_gates_that_open_and_close_several_times(
    values: list[float], gate_values: list[float], bias: float, alphas: list[float], phi: float
) -> None:
    """Three codes with different decays: z may cross zero three times, and phi turn in between."""
    signal = Fading(0.0, [(value, 0, alpha, 10) for value, alpha in zip(values, alphas, strict=True)])
    gate = Fading(bias, [(value, 0, alpha, 10) for value, alpha in zip(gate_values, alphas, strict=True)])
    neuron = ClockedNeuron(0, phi, 0.0, 0.9, 0.5, 10, 0, signal, gate)
    axon = Axon.of(neuron)
    clocked = run_clocked(neuron, 2000)
    predicted, _ = follow(axon, 2000)
    assert predicted == clocked.spikes or clocked.closest < 1e-9


@pytest.mark.parametrize("n_changes", [1, 2, 3])
def test_gates_made_to_change_at_given_ticks(n_changes: int) -> None:
    """z = product of (q ** m - q ** (change - 1/2)) over some q: its codes are the products of the q."""
    rng = random.Random(n_changes)
    n_spikes = differing = 0
    for _ in range(100):
        terms = {1.0: rng.choice([-1.0, 1.0])}
        changes = rng.sample(range(2, 120), n_changes)
        for change in changes:
            q = rng.uniform(0.7, 0.99)
            left = -(q ** (change - 0.5))
            terms = {a * f: v * w for a, v in terms.items() for f, w in ((q, 1.0), (1.0, left))}
        gate = Fading(terms.pop(1.0), [(value, 0, alpha, 10) for alpha, value in terms.items()])
        opened = [gate.at(10 * m) > 0 for m in range(150)]
        assert [m for m in range(1, 150) if opened[m] != opened[m - 1]] == sorted(changes)
        errors = Fading(0.0, [(rng.gauss(0, 1), 0, rng.choice([0.9, 0.99, 1.0]), 10) for _ in range(2)])
        neuron = ClockedNeuron(0, rng.uniform(-0.5, 0.5), 0.0, 0.95, rng.uniform(0.2, 3), 10, 0, errors, gate)
        axon = Axon.of(neuron)
        clocked = run_clocked(neuron, 1500).spikes
        predicted, _ = follow(axon, 1500)
        n_spikes += len(clocked)
        differing += len(set(clocked) ^ set(predicted))
    assert n_spikes > 100
    assert differing == 0


def test_a_prediction_looks_at_each_neuron_alone() -> None:
    """Many neurons in one call are as many calls with one."""
    rng = np.random.default_rng(5)
    n = 50
    signal = Signal(
        rng.normal(0, 0.2, n),
        rng.normal(0, 2, (2, n)),
        np.zeros(2, np.int64),
        np.array([0.9, 0.8]),
        np.array([10, 20]),
    )
    clock = Clock(0.9, 0.4, 10, 3)
    state = np.arange(n), rng.uniform(-0.5, 0.5, n), rng.normal(0, 1, n)
    together = predict(*state, clock, Drive(signal, signal, True))
    for i in range(n):
        own = Signal(signal.offset[i : i + 1].copy(), signal.values[:, i : i + 1].copy(), *signal[2:])
        alone = predict(*(part[i : i + 1].copy() for part in state), clock, Drive(own, own, True))
        assert alone[0] == together[i]
    assert 0 < np.count_nonzero(together < NEVER) < n


def assert_bounded(axon: Axon) -> tuple[int, int]:
    """A bound is never late, and is the prediction where it says so; returns both."""
    (bound_ns, is_bound), predicted_ns = axon.bound(), axon.predict()
    assert bound_ns <= predicted_ns
    assert is_bound or bound_ns == predicted_ns
    assert bound_ns > axon.t_last[0]
    return bound_ns, predicted_ns


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(BOUNDED_KINDS),
    dyadic=st.booleans(),
    single=st.booleans(),
    near=st.one_of(st.none(), st.floats(1e-17, 1e-3)),
)
def test_no_neuron_spikes_before_its_bound(
    seed: int, kind: str, dyadic: bool, single: bool, near: float | None
) -> None:
    """`near` puts phi so close to the threshold, where rounding may decide."""
    neuron = random_neuron(random.Random(seed), kind, dyadic=dyadic)
    if near is not None:
        neuron.phi = (0.5 - near) * (1 if neuron.phi > 0 else -1)
    axon = Axon.of(neuron)
    assert_bounded(axon.as_float32() if single else axon)


wide = st.integers(-(2**14), 2**14).map(lambda k: k / 1024)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(wide, min_size=1, max_size=5),
    offset=wide,
    alphas=st.lists(
        st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1 - 1e-6, 1 - 1e-12, 1.0]), min_size=5, max_size=5
    ),
    periods_ns=st.lists(st.sampled_from([1, 10, 1000, 10**9]), min_size=5, max_size=5),
    k_alpha=st.sampled_from([0.0, 0.5, 0.9, 1 - 1e-9, 1.0]),
    k_beta=st.sampled_from([1e-3, 0.5, 100.0, 1e6]),
    phi=st.floats(-0.5, 0.5),
    gated=st.booleans(),
)
def test_no_sum_of_codes_spikes_before_its_bound(
    values: list[float],
    offset: float,
    alphas: list[float],
    periods_ns: list[int],
    k_alpha: float,
    k_beta: float,
    phi: float,
    gated: bool,
) -> None:
    """Up to five codes that fade at once, slowly or never, against one another, and a ReLU that they open and close."""
    codes = [(v, 0, a, p) for v, a, p in zip(values, alphas[: len(values)], periods_ns[: len(values)], strict=True)]
    signal = as_signal(Fading(offset, codes))
    state = np.zeros(1, np.int64), np.array([phi]), np.array([max(signal.offset[0] + sum(values), 0.0)])
    assert_bounded(Axon(Clock(k_alpha, k_beta, 10, 0), Drive(signal, signal, gated), *state))


@pytest.mark.parametrize(("kind", "least"), [("sensor", 0.8), ("linear", 0.7), ("relu", 0.2)])
def test_bounds_spare_most_of_the_looking(kind: str, least: float) -> None:
    """The share of the silent ticks of 600 neurons, up to 400 each, that their bounds know to be silent."""
    rng = random.Random(f"{kind} bounds")
    known = silent = 0
    for _ in range(600):
        axon = Axon.of(random_neuron(rng, kind, dyadic=False))
        times_ns = np.minimum(assert_bounded(axon), axon.t_last[0] + 400 * axon.clock.period_ns)
        ticks = (times_ns - axon.t_last[0] - 1) // axon.clock.period_ns
        known, silent = known + ticks[0], silent + ticks[1]
    print(f"{kind}: {known} of {silent} silent ticks are known")
    assert silent > 10_000
    assert known > least * silent
