"""`python -m eventnet`: the command line, where the command itself is not on the path."""

from eventnet.cli import main

main()
