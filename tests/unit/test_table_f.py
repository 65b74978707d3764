"""The rows of Appendix F: how they are configured, what is read from their folders, and the tables made of it."""

from __future__ import annotations

import json
import platform
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from eventnet.config import find_config, load_config, with_overrides
from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.engines.initial import initial_weights
from eventnet.errors import InputError, RunError
from eventnet.experiments import machine
from eventnet.experiments.machine import describe_machine
from eventnet.experiments.ordinary import STATE_FILE, Epoch, read_epochs, train_ordinary
from eventnet.experiments.paper import ROWS, Row, published
from eventnet.experiments.results import (
    AVERAGED,
    config_file,
    document_of,
    result_of,
    results_of,
    seed_folder,
)
from eventnet.experiments.rows import SUBSET, Settings, choose_rows, config_text, describe_data
from eventnet.experiments.table_f import NAME
from eventnet.experiments.tables import NOTES, command_of, markdown, render
from eventnet.network import Adaptation, Code, Rule, derive
from eventnet.sensors.images import Shown, open_images
from eventnet.sensors.spec import Images
from eventnet.trace.state import load_state, save_state

SPIKING, ORDINARY = Row("mnist", "pdnn", 1), Row("mnist", "mlp", 1)
COMMON = {
    "experiment": NAME,
    "epochs": 2,
    "rule": "accrual",
    "label_smoothing": 0.0,
    "engine": "compiled",
    "data": {"name": "mnist-subset", "train": 1000, "test": 500, "crc32": "0"},
}


# --- rows and their configurations


def test_the_table_has_sixteen_rows() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) == 16
    parts = ({row.data for row in ROWS}, {row.network for row in ROWS}, {row.hidden_layers for row in ROWS})
    assert parts == ({"mnist", "temporal-mnist"}, {"pdnn", "mlp"}, {1, 2, 3, 4})


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["mnist-pdnn-1"], ["mnist-pdnn-1"]),
        (["mnist-mlp-2", "mnist-pdnn-1", "mnist-mlp-?"], ["mnist-pdnn-1", *(f"mnist-mlp-{k}" for k in range(1, 5))]),
        (["temporal-*-4"], ["temporal-mnist-pdnn-4", "temporal-mnist-mlp-4"]),
        ([], [row.name for row in ROWS]),
    ],
)
def test_rows_by_name_and_pattern(patterns: list[str], names: list[str]) -> None:
    assert [row.name for row in choose_rows(patterns)] == names


@pytest.mark.parametrize("pattern", ["", "pdnn", "mnist-pdnn-5", "MNIST-PDNN-1", "mnist-pdnn-1 "])
def test_what_means_no_row(pattern: str) -> None:
    with pytest.raises(
        InputError, match=re.escape(f"rows: no such row (got {pattern!r}); use names from mnist-pdnn-1")
    ):
        choose_rows(["mnist-pdnn-1", pattern])


def load_row(row: Row, settings: Settings, folder: Path) -> Any:
    file = folder / "row.yaml"
    file.write_text(config_text(row, settings), encoding="utf-8")
    return load_config(file)


