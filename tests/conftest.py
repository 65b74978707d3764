"""Settings for all tests: property tests without a deadline, since machines are shared; in CI always the same cases."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("default-without-deadline", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default-without-deadline")
