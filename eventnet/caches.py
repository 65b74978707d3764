"""Where eventnet keeps what it can make or fetch again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """eventnet's folder among the user's caches: under XDG_CACHE_HOME where that is set, else where the platform
    keeps caches (~/.cache, ~/Library/Caches, %LOCALAPPDATA%).

    Raises RuntimeError where there is none.
    """
    told = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(told):  # the XDG specification says to ignore a relative one
        return Path(told) / "eventnet"
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "eventnet" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "eventnet"
    return home / ".cache" / "eventnet"
