"""The configurations that come with the package, found by bare name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from eventnet.datasets.places import shipped_folder as shipped_folder
from eventnet.errors import InputError


def shipped_configs() -> list[tuple[str, Path, str]]:
    """Name, path and opening comment of every shipped configuration, by name."""
    return [(path.stem, path, _opening_comment(path)) for path in sorted(shipped_folder().glob("*.yaml"))]


def find_config(name_or_path: str | Path) -> Path:
    """The file meant by a path or by the bare name of a shipped configuration.

    A file that exists goes before a shipped name. Raises `InputError` where there is neither.
    """
    path = Path(name_or_path)
    shipped = {name: file for name, file, _ in shipped_configs()}
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):
        pass  # no path that any file could have; the error below says so
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    close = get_close_matches(path.stem, shipped, n=1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    raise InputError(
        "neither a file nor the name of a shipped configuration",
        place=str(name_or_path),
        remedy=f"{hint}give a path, or one of {', '.join(shipped)}",
    )


def _opening_comment(path: Path) -> str:
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)
