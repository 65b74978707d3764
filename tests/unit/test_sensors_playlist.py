"""Playlists: which rows play when, in one order for all, and the recordings that come with the project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.sensors import build_sensor, build_target, timeline
from eventnet.sensors.spec import (
    Playlist,
    PlaylistGroup,
    PlaylistLabels,
    PlaylistSource,
    Recordings,
    Sampling,
    SensorSpec,
    SensorTarget,
    TargetSpec,
)
from tests.sensor_oracles import full, samples_of, targets_of

ROW = 10
LENGTHS = [10, 7, 4, 23, 5]
WATCH = Path(__file__).parents[2] / "sim_configs" / "data" / "watch.npz"


@pytest.fixture
def file(tmp_path):
    """Five recordings of two columns: the row's own number times 2, and minus it."""
    path = tmp_path / "recordings.npz"
    numbers = np.arange(sum(LENGTHS))
    np.savez(
        path,
        X=np.stack([2 * numbers, -numbers], axis=1).astype(np.int16),
        offsets=np.cumsum([0, *LENGTHS]),
        label=np.array([4, 0, 2, 1, 3]),
        person=np.array([1, 1, 2, 2, 3]),
        weight=np.ones(5),
    )
    return path


def playlist(file, *groups, **recordings):
    return Playlist(Recordings(file, ROW, factor=0.5, **recordings), groups)


def pieces(line):
    return list(zip(line.recording.tolist(), line.start_row.tolist(), line.stop_row.tolist(), strict=True))


def test_whole_recordings_in_file_order_follow_without_a_break(file):
    line = timeline(playlist(file, PlaylistGroup("all", shuffled=False)), seed=1)
    assert pieces(line) == [(0, 0, 10), (1, 10, 17), (2, 17, 21), (3, 21, 44), (4, 44, 49)]
    assert line.start_ns.tolist() == [0, 100, 170, 210, 440]
    assert line.duration_ns == 490


def test_a_remainder_plays_if_it_is_half_a_piece_or_longer(file):
    line = timeline(playlist(file, PlaylistGroup("all", piece_ns=6 * ROW, shuffled=False)), seed=1)
    lengths = [(recording, stop - start) for recording, start, stop in pieces(line)]
    assert lengths == [(0, 6), (0, 4), (1, 6), (2, 4), (3, 6), (3, 6), (3, 6), (3, 5), (4, 5)]


def test_every_pass_plays_every_piece_once_in_an_order_of_its_own(file):
    group = PlaylistGroup("all", piece_ns=5 * ROW, passes=3)
    line = timeline(playlist(file, group), seed=1)
    unshuffled = pieces(timeline(playlist(file, PlaylistGroup("all", piece_ns=5 * ROW, shuffled=False)), seed=1))
    n = len(unshuffled)
    passes = [pieces(line)[k * n : (k + 1) * n] for k in range(3)]
    assert all(Counter(each) == Counter(unshuffled) for each in passes)
    assert len({tuple(each) for each in [*passes, unshuffled]}) == 4
    rows = line.stop_row - line.start_row
    assert np.array_equal(line.start_ns, ROW * (np.cumsum(rows) - rows))


def test_groups_choose_by_fields_and_play_one_after_another(file):
    seen = PlaylistGroup("seen", (("person", (1, 2)),))
    unseen = PlaylistGroup("unseen", (("person", (2, 3)), ("label", (1, 3))), learn=False)
    line = timeline(playlist(file, seen, unseen), seed=1)
    assert sorted(line.recording[line.group == 0]) == [0, 1, 2, 3]
    assert sorted(line.recording[line.group == 1]) == [3, 4]
    assert np.all(np.diff(line.group) >= 0)
    assert (line.group_names, line.learn) == (("seen", "unseen"), (True, False))


def test_a_limit_ends_a_group_in_mid_piece(file):
    group = PlaylistGroup("all", shuffled=False, passes=2, limit_ns=12 * ROW + 3)
    line = timeline(playlist(file, group, PlaylistGroup("more", shuffled=False)), seed=1)
    assert pieces(line)[:3] == [(0, 0, 10), (1, 10, 12), (0, 0, 10)]
    assert line.start_ns[2] == 12 * ROW


def test_the_order_depends_on_the_seed_and_the_group_alone(file):
    a, b = PlaylistGroup("a", piece_ns=5 * ROW), PlaylistGroup("b", piece_ns=5 * ROW)
    alone, both = timeline(playlist(file, a), 1), timeline(playlist(file, b, a), 1)
    n = len(alone.recording)
    assert pieces(both)[n:] == pieces(alone)
    assert pieces(both)[:n] != pieces(alone)
    assert pieces(timeline(playlist(file, a), 2)) != pieces(alone)


def test_sensors_see_the_rows_of_the_timeline_and_labels_the_same_order(file):
    one = playlist(file, PlaylistGroup("all", piece_ns=5 * ROW, passes=2))
    line = timeline(one, 3)
    times, values = full(build_sensor(SensorSpec("first", PlaylistSource(one, (1, 0))), 3).blocks())
    rows = np.concatenate([np.arange(start, stop) for _, start, stop in pieces(line)])
    assert times.tolist() == list(range(0, line.duration_ns, ROW))
    assert np.array_equal(values, np.stack([-0.5 * rows, rows], axis=1))
    labels = targets_of(build_target(TargetSpec("label", PlaylistLabels(one, "label", ROW)), 3).blocks())
    recording = np.searchsorted(np.cumsum(LENGTHS), rows, side="right")
    assert np.array_equal(labels.values, np.array([4, 0, 2, 1, 3])[recording])
    assert np.array_equal(labels.times_ns, times)


