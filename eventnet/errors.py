"""The two errors a user can meet, and nothing else.

`InputError` is for what the user gave us (a file, a configuration, an array, a stream): it names the place, the
field, the value and what would do. `RunError` is for a run that started and cannot go on. The command line turns
the first into exit code 2 and the second into exit code 1; neither ever shows a traceback.
"""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Something the user gave cannot be used.

    `place` is a file (with a line where known) or an argument's owner; `field` the dotted path of the field;
    `value` what stood there; `remedy` what would do; `origin` where the user named the place, such as a line of a
    configuration. `stream` is the sensor or target that was read, None where none was.
    """

    stream: str | None = None

    def __init__(
        self,
        problem: str,
        *,
        place: str | None = None,
        field: str | None = None,
        value: object = None,
        remedy: str | None = None,
        origin: str | None = None,
    ) -> None:
        self.problem = problem
        self.place = place
        self.field = field
        self.value = value
        self.remedy = remedy
        self.origin = origin
        super().__init__(self.describe())

    def but(self, **changes: Any) -> InputError:
        """The same error, except for these of its parts."""
        parts = {name: getattr(self, name) for name in ("problem", "place", "field", "value", "remedy", "origin")}
        return InputError(**(parts | changes))

    def describe(self) -> str:
        """One line: `place: field: problem (got value); remedy (origin)`."""
        head = ": ".join(part for part in (self.place, self.field) if part)
        text = f"{head}: {self.problem}" if head else self.problem
        if self.value is not None:
            text += f" (got {shorten(self.value)})"
        if self.remedy:
            text += f"; {self.remedy}"
        if self.origin:
            text += f" ({self.origin})"
        return text


class RunError(RuntimeError):
    """A run that had started cannot go on (a non-finite state, a full disk); the message says what to change."""


class Written(str):
    """Text that errors show as it is, without quotes: a number or a null as the user wrote it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def shorten(value: object, limit: int = 80) -> str:
    """`repr(value)` on one line, cut to `limit` characters, for error messages."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"
