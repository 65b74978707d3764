"""The queue: one total order, whatever the order of pushing; groups; withdrawal."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.engines.actor.spike_queue import SpikeQueue, What
from eventnet.trace.events import Phase
from eventnet.units import NEVER_NS

keys = st.tuples(st.integers(0, 5), st.sampled_from(list(Phase)), st.integers(0, 2), st.integers(-1, 4))


def filled(pushes):
    queue = SpikeQueue()
    for time_ns, phase, rank, neuron in pushes:
        queue.push(time_ns, phase, rank, What.DECIDE, neuron=neuron)
    return queue


def drained(queue):
    groups = []
    while len(queue):
        groups.append(queue.pop_group())
        queue._check()
    return groups


@given(st.lists(keys, max_size=60), st.randoms())
def test_order_is_by_key_whatever_the_order_of_pushing(pushes, shuffler):
    permuted = list(pushes)
    shuffler.shuffle(permuted)
    popped = [[item[:4] for item in group] for group in drained(filled(pushes))]
    assert popped == [[item[:4] for item in group] for group in drained(filled(permuted))]
    flat = [key for group in popped for key in group]
    assert flat == sorted(pushes)
    assert all(len({key[:3] for key in group}) == 1 for group in popped)
    assert len({group[0][:3] for group in popped}) == len(popped)


def test_equal_keys_come_in_the_order_of_pushing():
    queue = SpikeQueue()
    pushed = [queue.push(1, Phase.FORWARD, 0, What.TICK, neuron=3) for _ in range(5)]
    assert queue.pop_group() == pushed


def test_phases_of_an_instant_come_in_the_order_of_the_specification():
    queue = filled([(7, phase, 0, -1) for phase in reversed(Phase)])
    assert [group[0].phase for group in drained(queue)] == [
        Phase.SAMPLE,
        Phase.FORWARD_ARRIVAL,
        Phase.FORWARD,
        Phase.TARGET,
        Phase.BACKWARD_ARRIVAL,
        Phase.BACKWARD,
        Phase.UPDATE,
        Phase.ADAPT,
        Phase.PROBE,
    ]


def test_seeded_stress_against_a_sorted_list():
    rng = random.Random(1)
    queue, expected = SpikeQueue(), []
    for step in range(3000):
        action = rng.random()
        if action < 0.55 or not expected:
            item = queue.push(
                rng.randrange(50),
                rng.choice(list(Phase)),
                rng.randrange(3),
                What.PREDICTED,
                neuron=rng.randrange(9),
            )
            expected.append(item)
        elif action < 0.8:
            queue.withdraw(expected.pop(rng.randrange(len(expected))))
        else:
            expected.sort()
            group = queue.pop_group()
            assert group == expected[: len(group)]
            del expected[: len(group)]
        if step % 100 == 0:
            queue._check()
    assert queue.pending() == sorted(expected)


def test_withdrawn_twice_is_an_error_and_empty_has_no_next_time():
    queue = SpikeQueue()
    assert queue.next_time == NEVER_NS
    item = queue.push(3, Phase.FORWARD, 0, What.PREDICTED, neuron=1)
    assert queue.next_time == 3
    queue.withdraw(item)
    assert len(queue) == 0
    with pytest.raises(ValueError, match="not in list"):
        queue.withdraw(item)


def test_state_round_trip():
    queue = filled([(4, Phase.FORWARD, 0, -1), (2, Phase.TARGET, 1, 3)])
    queue.push_spikes(9, Phase.FORWARD_ARRIVAL, 2, What.ARRIVAL, 5, [(1, -2, 77)], 0.25)
    other = SpikeQueue()
    other.load_state(queue.state())
    assert other.pending() == queue.pending()
    assert other.push(1, Phase.PROBE, 0, What.TICK).sequence == queue.push(1, Phase.PROBE, 0, What.TICK).sequence
