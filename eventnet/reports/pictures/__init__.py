"""Answers as pictures: SVG files that browsers, editors and LaTeX (through converters) show.

| module | draws |
| --- | --- |
| `svg` | what pictures are made of |
| `spike` | why a spike was sent, and what came of it |
| `weight` | what a weight was, and what changed it most |
| `raster` | who fired when |
| `bars` | what a run cost, by what it was summed by |
"""
