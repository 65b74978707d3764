"""Whatever stands in a configuration file, loading it gives a configuration or one clear error."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventnet.config import describe, dump, load_config
from eventnet.errors import InputError
from tests.config_examples import FULL, write_config

Where = tuple[str | int, ...]

# fmt: off
WORDS = [
    "20 ms", "0 ms", "-3 s", "5 Hz", "0 Hz", "1e400 s", "1e99999999 s", "9 h", "true", "~", "<<", "",
    "../..", "/",
    "relu", "softmax", "tanh", "exact", "lazy", "hidden", "output", "walk", "exercises", "W", "X", "names",
    "from", "to", "size", "period", "rate", "delay", "delays", "weights", "file", "array", "generator", "k_p",
    "skin.csv", "weights.npz", "watch.npz",
]
TEXT_JUNK = [
    "\t", "  ", "\n", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!x ", "'", '"', "#", "? ", "|",
    "---\n", "...\n", "%YAML 9.9\n", "\x00", "\x85", "\ufeff", "\u2028", "\ud7ff", "@", "`", ">",
    "1e9", "null",
    '"\\ud800"', '"\\UFFFFFFFF"', "!!binary a", "!!float a", "[" * 3000,
]
# fmt: on

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400])
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
TREE_CHANGES = ("delete", "replace", "rename", "insert", "copy")
tree_changes = st.tuples(
    st.sampled_from(TREE_CHANGES), st.integers(0, 10**6), st.integers(0, 10**6), junk, st.sampled_from(WORDS)
)
text_changes = st.tuples(
    st.sampled_from(["cut", "insert", "swap"]),
    st.integers(0, 10**6),
    st.integers(1, 30),
    st.sampled_from(TEXT_JUNK) | st.text(max_size=6),
)


def places(value: Any, where: Where = ()) -> list[Where]:
    """Every place in a document but the top."""
    if isinstance(value, dict):
        steps: list[str | int] = list(value)
    elif isinstance(value, list):
        steps = list(range(len(value)))
    else:
        return []
    return [found for step in steps for found in [(*where, step), *places(value[step], (*where, step))]]


def at(document: Any, where: Where) -> Any:
    for step in where:
        document = document[step]
    return document


def change_tree(document: Any, change: tuple[str, int, int, Any, str]) -> None:
    """Change a document in place at the chosen place."""
    kind, place, other, value, word = change
    everywhere = places(document)
    if not everywhere:
        return
    where = everywhere[place % len(everywhere)]
    parent, last = at(document, where[:-1]), where[-1]
    if kind == "delete":
        del parent[last]
    elif kind == "replace":
        parent[last] = value
    elif kind == "copy":
        parent[last] = at(document, everywhere[other % len(everywhere)])
    elif isinstance(parent, list):
        parent.insert(int(last), value)
    elif kind == "rename":
        parent[word] = parent.pop(last)
    else:
        parent[word] = value


def change_text(text: str, change: tuple[str, int, int, str]) -> str:
    kind, place, length, new = change
    start = place % (len(text) + 1)
    if kind == "cut":
        return text[:start] + text[start + length :]
    return text[:start] + new + text[start + (length if kind == "swap" else 0) :]


def outcome(path: Path) -> str:
    """Load a configuration; check what comes of it."""
    try:
        config = load_config(path)
    except InputError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert str(path) in message
        assert "\n" not in message
        return "refused"
    assert describe(config)
    copy = path.with_name("copy.yaml")
    copy.write_text(dump(config), encoding="utf-8")
    assert load_config(copy) == config
    return "loaded"


LIMITS = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    phases=[
        Phase.explicit,
        Phase.generate,
    ],  # a failing document is short enough, and shrinking one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configs")


def test_changed_documents_load_or_are_refused(folder: Path) -> None:
    seen: Counter[str] = Counter()

    @LIMITS
    @given(st.lists(tree_changes, min_size=1, max_size=3))
    def check(changes: list[tuple[str, int, int, Any, str]]) -> None:
        document = yaml.safe_load(FULL)
        try:
            for change in changes:
                change_tree(document, change)
            text = yaml.safe_dump(document, allow_unicode=True)
        except RecursionError:  # a copy of a place into itself: only an alias can write it
            text = FULL.replace("seed: 7", "seed: &s [*s]")
        seen[outcome(write_config(folder, text))] += 1

    check()
    assert seen["loaded"] >= 18
    assert seen["refused"] >= 180


def test_changed_texts_load_or_are_refused(folder: Path) -> None:
    seen: Counter[str] = Counter()

    @LIMITS
    @given(st.lists(text_changes, min_size=1, max_size=3))
    def check(changes: list[tuple[str, int, int, str]]) -> None:
        text = FULL
        for change in changes:
            text = change_text(text, change)
        seen[outcome(write_config(folder, text))] += 1

    check()
    assert seen["loaded"] >= 18
    assert seen["refused"] >= 180


@settings(LIMITS, max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_any_bytes_are_refused(folder: Path, content: bytes) -> None:
    path = folder / "bytes.yaml"
    path.write_bytes(content)
    assert outcome(path) == "refused"
