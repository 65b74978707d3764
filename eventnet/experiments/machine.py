"""On what a result was measured: processor, cores, versions. No names of machines or users."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from eventnet import __version__

LIBRARIES = ("numpy", "numba", "llvmlite", "simpy", "pyarrow")
_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str | int]:
    """Processor, number of cores that may be used, system, and the versions of Python, eventnet and `LIBRARIES`."""
    found: dict[str, str | int] = {
        "cpu": _cpu_model(),
        "cores": _n_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "eventnet": __version__,
    }
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an installation that needs none of it
    return found


def _cpu_model() -> str:
    """The processor's name as Linux tells it, else what Python knows."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