@pytest.mark.parametrize(("data", "shipped"), [("mnist", "mnist"), ("temporal-mnist", "temporal_mnist")])
@pytest.mark.parametrize("epochs", [1, 7])
def test_a_row_with_one_layer_is_the_shipped_configuration_but_for_the_pixels_code(
    data: Any, shipped: str, epochs: int, tmp_path: Path
) -> None:
    config = load_row(Row(data, "pdnn", 1), Settings(epochs=epochs, label_smoothing=0.03), tmp_path)
    expected = with_overrides(load_config(find_config(shipped)), epochs=epochs)
    for part in ("sensors", "targets", "training", "engine"):
        assert getattr(config, part) == getattr(expected, part)
    pixels, hidden, output = config.network.populations
    assert pixels.forward == hidden.forward == Code(0.5, 0.91, adaptation=Adaptation(0.001, 0.91))  # as in the paper
    shipped_pixels = replace(pixels, forward=Code(0.5, 0.91, adaptation=Adaptation(0.001, 3.0)))
    assert replace(config.network, populations=(shipped_pixels, hidden, output)) == expected.network


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_networks_of_the_paper(row: Row, tmp_path: Path) -> None:
    config = load_row(row, Settings(epochs=3, rule="future", data=str(tmp_path)), tmp_path)
    graph = derive(config.network)
    assert [each.size for each in graph.populations] == [784, *[200] * row.hidden_layers, 10]
    assert [(graph.size_of_source(k), graph.size_of_target(k)) for k in range(row.hidden_layers + 1)] == [
        (784, 200),
        *[(200, 200)] * (row.hidden_layers - 1),
        (200, 10),
    ]
    assert len(graph.projections) == row.hidden_layers + 1
    assert all(graph.learns)
    assert [each.nonlinearity.value for each in graph.populations[1:]] == [*["relu"] * row.hidden_layers, "softmax"]
    assert config.network.learning.rule is Rule.FUTURE
    assert config.network.targets[0].label_smoothing == 0.0
    assert config.training.epochs == 3
    assert config.training.evaluate
    order = "temporal" if row.data == "temporal-mnist" else "file"
    assert config.training.images == Images("mnist", tmp_path.resolve(), order)


def test_rows_learn_at_one_rate_with_the_codes_of_the_shipped_configuration(tmp_path: Path) -> None:
    shipped = load_config(find_config("mnist")).training.schedule
    assert any(change.eta is not None for change in shipped)
    schedule = load_row(SPIKING, Settings(epochs=50), tmp_path).training.schedule
    assert schedule == tuple(replace(each, eta=None, eta_bias=None) for each in shipped if each.is_of_codes)
    assert len(schedule) == 1


def test_a_row_of_the_shipped_part(tmp_path: Path) -> None:
    config = load_row(SPIKING, Settings(data=SUBSET), tmp_path)
    assert config.training.images == Images("mnist-subset")


