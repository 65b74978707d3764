"""Where the parts of a table lie in its directory."""

from __future__ import annotations

from pathlib import Path


def part_path(directory: Path, name: str, index: int) -> Path:
    """Where part `index` of a table lives."""
    return directory / part_name(name, index)


def part_name(name: str, index: int) -> str:
    """The name of its file."""
    return f"{name}-{index:06d}.parquet"
