"""A run's configuration is compared by what it says: values as they are meant, places of files left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventnet.config.unchanged import check_unchanged
from eventnet.errors import InputError

BEGUN = """\
name: one
sensors:
  s: {file: here.csv, columns: [a, b], partial: true, scale: 1}
codes: {forward: {k_beta: 0.5}}
"""


def check(folder: Path, now: str, begun: str | None = BEGUN) -> None:
    (folder / "config.yaml").write_text(now, encoding="utf-8")
    check_unchanged({"configuration": begun, "inputs": []}, folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: one", "name: two\ndescription: other words\nengine: compiled"),
        ("here.csv", "there/here.csv"),
        ("scale: 1", "scale: 1.0"),
        ("k_beta: 0.5", "k_beta: 5.0e-1"),
        ("{forward: {k_beta: 0.5}}", "\n  forward:\n    k_beta: 0.5"),
    ],
)
def test_the_same_in_other_words(old: str, new: str, tmp_path: Path) -> None:
    assert old in BEGUN
    check(tmp_path, BEGUN.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "partial: true",
            "partial: false",
            r"config\.yaml:3: sensors\.s\.partial: is not what it was.* True \(got Fal",
        ),
        ("partial: true", "partial: 1", r"sensors\.s\.partial: is not what it was"),
        ("scale: 1", "scale: true", r"sensors\.s\.scale: is not what it was"),
        ("[a, b]", "[a, c]", r"sensors\.s\.columns\[1\]: is not what it was.*'b' \(got 'c'\)"),
        ("[a, b]", "[a]", r"sensors\.s\.columns: is not what it was"),
        ("file: here.csv", "file: [here.csv]", r"sensors\.s\.file: is not what it was"),
        (", scale: 1", "", r"sensors\.s\.scale: is no longer there; when the run began it was 1; put it back"),
        (
            "name: one",
            "name: one\nseed: 0",
            r"config\.yaml:2: seed: was not there when the run began \(got 0\); take it",
        ),
    ],
)
def test_what_says_something_else(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in BEGUN
    with pytest.raises(InputError, match=words):
        check(tmp_path, BEGUN.replace(old, new))


def test_a_run_that_noted_nothing_is_taken_as_it_is(tmp_path: Path) -> None:
    check(tmp_path, BEGUN.replace("scale: 1", "scale: 2"), begun=None)
