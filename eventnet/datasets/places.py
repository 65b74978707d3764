"""Where data sets are on a user's machine, and where those are that come with the package."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from eventnet.caches import cache_folder
from eventnet.errors import InputError

DATA_VARIABLE = "EVENTNET_DATA"


def data_folder() -> Path:
    """The folder of fetched data sets: what `EVENTNET_DATA` says, else `cache_folder()`."""
    told = os.environ.get(DATA_VARIABLE)
    if told:
        return Path(told).expanduser()
    try:
        return cache_folder()
    except RuntimeError as error:
        raise InputError(
            f"there is no folder for data sets: {error}", remedy=f"give one, or set {DATA_VARIABLE}"
        ) from error


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