@pytest.mark.parametrize(("period", "phase"), [(3, 0), (3, 7), (25, 4), (10, 0)])
def test_a_rate_holds_rows_to_the_end_of_the_timeline(file, period, phase):
    one = playlist(file, PlaylistGroup("all", piece_ns=5 * ROW))
    line = timeline(one, 3)
    stream = build_sensor(SensorSpec("x", PlaylistSource(one, (0,)), Sampling(period_ns=period, phase_ns=phase)), 3)
    rows = np.concatenate([np.arange(start, stop) for _, start, stop in pieces(line)])
    expected = [(t, {0: float(rows[t // ROW])}) for t in range(phase, line.duration_ns, period)]
    assert samples_of(stream.blocks()) == expected
    assert stream.duration_ns == line.duration_ns


def test_labels_wait_until_a_piece_has_settled(file):
    one = playlist(
        file,
        PlaylistGroup("seen", (("person", (1,)),), shuffled=False),
        PlaylistGroup("unseen", (("person", (3,)),), learn=False),
    )
    stream = build_target(TargetSpec("label", PlaylistLabels(one, "label", 20, phase_ns=5, settle_ns=30)), 0)
    block = targets_of(stream.blocks())
    # pieces begin at 0, 100 and 170; ticks are 5, 25, 45, ...
    assert block.times_ns.tolist() == [45, 65, 85, 145, 165, 205]
    assert block.values.tolist() == [4, 4, 4, 0, 0, 3]
    assert block.groups.tolist() == [0, 0, 0, 0, 0, 1]
    assert block.learn.tolist() == [True] * 5 + [False]
    assert (stream.groups, stream.duration_ns, stream.counts.delivered) == (("seen", "unseen"), 220, 6)
    stream.counted_until_ns = 165
    assert targets_of(stream.blocks()).times_ns.size == 6
    assert (stream.counts.delivered, stream.counts.values) == (4, 4)


def test_a_target_may_ask_for_what_a_playlist_shows_next(file):
    one = playlist(file, PlaylistGroup("all"))
    _, values = full(build_sensor(SensorSpec("x", PlaylistSource(one, (0,))), 5).blocks())
    goal = build_target(TargetSpec("y", SensorTarget(PlaylistSource(one, (0,)), Sampling(), 3 * ROW)), 5)
    assert np.array_equal(targets_of(goal.blocks()).values, values[3:])


REFUSED = [
    (lambda f: playlist(f), "groups", ()),
    (lambda f: playlist(f, PlaylistGroup("a"), PlaylistGroup("a")), "groups", ("a",)),
    (
        lambda f: playlist(f, PlaylistGroup("a", piece_ns=ROW + 1)),
        "piece",
        ("group 'a'", "multiple of 10 ns"),
    ),
    (lambda f: playlist(f, PlaylistGroup("a", piece_ns=1000)), "piece", ("shorter pieces",)),
    (lambda f: playlist(f, PlaylistGroup("a", passes=0)), "passes", ("0",)),
    (lambda f: playlist(f, PlaylistGroup("a", limit_ns=ROW - 1)), "limit", ("9 ns",)),
    (lambda f: playlist(f, PlaylistGroup("a", (("person", (9,)),))), "where.person", ("9", "1, 2, 3")),
    (lambda f: playlist(f, PlaylistGroup("a", (("person", (1,)), ("label", (3,))))), "where", ("person",)),
    (lambda f: playlist(f, PlaylistGroup("a", (("weight", (1,)),))), "weight", ("float64",)),
    (lambda f: playlist(f, PlaylistGroup("a", (("height", (1,)),))), None, ("height", "person, weight")),
    (lambda f: playlist(f, PlaylistGroup("a"), values="Y"), None, ("Y", "X, offsets")),
    (lambda f: playlist(f, PlaylistGroup("a"), values="label"), "label", ("(5,)",)),
    (lambda f: playlist(f, PlaylistGroup("a"), offsets="weight"), "weight", ("float64",)),
]


@pytest.mark.parametrize(("make", "field", "words"), REFUSED)
def test_what_cannot_be_played_is_refused_by_name(file, make, field, words):
    with pytest.raises(InputError) as caught:
        build_sensor(SensorSpec("x", PlaylistSource(make(file), (0,))), 0)
    assert caught.value.field == field
    assert all(word in str(caught.value) for word in words)


def test_unknown_columns_and_labels_are_refused(file):
    one = playlist(file, PlaylistGroup("a"))
    with pytest.raises(InputError, match="use 0 to 1"):
        build_sensor(SensorSpec("x", PlaylistSource(one, (2,))), 0)
    with pytest.raises(InputError, match="no array of this name"):
        build_target(TargetSpec("y", PlaylistLabels(one, "mood", 10)), 0)
    with pytest.raises(InputError, match="target 'y': period"):
        build_target(TargetSpec("y", PlaylistLabels(one, "label", 0)), 0)


def test_the_watch_recordings_play():
    recordings = Recordings(WATCH, 20_000_000, factor=1 / 512)
    one = Playlist(recordings, (PlaylistGroup("all", shuffled=False),))
    times, values = full(build_sensor(SensorSpec("acceleration", PlaylistSource(one, (0, 1, 2))), 0).blocks())
    assert len(times) == 139_838
    # at rest an accelerometer shows 1 g, whichever way the arm points
    assert 0.95 < np.median(np.linalg.norm(values, axis=1)) < 1.15
    labels = targets_of(build_target(TargetSpec("exercise", PlaylistLabels(one, "exercise", 20_000_000)), 0).blocks())
    assert np.bincount(labels.values).min() > 19_000
    assert len(labels.times_ns) == len(times)
