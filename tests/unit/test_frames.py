"""The door for scripts: arrays and data frames hold what the table holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from eventnet import trace
from eventnet.errors import InputError
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.queries import Run
from tests.recorded import random_run, rows_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trace.open(random_run(tmp_path_factory.mktemp("frames") / "run").path)


def test_arrays(run: Run) -> None:
    arrays = trace.to_arrays(run.events())
    rows = rows_of(run)
    assert list(arrays) == list(rows[0])
    for name, array in arrays.items():
        assert array.tolist() == [row[name] for row in rows]
    assert (arrays["time_ns"].dtype, arrays["neuron"].dtype, arrays["value"].dtype) == ("int64", "int32", "float64")
    assert trace.to_arrays(run.outcomes())["learned"].dtype == np.bool_
    assert trace.to_arrays(run.events(limit=0))["value"].shape == (0,)


def test_pandas(run: Run) -> None:
    pandas = pytest.importorskip("pandas")
    frame = trace.to_pandas(run.events(kind="forward"))
    assert isinstance(frame, pandas.DataFrame)
    rows = [row for row in rows_of(run) if row["kind"] == "forward"]
    assert list(frame) == list(rows[0])
    assert frame["population"].tolist() == [row["population"] for row in rows]
    assert frame["value"].sum() == sum(row["value"] for row in rows)
    assert isinstance(frame["kind"].dtype, pandas.CategoricalDtype)


def test_polars(run: Run) -> None:
    polars = pytest.importorskip("polars")
    frame = trace.to_polars(run.events())
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == rows_of(run)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_packages_are_named_where_they_are_missing(package: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"{package}.*pip install {package}"):
        getattr(trace, f"to_{package}")(run.outcomes())


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        trace.open(tmp_path / "nowhere")


def test_names_as_numbers_whatever_the_dictionary() -> None:
    column = pa.array(["b", None, "a", "c", "b"]).dictionary_encode()
    assert numbers_of_names(column, {"a": 5, "b": 7}).tolist() == [7, -1, 5, -1, 7]
    assert numbers_of_names(column.slice(2, 2), {"a": 5, "c": 0}, absent=9).tolist() == [5, 0]
    assert numbers_of_names(column.slice(0, 0), {}).tolist() == []


def test_the_door_is_light() -> None:
    """Engines use the vocabulary of this package: importing it must not import what reads files."""
    script = (
        "import eventnet.trace, eventnet.cli, sys; print(*{'pyarrow', 'pandas', 'duckdb', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
