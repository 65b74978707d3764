"""Draw what sampling faster costs, from what `tools/bench_compiled.py --only frame-rate --json FILE` measured.

python tools/plot_frame_rate.py FILE docs/figures/frame-rate.svg
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import typer

NAME = re.compile(r"frame rate (\d+)x, (6-\d+-\d+-3), (forward|learning), period (in seconds|a frame)")
WIDE = "6-2000-2000-3"
HELD, FRAME = "in seconds", "a frame"
STYLES = {HELD: ("#0b6e4f", "o", "period in seconds (eventnet)"), FRAME: ("#c1440e", "s", "period a frame (the paper)")}
PANELS = (
    ("forward", "spikes, forward", lambda row: row["details"]["forward_spikes"]),
    ("forward", "time, forward", lambda row: row["ours"]),
    ("learning", "additions, learning", lambda row: row["details"]["adds_unit"]),
    ("learning", "time, learning", lambda row: row["ours"]),
)


def main(measured: Annotated[Path, typer.Argument()], figure: Annotated[Path, typer.Argument()]) -> None:
    """Four panels, each relative to one sample a period."""
    rows = [(match, row) for row in json.loads(measured.read_text())["rows"] if (match := NAME.match(row["name"]))]
    plt.rcParams["svg.hashsalt"] = "eventnet"  # the same bytes from the same numbers
    axes = plt.subplots(1, 4, figsize=(13, 3.4), sharex=True, sharey=True, layout="constrained")[1]
    for ax, (mode, title, value) in zip(axes, PANELS, strict=True):
        for period, (colour, marker, label) in STYLES.items():
            _draw(
                ax,
                [(int(m[1]), value(row)) for m, row in rows if m.groups()[1:] == (WIDE, mode, period)],
                colour,
                marker,
                label,
            )
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("samples a period")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("relative to 1 sample a period")
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    figure.parent.mkdir(parents=True, exist_ok=True)
    plt.savefig(figure, metadata={"Date": None} if figure.suffix == ".svg" else None, dpi=120)


def _draw(ax: Any, points: list[tuple[int, float]], colour: str, marker: str, label: str) -> None:
    rates, values = zip(*sorted(points), strict=True)
    ax.plot(rates, [each / values[0] for each in values], color=colour, marker=marker, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks(rates, [str(rate) for rate in rates])
    ax.set_yticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])


if __name__ == "__main__":
    typer.run(main)
