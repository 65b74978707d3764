"""Rates, generators, random draws, targets made of signals, and what is refused before a run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.draws import UniformDraws
from eventnet.sensors.spec import (
    ArrayLabels,
    ArraySource,
    GeneratorSource,
    Policies,
    Sampling,
    SensorSpec,
    SensorTarget,
    TargetSpec,
)
from tests.sensor_oracles import full, samples_of, targets_of

MS = 10**6
S = 10**9


def array(times, values, partial=False):
    return ArraySource(np.array(times, dtype=np.int64), np.array(values, dtype=float).reshape(len(times), -1), partial)


def sensor(source, seed=0, name="probe", **sampling):
    return build_sensor(SensorSpec(name, source, Sampling(**sampling)), seed)


def target(source, seed=0, ahead_ns=0, **sampling):
    return build_target(TargetSpec("goal", SensorTarget(source, Sampling(**sampling), ahead_ns)), seed)


WALK = GeneratorSource("random_walk", 3, level=2.0, amplitude=0.5, step_ns=20 * MS, duration_ns=60 * S)


def test_a_period_samples_and_holds_from_its_phase_on():
    stream = sensor(array([0, 10, 21], [1, 2, 3]), period_ns=7, phase_ns=3)
    assert samples_of(stream.blocks()) == [(3, {0: 1}), (10, {0: 2}), (17, {0: 2})]


def test_a_late_first_sample_delays_the_first_tick():
    assert [t for t, _ in samples_of(sensor(array([12, 30], [1, 2]), period_ns=5).blocks())] == [
        15,
        20,
        25,
        30,
    ]


def test_values_leave_centred_and_scaled_by_channel():
    stream = sensor(array([0, 1], [[1, 10], [3, 30]]), center=(1.0, 10.0), scale=(2.0, -10.0))
    times, values = full(stream.blocks())
    assert values.tolist() == [[0, 0], [1, -2]]
    assert times.tolist() == [0, 1]


def test_send_on_delta_counts_what_it_keeps_back():
    stream = sensor(array([0, 1, 2, 3], [[0, 0], [1, 4], [2, 4], [2, 4]]), send_on_delta=2.0)
    assert samples_of(stream.blocks()) == [(0, {0: 0, 1: 0}), (1, {1: 4}), (2, {0: 2})]
    assert (stream.counts.delivered, stream.counts.values, stream.counts.suppressed) == (3, 4, 4)


def test_send_on_delta_applies_to_scaled_values():
    stream = sensor(array([0, 1, 2], [0, 1, 2]), send_on_delta=2.0, scale=(0.5,))
    assert [t for t, _ in samples_of(stream.blocks())] == [0, 1, 2]


def test_a_constant_is_its_level():
    _, values = full(sensor(GeneratorSource("constant", 2, level=-3.0, duration_ns=50), period_ns=10).blocks())
    assert values.tolist() == [[-3.0, -3.0]] * 5


def test_a_sine_has_evenly_spaced_channels_and_keeps_its_phase_over_a_year():
    source = GeneratorSource("sine", 4, level=1.0, amplitude=2.0, wave_period_ns=S)
    year = 365 * 24 * 3600 * S
    for start in (0, year):
        block = next(iter(sensor(source, period_ns=125 * MS, start_ns=start).blocks()))
        turns = np.arange(4096)[:, None] / 8 + np.arange(4) / 4
        np.testing.assert_allclose(block.values, 1 + 2 * np.sin(2 * math.pi * turns), atol=1e-9)
        assert block.times_ns[0] == start
    assert np.ptp(block.values) > 3.9


def test_a_random_walk_is_one_signal_at_every_rate():
    _, finest = full(sensor(WALK, period_ns=5 * MS // 4).blocks())
    for times_coarser in (2, 4, 8, 16, 32):
        _, values = full(sensor(WALK, period_ns=times_coarser * 5 * MS // 4).blocks())
        assert np.array_equal(values, finest[::times_coarser])
    assert finest.std() > 1


def test_a_random_walk_does_not_depend_on_where_reading_starts():
    _, whole = full(sensor(WALK, period_ns=20 * MS).blocks())
    _, tail = full(sensor(WALK, period_ns=20 * MS, start_ns=45 * S).blocks())
    assert np.array_equal(tail, whole[-len(tail) :])


def test_a_random_walk_spreads_as_documented():
    source = GeneratorSource("random_walk", 40, level=3.0, amplitude=0.2, step_ns=10 * MS, duration_ns=200 * S)
    _, values = full(sensor(source, period_ns=10 * MS).blocks())
    # 40 channels of 20,000 knots, correlated over about 200: some 4,000 independent values
    assert values.std() == pytest.approx(2.0, rel=0.06)
    assert values.mean() == pytest.approx(3.0, abs=0.15)
    assert np.diff(values, axis=0).std() == pytest.approx(0.2, rel=0.02)


def test_a_random_walk_starts_with_its_full_spread():
    _, values = full(sensor(replace(WALK, n_channels=4000, duration_ns=1), period_ns=1).blocks())
    assert values.shape == (1, 4000)
    assert values.std() == pytest.approx(5.0, rel=0.06)


def test_a_random_walk_is_straight_between_its_knots():
    _, values = full(sensor(WALK, period_ns=5 * MS).blocks())
    assert np.abs(values[2:-2:4] - (values[:-4:4] + values[4::4]) / 2).max() < 1e-12


def test_an_endless_generator_comes_in_blocks_of_bounded_size():
    stream = sensor(replace(WALK, duration_ns=None), period_ns=20 * MS)
    assert stream.duration_ns is None
    blocks = stream.blocks()
    assert [len(next(blocks).times_ns) for _ in range(2)] == [4096, 4096]


def test_two_sensors_draw_independently():
    _, one = full(sensor(WALK, name="one", period_ns=20 * MS).blocks())
    _, two = full(sensor(WALK, name="two", period_ns=20 * MS).blocks())
    steps_one, steps_two = np.diff(one, axis=0).ravel(), np.diff(two, axis=0).ravel()
    assert abs(np.corrcoef(steps_one, steps_two)[0, 1]) < 4 / math.sqrt(steps_one.size)
    assert not np.array_equal(one, two)


def test_each_purpose_draws_for_itself():
    noisy = {"period_ns": 20 * MS, "jitter_ns": 5 * MS}
    times, values = full(sensor(WALK, **noisy).blocks())
    few_times, few_values = full(sensor(WALK, dropout=0.4, **noisy).blocks())
    kept = np.isin(times, few_times)
    assert np.array_equal(times[kept], few_times)
    assert np.array_equal(values[kept], few_values)
    assert 0.55 < kept.mean() < 0.65
    # were the two to share their draws, the samples that remain would all have moved the same way
    moved = (few_times - 20 * MS * np.rint(few_times / (20 * MS))) / (5 * MS)
    assert abs(moved[1:].mean()) < 5 * math.sqrt(1 / 3 / moved.size)


def test_draws_do_not_depend_on_how_many_are_taken_at_once():
    at_once = UniformDraws(7, "name", "purpose").take(10_000)
    draws = UniformDraws(7, "name", "purpose")
    assert np.array_equal(np.concatenate([draws.take(n) for n in (1, 0, 4095, 1, 5000, 903)]), at_once)
    assert at_once.min() >= 0
    assert at_once.max() < 1
    assert at_once.mean() == pytest.approx(0.5, abs=0.012)
    for other in (("8", "name", "purpose"), ("7", "nam", "epurpose")):
        assert not np.array_equal(UniformDraws(int(other[0]), *other[1:]).take(8), at_once[:8])


def test_dropout_loses_its_share_and_counts_it():
    stream = sensor(GeneratorSource("constant", 1, duration_ns=20_000), period_ns=1, dropout=0.25)
    delivered = len(samples_of(stream.blocks()))
    assert delivered == stream.counts.delivered == 20_000 - stream.counts.lost
    assert stream.counts.lost == pytest.approx(5000, abs=5 * math.sqrt(20_000 * 0.25 * 0.75))


def test_jitter_spreads_evenly_over_its_range():
    stream = sensor(GeneratorSource("constant", 1, duration_ns=8000 * S), period_ns=S, phase_ns=S, jitter_ns=100 * MS)
    times, _ = full(stream.blocks())
    moved = (times - S * np.arange(1, len(times) + 1)) / (100 * MS)
    assert np.abs(moved).max() <= 1
    assert moved.mean() == pytest.approx(0, abs=5 * math.sqrt(1 / 3 / len(times)))
    assert moved.std() == pytest.approx(math.sqrt(1 / 3), rel=0.03)


def test_counts_are_those_of_the_latest_pass():
    stream = sensor(array(np.arange(5000), np.arange(5000)))
    assert stream.counts.delivered == 0
    for _ in range(2):
        list(stream.blocks())
        assert stream.counts.delivered == 5000
    next(stream.blocks())
    assert stream.counts.delivered == 4096


@pytest.mark.parametrize(
    ("source", "sampling", "expected"),
    [
        (array([3, 9], [1, 2]), {}, 10),
        (array([3, 9], [1, 2]), {"end_ns": 5}, 5),
        (WALK, {"period_ns": S}, 60 * S),
        (replace(WALK, duration_ns=None), {"period_ns": S}, None),
        (replace(WALK, duration_ns=None), {"period_ns": S, "end_ns": 7 * S}, 7 * S),
    ],
)
def test_the_duration_is_when_the_last_sample_is_over(source, sampling, expected):
    assert sensor(source, **sampling).duration_ns == expected


def test_a_target_shows_what_the_sensor_will_show():
    source = replace(WALK, signal="the same for both")
    times, values = full(sensor(source, period_ns=20 * MS).blocks())
    goal = target(source, period_ns=20 * MS, ahead_ns=100 * MS)
    block = targets_of(goal.blocks())
    assert np.array_equal(block.values, values[5:])
    assert np.array_equal(block.times_ns, times[:-5])
    assert goal.duration_ns == 60 * S - 100 * MS
    assert block.learn.all()
    assert goal.groups == ("all",)
    assert not block.groups.any()


def test_a_target_looks_ahead_in_rows_too():
    source = array([0, 10, 20, 30], [1, 2, 3, 4])
    held = targets_of(target(source, period_ns=4, ahead_ns=15).blocks())
    assert held.times_ns.tolist() == [0, 4, 8, 12]
    assert held.values[:, 0].tolist() == [2, 2, 3, 3]
    own = targets_of(target(source, ahead_ns=15).blocks())
    assert (own.times_ns.tolist(), own.values[:, 0].tolist()) == ([5, 15], [3, 4])


def test_a_target_of_partial_samples_waits_for_all_channels_and_holds_them():
    goal = target(array([0, 5, 9], [[1, np.nan], [np.nan, 2], [3, np.nan]], partial=True))
    block = targets_of(goal.blocks())
    assert block.times_ns.tolist() == [5, 9]
    assert block.values.tolist() == [[1, 2], [3, 2]]


def test_float_labels_are_values_to_give():
    labels = ArrayLabels(np.array([0, 5]), np.array([[0.5, 1.0], [2.0, -1.0]]))
    block = targets_of(build_target(TargetSpec("goal", labels), 0).blocks())
    assert block.values.dtype == np.float64
    assert block.values.tolist() == [[0.5, 1.0], [2.0, -1.0]]


def test_a_negative_class_is_refused():
    stream = build_target(TargetSpec("goal", ArrayLabels(np.array([0, 5]), np.array([1, -1]))), 0)
    with pytest.raises(InputError, match="label at 5 ns"):
        list(stream.blocks())


GOOD = array([0, 1], [[1, 1], [2, 2]])
REFUSED = [
    (GOOD, {"period_ns": 0}, "period"),
    (GOOD, {"phase_ns": -1}, "phase"),
    (GOOD, {"jitter_ns": -1}, "jitter"),
    (GOOD, {"dropout": 1.0}, "dropout"),
    (GOOD, {"dropout": math.nan}, "dropout"),
    (GOOD, {"send_on_delta": 0.0}, "send_on_delta"),
    (GOOD, {"start_ns": 5, "end_ns": 5}, "end"),
    (GOOD, {"center": (1.0, 2.0, 3.0)}, "center"),
    (GOOD, {"scale": (1.0, 0.0)}, "scale"),
    (GOOD, {"scale": (math.inf,)}, "scale"),
    (GOOD, {"policies": Policies(max_gap_ns=0)}, "policies.max_gap"),
    (WALK, {}, "period"),
    (replace(WALK, kind="noise"), {"period_ns": 1}, "kind"),
    (replace(WALK, n_channels=0), {"period_ns": 1}, "n_channels"),
    (replace(WALK, amplitude=math.nan), {"period_ns": 1}, "amplitude"),
    (replace(WALK, step_ns=0), {"period_ns": 1}, "step"),
    (ArraySource(np.array([0.5, 1]), np.ones((2, 1))), {}, "times_ns"),
    (ArraySource(np.array([0, 1]), np.ones(2)), {}, "values"),
    (ArraySource(np.array([0, 1]), np.ones((3, 1))), {}, "values"),
    (ArraySource(np.array([0, 1]), np.array([["a"], ["b"]])), {}, "values"),
]


@pytest.mark.parametrize(("source", "sampling", "field"), REFUSED)
def test_what_cannot_be_used_is_refused_by_name(source, sampling, field):
    with pytest.raises(InputError) as caught:
        sensor(source, **sampling)
    assert caught.value.field == field
    assert caught.value.place == "sensor 'probe'"


def test_targets_refuse_what_makes_no_sense_for_them():
    with pytest.raises(InputError, match="send_on_delta"):
        target(GOOD, send_on_delta=1.0)
    with pytest.raises(InputError, match="ahead"):
        target(GOOD, ahead_ns=-1)
    for labels, field in (
        (ArrayLabels(np.array([0]), np.array([1.5])), "values"),
        (ArrayLabels(np.array([0]), np.array([1]), learn=np.array([True, True])), "learn"),
        (ArrayLabels(np.array([0]), np.array([1]), groups=np.array([1])), "groups"),
    ):
        with pytest.raises(InputError) as caught:
            build_target(TargetSpec("goal", labels), 0)
        assert caught.value.field == field
