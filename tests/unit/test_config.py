"""Configurations: what good ones come to, that they survive writing, and that bad ones say what is wrong."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from eventnet.config import describe, dump, find_config, inputs, load_config, models, shipped_configs, with_overrides
from eventnet.config.models import Section
from eventnet.errors import InputError
from eventnet.network import Adaptation, Code, Initial, Nonlinearity, Rule, Wake, derive
from eventnet.sensors.spec import (
    GeneratorSource,
    PlaylistLabels,
    PlaylistSource,
    Policy,
    SensorTarget,
    TableSource,
)
from tests.config_examples import FULL, WEIGHTS, write_config

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"
MS = 10**6

MINIMAL = """\
sensors:
  wave:
    generator: {kind: sine}
    rate: 50 Hz
populations:
  wave: {}
  out: {size: 2, nonlinearity: linear}
projections:
  - {from: wave, to: out}
"""


# --- what a good configuration comes to


def test_streams_are_what_the_file_says(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL))
    accelerometer = config.sensors["accelerometer"]
    assert isinstance(accelerometer.source, PlaylistSource)
    assert accelerometer.source.columns == (0, 1, 2)
    recordings = accelerometer.source.playlist.recordings
    assert (recordings.file, recordings.row_period_ns, recordings.factor) == (
        tmp_path / "watch.npz",
        20 * MS,
        0.5,
    )
    seen, unseen = accelerometer.source.playlist.groups
    assert (seen.where, seen.piece_ns, seen.passes, seen.learn) == (
        (("subject", (1, 2, 3)),),
        4000 * MS,
        2,
        True,
    )
    assert (unseen.where, unseen.learn, unseen.shuffled) == ((("subject", (9,)),), False, False)
    sampling = accelerometer.sampling
    assert (sampling.period_ns, sampling.phase_ns, sampling.jitter_ns) == (20 * MS, 5 * MS, MS)
    assert (sampling.dropout, sampling.center, sampling.scale) == (0.01, (0.0, 1.0, 2.0), (2.0,))

    skin = config.sensors["skin"]
    assert skin.source == TableSource(tmp_path / "skin.csv", "t", "ms", ("left", "right"), origin_ns=None)
    assert skin.sampling.period_ns is None
    assert (skin.sampling.policies.gap, skin.sampling.policies.late) == (Policy.HOLD, Policy.DROP)
    assert skin.sampling.policies.max_gap_ns == 3000 * MS

    walk = GeneratorSource("random_walk", 2, step_ns=50 * MS, signal="shared")
    assert config.sensors["walk"].source == walk
    exercise, ahead = config.targets["exercise"].source, config.targets["ahead"].source
    assert isinstance(exercise, PlaylistLabels)
    assert (exercise.label, exercise.period_ns, exercise.settle_ns) == ("exercise", 100 * MS, 800 * MS)
    assert exercise.playlist == accelerometer.source.playlist
    assert isinstance(ahead, SensorTarget)
    assert (ahead.source, ahead.ahead_ns, ahead.sampling.period_ns) == (walk, 100 * MS, 40 * MS)


def test_the_network_is_what_the_file_says(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL))
    network = config.network
    assert (config.name, config.seed, config.dtype, config.engine) == ("full", 7, "float64", "actor")
    assert config.duration_ns == 60_000 * MS
    by_name = {population.name: population for population in network.populations}
    assert [population.size for population in network.populations] == [3, 2, 2, 4, 7, 2]
    assert by_name["temperature"].nonlinearity is Nonlinearity.LINEAR
    hidden = by_name["hidden"]
    assert (hidden.wake, by_name["output"].wake) == (Wake.LAZY, Wake.EXACT)
    np.testing.assert_array_equal(hidden.bias, [0, 0.25, 0, -0.001])
    assert by_name["accelerometer"].forward == Code(0.9, 0.5, None, Adaptation(eta_k=0.01))
    assert hidden.forward == Code(0.9, 0.25, 30 * MS, None), "own keys replace the defaults one by one"
    assert hidden.backward == Code(0.9, 0.1), "k_p = 1, k_d = 9"

    names = [projection.name for projection in derive(network).projections]
    assert names == [
        "accelerometer->hidden",
        "accelerometer->hidden@200ms",
        "temperature->hidden",
        "walk->hidden",
        "loop",
        "hidden->output",
        "hidden->guess",
    ]
    given, filed, loop = network.projections[2], network.projections[3], network.projections[4]
    np.testing.assert_array_equal(given.weights, [[1, 2, 3, 4], [0.5, 0, 0, -1]])
    np.testing.assert_array_equal(filed.weights, WEIGHTS)
    assert (given.learns, network.projections[0].gain, network.projections[5].weights) == (
        False,
        0.5,
        Initial.HE,
    )
    assert (loop.delay_ns, loop.delay_back_ns) == (60 * MS, 40 * MS)
    assert [(s.population, s.period_ns, s.phase_ns) for s in network.sensors] == [
        ("accelerometer", 20 * MS, 5 * MS),
        ("temperature", 1000 * MS, 0),
        ("walk", 40 * MS, 0),
    ]
    assert [(t.population, t.period_ns) for t in network.targets] == [
        ("output", 100 * MS),
        ("guess", 40 * MS),
    ]
    assert network.learning is not None
    assert (network.learning.rule, network.learning.eta, network.learning.eta_bias) == (
        Rule.PAST,
        0.002,
        0.001,
    )
    assert [(p.name, p.period_ns) for p in network.probes] == [("hidden.x", 100 * MS), ("residue", 1000 * MS)]


def test_defaults(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, MINIMAL))
    assert (config.name, config.seed, config.duration_ns, config.engine) == ("config", 0, None, None)
    assert config.network.learning is None
    assert config.network.populations[1].forward == Code()
    assert config.network.populations[1].wake is Wake.EXACT
    assert config.is_endless


def test_a_playlist_at_its_own_times_has_its_rows_period(tmp_path: Path) -> None:
    text = FULL.replace("    rate: 50 Hz\n    phase: 5 ms\n", "")
    config = load_config(write_config(tmp_path, text))
    assert config.sensors["accelerometer"].sampling.period_ns is None
    assert config.network.sensors[0].period_ns == 20 * MS


def test_adapt_true_means_the_defaults_of_adaptation(tmp_path: Path) -> None:
    text = MINIMAL.replace("wave: {}", "wave: {forward: {adapt: true}}")
    config = load_config(write_config(tmp_path, text))
    assert config.network.populations[0].forward.adaptation == Adaptation()


def test_names_with_delays_get_the_delay(tmp_path: Path) -> None:
    text = MINIMAL.replace("to: out}", "to: out, name: taps, delays: [0 ms, 1.5 ms]}")
    config = load_config(write_config(tmp_path, text))
    assert [p.name for p in config.network.projections] == ["taps@0ns", "taps@1.5ms"]


def test_yaml_words_and_numbers_mean_what_they_look_like(tmp_path: Path) -> None:
    text = MINIMAL.replace("wave", "no") + "learning: {eta: 1e-3}\nname: 12:30\n"
    config = load_config(write_config(tmp_path, text))
    assert (config.name, config.network.sensors[0].name) == ("12:30", "no")
    assert config.network.learning is not None
    assert config.network.learning.eta == 0.001


def test_anchors_and_aliases(tmp_path: Path) -> None:
    text = MINIMAL + "codes: {forward: &code {k_p: 1, k_d: 3}, backward: *code}\n"
    config = load_config(write_config(tmp_path, text))
    out = config.network.populations[1]
    assert out.forward == out.backward == Code(0.75, 0.25)


# --- written out and read again


@pytest.mark.parametrize("text", [FULL, MINIMAL], ids=["full", "minimal"])
def test_round_trip_from_another_folder(tmp_path: Path, text: str) -> None:
    config = load_config(write_config(tmp_path, text))
    other = tmp_path / "other"
    other.mkdir()
    copy = other / "copy.yaml"
    copy.write_text(dump(config), encoding="utf-8")
    again = load_config(copy)
    assert again == config
    assert dump(again) == dump(config)
    for one, two in zip(config.network.projections, again.network.projections, strict=True):
        np.testing.assert_array_equal(np.asarray(one.weights), np.asarray(two.weights))
    for a, b in zip(config.network.populations, again.network.populations, strict=True):
        np.testing.assert_array_equal(a.bias, b.bias)


def test_equality_sees_differences(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL))
    assert load_config(write_config(tmp_path, FULL.replace("seed: 7", "seed: 8"))) != config
    assert load_config(write_config(tmp_path, FULL.replace("jitter: 1 ms", "jitter: 2 ms"))) != config


def test_overrides(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL))
    changed = with_overrides(config, seed=11, until_ns=1_500_001)
    assert (changed.seed, changed.network.seed, changed.duration_ns) == (11, 11, 1_500_001)
    assert (config.seed, config.duration_ns) == (7, 60_000 * MS), "the original stays as it was"
    assert changed == replace(config, network=replace(config.network, seed=11), duration_ns=1_500_001)
    path = tmp_path / "again.yaml"
    path.write_text(dump(changed), encoding="utf-8")
    assert load_config(path) == changed
    assert with_overrides(config) == config


@pytest.mark.parametrize(("seed", "until_ns"), [(-1, None), (2**63, None), (None, 0), (None, -5), (None, 2**63)])
def test_overrides_out_of_range(tmp_path: Path, seed: int | None, until_ns: int | None) -> None:
    config = load_config(write_config(tmp_path, MINIMAL))
    with pytest.raises(InputError, match=r"out of range .*; use"):
        with_overrides(config, seed=seed, until_ns=until_ns)


# --- finding and describing


@pytest.mark.parametrize("name", ["two_rates", "silence", "recurrent"])
def test_shipped_configurations_load_and_say_what_they_show(name: str) -> None:
    shipped = {each: (path, comment) for each, path, comment in shipped_configs()}
    path, comment = shipped[name]
    assert find_config(name) == path
    assert len(comment.split()) > 10
    config = load_config(path)
    assert config.name == name
    assert not config.is_endless
    assert not [text for what, text in describe(config) if what == "warning"]


def test_a_file_goes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("silence").write_text(MINIMAL, encoding="utf-8")
    assert find_config("silence") == Path("silence")
    assert load_config(find_config("silence")).name == "silence"


@pytest.mark.parametrize("name", ["silense", "nowhere/silence.yml", "", "a\0b", "x" * 5000, "."])
def test_neither_file_nor_shipped_name(name: str) -> None:
    with pytest.raises(InputError, match="silence") as caught:
        find_config(name)
    if name == "silense":
        assert 'did you mean "silence"?' in str(caught.value)


def test_describe_says_what_was_understood(tmp_path: Path) -> None:
    rows = describe(load_config(write_config(tmp_path, FULL)))
    text = dict(rows)
    assert text["duration"] == "60 s"
    assert text["population hidden"].startswith(
        "4 tanh, wakes lazy, decides at tick; forward k_alpha 0.9, k_beta 0.25, period 30 ms"
    )
    assert text["projection loop"] == "4 x 4 weights, xavier, delay 60 ms, 40 ms back, learns"
    assert text["projection temperature->hidden"].endswith("given, fixed")
    assert "every 20 ms from 5 ms, jitter 1 ms, dropout 0.01" in text["sensor accelerometer"]
    assert text["sensor skin"] == (
        "skin.csv since the first row of all files to temperature, at its own times, about every 1 s"
    )
    assert text["target ahead"] == "random_walk of 2 channels, 100 ms ahead for guess, every 40 ms"
    assert text["learning"] == "past, eta 0.002, biases 0.001"
    assert "warning" not in text


def test_describe_warns_of_a_rate_that_diverges(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL.replace("rule: past, eta: 0.002", "rule: future, eta: 0.05")))
    warnings = [text for what, text in describe(config) if what == "warning"]
    assert any("hidden->output (safe up to" in text and "rule: past" in text for text in warnings)


def test_describe_warns_of_a_run_without_end_and_of_learning_without_a_target(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, MINIMAL + "learning: {}\n"))
    warnings = [text for what, text in describe(config) if what == "warning"]
    assert len(warnings) == 2
    assert "before a target" in warnings[0]
    assert "duration" in warnings[1]


# --- the files that it reads


def test_every_file_is_described_once_for_each_place_that_names_it(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, FULL.replace("skin.csv", "./watch.npz")))
    described = inputs.describe_inputs(config.document, tmp_path)
    assert [each["field"] for each in described] == [
        "playlists.exercises.file",
        "sensors.skin.file",
        "projections[2].weights.file",
    ]
    content = (tmp_path / "watch.npz").read_bytes()
    digest = hashlib.blake2b(content, digest_size=32).hexdigest()
    for each in described[:2]:
        assert (each["path"], each["bytes"], each["blake2b"]) == (str(tmp_path / "watch.npz"), len(content), digest)
    assert inputs.describe_inputs(config.as_document(), Path("anywhere")) == described


def test_of_shipped_images_there_is_one_file() -> None:
    config = load_config(find_config("digits"))
    (described,) = inputs.describe_inputs(config.document, config.path.parent)
    assert described["field"].startswith("images.")
    assert described["path"].endswith("mnist-subset.npz")


def test_a_large_file_is_looked_at_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning, the end, and places between that are evenly spread; the size tells what was added or cut off."""
    for name, value in (("WHOLE_BYTES", 1000), ("N_PIECES", 5), ("PIECE_BYTES", 100)):
        monkeypatch.setattr(inputs, name, value)
    content = np.random.default_rng(1).bytes(2100)
    document, file = {"sensors": {"a": {"file": "a.csv"}}}, tmp_path / "a.csv"
    file.write_bytes(content)
    before = inputs.describe_inputs(document, tmp_path)

    def has_changed(changed: bytes) -> bool:
        file.write_bytes(changed)
        try:
            inputs.check_inputs(before, document, tmp_path)
        except InputError:
            return True
        return False

    seen = [k for k in range(2100) if has_changed(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])]
    assert seen == [k for first in (0, 500, 1000, 1500, 2000) for k in range(first, first + 100)]
    assert has_changed(content[:-1])
    assert not has_changed(content)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    document, file = {"sensors": {"a": {"file": "a.csv"}}}, tmp_path / "a.csv"
    file.mkdir()
    with pytest.raises(InputError, match=r"a\.csv: sensors\.a\.file: cannot be read: .*; check the path"):
        inputs.describe_inputs(document, tmp_path)


