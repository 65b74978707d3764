"""Images and training in a configuration: what good ones come to, and that bad ones say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventnet.config import describe, dump, load_config, with_overrides
from eventnet.errors import InputError
from eventnet.sensors.spec import ImageLabels, Images, ImageSource
from eventnet.training import Change, ChangedCode

MS = 10**6
GOOD = """\
images:
  shown: {dataset: mnist, folder: data, order: temporal, metric: l2, window: 7, frames: 4, limit: 9}
  spare: {dataset: mnist-subset}
sensors:
  camera: {images: shown, period: 5 ms, phase: 1 ms, population: pixels}
targets:
  digit: {population: output, images: shown, period: 20 ms, phase: 2 ms}
  again: {images: shown, rate: 100 Hz}
wake: lazy
codes: {backward: {adapt: true}}
populations:
  pixels: {}
  hidden: {size: 4}
  output: {size: 10, nonlinearity: softmax}
  again: {size: 10, nonlinearity: softmax}
projections:
  - {from: pixels, to: hidden}
  - {from: hidden, to: output}
  - {from: hidden, to: again}
learning: {rule: future, eta: 0.001}
training:
  epochs: 4
  schedule:
    - {epoch: 1, forward: {k_alpha: 0.25}}
    - {epoch: 3, forward: {k_alpha: 0.95, k_beta: 0.5}, backward: {k_alpha: 0.99}}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_images_and_training_are_what_the_file_says(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    images = Images("mnist", tmp_path / "data", "temporal", "l2", 7, 4, 9)
    assert config.sensors["camera"].source == ImageSource(images)
    sampling = config.sensors["camera"].sampling
    assert (sampling.period_ns, sampling.phase_ns) == (5 * MS, 1 * MS)
    assert config.targets["digit"].source == ImageLabels(images, 20 * MS, 2 * MS, labels_per_image=1)
    assert config.targets["again"].source == ImageLabels(images, 10 * MS, labels_per_image=2)
    assert config.network.populations[0].size == 784
    training = config.training
    assert training is not None
    assert (training.epochs, training.evaluate, training.images, training.image_ns) == (4, True, images, 20 * MS)
    assert training.schedule == (
        Change(1, ChangedCode(0.25)),
        Change(3, ChangedCode(0.95, 0.5), ChangedCode(0.99)),
    )


def test_round_trip_from_another_folder(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    copy = elsewhere / "copy.yaml"
    (tmp_path / "other").mkdir()
    for changed in (config, with_overrides(config, data=tmp_path / "other", epochs=2, evaluate=False)):
        copy.write_text(dump(changed), encoding="utf-8")
        assert load_config(copy) == changed
    source = changed.sensors["camera"].source
    assert isinstance(source, ImageSource)
    assert source.images.folder == tmp_path / "other"


def test_describe_says_what_was_understood(tmp_path: Path) -> None:
    rows = describe(load_config(write(tmp_path, GOOD)))
    said = dict(rows)
    for words in ("first 9 images of mnist in temporal order", "nearest of 7 by l2", "over 4 samples", "every 5 ms"):
        assert words in said["sensor camera"]
    assert said["target digit"] == "labels of mnist for output, every 20 ms"
    assert said["training"] == "4 epochs of mnist, tested after each"
    assert said["epoch 3"] == "from here on forward k_alpha 0.95, forward k_beta 0.5, backward k_alpha 0.99"


def test_describe_warns_of_a_rate_that_the_schedule_makes_too_large(tmp_path: Path) -> None:
    def warnings_of(text: str) -> list[str]:
        return [words for what, words in describe(load_config(write(tmp_path, text))) if what == "warning"]

    fast = GOOD.replace("eta: 0.001", "eta: 0.005")
    assert not warnings_of(fast[: fast.index("    - {epoch: 3")])
    assert warnings_of(fast)
    assert all("pixels->hidden (safe up to 0.00059)" in text for text in warnings_of(fast))


BAD = {
    "unknown data set": ("dataset: mnist,", "dataset: minst,", "images.shown.dataset", 'did you mean "mnist"?'),
    "no folder": ("folder: data", "folder: dada", "images.shown.folder", "no such folder"),
    "a folder for what is shipped": (
        "{dataset: mnist-subset}",
        "{dataset: mnist-subset, folder: data}",
        "images.spare.folder",
        "take it out",
    ),
    "a window without a walk": (
        "{dataset: mnist-subset}",
        "{dataset: mnist-subset, window: 5}",
        "images.spare.window",
        "order: temporal",
    ),
    "no frames": ("frames: 4", "frames: 0", "images.shown.frames", "at least 1"),
    "no images": ("limit: 9", "limit: 0", "images.shown.limit", "at least 1"),
    "unknown images": ("{images: shown, rate", "{images: shwon, rate", "targets.again.images", 'did you mean "shown"?'),
    "unknown images of a sensor": (
        "{images: shown, period: 5",
        "{images: shwon, period: 5",
        "sensors.camera.images",
        'did you mean "shown"?',
    ),
    "images without a period": ("period: 5 ms, ", "", "sensors.camera", "the period of the images is missing"),
    "labels without a period": (", rate: 100 Hz", "", "targets.again", "the period of the labels is missing"),
    "images with jitter": ("phase: 1 ms,", "jitter: 1 ms,", "sensors.camera.jitter", "take it out"),
    "images with a scale": ("phase: 1 ms,", "scale: 2,", "sensors.camera.scale", "take it out"),
    "images with columns": ("phase: 1 ms,", "columns: [1],", "sensors.camera.columns", "no meaning with images"),
    "labels with settle": ("rate: 100 Hz", "rate: 100 Hz, settle: 1 ms", "targets.again.settle", "with images"),
    "a phase beyond the period": ("phase: 1 ms", "phase: 5 ms", "sensors.camera.phase", "less than the period"),
    "a label's phase beyond its period": ("phase: 2 ms", "phase: 21 ms", "targets.digit.phase", "less than the period"),
    "a label's period that does not fit": ("rate: 100 Hz", "period: 7 ms", "targets.again.period", "20 ms"),
    "a label's rate that does not fit": ("rate: 100 Hz", "rate: 30 Hz", "targets.again.rate", "20 ms"),
    "another size": ("pixels: {}", "pixels: {size: 783}", "populations.pixels.size", "write 784"),
    "labels that no sensor shows": (
        "{images: shown, rate",
        "{images: spare, rate",
        "images.spare",
        "no sensor shows these images",
    ),
    "epochs of nothing": (
        "{images: shown, rate: 100 Hz}",
        "{signal: {generator: {kind: constant, n_channels: 10}, rate: 1 Hz}}",
        "training",
        "one set of images",
    ),
    "a target named test": (
        "  again: {images",
        "  test: {population: again, images",
        "targets.test",
        "another name",
    ),
    "no epochs": ("epochs: 4", "epochs: 0", "training.epochs", "at least 1"),
    "a change of nothing": ("{epoch: 1, forward: {k_alpha: 0.25}}", "{epoch: 1}", "schedule[0]", "nothing changes"),
    "changes out of order": ("epoch: 3", "epoch: 1", "training.schedule[1].epoch", "by epoch"),
    "a change that never comes": ("epoch: 3", "epoch: 5", "training.schedule[1].epoch", "there are 4 epochs"),
    "a decay above one": ("k_alpha: 0.95", "k_alpha: 1.5", "schedule[1].forward.k_alpha", "at most 1"),
    "a rate of zero": ("{epoch: 3,", "{epoch: 3, eta: 0,", "training.schedule[1].eta", "greater than 0"),
    "a rate of nothing that learns": (
        "learning: {rule: future, eta: 0.001}\ntraining:\n  epochs: 4\n  schedule:\n    - {epoch: 1,",
        "training:\n  epochs: 4\n  schedule:\n    - {epoch: 1, eta_bias: 0.1,",
        "training.schedule[0].eta_bias",
        "add learning",
    ),
    "a scale of zero": ("k_beta: 0.5", "k_beta: 0", "schedule[1].forward.k_beta", "greater than 0"),
    "decays that a rule cannot bear": (
        "0.95, k_beta: 0.5}, backward: {k_alpha: 0.99",
        "1, k_beta: 0.5}, backward: {k_alpha: 1",
        "training.schedule[1]",
        "below 1",
    ),
    "a change under foresight": ("wake: lazy", "wake: exact", "training.schedule[1]", "clocked or lazy"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_says_where_and_what_would_do(tmp_path: Path, name: str) -> None:
    old, new, field, words = BAD[name]
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert field in message
    assert words in message


def test_sensors_that_show_the_same_images_show_them_alike(tmp_path: Path) -> None:
    second = "  second: {images: shown, period: 6 ms}\ntargets:"
    text = GOOD.replace("targets:", second).replace("  hidden:", "  second: {}\n  hidden:")
    text = text.replace("projections:", "projections:\n  - {from: second, to: hidden}")
    with pytest.raises(InputError, match=r"sensors\.second\.period: another sensor"):
        load_config(write(tmp_path, text))
    load_config(write(tmp_path, text.replace("period: 6 ms", "period: 5 ms")))


def test_a_signal_is_not_made_of_images(tmp_path: Path) -> None:
    text = GOOD.replace("{images: shown, rate: 100 Hz}", "{signal: {images: shown, rate: 100 Hz}}")
    with pytest.raises(InputError, match=r"targets\.again\.signal\.images: unknown key"):
        load_config(write(tmp_path, text))


def test_schedules_need_no_foresight_only_where_codes_change_on_the_way(tmp_path: Path) -> None:
    text = GOOD.replace("wake: lazy", "wake: exact")
    text = text[: text.index("    - {epoch: 3")] + "    - {epoch: 2, eta: 0.0005, eta_bias: 0.002}\n"
    config = load_config(write(tmp_path, text))
    assert config.training is not None
    assert config.training.schedule == (Change(1, ChangedCode(0.25)), Change(2, eta=0.0005, eta_bias=0.002))
    assert dict(describe(config))["epoch 2"] == "from here on eta 0.0005, eta of biases 0.002"
