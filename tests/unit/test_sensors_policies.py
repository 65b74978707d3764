"""Every fault under every policy: what is sent, what is counted, what is said."""

from __future__ import annotations

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.spec import ArrayLabels, ArraySource, Policies, Policy, Sampling, SensorSpec, TargetSpec
from tests.sensor_oracles import samples_of, targets_of

NAN = np.nan


def sensor(times, values, policies=None, partial=False, **sampling):
    rows = np.array(values, dtype=float)
    source = ArraySource(np.array(times, dtype=np.int64), rows.reshape(len(times), -1), partial)
    return build_sensor(SensorSpec("probe", source, Sampling(policies=policies or Policies(), **sampling)), 0)


@pytest.mark.parametrize("policy", [Policy.DROP, Policy.HOLD])
def test_a_duplicate_sample_stays_out_and_is_counted(policy):
    stream = sensor([10, 20, 20, 30], [1, 2, 3, 4], Policies(duplicate=policy))
    assert samples_of(stream.blocks()) == [(10, {0: 1}), (20, {0: 2}), (30, {0: 4})]
    assert stream.counts.duplicate == 1
    assert (stream.counts.delivered, stream.counts.values, stream.counts.late) == (3, 3, 0)


@pytest.mark.parametrize("policy", [Policy.DROP, Policy.HOLD])
def test_late_samples_stay_out_and_do_not_make_the_next_one_late(policy):
    stream = sensor([10, 30, 20, 25, 31], [1, 2, 3, 4, 5], Policies(late=policy))
    assert samples_of(stream.blocks()) == [(10, {0: 1}), (30, {0: 2}), (31, {0: 5})]
    assert stream.counts.late == 2
    assert stream.counts.duplicate == 0


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_dropping_a_nonfinite_value_leaves_the_other_channels(bad):
    stream = sensor([10, 20, 30], [[1, 2], [bad, 3], [bad, bad]], Policies(nonfinite=Policy.DROP))
    assert samples_of(stream.blocks()) == [(10, {0: 1, 1: 2}), (20, {1: 3})]
    assert stream.counts.nonfinite == 3


def test_holding_a_nonfinite_value_sends_the_last_good_one_of_its_channel():
    rows = [[NAN, 2], [1, 3], [NAN, 4], [np.inf, NAN]]
    stream = sensor([10, 20, 30, 40], rows, Policies(nonfinite=Policy.HOLD))
    expected = [(10, {1: 2}), (20, {0: 1, 1: 3}), (30, {0: 1, 1: 4}), (40, {0: 1, 1: 4})]
    assert samples_of(stream.blocks()) == expected
    assert stream.counts.nonfinite == 4


def test_dropping_a_gap_sends_nothing_in_it():
    stream = sensor([0, 10, 50], [1, 2, 3], Policies(gap=Policy.DROP, max_gap_ns=15))
    assert [t for t, _ in samples_of(stream.blocks())] == [0, 10, 50]
    assert stream.counts.gap == 1


def test_dropping_a_gap_skips_the_ticks_that_would_show_stale_values():
    stream = sensor([0, 10, 50], [1, 2, 3], Policies(gap=Policy.DROP, max_gap_ns=15), period_ns=5)
    assert [t for t, _ in samples_of(stream.blocks())] == [0, 5, 10, 15, 20, 25, 50]


def test_holding_a_gap_repeats_the_last_good_values_until_it_ends():
    rows = [[1, 9], [2, NAN], [3, 9]]
    policies = Policies(gap=Policy.HOLD, max_gap_ns=15, nonfinite=Policy.DROP)
    stream = sensor([0, 10, 55], rows, policies)
    expected = [(0, {0: 1, 1: 9}), (10, {0: 2}), (25, {0: 2, 1: 9}), (40, {0: 2, 1: 9}), (55, {0: 3, 1: 9})]
    assert samples_of(stream.blocks()) == expected
    assert stream.counts.gap == 1


def test_a_gap_of_just_the_allowed_length_is_none():
    stream = sensor([0, 15, 30], [1, 2, 3], Policies(gap=Policy.ERROR, max_gap_ns=15))
    assert len(samples_of(stream.blocks())) == 3
    assert stream.counts.gap == 0