# --- bad configurations


@dataclass(frozen=True)
class Bad:
    """`FULL` with `old` replaced by `new` is refused at the line holding `at`, with these words."""

    old: str
    new: str
    at: str
    words: tuple[str, ...]


BAD = {
    "unknown top key": Bad("seed: 7", "sede: 7", "sede: 7", (": sede: ", "got 7", 'did you mean "seed"?')),
    "unknown nested key": Bad("    size: 4", "    sise: 4", "sise: 4", ("populations.hidden.sise", "got 4", '"size"')),
    "unknown key in a list": Bad("passes: 2", "pases: 2", "name: seen", ("groups[0].pases", '"passes"')),
    "unknown key unlike any": Bad("seed: 7", "zzzz: 7", "zzzz", ("zzzz", "use one of name,", "populations")),
    "bare time": Bad("duration: 60 s", "duration: 60", "duration", ("duration", "got 60", 'write "60 ms"')),
    "unknown unit": Bad("duration: 60 s", "duration: 60 sec", "duration", ("got '60 sec'", "ns, us")),
    "negative time": Bad("jitter: 1 ms", "jitter: -1 ms", "jitter", ("jitter", "'-1 ms'", "0 or more")),
    "zero period": Bad("period: 40 ms", "period: 0 ms", "period: 0", ("sensors.walk.period", "'0 ms'", "longer")),
    "too long a time": Bad("duration: 60 s", "duration: 1e15 s", "duration", ("'1e15 s'", "64-bit")),
    "huge exponent": Bad("duration: 60 s", "duration: 1e999999999 s", "duration", ("1e999999999", "shorter")),
    "bare rate": Bad("rate: 50 Hz", "rate: 50", "rate: 50", ("accelerometer.rate", "got 50", '"50 Hz"')),
    "zero rate": Bad("rate: 50 Hz", "rate: 0 Hz", "rate: 0", ("accelerometer.rate", "'0 Hz'", "positive")),
    "impossible rate": Bad("rate: 50 Hz", "rate: 9000 MHz", "rate: 9000", ("'9000 MHz'", "at most 1000 MHz")),
    "text for a number": Bad("eta: 0.002", "eta: fast", "eta: fast", ("learning.eta", "'fast'", "without quotes")),
    "boolean for a number": Bad("eta: 0.002", "eta: true", "eta: true", ("learning.eta", "True", "a number")),
    "boolean for a count": Bad("size: 4", "size: true", "size: true", ("hidden.size", "True", "such as 3")),
    "fraction for a count": Bad("size: 4", "size: 4.5", "size: 4.5", ("hidden.size", "4.5", "whole")),
    "zero neurons": Bad("size: 4", "size: 0", "size: 0", ("hidden.size", "got 0", "at least 1")),
    "too many neurons": Bad("size: 4", "size: 20000000", "20000000", ("hidden.size", "at most 1e+07")),
    "text for a boolean": Bad(
        "learn: false", "learn: 'no'", "learn: 'no'", ("groups[1].learn", "'no'", "true or false")
    ),
    "number for a name": Bad("name: residue", "name: 7", "name: 7", ("probes[1].name", "got 7", "quotes")),
    "number for a list": Bad("delays: [0 ms, 200 ms]", "delays: 200 ms", "200 ms", ("[0].delays", "must be a list")),
    "number for a section": Bad(
        "learning: {rule: past, eta: 0.002, eta_bias: 1e-3}",
        "learning: 3",
        "learning: 3",
        ("learning", "got 3", "rule, eta"),
    ),
    "list for a mapping": Bad(
        "{gap: hold, max_gap: 3 s, late: drop}",
        "[1]",
        "policies",
        ("skin.policies", "[1]", "duplicate, late"),
    ),
    "not a number": Bad("scale: 2", "scale: .nan", "scale", ("accelerometer.scale", ".nan", "ordinary number")),
    "infinity": Bad("eta: 0.002", "eta: -.inf", "eta: -.inf", ("learning.eta", "-.inf", "finite")),
    "overflow to infinity": Bad("eta: 0.002", "eta: 1e999", "eta: 1e999", ("learning.eta", "1e999", "finite")),
    "huge whole number": Bad("seed: 7", "seed: " + "9" * 5000, "seed", (": seed: ", "too large", "2**63")),
    "negative seed": Bad("seed: 7", "seed: -7", "seed", (": seed: ", "-7", "at least 0")),
    "null": Bad("seed: 7", "seed:", "seed:", (": seed: ", "no value", "take the key out")),
    "null section": Bad("temperature: {}", "temperature:", "temperature:\n", ("populations.temperature", "{}")),
    "twice": Bad("seed: 7", "seed: 7\nseed: 8", "seed: 8", (": seed: ", "given twice, first on line 4", "keep one")),
    "key that is a number": Bad("temperature: {}", "3: {}", "3: {}", ("populations", "'3'", "quotes")),
    "merge key": Bad("temperature: {}", "<<: {}", "<<", ("populations", "'<<'", "write the keys out")),
    "tag": Bad("seed: 7", "seed: !!python/name:os.system x", "seed", (": seed: ", "python", "take the tag out")),
    "contains itself": Bad("codes:\n", "codes: &c\n  x: *c\n", "x: *c", ("codes.x", "itself", "alias")),
    "deep": Bad("seed: 7", "seed: " + "[" * 60 + "]" * 60, "seed", ("nested more than 50", "flatten")),
    "broken yaml": Bad("seed: 7", "seed: [7", "dtype", ("not YAML", "column", "brackets")),
    "tab": Bad("  forward: {k_alpha", "\tforward: {k_alpha", "\tforward", ("not YAML", "indentation")),
    "control character": Bad("seed: 7", "seed: \x07", "seed", ("does not allow", "'\\x07'", "take it out")),
    "surrogate": Bad("every section once\nseed", '"\\ud800"\nseed', "description", ("surrogate", "itself")),
    "escape out of range": Bad("every section once\nseed", '"\\UFFFFFFFF"\nseed', "", ("not YAML", "quotes")),
    "two documents": Bad("seed: 7", "seed: 7\n---\na: 1", "---", ("not YAML", "single document", "correct")),
    "unknown choice": Bad("tanh", "tahn", "tahn", ("hidden.nonlinearity", "'tahn'", 'did you mean "tanh"?')),
    "unknown wake": Bad("wake: lazy", "wake: often", "wake: often", (": wake: ", "'often'", "clocked, exact, lazy")),
    "unknown rule": Bad("rule: past", "rule: pats", "rule: pats", ("learning.rule", "'pats'", '"past"')),
    "unknown dtype": Bad("float64", "float16", "float16", (": dtype: ", "'float16'", "use float64 or float32")),
    "unknown weights": Bad("weights: he", "weights: hee", "hee", ("projections[4].weights", "'hee'", '"he"')),
    "a target named as tests are": Bad(
        "  exercise:\n    population: output",
        "  test:\n    population: output",
        "  test:",
        ("targets.test", "scores of tests", "give it another name"),
    ),
    "no source": Bad(
        "    playlist: exercises\n    columns: [0, 1, 2]\n",
        "",
        "accelerometer:",
        ("missing", "playlist, file"),
    ),
    "two sources": Bad(
        "    playlist: exercises\n    columns",
        "    playlist: exercises\n    generator: {kind: sine}\n    columns",
        "generator: {kind: sine}",
        ("accelerometer.generator", "2 times", "keep one"),
    ),
    "rate and period": Bad(
        "    period: 40 ms",
        "    period: 40 ms\n    rate: 2 Hz",
        "    period: 40",
        ("walk.period", "2 times", "keep one of rate, period"),
    ),
    "no period for a file": Bad(
        "    nominal_period: 1 s\n", "", "skin:", ("sensors.skin", "missing", "nominal_period")
    ),
    "no rate for a generator": Bad(
        "    period: 40 ms\n", "", "  walk:\n", ("sensors.walk", "give one of rate, period")
    ),
    "key of another source": Bad(
        "rate: 50 Hz", "rate: 50 Hz\n    partial: true", "partial", ("partial", "got True", "use file")
    ),
    "time without a file": Bad(
        "rate: 50 Hz", "rate: 50 Hz\n    time: t", "time: t", ("accelerometer.time", "no meaning")
    ),
    "amplitude of a constant": Bad(
        "kind: random_walk, n_channels: 2, step: 50 ms, signal: shared}\n    period",
        "kind: constant, amplitude: 2}\n    period",
        "kind: constant",
        ("generator.amplitude", "got 2", "use sine"),
    ),
    "unknown playlist": Bad(
        "playlist: exercises\n    columns",
        "playlist: exercise\n    columns",
        "playlist: exercise\n",
        ("accelerometer.playlist", "'exercise'", '"exercises"'),
    ),
    "named column of a playlist": Bad(
        "[0, 1, 2]\n    rate", "[0, x, 2]\n    rate", "[0, x, 2]", ("columns[1]", "'x'", "from 0")
    ),
    "missing data file": Bad(
        "file: skin.csv", "file: skim.csv", "skim.csv", ("sensors.skin.file", "'skim.csv'", "relative")
    ),
    "missing weight file": Bad("weights.npz", "w.npz", "w.npz", ("projections[2].weights.file", "'w.npz'", "relative")),
    "not an npz": Bad("weights.npz", "skin.csv", "array: W", ("weights.file", "'skin.csv'", "numpy.savez")),
    "missing array": Bad("array: W", "array: V", "array: V", ("weights.array", "'V'", "use one of W")),
    "array of text": Bad("array: W", "array: names", "array: names", ("weights.array", "numbers", "save floats")),
    "wrong shape": Bad(
        "[[1, 2, 3, 4], [0.5, 0, 0, -1]]",
        "[[1, 2]]",
        "[[1, 2]]",
        ("projections[1].weights", "(1, 2)", "(2, 4)"),
    ),
    "ragged matrix": Bad("[0.5, 0, 0, -1]]", "[0.5]]", "[0.5]]", ("weights[1]", "[0.5]", "give 4 numbers")),
    "gain of given weights": Bad(
        "array: W}", "array: W}, gain: 2", "gain: 2", ("projections[2].gain", "got 2", "take it out")
    ),
    "delay twice": Bad("[0 ms, 200 ms]", "[0 ms, 0 s]", "0 s]", ("delays[1]", "'0 s'", "once")),
    "size against channels": Bad(
        "accelerometer: {size: 3}", "accelerometer: {size: 4}", "{size: 4}", ("got 4", "write 3")
    ),
    "no size": Bad("output: {size: 7, ", "output: {", "output: {", ("populations.output.size", "add size")),
    "nonlinear sensor": Bad("temperature: {}", "temperature: {nonlinearity: relu}", "relu", ("'relu'", "take it out")),
    "center of another length": Bad("center: [0, 1, 2]", "center: [0, 1]", "[0, 1]", ("accelerometer.center", "or 3")),
    "zero scale": Bad("scale: 2", "scale: 0", "scale: 0", ("accelerometer.scale", "got 0", "write 1")),
    "certain dropout": Bad("dropout: 0.01", "dropout: 1", "dropout: 1", ("dropout", "got 1", "less than 1")),
    "gap without length": Bad("max_gap: 3 s, ", "", "policies", ("policies.gap", "'hold'", "add max_gap")),
    "half of k_p and k_d": Bad("{k_p: 1, k_d: 9}", "{k_p: 1}", "{k_p: 1}", ("codes.backward.k_p", "come together")),
    "code given twice": Bad(
        "{k_p: 1, k_d: 9}", "{k_p: 1, k_d: 9, k_alpha: 1}", "k_p", ("backward.k_alpha", "keep k_p")
    ),
    "code of nothing": Bad("{k_p: 1, k_d: 9}", "{k_p: 0, k_d: 0}", "k_p: 0", ("backward.k_p", "positive")),
    "k_alpha in the defaults": Bad(
        "k_alpha: 0.9,", "k_alpha: 1.9,", "k_alpha", ("codes.forward.k_alpha", "1.9", "0 and 1")
    ),
    "eta_k in the defaults": Bad("eta_k: 0.01", "eta_k: 2", "eta_k", ("codes.forward.adapt.eta_k", "2", "0 and 1")),
    "own k_beta": Bad("{k_beta: 0.25", "{k_beta: -1", "k_beta: -1", ("hidden.forward.k_beta", "-1", "positive")),
    "negative eta": Bad("eta: 0.002", "eta: -1", "eta: -1", ("learning.eta", "-1", "not negative")),
    "unknown end of a projection": Bad(
        "{from: walk", "{from: talk", "from: talk", ("projections[2].from", "'talk'", "walk, hidden")
    ),
    "projection without an end": Bad("{from: walk, ", "{", "array: W", ("projections[2].from", "is missing", "add it")),
    "unknown population of a sensor": Bad(
        "population: temperature",
        "population: heat",
        "heat",
        ("sensors.skin.population", "'heat'", "use one of"),
    ),
    "population of an array without a size": Bad(
        "    file: skin.csv\n    time: t\n    time_unit: ms\n    columns: [left, right]\n",
        "    file: weights.npz\n    time: t\n    values: W\n",
        "temperature: {}",
        ("populations.temperature.size", "is missing", "what `values` names", 'list the columns of sensor "skin"'),
    ),
    "cycle without a delay": Bad(
        "delay: 60 ms, ", "", "projections:", ("projections", "cycle", "positive delay", "got 'hidden -> hidden'")
    ),
    "sensor without a population": Bad("  walk: {}\n", "  wall: {size: 2}\n", "  walk:\n", ("sensors.walk", '"wall"')),
    "all of a label smoothed": Bad(
        "label_smoothing: 0.1",
        "label_smoothing: 1",
        "label_smoothing",
        ("exercise.label_smoothing", "got 1", "less than 1"),
    ),
    "values smoothed": Bad(
        "population: guess\n",
        "population: guess\n    label_smoothing: 0.1\n",
        "label_smoothing: 0.1\n    signal",
        ("targets.ahead.label_smoothing", "0.1", "no softmax", "leave it out"),
    ),
    "softmax without a target": Bad(
        "tanh", "softmax", "softmax\n", ("hidden.nonlinearity", "'softmax'", "add a target")
    ),
    "nothing decays": Bad(
        "k_alpha: 0.9, k_beta: 0.5, adapt: {eta_k: 0.01}}\n  backward: {k_p: 1,",
        "k_alpha: 1}\n  backward: {k_p: 0,",
        "delays",
        ("projections[0]", "k_alpha below 1"),
    ),
    "unknown variable": Bad("variable: phi", "variable: psi", "psi", ("probes[1].variable", "'psi'", "x, z, phi or e")),
    "same probe twice": Bad("name: residue", "name: hidden.x", "hidden.x", ("probes[1].name", "name of its own")),
    "same group twice": Bad("name: unseen", "name: seen", "subject: 9", ("groups[1].name", "'seen'", "of its own")),
    "label missing": Bad("    label: exercise\n", "", "  exercise:\n", ("targets.exercise.label", "name the field")),
    "rate beside a signal": Bad(
        "    signal:\n", "    rate: 1 Hz\n    signal:\n", "rate: 1 Hz", ("ahead.rate", "inside signal")
    ),
    "blank name": Bad("temperature: {}", '" ": {}', '" "', ("populations", "not a name", "printable")),
    "end before start": Bad(
        "jitter: 1 ms", "start: 2 s\n    end: 1 s", "end: 1", ("accelerometer.end", "'1 s'", "later")
    ),
}


