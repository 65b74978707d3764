"""Where the command begins, `eventnet` or `python -m eventnet`.

Before what reads the command line is loaded, which takes some tenths of a second, another process may begin to load
what the command will need.
"""

from __future__ import annotations

import sys

from eventnet.why.beside import begin


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["why"] and "--weight" not in sys.argv:
        begin()
    from eventnet.cli import main

    main()


if __name__ == "__main__":
    main()