def test_rows_learn_by_accrual_unless_told_otherwise(tmp_path: Path) -> None:
    for row in ROWS:
        assert load_row(row, Settings(), tmp_path).network.learning.rule is Rule.ACCRUAL


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_of_the_network_is_one_of_a_row(rule: Rule, tmp_path: Path) -> None:
    assert load_row(SPIKING, Settings(rule=rule.value), tmp_path).network.learning.rule is rule


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(rule="hebb"), "engine-rule: unknown learning rule (got 'hebb'); use one of "),
        (Settings(epochs=0), "epochs: out of range (got 0); use 1 to"),
        (Settings(data="not/there"), "data: no such folder"),
        (Settings(label_smoothing=1.0), "label-smoothing: out of range (got 1.0); use a number from 0 to less than 1"),
        (Settings(label_smoothing=float("nan")), "label-smoothing: out of range (got nan)"),
    ],
)
def test_settings_that_cannot_be_used(settings: Settings, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        config_text(SPIKING, settings)


def test_data_are_told_apart_by_what_is_in_them() -> None:
    found = describe_data(Settings(data=SUBSET))
    assert (found["name"], found["train"], found["test"]) == ("mnist-subset", 1000, 500)

    def relabelled(images: Images, test: bool) -> Shown:
        shown = open_images(images, test)
        return replace(shown, labels=shown.labels[::-1])

    with patch("eventnet.experiments.rows.open_images", relabelled):
        other = describe_data(Settings(data=SUBSET))
    assert other["crc32"] != found["crc32"]
    assert describe_data(Settings(data=SUBSET)) == found


# --- an ordinary network that can be stopped


IMAGES = Images("mnist-subset", limit=60)
ETA = 0.05


def weights_to_begin_with() -> list[Any]:
    rng = np.random.default_rng(3)
    return [rng.normal(0, 0.1, shape).astype(np.float32) for shape in ((784, 12), (12, 10))]


def train(
    folder: Path,
    epochs: int,
    told: list[tuple[int, Epoch]] | None = None,
    eta: float = ETA,
    images: Images = IMAGES,
    smoothing: float = 0.0,
) -> list[Epoch]:
    heard: list[tuple[int, Epoch]] = [] if told is None else told
    return train_ordinary(
        folder,
        weights_to_begin_with(),
        images,
        eta=eta,
        label_smoothing=smoothing,
        epochs=epochs,
        tell=lambda *each: heard.append(each),
    )


def scores(epochs: list[Epoch]) -> list[tuple[float, float]]:
    return [(epoch.train_percent, epoch.test_percent) for epoch in epochs]


@pytest.mark.parametrize(("order", "smoothing"), [("file", 0.0), ("temporal", 0.0), ("file", 0.25)])
def test_an_ordinary_row_learns_online_as_plain_numpy_does(order: str, smoothing: float, tmp_path: Path) -> None:
    """The oracle: float64, one image at a time, written from the definition of cross-entropy and backpropagation."""
    images = replace(IMAGES, order=order)
    train_set, test_set = open_images(images, test=False), open_images(images, test=True)
    first, last = (each.astype(np.float64) for each in weights_to_begin_with())
    first_bias, last_bias = np.zeros(12), np.zeros(10)

    def answer(image: Any) -> tuple[Any, Any, Any]:
        x = image.reshape(-1) / 255
        hidden = np.maximum(0, x @ first + first_bias)
        return x, hidden, hidden @ last + last_bias

    expected = []
    for _ in range(3):
        n_right = 0
        for number in train_set.order:
            label = train_set.labels[number]
            x, hidden, z = answer(train_set.images[number])
            n_right += z.argmax() == label
            error = np.exp(z - z.max())
            error /= error.sum()
            error -= smoothing / 10
            error[label] -= 1 - smoothing
            back = (last @ error) * (hidden > 0)
            last -= ETA * np.outer(hidden, error)
            last_bias -= ETA * error
            first -= ETA * np.outer(x, back)
            first_bias -= ETA * back
        right = [answer(image)[2].argmax() for image in test_set.images] == test_set.labels
        expected.append((100 * n_right / 60, 100 * right.mean()))
    np.testing.assert_allclose(scores(train(tmp_path, 3, images=images, smoothing=smoothing)), expected)
    state = load_state(tmp_path / STATE_FILE)
    np.testing.assert_allclose(state["weights"][0], first, atol=1e-4)
    np.testing.assert_allclose(state["biases"][1], last_bias, atol=1e-4)
    assert expected[0][0] + 20 < expected[2][0]


def test_an_ordinary_row_goes_on_where_it_was(tmp_path: Path) -> None:
    told: list[tuple[int, Epoch]] = []
    whole = train(tmp_path / "whole", 4, told)
    assert [number for number, _ in told] == [1, 2, 3, 4]
    assert [epoch for _, epoch in told] == whole
    begun = train(tmp_path / "parts", 1)
    told.clear()
    assert scores(train(tmp_path / "parts", 4, told)) == scores(whole)
    assert [number for number, _ in told] == [2, 3, 4]
    assert read_epochs(tmp_path / "parts")[:1] == begun
    for name in ("weights", "biases"):
        for a, b in zip(*(load_state(tmp_path / way / STATE_FILE)[name] for way in ("whole", "parts")), strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_epoch_that_is_interrupted_is_done_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 3)
    real, n_calls = DenseNetwork.train, 0

    def interrupted(self: DenseNetwork, images: Any, *rest: Any, **named: Any) -> int:
        nonlocal n_calls
        n_right = real(self, images, *rest, **named)
        n_calls += len(images) > 1
        if n_calls == 2:
            raise KeyboardInterrupt
        return n_right

    with patch.object(DenseNetwork, "train", interrupted), pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", 3)
    assert scores(read_epochs(tmp_path / "stopped")) == scores(whole)[:1]
    assert scores(train(tmp_path / "stopped", 3)) == scores(whole)


def test_an_ordinary_row_that_diverges(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no longer finite after epoch 1; learn with a smaller eta"):
        train(tmp_path, 2, eta=1e30)
    assert read_epochs(tmp_path) == []


def test_a_state_that_will_not_do(tmp_path: Path) -> None:
    train(tmp_path, 1)
    file = tmp_path / STATE_FILE
    good, state = file.read_bytes(), load_state(file)
    for change, words in (
        (lambda: save_state(file, state | {"sizes": (784, 13, 10)}), r"sizes: holds another network \(got"),
        (lambda: save_state(file, {"epochs": []}), "lacks biases, sizes, weights"),
        (lambda: file.write_bytes(good[:-200]), "damaged"),
    ):
        change()
        with pytest.raises(InputError, match=words) as raised:
            train(tmp_path, 2)
        assert str(file) in str(raised.value)


# --- results from folders made by hand


def epoch_record(
    number: int, images: int, right: tuple[float, float, float], adds: tuple[int, int, int]
) -> dict[str, Any]:
    return {
        "epoch": number,
        "images": images,
        "train": right[0],
        "test": {"spiking": right[1], "conventional": right[2]},
        "events": 7,
        "adds_unit_per_image": dict(zip(("forward", "backward", "update"), adds, strict=True)),
        "wall_s": 1.5 * number,
    }


RECORDS = [
    epoch_record(1, 30, (50.0, 61.0, 62.0), (100, 10, 1000)),
    epoch_record(2, 10, (70.0, 60.0, 63.0), (300, 30, 2000)),
]


def write_spiking(out: Path, row: Row, seed: int, records: list[dict[str, Any]], energy_j: float = 4e-3) -> Path:
    folder = seed_folder(out, row, seed)
    folder.mkdir(parents=True)
    (folder / "epochs.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps({"energy": {"total_j": energy_j}}), encoding="utf-8")
    return folder


def write_ordinary(out: Path, row: Row, seed: int, epochs: list[Epoch]) -> None:
    folder = seed_folder(out, row, seed)
    folder.mkdir(parents=True)
    state = {"sizes": (), "weights": [], "biases": [], "epochs": [tuple(each) for each in epochs]}
    save_state(folder / STATE_FILE, state)
    config_file(out, row).parent.mkdir(exist_ok=True)
    config_file(out, row).write_text(config_text(row, Settings(epochs=2)), encoding="utf-8")


def test_a_spiking_result_by_hand(tmp_path: Path) -> None:
    write_spiking(tmp_path, SPIKING, 5, RECORDS)
    result = result_of(tmp_path, SPIKING, 5, 2)
    assert result is not None
    assert (result.seed, result.epochs) == (5, 2)
    assert (result.train_percent, result.test_percent, result.test_conventional_percent) == (70.0, 60.0, 63.0)
    assert (result.best_test_percent, result.best_epoch) == (61.0, 1)
    # 30 images of the first kind, 10 of the second
    assert result.operations == pytest.approx({"forward": 150, "backward": 15, "update": 1250})
    assert result.operations_last_epoch == {"forward": 300, "backward": 30, "update": 2000}
    assert result.published_operations == pytest.approx(1400)
    assert result.all_operations == pytest.approx(1415)
    assert result.published_energy_j == pytest.approx(1400 * 0.1e-12)
    assert result.energy_j == pytest.approx(1e-4)
    assert result.wall_s == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("hidden_layers", "forward", "backward"),
    [
        (1, 2 * (784 * 200 + 200 * 10), 2 * 200 * 10),
        (3, 2 * (784 * 200 + 2 * 200 * 200 + 200 * 10), 2 * (80_000 + 2_000)),
    ],
)
def test_an_ordinary_result_by_hand(hidden_layers: int, forward: int, backward: int, tmp_path: Path) -> None:
    row = Row("temporal-mnist", "mlp", hidden_layers)
    write_ordinary(tmp_path, row, 1, [Epoch(40.0, 55.0, 0.5), Epoch(60.0, 55.0, 0.25)])
    result = result_of(tmp_path, row, 1, 2)
    assert result is not None
    assert (result.train_percent, result.test_percent, result.test_conventional_percent) == (60.0, 55.0, 55.0)
    assert (result.best_test_percent, result.best_epoch) == (55.0, 1)
    assert result.operations == {"forward": forward, "backward": backward, "update": forward}
    assert result.operations_last_epoch == result.operations
    assert result.published_operations == 2 * forward
    assert result.all_operations == 2 * forward + backward
    # half of the operations are additions and half are multiplications
    assert result.published_energy_j == pytest.approx(forward * 0.1e-12 + forward * 3.1e-12)
    assert result.energy_j > 10 * result.published_energy_j  # memory costs more than arithmetic
    assert result.wall_s == 0.75


def test_what_is_not_finished_has_no_result(tmp_path: Path) -> None:
    for row in (SPIKING, ORDINARY):
        assert result_of(tmp_path, row, 1, 2) is None
    (write_spiking(tmp_path, SPIKING, 1, RECORDS) / "summary.json").unlink()
    write_ordinary(tmp_path, ORDINARY, 1, [Epoch(40.0, 55.0, 0.5)])
    (seed_folder(tmp_path, SPIKING, 1).parent / "notes").mkdir()
    for row in (SPIKING, ORDINARY):
        assert result_of(tmp_path, row, 1, 2) is None
        assert results_of(tmp_path, row, 2) == []
    assert document_of(tmp_path, COMMON)["rows"] == []


def test_results_that_are_damaged(tmp_path: Path) -> None:
    folder = write_spiking(tmp_path, SPIKING, 1, RECORDS)
    for file, text in (
        ("epochs.jsonl", '{"epoch": 1}\n'),
        ("epochs.jsonl", ""),
        ("epochs.jsonl", "{"),
        ("epochs.jsonl", "3\n"),
        ("summary.json", "{}"),
        ("summary.json", "["),
    ):
        good = (folder / file).read_text(encoding="utf-8")
        (folder / file).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=re.escape(str(folder))):
            result_of(tmp_path, SPIKING, 1, 2)
        (folder / file).write_text(good, encoding="utf-8")
    (folder / "epochs.jsonl").unlink()
    with pytest.raises(InputError, match=r"epochs\.jsonl: cannot be read"):
        result_of(tmp_path, SPIKING, 1, 2)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_means_and_spreads_over_seeds(rights: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for seed, right in enumerate(rights, 1):
            write_spiking(Path(folder), SPIKING, seed, [epoch_record(1, 10, (right, right, 0.0), (1, 2, 3))])
        (row,) = document_of(Path(folder), COMMON)["rows"]
    assert [result["seed"] for result in row["results"]] == list(range(1, len(rights) + 1))
    for name in ("train_percent", "test_percent"):
        assert row["ours"][name]["mean"] == pytest.approx(np.mean(rights))
        spread = row["ours"][name]["spread"]
        if len(rights) == 1:
            assert spread is None
        else:
            assert spread == pytest.approx(np.std(rights, ddof=1), abs=1e-6)
    assert set(row["ours"]) == set(AVERAGED)


# --- tables


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """Three seeds of one spiking row and one of an ordinary row, with numbers as wide as they come."""
    temporal = Row("temporal-mnist", "pdnn", 1)
    for seed in (1, 2, 3):
        wide = [epoch_record(1, 60_000, (100.0, 90.0 + seed, 98.0), (217_123, 4_321, 1_123_456))]
        write_spiking(tmp_path, temporal, seed, wide, energy_j=60_000 * 123e-6)
    write_ordinary(tmp_path, ORDINARY, 1, [Epoch(99.0, 97.5, 0.5), Epoch(100.0, 98.25, 0.5)])
    found = document_of(tmp_path, COMMON)
    return found | {"command": command_of(found), "machines": [describe_machine()]}


def shown(document: dict[str, Any]) -> str:
    console = Console(width=80, no_color=True)
    with console.capture() as capture:
        console.print(render(document))
    return capture.get()


def test_a_table_of_eighty_columns(document: dict[str, Any]) -> None:
    lines = shown(document).splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.split() for line in lines]
    assert ["MLP", "1", "ours", "100.00", "98.25", "635k", "1.02", "µJ", "639k", "25.4", "µJ"] in cells
    assert [
        "PDNN",
        "1",
        "ours",
        "100.00",
        "±0.00",
        "92.00",
        "±1.00",
        "1.34M",
        "134",
        "nJ",
        "1.34M",
        "123",
        "µJ",
    ] in cells
    assert ["paper", "–", "97.99–98.39", "484k", "–"] in cells
    assert ["paper", "–", "–", "–", "–"] in cells
    assert "…" not in shown(document)
    text = " ".join(shown(document).split())
    assert all(note in text for note in NOTES)


def test_the_page_says_what_the_json_says(document: dict[str, Any]) -> None:
    page = markdown(document)
    assert page.startswith("# Appendix F, reproduced\n")
    tables = [part.splitlines() for part in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)]
    assert len(tables) == 2
    rows = {}
    for title, table in zip(("mnist", "temporal-mnist"), tables, strict=True):
        split = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
        assert {len(line) for line in split} == {15}
        for line in split[2:]:
            rows[title, line[0]] = line[1:]
    by_name = {row["row"]: row for row in document["rows"]}
    mlp, pdnn = rows["mnist", "MLP 1"], rows["temporal-mnist", "PDNN 1"]
    assert float(mlp[2]) == by_name["mnist-mlp-1"]["ours"]["train_percent"]["mean"]
    assert mlp[:4] == ["gradient", "1", "100.00", "–"]
    rights = ["100.00 ±0.00", "–", "92.00 ±1.00", "92.00 ±1.00", "97.99–98.39"]
    assert pdnn[:10] == ["accrual", "3", *rights, "1.34M", "484k", "134 nJ"]
    assert (mlp[4], mlp[5]) == ("98.25", "98.25")
    assert float(mlp[-1]) == 0.5
    for words in ("1,000 training and 500 test images", "python " + platform.python_version(), document["command"]):
        assert words in page


