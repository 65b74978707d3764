"""YAML text <-> plain data, with the line of every value: what makes an error able to say where it is.

The scalars are those of YAML 1.2 (`1e-3` is a number, `no` and `12:30` are text). Whatever can't mean
anything in a configuration is refused here, once: keys given twice, values left empty, NaN and infinity,
numbers beyond 64 bits, tags, values that contain themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from eventnet.errors import InputError, Written

Where = tuple[str | int, ...]
"""The place of a value in a document: keys and list indices from the top."""
PATH_KEYS = ("file", "folder")
"""Every text under these keys is a path (no section uses them otherwise)."""

MAX_DEPTH = 50
MAX_VALUES = 1_000_000
MAX_INTEGER = 2**63 - 1

_TAG = "tag:yaml.org,2002:"
_STR, _INT, _FLOAT, _BOOL, _NULL = (_TAG + name for name in ("str", "int", "float", "bool", "null"))
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_DIGITS = "0123456789"
_RESOLVERS: tuple[tuple[str, str, list[str]], ...] = (
    (_BOOL, "|".join(_TRUE + _FALSE), list("tTfF")),
    (_NULL, "~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+" + _DIGITS)),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+." + _DIGITS)),
    (_FLOAT, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own way)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: object) -> bool:
        return True


for _tag, _pattern, _first in _RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})\\Z"), _first)


@dataclass(frozen=True)
class Source:
    """A configuration file as read: its text, the plain data in it and the line (from 1) of every value."""

    path: Path
    text: str
    document: dict[str, Any]
    lines: dict[Where, int] = field(repr=False)

    def error(self, where: Where, problem: str, *, remedy: str | None = None, value: object = None) -> InputError:
        """An `InputError` at a place in the document; `value` None: what stands there."""
        return InputError(
            problem,
            place=f"{self.path}:{self.line(where)}",
            field=dotted(where) or None,
            value=self.value_at(where) if value is None else value,
            remedy=remedy,
        )

    def line(self, where: Where) -> int:
        """The line of a place, or of the nearest section around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines[where]

    def value_at(self, where: Where) -> object:
        """What stands at a place, None where nothing does."""
        value: Any = self.document
        for step in where:
            if not has(value, step):
                return None
            value = value[step]
        return value

    def has(self, where: Where) -> bool:
        """Whether something stands at this place."""
        return self.value_at(where) is not None


def has(value: object, step: str | int) -> bool:
    """Whether a mapping has this key, or a list this index."""
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)


def dotted(where: Where) -> str:
    """A place as people write it: `projections[0].delays[1]`; a key that would break the line is quoted."""
    keys = (step if isinstance(step, int) or step.isprintable() else repr(step) for step in where)
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def naming_paths(
    value: object, keys: tuple[str, ...] = PATH_KEYS, where: Where = ()
) -> Iterator[tuple[Where, dict[str, Any]]]:
    """The place of every text under one of these keys of `PATH_KEYS`, and the mapping that holds it."""
    if isinstance(value, list):
        for k, each in enumerate(value):
            yield from naming_paths(each, keys, (*where, k))
    elif isinstance(value, dict):
        for key, each in value.items():
            if key in keys and isinstance(each, str):
                yield (*where, key), value
            else:
                yield from naming_paths(each, keys, (*where, key))


def nearest(word: str, known: Sequence[str]) -> str:
    """A remedy for a misspelt word: the nearest of the known ones, or all of them."""
    close = get_close_matches(word, known, n=1)
    return f'did you mean "{close[0]}"?' if close else f"use one of {', '.join(known)}"


def read_source(path: Path) -> Source:
    """Read a configuration file; `InputError` where it can't be read or isn't a YAML mapping."""
    return source_of(path, _read_text(path))


def source_of(path: Path, text: str) -> Source:
    """A configuration from its text, which errors say is that of `path`; `InputError` where it isn't a YAML mapping."""
    node = _compose(path, text)
    if node is None:
        raise InputError(
            "the file holds no configuration",
            place=str(path),
            remedy="write at least populations and sensors",
        )
    lines: dict[Where, int] = {}
    document = _Builder(path, lines).build(node, (), ())
    if not isinstance(document, dict):
        raise InputError(
            "a configuration is a mapping of keys to values",
            place=f"{path}:{lines[()]}",
            value=document,
            remedy="start with a key such as populations:",
        )
    return Source(path, text, document, lines)


