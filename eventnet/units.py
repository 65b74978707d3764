"""Time is an integer number of nanoseconds everywhere; this module is where other units come in and go out."""

from __future__ import annotations

import re
from fractions import Fraction

NS_PER = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
LONGEST_NS = 2**62
"""146 years: sums of two still fit 64 bits."""
NEVER_NS = 2**63 - 1
"""Later than any time, in 64 bits. (Kernels have their own, so that they are compiled anew only where they change.)"""
HZ_PER = {"Hz": 1, "kHz": 10**3, "MHz": 10**6}
_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([^\d\s.]+)\s*$")


def duration_ns(text: str) -> int:
    """Read a duration such as `"20 ms"` or `"1.5 s"`; the result is rounded to the nearest nanosecond.

    Raises ValueError, with the units that would do, where the text is not a number and a unit.
    """
    number, unit = _split(text, NS_PER)
    return round(number * NS_PER[unit])


def rate_period_ns(text: str) -> int:
    """Read a rate such as `"50 Hz"` and return its period, rounded to the nearest nanosecond.

    Raises ValueError where the text is not a positive number and a unit.
    """
    number, unit = _split(text, HZ_PER)
    if number <= 0:
        raise ValueError("a rate must be positive")
    return round(Fraction(10**9) / (number * HZ_PER[unit]))


def format_ns(time_ns: int) -> str:
    """A duration for people, in the largest unit that keeps it above one: `1500000` -> `1.5 ms`."""
    for unit in ("s", "ms", "us"):
        if abs(time_ns) >= NS_PER[unit]:
            return f"{time_ns / NS_PER[unit]:.9g} {unit}"
    return f"{time_ns} ns"


def exact_ns(time_ns: int) -> str:
    """A duration as text without loss, in the largest unit that divides it: `1500000` -> `1500 us`."""
    unit = next(unit for unit in ("s", "ms", "us", "ns") if time_ns % NS_PER[unit] == 0)
    return f"{time_ns // NS_PER[unit]} {unit}"


def _split(text: str, units: dict[str, int]) -> tuple[Fraction, str]:
    match = _QUANTITY.match(text) if isinstance(text, str) else None
    if match is None or match.group(2) not in units:
        raise ValueError(f"write a number and a unit out of {', '.join(units)}")
    return Fraction(match.group(1)), match.group(2)
