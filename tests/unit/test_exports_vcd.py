"""Waveforms, read back by pyvcd's reader: every spike is a pulse, and what holds holds."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from eventnet.errors import InputError
from eventnet.exports.exporting import Selection, export_run
from eventnet.exports.vcd import HELD, _scopes
from eventnet.trace.queries import Run
from tests.recorded import rows_of, two_rates

pytest.importorskip("vcd")

SPIKES = ("forward", "backward")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_rates(tmp_path_factory.mktemp("vcd") / "run")


def waveforms(path: Path) -> dict[str, list[tuple[int, float]]]:
    """By dotted name, what each signal becomes and when, from its first value on."""
    from vcd.reader import TokenKind, tokenize

    names, scope, now = {}, [], -1
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                assert token.var.type_.value == "real"
                names[token.var.id_code] = ".".join([*scope, token.var.ref_str])
            elif token.kind is TokenKind.TIMESCALE:
                assert str(token.timescale) == "1 ns"
            elif token.kind is TokenKind.CHANGE_TIME:
                assert token.time_change > now
                now = token.time_change
            elif token.kind is TokenKind.CHANGE_REAL:
                found[names[token.real_change.id_code]].append((now, token.real_change.value))
    assert scope == []
    assert found.keys() == set(names.values())
    return found


def name_of(row: dict[str, Any]) -> str:
    neuron = "" if row["neuron"] < 0 else f".n{row['neuron']}"
    return f"{row['population']}.{row['kind']}{neuron}"


def exported(run: Run, folder: Path, selection: Selection) -> dict[str, list[tuple[int, float]]]:
    export_run(run, "vcd", folder / "run.vcd", selection)
    return waveforms(folder / "run.vcd")


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(("hidden", "output")), Selection((), 507_000_000, 1_500_000_000)]
)
def test_signals_are_the_events(selection: Selection, run: Run, tmp_path: Path) -> None:
    found = exported(run, tmp_path, selection)
    begin_ns = selection.start_ns or 0
    expected: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows_of(run):
        chosen = not selection.populations or row["population"] in selection.populations
        if row["kind"] in (*SPIKES, *HELD) and chosen and begin_ns <= row["time_ns"] < (selection.end_ns or 10**18):
            expected[name_of(row)].append((row["time_ns"], row["value"]))
    assert found.keys() == expected.keys()
    assert {name.split(".")[1] for name in expected} >= {*SPIKES, "loss"}
    for name, events in expected.items():
        assert found[name][0][0] == begin_ns
        if name.split(".")[1] in SPIKES:
            pulses = [(time_ns, value) for time_ns, value in found[name] if value != 0]
            assert pulses == events
            ends = [(time_ns, value) for time_ns, value in found[name] if value == 0 and time_ns > begin_ns]
            assert ends == [(time_ns + 1, 0.0) for time_ns, _ in events]
        else:
            values = dict(found[name])
            held = 0.0
            for time_ns, value in events:
                held = values.get(time_ns, held)
                assert held == pytest.approx(value, rel=1e-15, abs=1e-300)
            assert len(values) <= len(events) + 1
    assert sum(map(len, expected.values())) > 100


def test_a_choice_of_nothing(run: Run, tmp_path: Path) -> None:
    assert exported(run, tmp_path, Selection((), 10**12)) == {}


def test_names_of_populations_become_identifiers() -> None:
    class Named:
        populations = ("a b", "a_b", "2nd", "häh", "a-b", "$end")

    names = _scopes(Named())  # type: ignore[arg-type]
    assert list(names) == list(Named.populations)
    assert len(set(names.values())) == len(names)
    assert all(name.isascii() and name.isidentifier() for name in names.values())
    assert names["a b"] == "a_b"


def test_the_package_is_named_where_it_is_missing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vcd.writer", None)
    with pytest.raises(InputError, match=r"--format vcd.*pyvcd.*pip install pyvcd"):
        export_run(run, "vcd", tmp_path / "run.vcd", Selection())
    assert list(tmp_path.iterdir()) == []
