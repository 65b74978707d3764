"""Questions load no more than they need; what they leave aside can still be had."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from eventnet.loading import load_without, no_collection
from tests.recorded import two_rates

ASKING = """
import gc
import sys
from eventnet.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code
    assert gc.get_freeze_count() > 10_000  # what is loaded is not looked through at the end
print("loaded:", *({"pandas", "coverage", "numba", "simpy"} & sys.modules.keys()))
import pandas
"""


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (("spikes", "RUN", "--limit", "3"), []),
        (("sql", "RUN", "from outcomes"), []),
        (("ops", "RUN", "--by", "second"), []),
        (("ops", "RUN", "--by", "sensor"), ["numba"]),
        (("why", "RUN", "--weight", "hidden->output", "3", "0"), []),
        (("why", "RUN", "SPIKE"), []),
    ],
)
def test_what_is_loaded(arguments: tuple[str, ...], loaded: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    if arguments[0] == "sql":
        pytest.importorskip("duckdb")
    run = two_rates(tmp_path / "run", 0.5)
    spike = next(run.spikes())["event"][0].as_py()
    asked = [{"RUN": str(run.path), "SPIKE": str(spike)}.get(each, each) for each in arguments]
    command = [sys.executable, "-c", ASKING, *asked]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].split() == ["loaded:", *loaded]


def test_what_is_loaded_already_is_left_alone() -> None:
    before = list(sys.meta_path)
    load_without("numpy.linalg", "json")
    load_without("colorsys", "json")
    assert sys.meta_path == before
    with pytest.raises(ModuleNotFoundError):
        load_without("no_such_module_anywhere", "json")
    assert sys.meta_path == before


def test_collection_goes_on_afterwards() -> None:
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
