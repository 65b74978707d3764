"""Appendix F of the paper, reproduced: networks of one to four hidden layers on MNIST and Temporal MNIST, spiking and
ordinary, and for each what it learned and what that cost, beside the paper's numbers (`eventnet.experiments.paper`).

A spiking row is a run of the compiled engine (`eventnet.running`); an ordinary one is `eventnet.engines.dense.kernels`
with the same weights to begin with, the same images in the same order, and the same learning rate. All that is done is
kept in one folder, and whoever calls again goes on from there:

    settings.json             what all rows have in common; a call with other settings is refused
    machines.json             on what it ran
    configs/ROW.yaml          the configuration of a row, which `eventnet run` takes too
    rows/ROW/seed-1/          a run's directory (spiking), or state.npz (ordinary)
    table-f.json, table-f.md  the results of all rows that are finished, replaced after each

Nothing there is half written after a kill: a run goes on from its last checkpoint, an ordinary network from its last
epoch. Rows can be shared out among processes that are given the same folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from eventnet.config import load_config, with_overrides
from eventnet.engines.initial import initial_weights
from eventnet.errors import InputError, RunError
from eventnet.experiments.machine import describe_machine
from eventnet.experiments.ordinary import Epoch, train_ordinary
from eventnet.experiments.paper import Row
from eventnet.experiments.results import config_file, document_of, result_of, seed_folder
from eventnet.experiments.rows import ENGINE, Settings, config_text, describe_data
from eventnet.experiments.tables import command_of, markdown
from eventnet.network import derive
from eventnet.reports.numbers import percent
from eventnet.running import resume, start
from eventnet.trace.files import read_json, write_json, write_text

NAME = "table-f"
MAX_SEEDS = 1000


def reproduce(settings: Settings, rows: Sequence[Row], n_seeds: int, out: Path, console: Console) -> dict[str, Any]:
    """Train each row with the seeds 1 to `n_seeds`, as far as `out` does not hold that already.

    Returns the results of all rows that `out` holds then (`eventnet.experiments.results.document_of`), which are also
    in table-f.json and table-f.md there. Raises InputError for what cannot be used, before anything is written;
    RunError where rows could not be finished, after all others were; Interrupted or KeyboardInterrupt where the user
    stopped it.
    """
    if not 1 <= n_seeds <= MAX_SEEDS:
        raise InputError("out of range", field="seeds", value=n_seeds, remedy=f"use 1 to {MAX_SEEDS}")
    texts = {row: config_text(row, settings) for row in rows}
    common = _common(settings)
    _claim(out, common)
    _note_machine(out)
    for row, text in texts.items():
        write_text(config_file(out, row), text)
    todo = [(row, seed) for row in rows for seed in range(1, n_seeds + 1)]
    failures = []
    for k, (row, seed) in enumerate(todo, 1):
        if result_of(out, row, seed, settings.epochs) is None:
            console.print(f"{row.name}, seed {seed} ({k} of {len(todo)})", highlight=False)
            try:
                _train(out, row, seed, settings, console)
            except RunError as error:
                failures.append(f"{row.name}, seed {seed}: {error}")
                continue
            _write(out, common)
    document = _write(out, common)
    if failures:
        raise RunError(f"{len(failures)} of {len(todo)} could not be finished: {'; '.join(failures)}")
    return document


# --- what a folder is of


def _common(settings: Settings) -> dict[str, Any]:
    return {
        "experiment": NAME,
        "epochs": settings.epochs,
        "rule": settings.rule,
        "label_smoothing": settings.label_smoothing,
        "engine": ENGINE,
        "data": describe_data(settings),
    }


def _claim(out: Path, common: Mapping[str, Any]) -> None:
    """Make the folder this experiment's, or see that it is; InputError where it is something else's."""
    file = out / "settings.json"
    if file.exists():
        found = read_json(file)
        for name, value in common.items():
            if found.get(name) != value:
                problem = f"these results were begun with {name} {found.get(name)}"
                raise InputError(
                    problem, place=str(file), field=name, value=value, remedy="go on as begun, or give another --out"
                )
        return
    try:
        if out.exists() and any(out.iterdir()):
            remedy = "give another --out"
            raise InputError("the directory is not empty and holds no results", place=str(out), remedy=remedy)
        for folder in ("configs", "rows"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot make this directory: {error.strerror}"
        raise InputError(problem, place=str(out), remedy="give another --out") from error
    write_json(file, common)


def _note_machine(out: Path) -> None:
    """Add what this process runs on to those that are known, once."""
    file = out / "machines.json"
    known = read_json(file).get("machines", []) if file.exists() else []
    here = describe_machine()
    if here not in known:
        write_json(file, {"machines": [*known, here]})


# --- training


def _train(out: Path, row: Row, seed: int, settings: Settings, console: Console) -> None:
    train = _train_spiking if row.network == "pdnn" else _train_ordinary
    train(out, row, seed, settings, console)


def _train_spiking(out: Path, row: Row, seed: int, settings: Settings, console: Console) -> None:
    folder = seed_folder(out, row, seed)
    if (folder / "checkpoint" / "state.npz").exists():
        resume(folder, console)
        return
    if folder.exists():
        shutil.rmtree(folder)  # it was killed before its first checkpoint
    config = with_overrides(load_config(config_file(out, row)), seed=seed)
    start(config, engine=None, out=folder, trace=False, command=["eventnet", "reproduce", NAME], console=console)


def _train_ordinary(out: Path, row: Row, seed: int, settings: Settings, console: Console) -> None:
    config = with_overrides(load_config(config_file(out, row)), seed=seed)
    assert config.network.learning is not None
    assert config.training is not None

    def tell(number: int, epoch: Epoch) -> None:
        rights = f"{percent(epoch.train_percent)} right, test {percent(epoch.test_percent)}"
        console.print(f"epoch {number} of {settings.epochs}: {rights}; {epoch.wall_s:.3g} s", highlight=False)

    train_ordinary(
        seed_folder(out, row, seed),
        initial_weights(derive(config.network)),
        config.training.images,
        eta=config.network.learning.eta,
        label_smoothing=settings.label_smoothing,
        epochs=settings.epochs,
        tell=tell,
    )


# --- results


def _write(out: Path, common: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the results with those of all rows that are finished now."""
    document = document_of(out, common)
    document |= {"command": command_of(document)} | read_json(out / "machines.json")
    write_json(out / f"{NAME}.json", document)
    write_text(out / f"{NAME}.md", markdown(document))
    return document
