"""Where the command begins, `eventnet` or `python -m eventnet`.

Before what reads the command line is loaded, which takes some tenths of a second, another process may begin to load
what the command will need.
"""

from __future__ import annotations

import os
import sys

from eventnet.why.beside import begin

ASKING = ("why", "ops", "spikes", "sql")
"""Commands that answer a question, and so begin as fast as they can."""


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] and sys.argv[1] in ASKING:
        # as it is loaded, NumPy begins threads to multiply matrices: they would look for work while others have some
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.argv[1:2] == ["why"] and "--weight" not in sys.argv:
        begin()
    from eventnet.cli import main

    main()


if __name__ == "__main__":
    main()
