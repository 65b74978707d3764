"""Numbers for people: counts and energies in a width that tables can rely on (seven characters, with the unit
nine).
"""

from __future__ import annotations

import math

_COUNT_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_JOULE_UNITS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def count(value: float) -> str:
    """A count: whole below ten thousand, three digits and a unit above (`9,876`, `12.3k`, `4.56M`)."""
    if abs(value) < 9_999.5:
        return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
    return _scaled(value, _COUNT_UNITS, "")


def joules(value: float) -> str:
    """An energy in the largest unit that keeps it above one (`1.23 µJ`)."""
    return "0 J" if value == 0 else _scaled(value, _JOULE_UNITS, " ")


def percent(value: float | None) -> str:
    """A percentage with two digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.2f} %"


def signed(value: float, digits: int = 4) -> str:
    """A number of so many digits with its sign, 0 without."""
    return f"{value:+.{digits}g}" if value else "0"


def compared(value: float, other: float) -> str:
    """How `value` compares with `other`: `3.2× less`, `1.4× more`, `equal`, or a dash where neither says
    anything.
    """
    if value == 0 or other == 0:
        return "–" if value == other else ("none" if value == 0 else "only here")
    ratio = max(value / other, other / value)
    if not math.isfinite(ratio):
        return "–"
    text = _three_digits(ratio)
    return "equal" if text == "1.00" else f"{text}× {'less' if value < other else 'more'}"


def _scaled(value: float, units: tuple[tuple[float, str], ...], space: str) -> str:
    for size, name in units:
        # 999.5 of the next smaller unit would round to 1000 of it
        if abs(value) >= 0.9995 * size:
            return f"{_three_digits(value / size)}{space}{name}"
    size, name = units[-1]
    return f"{_three_digits(value / size)}{space}{name}"


def _three_digits(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"
