"""The answers to why that a report carries: those of `eventnet why`, in columns that add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from eventnet.network import Rule, Wake
from eventnet.reports.html.reasons import N_LARGEST, PARTS_OF_A_SPIKE, rounded, stretches
from eventnet.why import walk
from eventnet.why.explaining import Explanation, explain
from eventnet.why.lineage import largest
from eventnet.why.past import Past
from eventnet.why.walk import Explained, Walk
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.engines.test_compiled import DURATION_NS, varied
from tests.why_runs import record, run_of

SEEDS = (100, 101, 102, 105, 106, 108, 110)


def walked(past: Past, start_ns: int = 0, end_ns: int = DURATION_NS, from_event: int = 0) -> dict[int, Explained]:
    walking = Walk(past, N_LARGEST)
    walking.go(start_ns, end_ns, from_event)
    return walking.explained()


def assert_told(past: Past, of: Explained, k: int, tolerance: float) -> Explanation:
    """Spike k of a side is told as `explain` tells it; returns that."""
    told = explain(past, int(of.event[k]))
    near = {"abs": tolerance * (1 + sum(abs(each.share) for each in (*told.arrivals, *told.terms)))}
    since_ns = -1 if told.t_last_ns is None else told.time_ns - told.t_last_ns
    assert of.since_ns[k] == since_ns
    assert (of.phi[k], of.a[k]) == (told.phi_before, told.a)
    assert of.signal[k] * told.k_beta == pytest.approx(told.signal, **near)
    terms = {name: float(share) for name, share in zip(of.terms, of.parts[k], strict=False)}
    # what holds for nothing is left out there
    assert terms == pytest.approx(dict.fromkeys(of.terms, 0.0) | {each.name: each.share for each in told.terms}, **near)
    decision = int(np.searchsorted(np.cumsum(of.fired), k, side="right"))
    end = int(np.cumsum(of.listed)[decision])
    mine = slice(end - int(of.listed[decision]) + int(of.skipped[k]), end)
    projections = [each["name"] for each in run_of(past).provenance["projections"]]
    came = [(int(sent), projections[p]) for sent, p in zip(of.sent[mine], of.projection[mine], strict=True)]
    assert came == [(each.spike, each.projection) for each in told.arrivals]
    shown = largest(told.arrivals, N_LARGEST)
    rest, *shares = of.parts[k, len(of.terms) :]
    assert shares[: len(shown)] == pytest.approx([each.share for each in shown], **near)
    assert (of.entries[k] >= 0).tolist() == [place < len(shown) for place in range(N_LARGEST)]
    for entry, share in zip(of.entries[k], shares, strict=True):
        if entry >= 0:
            assert told.arrivals[entry - of.skipped[k]].share == pytest.approx(share, **near)
    others = sum(each.share for each in told.arrivals) - sum(each.share for each in shown)
    assert rest == pytest.approx(others, **near)
    assert of.parts[k].sum() == pytest.approx(told.a, **near)
    _assert_outcome(of, k, decision, told)
    return told


def _assert_outcome(of: Explained, k: int, decision: int, told: Explanation) -> None:
    assert (of.answered.size > 0) == (told.answer is not None)
    if told.answer is not None:
        said = [-1 if each is None else each for each in (told.answer.predicted, told.answer.label)]
        assert of.wanted[decision].tolist() == [told.answer.loss, told.answer.event, *said]
        assert of.answered[k].tolist() == [told.answer.answered, told.answer.wanted]
    if of.samples.size:
        events = {each.name: each.event for each in told.terms}
        expected = [events.get("sample"), events["held"]]
        assert of.samples[k].tolist() == [-1 if each is None else each for each in expected]


def assert_all_told(past: Past, sides: dict[int, Explained], n_each: int, tolerance: float = 1e-12) -> int:
    """Some spikes of every side are told as `explain` tells them; how many arrivals they had."""
    rng = np.random.default_rng(0)
    return sum(
        len(assert_told(past, of, k, tolerance).arrivals)
        for of in sides.values()
        for k in rng.permutation(of.event.size)[:n_each].tolist()
    )


def all_spikes(past: Past, start_ns: int = 0) -> list[int]:
    events = past.log.between(past.log.first_at(start_ns), past.log.n_events)
    return events.event[np.isin(events.kind, (2, 6))].tolist()


@pytest.fixture(scope="module", params=SEEDS)
def past(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A run in which wakes, rules, delays, nonlinearities and scales differ from population to population."""
    network, streams = varied(request.param)
    return record(tmp_path_factory.mktemp("reasons") / "run", network, streams, DURATION_NS)[1]


def test_every_spike_is_told_as_why_tells_it(past: Past) -> None:
    sides = walked(past)
    assert sorted(event for of in sides.values() for event in of.event.tolist()) == all_spikes(past)
    assert assert_all_told(past, sides, 8) > 20


