"""Where things lie in the directory of a run: the record of its epochs, the parts of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

EPOCHS_FILE = "epochs.jsonl"
"""The record of the epochs that have ended, a line each."""


def part_path(directory: Path, name: str, index: int) -> Path:
    """Where part `index` of a table lives."""
    return directory / part_name(name, index)


def part_name(name: str, index: int) -> str:
    """The name of its file."""
    return f"{name}-{index:06d}.parquet"


@dataclass(frozen=True)
class PartPaths(Sequence[Path]):
    """Where these parts of a table live; made when asked for, since long runs have thousands and few are read."""

    directory: Path
    name: str
    numbers: Sequence[int]

    @overload
    def __getitem__(self, k: int) -> Path: ...

    @overload
    def __getitem__(self, k: slice) -> PartPaths: ...

    def __getitem__(self, k: int | slice) -> Path | PartPaths:
        if isinstance(k, slice):
            return PartPaths(self.directory, self.name, self.numbers[k])
        return part_path(self.directory, self.name, self.numbers[k])

    def __len__(self) -> int:
        return len(self.numbers)
