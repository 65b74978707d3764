"""The list of mutations stays true: each names a line that is there and tests that exist."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("mutate", ROOT / "tools" / "mutate.py")
assert SPEC is not None
assert SPEC.loader is not None
mutate = importlib.util.module_from_spec(SPEC)
sys.modules["mutate"] = mutate
SPEC.loader.exec_module(mutate)


@pytest.mark.parametrize("mutation", mutate.MUTATIONS, ids=lambda m: m.old.strip().splitlines()[0][:40])
def test_a_mutation_changes_a_line_that_is_there(mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert mutation.old in text
    assert text.replace(mutation.old, mutation.new, 1) != text
    assert all((ROOT / test).exists() for test in mutation.tests.split())