def test_a_stretch_in_the_middle_tells_the_same(past: Past) -> None:
    """But of spikes whose neurons encoded last before it, nothing."""
    start_ns = DURATION_NS // 2 + 3
    whole, sides = walked(past), walked(past, start_ns, DURATION_NS, past.log.first_at(start_ns) + 20)
    found = {event for of in sides.values() for event in of.event.tolist()}
    expected = {event for event in all_spikes(past, start_ns) if event >= past.log.first_at(start_ns) + 20}
    assert found <= expected
    assert len(found) > 0.5 * len(expected) > 0
    for number, of in sides.items():
        places = np.searchsorted(whole[number].event, of.event)
        for name in ("event", "since_ns", "phi", "a", "signal", "gate"):
            assert np.array_equal(getattr(of, name), getattr(whole[number], name)[places]), name
        # arrivals that came to the same spike may stand in another order where shares are equal
        assert np.allclose(of.parts, whole[number].parts[places], rtol=0, atol=1e-9)


def test_events_read_in_chunks_shorter_than_an_instant_tell_the_same(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = walked(past)
    monkeypatch.setattr(walk, "CHUNK_EVENTS", 3)
    sides = walked(past)
    assert sides.keys() == whole.keys() != set()
    for number, of in sides.items():
        assert all(np.array_equal(*columns) for columns in zip(of, whole[number], strict=True))


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_with_every_wake(rule: Rule, wake: Wake, tmp_path: Any) -> None:
    seed = 10 * list(Rule).index(rule) + list(Wake).index(wake)
    network = with_wake(random_network(np.random.default_rng(seed), exact_numbers=False, recurrent=True), wake)
    assert network.learning is not None
    network = replace(network, learning=replace(network.learning, rule=rule))
    streams = random_streams(np.random.default_rng(seed + 1), network, 400 * MS, exact_numbers=False)
    _, past = record(tmp_path / "run", network, streams, 400 * MS)
    sides = walked(past, 0, 400 * MS)
    assert sorted(event for of in sides.values() for event in of.event.tolist()) == all_spikes(past)
    assert_all_told(past, sides, 6)


@pytest.mark.parametrize("seed", range(4))
def test_arrivals_between_silent_ticks(seed: int, tmp_path: Any) -> None:
    """`wake: exact`, nothing arrives at a tick: what was held at the last silent one is gone when they decide."""
    network = with_wake(random_network(np.random.default_rng(seed), exact_numbers=False, recurrent=False), Wake.EXACT)
    network = replace(
        network,
        populations=tuple(replace(each, bias=0.3) for each in network.populations),
        projections=tuple(replace(each, delay_ns=each.delay_ns + 3 * MS // 2) for each in network.projections),
    )
    streams = random_streams(np.random.default_rng(seed + 1), network, 400 * MS, exact_numbers=False)
    _, past = record(tmp_path / "run", network, streams, 400 * MS)
    sides = walked(past, 0, 400 * MS)
    assert sorted(event for of in sides.values() for event in of.event.tolist()) == all_spikes(past)
    assert_all_told(past, sides, 40)


def test_in_float32(tmp_path: Any) -> None:
    network, streams = varied(102)
    _, past = record(tmp_path / "run", replace(network, dtype="float32"), streams, 400 * MS)
    assert assert_all_told(past, walked(past, 0, 400 * MS), 8, 2e-6) > 10


# -- columns


@given(
    st_numpy.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.floats(-1e4, 1e4)),
    st.floats(-1e-7, 1e-7),
)
def test_rounded_parts_add_up_and_are_off_by_less_than_one(parts: Any, off: float) -> None:
    totals = parts.sum(axis=1)
    found = rounded(parts, totals + off)
    assert np.array_equal(found.sum(axis=1), np.rint((totals + off) * PARTS_OF_A_SPIKE))
    assert np.abs(found - parts * PARTS_OF_A_SPIKE).max() <= 1.0 + 1e-3
    assert not found[parts == 0].any() or abs(off) > 0


@given(st.lists(st.integers(0, 3), max_size=200), st.integers(0, 220))
def test_stretches_are_whole_instants_and_not_too_many(steps: list[int], limit: int) -> None:
    time_ns = np.cumsum(np.array(steps, np.int64))
    found = stretches(time_ns, limit)
    assert sum(end - first for first, end in found) <= limit
    assert all(first < end for first, end in found)
    assert all(end <= first for (_, end), (first, _) in pairwise(found))
    for first, end in found:
        assert first == 0 or time_ns[first - 1] < time_ns[first]
        assert end == time_ns.size or time_ns[end - 1] < time_ns[end]
    if limit >= time_ns.size > 0:
        assert found == ((0, time_ns.size),)


def test_stretches_are_spread_and_the_last_is_the_end() -> None:
    found = stretches(np.arange(1000), 80)
    assert len(found) == 8
    assert [end - first for first, end in found] == [10] * 8
    assert (found[0].first, found[-1].end) == (0, 1000)
    assert np.ptp(np.diff([first for first, _ in found])) <= 1
