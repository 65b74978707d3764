"""Settings for all tests: property tests without a deadline, since machines are shared; in CI always the same cases.

On a machine that never compiled the kernels, the first processes of a large run compile them before they begin, each
for one type of numbers. Else every process would compile them for both, one after the other.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from eventnet.network.graph import DTYPES

MANY_TESTS = 500

settings.register_profile("default-without-deadline", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default-without-deadline")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile what most tests need."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if number.isdecimal() and int(number) < len(DTYPES) and len(session.items) > MANY_TESTS:
        from eventnet.engines.compiled import entry  # only here: a few tests need not wait for it

        entry(DTYPES[int(number)])
