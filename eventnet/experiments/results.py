"""What the networks of a table learned and what it cost: read from the folder in which they were trained."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eventnet.config import load_config
from eventnet.errors import InputError
from eventnet.experiments.ordinary import read_epochs
from eventnet.experiments.paper import HIDDEN_SIZE, ROWS, Row, published
from eventnet.network import derive
from eventnet.operations.bills import COUNTS
from eventnet.operations.dense import dense_cost
from eventnet.operations.energy import DIRECTIONS, energy, footprint, load_energy_table
from eventnet.trace.files import read_json
from eventnet.trace.places import EPOCHS_FILE

AVERAGED = (
    "train_percent",
    "test_percent",
    "test_conventional_percent",
    "best_test_percent",
    "published_operations",
    "all_operations",
    "published_energy_j",
    "energy_j",
    "wall_s",
)
"""Of what the mean over seeds and the spread are told."""


@dataclass(frozen=True)
class Result:
    """What one network learned and what that cost.

    Right answers in percent: to training images in the last epoch, each before it was learned from; to test images
    after it, and after the best epoch. `test_conventional_percent` is that of an ordinary network with the same
    weights, for an ordinary row the same number again.

    Operations are by direction and for one training image, on average over the whole training and over its last epoch:
    unit additions of a spiking network, additions and multiplications of an ordinary one. `energy_j` is the estimate
    for all that was counted, memory too; `published_energy_j` the one made in the authors' way
    (`eventnet.experiments.paper`); both for one image, on average. `wall_s` is the time of training, without tests.
    """

    seed: int
    epochs: int
    train_percent: float
    test_percent: float
    test_conventional_percent: float
    best_test_percent: float
    best_epoch: int
    operations: Mapping[str, float]
    operations_last_epoch: Mapping[str, float]
    published_operations: float
    all_operations: float
    published_energy_j: float
    energy_j: float
    wall_s: float


def config_file(out: Path, row: Row) -> Path:
    """Where the configuration of a row is kept."""
    return out / "configs" / f"{row.name}.yaml"


def seed_folder(out: Path, row: Row, seed: int) -> Path:
    """Where a row's network of this seed is trained."""
    return out / "rows" / row.name / f"seed-{seed}"


def results_of(out: Path, row: Row, epochs: int) -> list[Result]:
    """The results of all seeds of a row that have been trained for so many epochs, by seed."""
    seeds = sorted(int(path.name[5:]) for path in (out / "rows" / row.name).glob("seed-*") if path.name[5:].isdigit())
    found = (result_of(out, row, seed, epochs) for seed in seeds)
    return [result for result in found if result is not None]


def result_of(out: Path, row: Row, seed: int, epochs: int) -> Result | None:
    """The result of one network, None where it is not finished. Raises InputError where a file of it is damaged."""
    if row.network == "mlp":
        return _ordinary(out, row, seed, epochs)
    folder = seed_folder(out, row, seed)
    if not (folder / "summary.json").exists():  # which a run writes last
        return None
    try:
        return _spiking(folder, row, seed)
    except (LookupError, TypeError, ZeroDivisionError) as error:
        problem = f"does not hold a run that was trained in epochs: {error!r}"
        remedy = "delete it and start the row anew"
        raise InputError(problem, place=str(folder), remedy=remedy) from error


def document_of(out: Path, common: Mapping[str, Any]) -> dict[str, Any]:
    """All results in `out` as plain values for JSON, rows without any left out; `common` is what all rows share.

    For each row: the paper's numbers (null: not known here), mean and spread (sample standard deviation, null for one
    seed) of ours, and the result of every seed.
    """
    rows = [(row, results_of(out, row, common["epochs"])) for row in ROWS]
    return {
        "source": "O'Connor, Gavves, Reisser, Welling: Temporally Efficient Deep Learning with Spikes, 2017, "
        "arXiv 1706.04159, Appendix F",
        "settings": dict(common),
        "rows": [_row_document(row, results, common["rule"]) for row, results in rows if results],
    }


def _row_document(row: Row, results: Sequence[Result], rule: str) -> dict[str, Any]:
    return {
        "row": row.name,
        "data": row.data,
        "network": row.network,
        "hidden_layers": row.hidden_layers,
        "hidden_size": HIDDEN_SIZE,
        "rule": rule if row.network == "pdnn" else None,
        "published": asdict(published(row)),
        "ours": {name: _mean(getattr(result, name) for result in results) for name in AVERAGED},
        "results": [asdict(result) for result in results],
    }


def _mean(values: Iterable[float]) -> dict[str, float | None]:
    found = list(values)
    return {"mean": statistics.fmean(found), "spread": statistics.stdev(found) if len(found) > 1 else None}


def _spiking(folder: Path, row: Row, seed: int) -> Result:
    """From the directory of a run that is complete."""
    records = _read_lines(folder / EPOCHS_FILE)
    n_images = sum(record["images"] for record in records)
    operations = {
        way: math.fsum(record["images"] * record["adds_unit_per_image"][way] for record in records) / n_images
        for way in DIRECTIONS
    }
    tests = [record["test"]["spiking"] for record in records]
    return Result(
        seed=seed,
        epochs=len(records),
        train_percent=records[-1]["train"],
        test_percent=tests[-1],
        test_conventional_percent=records[-1]["test"]["conventional"],
        **_best(tests),
        **_costs(row, operations),
        operations_last_epoch=records[-1]["adds_unit_per_image"],
        energy_j=read_json(folder / "summary.json")["energy"]["total_j"] / n_images,
        wall_s=math.fsum(record["wall_s"] for record in records),
    )


def _ordinary(out: Path, row: Row, seed: int, epochs: int) -> Result | None:
    """From the epochs of an ordinary network; what it costs follows from its sizes."""
    done = read_epochs(seed_folder(out, row, seed))
    if len(done) < epochs:
        return None
    graph = derive(load_config(config_file(out, row)).network)
    cost = dense_cost(graph, 1, {(0,): 1})
    operations = {way: float(cost[way]["adds_unit"]) for way in DIRECTIONS}
    counts = {name: sum(cost[way][name] for way in DIRECTIONS) for name in COUNTS}
    tests = [epoch.test_percent for epoch in done]
    return Result(
        seed=seed,
        epochs=len(done),
        train_percent=done[-1].train_percent,
        test_percent=tests[-1],
        test_conventional_percent=tests[-1],
        **_best(tests),
        **_costs(row, operations),
        operations_last_epoch=operations,
        energy_j=energy(counts, load_energy_table(), footprint(graph))["total_j"],
        wall_s=math.fsum(epoch.wall_s for epoch in done),
    )


def _best(tests: Sequence[float]) -> dict[str, Any]:
    best = max(tests)
    return {"best_test_percent": best, "best_epoch": tests.index(best) + 1}


def _costs(row: Row, operations: Mapping[str, float]) -> dict[str, Any]:
    """What is counted, all of it, and as the paper does: forward and update, in 32-bit integers."""
    counted = operations["forward"] + operations["update"]
    cost_pj = load_energy_table().arithmetic_pj
    add_pj, multiply_pj = cost_pj["int_add"], cost_pj["int_multiply"]
    each_pj = add_pj if row.network == "pdnn" else (add_pj + multiply_pj) / 2
    return {
        "operations": operations,
        "published_operations": counted,
        "all_operations": sum(operations.values()),
        "published_energy_j": counted * each_pj * 1e-12,
    }


def _read_lines(file: Path) -> list[dict[str, Any]]:
    """The records of a run's epochs."""
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read: {error}", place=str(file), remedy="delete its folder and run it anew"
        ) from None
