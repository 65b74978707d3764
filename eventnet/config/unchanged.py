"""Whether a run's own configuration, and the files that it reads, still are what they were when the run began.

A run notes the text of its configuration in its provenance.json, beside the digests of its files (see
`eventnet.config.inputs`). What the text says is compared, not how. Files may have moved: where they are found takes no
part, nor do words that change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from eventnet.config.inputs import check_inputs
from eventnet.config.reading import PATH_KEYS, Source, Where, read_source, source_of
from eventnet.errors import InputError, shorten

_WORDS = ("name", "description", "engine")
"""At the top of a configuration. The engine of a run stands in its provenance itself."""

_NOTHING = object()


def check_unchanged(provenance: Mapping[str, Any], path: Path, sections: Sequence[str] | None = None) -> None:
    """Raise InputError for the first thing that the run at `path` does not find as it was when it began.

    `provenance` is that of the run, `sections` the parts of the configuration whose files matter; None: all.
    """
    source = read_source(path / "config.yaml")
    text = provenance["configuration"]
    if text is not None:  # versions before did not note it
        _check(source, _without_words(_noted(text, path / "provenance.json")), _without_words(source.document), ())
    check_inputs(provenance["inputs"], source.document, path, sections)


def _noted(text: object, file: Path) -> dict[str, Any]:
    """The plain data of the text that a run noted; InputError where it is none."""
    with suppress(InputError):
        if isinstance(text, str):
            return source_of(file, text).document
    remedy = "restore the file from a copy"
    raise InputError("is no configuration", place=str(file), field="configuration", value=text, remedy=remedy)


def _check(source: Source, before: Any, now: Any, where: Where) -> None:
    """Compare two trees of plain data, and raise InputError at the first place where they part."""
    if where and where[-1] in PATH_KEYS and all(each is _NOTHING or isinstance(each, str) for each in (before, now)):
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *(key for key in before if key not in now)]:
            _check(source, before.get(key, _NOTHING), now.get(key, _NOTHING), (*where, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for k, (each_before, each_now) in enumerate(zip(before, now, strict=True)):
            _check(source, each_before, each_now, (*where, k))
    elif not _are_same(before, now):
        raise _changed(source, before, now, where)


def _are_same(before: Any, now: Any) -> bool:
    if isinstance(before, bool) or isinstance(now, bool):  # which Python finds equal to 0 or 1
        return before is now
    return before == now or repr(before) == repr(now)  # NaN is the same as NaN


def _changed(source: Source, before: Any, now: Any, where: Where) -> InputError:
    if before is _NOTHING:
        problem, remedy = "was not there when the run began", "take it out"
    elif now is _NOTHING:
        problem, remedy = f"is no longer there; when the run began it was {shorten(before)}", "put it back"
    else:
        problem, remedy = f"is not what it was when the run began: it was {shorten(before)}", "put the old value back"
    return source.error(where, problem, remedy=f"{remedy}, or start a new run with this configuration")


def _without_words(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _WORDS}
