"""What holds for every stream: times increase, values are the naive oracle's, files cut short are refused."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventnet.errors import InputError
from eventnet.sensors import build_sensor, build_target, timeline
from eventnet.sensors.spec import (
    ArraySource,
    GeneratorSource,
    Playlist,
    PlaylistGroup,
    Policies,
    Policy,
    Recordings,
    Sampling,
    SensorSpec,
    SensorTarget,
    TableSource,
    TargetSpec,
)
from tests.sensor_oracles import (
    full,
    hold_at,
    sample_and_hold,
    samples_of,
    send_on_delta,
    targets_of,
    treat_faults,
)

NUMBERS = st.integers(-64, 64).map(lambda k: k / 8)
WITH_FAULTS = st.one_of(NUMBERS, st.sampled_from([math.nan, math.inf, -math.inf]))


@st.composite
def tables(draw, values=NUMBERS, increasing=True):
    """Times and rows of one to three channels."""
    n, n_channels = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    steps = draw(st.lists(st.integers(1 if increasing else -3, 20), min_size=n, max_size=n))
    times = np.maximum(np.cumsum(steps), 0)
    rows = draw(st.lists(st.lists(values, min_size=n_channels, max_size=n_channels), min_size=n, max_size=n))
    return times.astype(np.int64), np.array(rows)


def sensor(table, seed=0, partial=False, **sampling):
    return build_sensor(SensorSpec("probe", ArraySource(*table, partial), Sampling(**sampling)), seed)


def plain(table):
    return [(t, dict(enumerate(row))) for t, row in zip(table[0].tolist(), table[1].tolist(), strict=True)]


@given(tables(), st.integers(1, 40), st.integers(0, 50))
def test_sampling_at_a_rate_is_sample_and_hold(table, period, phase):
    delivered = samples_of(sensor(table, period_ns=period, phase_ns=phase).blocks())
    assert delivered == sample_and_hold(plain(table), period, phase)


@given(tables(st.one_of(NUMBERS, st.just(math.nan))), st.integers(1, 40))
def test_partial_samples_are_held_channel_by_channel(table, period):
    given_samples = [(t, {c: v for c, v in row.items() if not math.isnan(v)}) for t, row in plain(table)]
    given_samples = [sample for sample in given_samples if sample[1]]
    assert samples_of(sensor(table, partial=True).blocks()) == given_samples
    delivered = samples_of(sensor(table, partial=True, period_ns=period).blocks())
    assert delivered == sample_and_hold(given_samples, period, 0)


@given(
    tables(WITH_FAULTS, increasing=False),
    st.sampled_from(["drop", "hold"]),
    st.sampled_from(["drop", "hold"]),
)
def test_faults_are_treated_and_counted_one_by_one(table, times, nonfinite):
    policies = Policies(duplicate=Policy(times), late=Policy(times), nonfinite=Policy(nonfinite))
    stream = sensor(table, policies=policies)
    expected, counts = treat_faults(table[0].tolist(), table[1].tolist(), nonfinite)
    assert samples_of(stream.blocks()) == expected
    assert {name: getattr(stream.counts, name) for name in counts} == counts
    assert stream.counts.delivered == len(expected)


@given(tables(WITH_FAULTS, increasing=False), st.data())
def test_errors_come_exactly_where_a_policy_asks_for_them(table, data):
    policies = {name: data.draw(st.sampled_from(Policy), name) for name in ("duplicate", "late", "nonfinite")}
    _, counts = treat_faults(table[0].tolist(), table[1].tolist(), "drop")
    refused = any(counts[name] and policy is Policy.ERROR for name, policy in policies.items())
    stream = sensor(table, policies=Policies(**policies))
    if refused:
        with pytest.raises(InputError, match="row"):
            list(stream.blocks())
    else:
        list(stream.blocks())


@given(tables(), st.integers(1, 60), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 9)))
def test_jitter_keeps_order_and_stays_within_its_bound(table, jitter, seed, period):
    before = samples_of(sensor(table, period_ns=period).blocks())
    after = samples_of(sensor(table, seed, period_ns=period, jitter_ns=jitter).blocks())
    times = [t for t, _ in after]
    assert [row for _, row in after] == [row for _, row in before]
    assert all(a < b for a, b in pairwise(times))
    assert all(t >= 0 and abs(t - u) <= jitter for t, (u, _) in zip(times, before, strict=True))


@given(tables(), st.integers(1, 40).map(lambda k: k / 16))
def test_a_receiver_of_send_on_delta_is_never_delta_off(table, delta):
    stream = sensor(table, send_on_delta=delta)
    sent = samples_of(stream.blocks())
    assert sent == send_on_delta(plain(table), delta)
    assert sent[0] == plain(table)[0]
    for time, truth in plain(table):
        held = hold_at(sent, time)
        assert all(abs(held[channel] - value) < delta for channel, value in truth.items())
    assert stream.counts.values + stream.counts.suppressed == table[1].size


def test_the_bound_of_send_on_delta_refuses_zeros_and_turned_signs():
    source = GeneratorSource("random_walk", 2, level=4.0, amplitude=0.1, step_ns=100, duration_ns=100_000)
    _, truth = full(build_sensor(SensorSpec("x", source, Sampling(period_ns=20)), 1).blocks())
    stream = build_sensor(SensorSpec("x", source, Sampling(period_ns=20, send_on_delta=0.25)), 1)
    sent = samples_of(stream.blocks())
    held = np.empty_like(truth)
    row = np.full(2, np.nan)
    changes = dict(sent)
    for k in range(len(truth)):
        for channel, value in changes.get(20 * k, {}).items():
            row[channel] = value
        held[k] = row
    assert np.abs(held - truth).max() < 0.25
    for wrong in (0 * held, -held):
        assert np.abs(wrong - truth).max() > 0.25
    # far fewer values than the samples have, or sending on change would be no use
    assert stream.counts.values < 0.1 * truth.size


@given(tables(), st.integers(0, 3), st.floats(0, 0.9))
def test_every_pass_and_every_build_gives_the_same_blocks(table, seed, dropout):
    sampling = {"period_ns": 3, "jitter_ns": 4, "dropout": dropout, "send_on_delta": 0.5}
    stream = sensor(table, seed, **sampling)
    first = samples_of(stream.blocks())
    assert samples_of(stream.blocks()) == first
    assert samples_of(sensor(table, seed, **sampling).blocks()) == first
    times = [t for t, _ in first]
    assert times == sorted(set(times))


@given(tables(), st.integers(0, 30), st.integers(1, 20))
def test_a_target_gives_what_the_source_shows_later(table, ahead, period):
    spec = SensorTarget(ArraySource(*table), Sampling(period_ns=period), ahead)
    blocks = list(build_target(TargetSpec("goal", spec), 0).blocks())
    last = int(table[0][-1])
    ticks = [t for t in range(0, last - ahead + 1, period) if t + ahead >= table[0][0]]
    if not ticks:
        assert blocks == []
        return
    block = targets_of(blocks)
    assert block.times_ns.tolist() == ticks
    expected = [list(hold_at(plain(table), t + ahead).values()) for t in ticks]
    assert block.values.tolist() == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files to cut short, and recordings of many lengths."""
    path = tmp_path_factory.mktemp("sensors")
    times, values = np.arange(300) * 0.25, np.arange(300) - 150.5
    np.savez_compressed(path / "whole.npz", t=times, a=values)
    pq.write_table(pa.table({"t": times, "a": values}), path / "whole.parquet")
    lines = [f"{t},{a}" for t, a in zip(times.tolist(), values.tolist(), strict=True)]
    (path / "whole.csv").write_text("\n".join(["t,a", *lines]) + "\n")
    np.savez(path / "recordings.npz", X=np.arange(400)[:, None], offsets=np.cumsum([0, *range(1, 28)]))
    return path


FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


def read(path):
    return samples_of(build_sensor(SensorSpec("x", TableSource(path, "t", columns=("a",))), 0).blocks())


def read_unless_refused(path):
    """The samples, or None where the file is refused with an error that names it."""
    try:
        return read(path)
    except InputError as refused:
        if refused.place != str(path):
            raise
        return None


@FIXTURES
@given(form=st.sampled_from([".npz", ".parquet"]), data=st.data())
def test_a_file_cut_short_anywhere_is_refused(folder, form, data):
    content = (folder / f"whole{form}").read_bytes()
    path = folder / f"short{form}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.place == str(path)


@FIXTURES
@given(data=st.data())
def test_a_csv_cut_short_is_refused_or_loses_rows_at_its_end_only(folder, data):
    content = (folder / "whole.csv").read_bytes()
    path = folder / "short.csv"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    whole = read(folder / "whole.csv")
    short = read_unless_refused(path)
    if short is not None:
        # the last number may have lost digits, which nothing can tell
        assert short[:-1] == whole[: len(short) - 1]


@FIXTURES
@given(form=st.sampled_from([".npz", ".parquet", ".csv"]), data=st.data())
def test_a_damaged_file_is_read_or_refused_but_never_breaks(folder, form, data):
    content = bytearray((folder / f"whole{form}").read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / f"damaged{form}"
    path.write_bytes(content)
    read_unless_refused(path)


@FIXTURES
@given(piece=st.integers(1, 12), passes=st.integers(1, 3), seed=st.integers(0, 9), limit=st.integers(1, 500))
def test_a_playlist_plays_each_row_as_often_as_there_are_passes(folder, piece, passes, seed, limit):
    recordings = Recordings(folder / "recordings.npz", row_period_ns=7)
    group = PlaylistGroup("all", piece_ns=7 * piece, passes=passes)
    line = timeline(Playlist(recordings, (group,)), seed)
    rows = np.concatenate([np.arange(a, b) for a, b in zip(line.start_row, line.stop_row, strict=True)])
    lengths = np.arange(1, 28)
    remainder = lengths % piece
    left_out = np.where(2 * remainder < piece, remainder, 0)
    ends = np.cumsum(lengths)
    played = np.concatenate([np.arange(e - n, e - out) for e, n, out in zip(ends, lengths, left_out, strict=True)])
    assert np.array_equal(np.sort(rows), np.sort(np.tile(played, passes)))
    assert line.duration_ns == 7 * len(rows)
    limited = timeline(Playlist(recordings, (PlaylistGroup("all", (), 7 * piece, passes, limit_ns=7 * limit),)), seed)
    short = np.concatenate([np.arange(a, b) for a, b in zip(limited.start_row, limited.stop_row, strict=True)])
    assert np.array_equal(short, rows[:limit])
