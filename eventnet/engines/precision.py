"""Where engines begin a number anew before it loses its digits, or stop: in all of them alike, or their bytes would
differ."""

from __future__ import annotations

LARGEST_SPIKE = 2**31
"""A larger |s| is a sign that the state has diverged (`divergence.py`)."""

SMALLEST_FACTOR = 2.0**-40
"""Below it, the factor that the traces of a code share is folded into their values."""

SMALLEST_TRACE = 2.0**-56
"""A smaller trace is forgotten when the factor is folded in: it changes no weight that has any size, and products with
numbers so small take a processor a hundred times longer."""

SQUARE_LANES = 8
"""Squares of a trace's changes are summed in so many lanes, which a processor adds side by side."""

SMALLEST_ACCRUAL_FACTOR = 2.0**-8
"""`accrual`: below this factor of x_hat all rows are brought up to date and the area begins anew, since it grows by
ever smaller amounts, and differences of it would lose their digits."""

AREAS_KEPT = 256
"""`accrual`: the same is done when so many values of the area are remembered."""