def write_yaml(document: dict[str, Any]) -> str:
    """Plain data as YAML that `read_source` reads back equal."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", place=str(path), remedy="check the path") from None
    except IsADirectoryError:
        raise InputError("this is a directory", place=str(path), remedy="name the configuration file in it") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read: {error}", place=str(path), remedy="check the path and its permissions"
        ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            "not UTF-8 text",
            place=f"{path}:{line}",
            value=data[error.start : error.end],
            remedy="save the file as UTF-8",
        ) from None


def _compose(path: Path, text: str) -> yaml.Node | None:
    remedy = "correct the YAML there: indentation, colons, brackets and quotes"
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark else ""
        column = f" at column {mark.column + 1}" if mark else ""
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise InputError(f"not YAML{column}: {problem}", place=f"{path}{at}", remedy=remedy) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise InputError(
            "a character that YAML does not allow",
            place=f"{path}:{line}",
            value=text[error.position : error.position + 1],
            remedy="take it out",
        ) from None
    except RecursionError:
        raise _too_deep(str(path)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape or a directive out of range
        raise InputError(f"not YAML: {error}", place=str(path), remedy=remedy) from None
    return node


def _too_deep(place: str) -> InputError:
    return InputError(
        f"nested more than {MAX_DEPTH} deep",
        place=place,
        remedy="no value of a configuration is so deep: flatten it",
    )


class _Builder:
    """Turns nodes into plain data and notes their lines; an alias is read anew wherever it stands."""

    def __init__(self, path: Path, lines: dict[Where, int]) -> None:
        self.path = path
        self.lines = lines

    def build(self, node: yaml.Node, where: Where, parents: tuple[yaml.Node, ...], line: int | None = None) -> object:
        self.lines[where] = line or node.start_mark.line + 1
        if len(self.lines) > MAX_VALUES:
            raise self.error(where, f"more than {MAX_VALUES} values", remedy="keep large arrays in a file of their own")
        if any(node is parent for parent in parents):
            raise self.error(where, "a value that contains itself", remedy="take the alias out")
        if len(parents) >= MAX_DEPTH:
            raise _too_deep(f"{self.path}:{self.lines[where]}")
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, where, (*parents, node))
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*where, index), (*parents, node)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self.scalar(node, where)
        raise self.error(where, "YAML tags are not used in a configuration", value=node.tag, remedy="take the tag out")

    def mapping(self, node: yaml.MappingNode, where: Where, parents: tuple[yaml.Node, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            self.lines.setdefault(where, line)
            key = key_node.value
            if key_node.tag != _STR or not isinstance(key, str):
                raise self.error(where, "a key must be text", value=key, line=line, remedy="write the key in quotes")
            if key == "<<":
                raise self.error(
                    where,
                    "merge keys are not used in a configuration",
                    value=key,
                    line=line,
                    remedy="write the keys out",
                )
            _check_text(self, key, where, line)
            here = (*where, key)
            if key in result:
                raise self.error(
                    here,
                    f"this key is given twice, first on line {self.lines[here]}",
                    value=key,
                    line=line,
                    remedy="keep one of them",
                )
            result[key] = self.build(value_node, here, parents, line)
        return result

    def scalar(self, node: yaml.ScalarNode, where: Where) -> object:
        try:
            value = _SCALARS[node.tag](node.value)
        except ValueError:
            raise self.error(
                where,
                "not a value of this kind",
                value=node.value,
                remedy="take the tag out, or write the value plainly",
            ) from None
        if value is None:
            raise self.error(
                where,
                "no value",
                value=Written(node.value) if node.value else None,
                remedy="give a value ({} for a section of defaults only, [a, b] for a list), or take the key out",
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(where, "must be a finite number", value=node.value, remedy="write an ordinary number")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise self.error(where, "too large a number", value=node.value, remedy="use at most 2**63 - 1")
        if isinstance(value, str):
            _check_text(self, value, where, self.lines[where])
        return value

    def error(
        self, where: Where, problem: str, *, remedy: str, value: object = None, line: int | None = None
    ) -> InputError:
        return InputError(
            problem,
            place=f"{self.path}:{line or self.lines[where]}",
            field=dotted(where) or None,
            value=value,
            remedy=remedy,
        )


def _check_text(builder: _Builder, text: str, where: Where, line: int) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise builder.error(
            where,
            "half of a surrogate pair is not text",
            value=text,
            line=line,
            remedy="write the character itself",
        )


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > 30 and digits.isdecimal():
        return MAX_INTEGER + 1  # Python refuses to read very long numbers; this one is refused for its size
    return int(text, 0) if digits[:2] in ("0x", "0o") else int(text)


def _boolean(text: str) -> bool:
    if text not in _TRUE + _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _float(text: str) -> float:
    return float(text.replace(".", "", 1) if re.fullmatch(r"[-+]?\.(inf|nan)", text.lower()) else text)


_SCALARS: dict[str, Callable[[str], object]] = {
    _STR: str,
    _INT: _integer,
    _FLOAT: _float,
    _BOOL: _boolean,
    _NULL: lambda _: None,
}
