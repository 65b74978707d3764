"""Cut the smartwatch exercises of the seglearn package down to the small file under sim_configs/data.

Each recording keeps its central 20 seconds (all of it where it is shorter); values are quantised to multiples
of 1/512 in 16-bit integers. The same input gives the same bytes.

    python tools/prepare_watch.py watch.npz sim_configs/data/watch.npz
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROW_RATE_HZ = 50
SECONDS_KEPT = 20
STEPS_PER_UNIT = 512


def central_rows(offsets: NDArray[np.int64], n_kept: int) -> list[NDArray[np.int64]]:
    """For each recording, the numbers of its central `n_kept` rows (of all where it has fewer)."""
    kept = []
    for begin, end in itertools.pairwise(offsets.tolist()):
        n = min(n_kept, end - begin)
        first = begin + (end - begin - n) // 2
        kept.append(np.arange(first, first + n))
    return kept


def quantise(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Values as multiples of 1 / STEPS_PER_UNIT; raises ValueError where they do not fit into 16 bits."""
    steps = np.rint(values.astype(np.float64) * STEPS_PER_UNIT)
    if not np.all(np.abs(steps) <= np.iinfo(np.int16).max):
        raise ValueError(f"a value is not finite or exceeds {np.iinfo(np.int16).max / STEPS_PER_UNIT:g}")
    return steps.astype(np.int16)


def prepare(source: Path, output: Path) -> None:
    """Read the original at `source` and write the small file to `output`."""
    with np.load(source, allow_pickle=False) as original:
        rows = central_rows(original["offsets"], SECONDS_KEPT * ROW_RATE_HZ)
        np.savez_compressed(
            output,
            X=quantise(original["X"][np.concatenate(rows)]),
            offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
            exercise=original["y"].astype(np.int8),
            subject=original["subject"].astype(np.int8),
            side=original["side"].astype(np.int8),
        )


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the original watch.npz")
    parser.add_argument("output", type=Path, help="where to write the small one")
    arguments = parser.parse_args()
    try:
        prepare(arguments.source, arguments.output)
    except (OSError, ValueError, KeyError) as error:
        print(f"{arguments.source}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