def test_a_gap_between_two_chunks_is_found():
    times = np.concatenate([np.arange(4096), [5000]])
    stream = sensor(times, np.arange(4097), Policies(gap=Policy.HOLD, max_gap_ns=500))
    assert samples_of(stream.blocks())[-2:] == [(4595, {0: 4095}), (5000, {0: 4096})]
    assert stream.counts.gap == 1


def test_late_and_duplicate_samples_are_found_across_chunks():
    times = np.concatenate([np.arange(4096), [5, 4095, 5000]])
    stream = sensor(times, np.arange(4099), Policies(late=Policy.DROP, duplicate=Policy.DROP))
    assert [t for t, _ in samples_of(stream.blocks())] == [*range(4096), 5000]
    assert (stream.counts.late, stream.counts.duplicate) == (1, 1)


FAULTS = {
    "duplicate": ([0, 5, 5], [1, 2, 3], "duplicate", ["row 2", "5 ns", "same time"]),
    "late": ([0, 5, 4], [1, 2, 3], "late", ["row 2", "4 ns", "before"]),
    "nonfinite": ([0, 5, 6], [[1, 1], [2, NAN], [3, 3]], "nonfinite", ["row 1", "column '1'", "nan"]),
    "gap": ([0, 5, 90], [1, 2, 3], "gap", ["before 90 ns", "85 ns"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_error_policy_names_place_row_value_and_remedy(fault):
    times, rows, policy, words = FAULTS[fault]
    stream = sensor(times, rows, Policies(gap=Policy.ERROR, max_gap_ns=50))
    with pytest.raises(InputError) as caught:
        list(stream.blocks())
    assert caught.value.place == "sensor 'probe'"
    for word in [*words, f"policies.{policy}"]:
        assert word in str(caught.value)


def test_the_error_is_about_the_earliest_bad_row():
    with pytest.raises(InputError, match="row 1, column '0'"):
        list(sensor([0, 5, 4], [1, NAN, 3]).blocks())


def test_a_time_below_zero_is_refused_unless_cut_off():
    with pytest.raises(InputError, match="below zero"):
        list(sensor([-5, 5], [1, 2], Policies(late=Policy.DROP)).blocks())
    assert samples_of(sensor([-5, 5], [1, 2], start_ns=0).blocks()) == [(5, {0: 2})]


def test_what_a_cut_leaves_out_is_neither_checked_nor_counted():
    stream = sensor([0, 10, 10, 20, 30], [NAN, 1, NAN, 3, NAN], start_ns=20, end_ns=30)
    assert samples_of(stream.blocks()) == [(20, {0: 3})]
    assert (stream.counts.duplicate, stream.counts.nonfinite) == (0, 0)


def test_an_absent_channel_of_a_partial_source_is_no_fault():
    stream = sensor([0, 10, 20], [[1, NAN], [NAN, NAN], [NAN, 2]], partial=True)
    assert samples_of(stream.blocks()) == [(0, {0: 1}), (20, {1: 2})]
    assert stream.counts.nonfinite == 0
    with pytest.raises(InputError, match="row 1, column '0'"):
        list(sensor([0, 1], [[1, NAN], [np.inf, 1]], partial=True).blocks())


def test_labels_take_their_group_and_learning_with_them_through_policies():
    labels = ArrayLabels(
        np.array([0, 10, 10, 50]),
        np.array([3, 1, 7, 2]),
        learn=np.array([True, False, True, True]),
        groups=np.array([0, 1, 0, 0]),
        group_names=("seen", "unseen"),
    )
    policies = Policies(duplicate=Policy.DROP, gap=Policy.HOLD, max_gap_ns=20)
    stream = build_target(TargetSpec("label", labels, policies), 0)
    block = targets_of(stream.blocks())
    assert block.times_ns.tolist() == [0, 10, 30, 50]
    assert block.values.tolist() == [3, 1, 1, 2]
    assert block.values.dtype == np.int64
    assert block.groups.tolist() == [0, 1, 1, 0]
    assert block.learn.tolist() == [True, False, False, True]
    assert (stream.counts.duplicate, stream.counts.gap, stream.counts.delivered) == (1, 1, 4)
    assert stream.groups == ("seen", "unseen")
