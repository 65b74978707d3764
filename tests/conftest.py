"""Settings for all tests: property tests without a deadline, since machines are shared; in CI always the same cases.

On a machine that never compiled the kernels, the first processes of a large run compile them before they begin, each
for one type of numbers. Else every process would compile them for both, one after the other.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from eventnet.network.graph import DTYPES

MANY_TESTS = 500

settings.register_profile("default-without-deadline", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default-without-deadline")


_bytecode: list[TemporaryDirectory[str]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Let processes that tests begin keep the bytecode of modules, as those of users do, where none may be written
    beside the sources: to compile these anew takes each of them a fifth of a second.
    """
    if not hasattr(config, "workerinput") and os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        _bytecode.append(TemporaryDirectory(prefix="eventnet-bytecode-"))
        os.environ["PYTHONPYCACHEPREFIX"] = _bytecode[0].name


def pytest_unconfigure() -> None:
    """Remove it."""
    while _bytecode:
        _bytecode.pop().cleanup()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile what most tests need."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if number.isdecimal() and int(number) < len(DTYPES) and len(session.items) > MANY_TESTS:
        from eventnet.engines.compiled import entry  # only here: a few tests need not wait for it

        entry(DTYPES[int(number)])
