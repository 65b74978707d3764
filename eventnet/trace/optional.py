"""Packages that eventnet can do without: imported where they are used, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from eventnet.errors import InputError


def load(module: str, package: str, purpose: str) -> Any:
    """Import a module of a package that may not be installed.

    `purpose` says what it is needed for, such as "--format nwb". Raises InputError that names the package and how to
    install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"needs the package {package}, which is not installed",
            place=purpose,
            remedy=f"install it: python -m pip install {package}",
        ) from error
