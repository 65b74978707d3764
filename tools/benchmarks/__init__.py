"""The works of `tools/bench_compiled.py`, each a function from settings to rows of plain data."""
