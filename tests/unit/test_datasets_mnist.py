"""MNIST: where it is looked for, what is refused, and the part that is shipped."""

from __future__ import annotations

import gzip
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from eventnet.caches import cache_folder
from eventnet.datasets.mnist import FILES, load_mnist, load_mnist_subset
from eventnet.datasets.places import data_folder
from eventnet.errors import InputError
from tests.unit.test_datasets_idx import idx_bytes

ROOT = Path(__file__).parents[2]


def small_mnist(n_train=12, n_test=7, seed=0):
    """Noise in the form of MNIST, labels 0, 1, 2, ... again and again."""
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(256, size=(n_train, 28, 28)).astype(np.uint8),
        "train_labels": (np.arange(n_train) % 10).astype(np.uint8),
        "test_images": rng.integers(256, size=(n_test, 28, 28)).astype(np.uint8),
        "test_labels": (np.arange(n_test) % 10).astype(np.uint8),
    }


def write_mnist(folder, arrays, form="{}.gz"):
    """Write the four files into `folder`/mnist under their names in a `form`."""
    where = folder / "mnist"
    where.mkdir(parents=True, exist_ok=True)
    for part, name in FILES.items():
        data = idx_bytes(arrays[part])
        path = where / form.format(name)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


@pytest.fixture
def no_places(monkeypatch, tmp_path):
    """Neither the variable nor the cache of whoever runs the tests."""
    monkeypatch.delenv("EVENTNET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("form", ["{}.gz", "{}", "dotted", "dotted.gz"])
def test_the_four_files_are_read_under_each_of_their_names(tmp_path, form):
    arrays = small_mnist()
    write_mnist(tmp_path, arrays)
    for path in (tmp_path / "mnist").iterdir():
        name = path.name.replace("-idx", ".idx") if "dotted" in form else path.name
        if not form.endswith(".gz"):
            path.write_bytes(gzip.decompress(path.read_bytes()))
            name = name.removesuffix(".gz")
        path.rename(path.with_name(name))
    found = load_mnist(tmp_path)
    for part, array in arrays.items():
        assert np.array_equal(getattr(found, part), array), part
    assert found.train_images.dtype == np.uint8
    assert found.test_labels.dtype == np.int64


def test_the_folder_given_goes_before_the_variable_and_that_before_the_cache(tmp_path, monkeypatch, no_places):
    folders = [write_mnist(tmp_path / name, small_mnist(seed=k)) for k, name in enumerate(("given", "told"))]
    write_mnist(tmp_path / "cache" / "eventnet", small_mnist(seed=2))

    def seed_of(found):
        return next(k for k in range(3) if np.array_equal(found.test_images, small_mnist(seed=k)["test_images"]))

    assert seed_of(load_mnist()) == 2
    monkeypatch.setenv("EVENTNET_DATA", "")
    assert seed_of(load_mnist()) == 2
    monkeypatch.setenv("EVENTNET_DATA", str(folders[1]))
    assert seed_of(load_mnist()) == 1
    assert seed_of(load_mnist(folders[0])) == 0


def test_where_it_was_looked_for_and_how_to_get_it_is_said(tmp_path, monkeypatch, no_places):
    cases = [(None, tmp_path / "cache" / "eventnet", "EVENTNET_DATA is not set")]
    cases.append((tmp_path / "given", tmp_path / "given", f"eventnet data fetch mnist --to {tmp_path / 'given'}"))
    for folder, looked_in, words in cases:
        with pytest.raises(InputError) as refused:
            load_mnist(folder)
        assert str(looked_in / "mnist") in str(refused.value)
        assert words in str(refused.value)
        assert "train-images-idx3-ubyte" in str(refused.value)
        assert "eventnet data fetch mnist" in str(refused.value)
    monkeypatch.setenv("EVENTNET_DATA", str(tmp_path / "told"))
    with pytest.raises(InputError, match="EVENTNET_DATA says so"):
        load_mnist()
    write_mnist(tmp_path / "told", small_mnist())
    (tmp_path / "told" / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte"):
        load_mnist()


@pytest.mark.parametrize(
    ("part", "array", "words"),
    [
        ("train_images", np.zeros((12, 28, 27), np.uint8), "uint8 .n, 28, 28.*28, 27"),
        ("train_images", np.zeros((12, 28, 28), np.int16), "train_images must be uint8.*int16"),
        ("test_images", np.zeros(7, np.uint8), "test_images must be"),
        ("test_labels", np.zeros((7, 28, 28), np.uint8), "test_labels must be"),
        ("train_labels", np.zeros(11, np.uint8), "11 labels, 12 images"),
        ("test_labels", np.array([0, 1, 2, 10, 4, 5, 6], np.uint8), "label 3: is not a digit .got 10"),
    ],
)
def test_files_that_make_no_data_set_are_refused(tmp_path, part, array, words):
    write_mnist(tmp_path, small_mnist() | {part: array})
    with pytest.raises(InputError, match=words) as refused:
        load_mnist(tmp_path)
    assert FILES[part] in str(refused.value)


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch):
    home = Path.home()
    monkeypatch.delenv("EVENTNET_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    for platform, place in (
        ("linux", home / ".cache" / "eventnet"),
        ("darwin", home / "Library" / "Caches" / "eventnet"),
        ("win32", home / "AppData" / "Local" / "eventnet" / "Cache"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == data_folder() == place
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/are/to/be/ignored")
    assert cache_folder() == place
    monkeypatch.setenv("XDG_CACHE_HOME", os.path.abspath("elsewhere"))
    assert cache_folder() == Path("elsewhere").absolute() / "eventnet"
    monkeypatch.setenv("EVENTNET_DATA", "~/sets")
    assert data_folder() == home / "sets"


def test_the_part_shipped_holds_the_digits_that_it_says():
    assert (ROOT / "sim_configs" / "data" / "mnist-subset.npz").stat().st_size < 1_000_000
    part = load_mnist_subset()
    assert part.train_images.shape == (1000, 28, 28)
    assert part.test_images.shape == (500, 28, 28)
    assert np.bincount(part.train_labels).tolist() == [100] * 10
    assert np.bincount(part.test_labels).tolist() == [50] * 10
    # MNIST's first labels, known to everyone who has looked at it
    assert part.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert part.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # pictures belong to their labels: the nearest training image names most test images (82.4 % of them)
    train, test = (images.reshape(len(images), -1) / 255 for images in (part.train_images, part.test_images))
    nearest = ((train**2).sum(axis=1) - 2 * test @ train.T).argmin(axis=1)
    assert (part.train_labels[nearest] == part.test_labels).mean() > 0.8


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("prepare_mnist_subset", ROOT / "tools" / "prepare_mnist_subset.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_of_each_digit_are_cut_out_in_file_order(tool, tmp_path):
    arrays = small_mnist(n_train=1100, n_test=600)
    write_mnist(tmp_path, arrays)
    for name in ("one.npz", "two.npz"):
        tool.prepare(tmp_path, tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as made:
        # labels go round, so the first 100 of each are the first 1000
        assert np.array_equal(made["train_images"], arrays["train_images"][:1000])
        assert np.array_equal(made["train_labels"], arrays["train_labels"][:1000])
        assert np.array_equal(made["test_images"], arrays["test_images"][:500])
        assert np.array_equal(made["test_labels"], arrays["test_labels"][:500])
        assert {made[name].dtype.name for name in made.files} == {"uint8"}


def test_too_few_images_of_a_digit_are_said(tool, tmp_path, monkeypatch, capsys):
    write_mnist(tmp_path, small_mnist())
    monkeypatch.setattr(sys, "argv", ["prepare", str(tmp_path), str(tmp_path / "out.npz")])
    assert tool.main() == 2
    assert "only 2 images of 0" in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()
