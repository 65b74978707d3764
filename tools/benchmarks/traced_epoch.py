"""Traces an epoch of MNIST to a temporary directory and prints the largest resident memory as JSON.

A process of its own, started by `benchmarks.images.memory`:

    python tools/benchmarks/traced_epoch.py RULE N_IMAGES DATA       (0: all images; "": where EVENTNET_DATA says)
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.images import IMAGE_NS, traced
from benchmarks.rows import Settings, seconds


def main(rule: str, n_images: str, data: str) -> None:
    settings = Settings(rule=rule, data=Path(data) if data else None)
    n = int(n_images) or len(settings.mnist.train_images)
    images, labels = settings.mnist.train_images[:n], settings.mnist.train_labels[:n]
    with tempfile.TemporaryDirectory() as folder:
        engine, writer = traced(settings, images, labels, Path(folder) / "run")
        with writer:
            took = seconds(lambda: engine.run(len(images) * IMAGE_NS))
            writer.close("interrupted", engine.now_ns)
        stored = sum(file.stat().st_size for file in (Path(folder) / "run" / "trace").glob("*.parquet"))
    found = {
        "peak_mb": peak_mb(),
        "images": len(images),
        "events": int(engine.totals.events.sum()),
        "trace_mb": stored / 2**20,
        "seconds": took,
    }
    print(json.dumps(found))


def peak_mb() -> float:
    """The largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says on Linux may be the parent's, from before this program was loaded
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main(*sys.argv[1:])