def edited(bad: Bad) -> tuple[str, int]:
    """The text of a bad configuration, and the line at which it is bad."""
    assert FULL.count(bad.old) >= 1, bad.old
    text = FULL.replace(bad.old, bad.new, 1)
    return text, text[: text.index(bad.at)].count("\n") + 1


@pytest.mark.parametrize(
    ("delay", "words"),
    [("delay_back: 5 ms", "a cycle without a delay (got"), ("delay: 5 ms", "a cycle without a delay_back (got")],
)
def test_only_those_on_a_cycle_are_named(tmp_path: Path, delay: str, words: str) -> None:
    """In the direction of its projections; not those that come after it, nor those that it comes after."""
    more = "".join(f"  - {{from: {a}, to: {b}, {delay}}}\n" for a, b in (("b", "c"), ("c", "a")))
    text = f"""\
sensors:
  s: {{generator: {{kind: constant}}, rate: 10 Hz}}
targets:
  t: {{population: after, signal: {{generator: {{kind: constant}}, rate: 10 Hz}}}}
populations: {{s: {{}}, before: {{size: 1}}, c: {{size: 1}}, a: {{size: 1}}, b: {{size: 1}}, after: {{size: 1}}}}
projections:
  - {{from: s, to: before}}
  - {{from: before, to: a}}
  - {{from: a, to: b, {delay}}}
{more}  - {{from: c, to: after}}
learning: {{}}
"""
    with pytest.raises(InputError) as caught:
        load_config(write_config(tmp_path, text))
    cycle = str(caught.value.value).split(" -> ")
    assert words in str(caught.value)
    assert cycle[0] == cycle[-1]
    assert "".join(cycle[:-1]) in ("abc", "bca", "cab")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_says_where_and_what_would_do(tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    text, line = edited(bad)
    path = write_config(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    message = str(caught.value)
    place = f"{path}:{line}: " if bad.at else f"{path}: "
    assert message.startswith(place), message
    assert "\n" not in message
    for word in bad.words:
        assert word in message, message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no configuration"),
        (b"# only a comment\n", "holds no configuration"),
        (b"- 1\n- 2\n", "a configuration is a mapping"),
        (b"just words\n", "a configuration is a mapping"),
        (b"seed: 1\nname: \xff\n", "config.yaml:2: not UTF-8"),
        (b"seed: 1\n", "populations: is missing; add it"),
        (b"populations: {}\n", "needs at least one population"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_a_file_that_holds_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_config(path).network.populations[1].size == 2


def test_no_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="directory"):
        load_config(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_config("a\0b")


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match="more than 1000000 values"):
        load_config(path)


# --- the documentation


HEADINGS = {
    "Document": "Top level",
    "PlaylistSection": "playlists",
    "ImagesSection": "images",
    "GroupSection": "playlists: groups",
    "SensorSection": "sensors",
    "GeneratorSection": "generator",
    "PoliciesSection": "policies",
    "TargetSection": "targets",
    "PopulationSection": "populations",
    "CodesSection": "codes",
    "CodeSection": "codes: forward, backward",
    "AdaptSection": "codes: adapt",
    "ProjectionSection": "projections",
    "ArrayFileSection": "arrays in files",
    "LearningSection": "learning",
    "TrainingSection": "training",
    "ChangeSection": "training: schedule",
    "ChangedCodeSection": "training: schedule: forward, backward",
    "ProbeSection": "probes",
}


def documented(heading: str) -> dict[str, str]:
    """Key and default of every row in the table under a heading."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    body = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.split(" | ") for line in body.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): row[2].strip(" `") for row in rows}


@pytest.mark.parametrize("model", HEADINGS)
def test_every_key_is_documented_and_every_documented_key_exists(model: str) -> None:
    section: type[Section] = getattr(models, model)
    assert set(documented(HEADINGS[model])) == set(section.keys())


def test_the_signal_section_is_a_sensor_with_ahead_in_place_of_population() -> None:
    sensor = set(documented("sensors")) - {"population", "images"}
    assert sensor | set(documented("signal")) == set(models.SignalSection.keys())


def test_all_sections_are_in_the_table() -> None:
    sections = {name for name, each in vars(models).items() if isinstance(each, type) and issubclass(each, Section)}
    assert sections - set(HEADINGS) == {"Section", "StreamSection", "SignalSection"}


@pytest.mark.parametrize("model", HEADINGS)
def test_documented_defaults_of_numbers_and_switches_are_the_real_ones(model: str) -> None:
    section: type[Section] = getattr(models, model)
    rows = documented(HEADINGS[model])
    for name, field in section.model_fields.items():
        written = rows[field.alias or name]
        if isinstance(field.default, bool):
            assert written == str(field.default).lower(), name
        elif isinstance(field.default, float) or (isinstance(field.default, int) and "s" not in written):
            assert float(written) == field.default, name
        elif isinstance(field.default, str):
            assert written == str(field.default), name
