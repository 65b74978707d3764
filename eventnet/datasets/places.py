"""Where data sets are on a user's machine, and where those are that come with the package."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path

from eventnet.errors import InputError

DATA_VARIABLE = "EVENTNET_DATA"


def data_folder() -> Path:
    """The folder of fetched data sets: what `EVENTNET_DATA` says, else `cache_folder()`."""
    told = os.environ.get(DATA_VARIABLE)
    return Path(told).expanduser() if told else cache_folder()


def cache_folder() -> Path:
    """eventnet's folder among the user's caches: under XDG_CACHE_HOME where that is set, else where the platform
    keeps caches (~/.cache, ~/Library/Caches, %LOCALAPPDATA%).
    """
    told = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(told):  # the XDG specification says to ignore a relative one
        return Path(told) / "eventnet"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise InputError(
            f"there is no folder for data sets: {error}", remedy=f"give one, or set {DATA_VARIABLE}"
        ) from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "eventnet" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "eventnet"
    return home / ".cache" / "eventnet"


def shipped_folder() -> Path:
    """What comes with the package, configurations and under `data` what they read: inside an installed package, or
    beside it in a checkout.
    """
    package = Path(str(files("eventnet")))
    installed = package / "sim_configs"
    return installed if installed.is_dir() else package.parent / "sim_configs"


def shipped_file(name: str) -> Path:
    """A data file that comes with the package."""
    return shipped_folder() / "data" / name