def test_the_command_that_gives_a_table(document: dict[str, Any]) -> None:
    assert document["command"] == (
        "eventnet reproduce table-f --epochs 2 --seeds 3 --engine-rule accrual --data subset "
        "--rows mnist-mlp-1 --rows temporal-mnist-pdnn-1"
    )
    all_rows = [{"row": row.name, "results": [{}]} for row in ROWS]
    settings = COMMON | {"data": {"name": "mnist"}}
    assert (
        command_of({"settings": settings, "rows": all_rows})
        == "eventnet reproduce table-f --epochs 2 --seeds 1 --engine-rule accrual"
    )
    assert command_of({"settings": settings | {"label_smoothing": 0.03}, "rows": all_rows}).endswith(
        "--engine-rule accrual --label-smoothing 0.03"
    )


def test_only_known_numbers_of_the_paper_are_told() -> None:
    known = {row.name: published(row) for row in ROWS if published(row) != published(ROWS[-1])}
    assert set(known) == {"mnist-pdnn-1", "temporal-mnist-pdnn-1"}
    assert all(each.train_percent is each.energy_j is None for each in known.values())


# --- the machine


def test_a_machine_without_names(tmp_path: Path) -> None:
    found = describe_machine()
    assert {"cpu", "cores", "python", "eventnet", "numpy", "numba"} <= set(found)
    assert found["cpu"]
    assert int(found["cores"]) >= 1
    assert platform.node() not in found.values()
    assert str(Path.home()) not in json.dumps(found)
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Abacus 3000: fast\nmodel name\t: other\n", encoding="utf-8")
    with patch.object(machine, "_CPU_INFO", info):
        assert describe_machine()["cpu"] == "Abacus 3000: fast"
    with patch.object(machine, "_CPU_INFO", tmp_path / "none"):
        assert describe_machine()["cpu"] == (platform.processor() or platform.machine())


def test_both_networks_of_a_row_begin_with_the_same_weights(tmp_path: Path) -> None:
    graphs = [derive(load_row(row, Settings(), tmp_path).network) for row in (SPIKING, ORDINARY)]
    for a, b in zip(*map(initial_weights, graphs), strict=True):
        np.testing.assert_array_equal(a, b)
