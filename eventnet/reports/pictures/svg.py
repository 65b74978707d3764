"""What pictures are made of: SVG, written as text.

A plotting library would take as long to load as most questions take to be answered. Pictures stand for themselves: they
bring their colours, light and dark, and name no other file.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

from eventnet.units import NS_PER, format_ns

TEXT_EM = 12.0
"""The size of letters."""
_UNTOLD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold; names are the user's."""
_LIGHT = {
    "ground": "#ffffff",
    "ink": "#1c2126",
    "soft": "#5b646d",
    "line": "#d6dade",
    "card": "#f4f5f6",
    "plus": "#1565a8",
    "minus": "#c2500a",
    "sent": "#2e7d4f",
    "other": "#7b4bb3",
}
_DARK = {
    "ground": "#14171a",
    "ink": "#e8eaed",
    "soft": "#a3abb3",
    "line": "#363c43",
    "card": "#1c2024",
    "plus": "#6cb4f0",
    "minus": "#f59a55",
    "sent": "#6fc48d",
    "other": "#b995ea",
}
COLOURS = tuple(_LIGHT)
"""What things are called by their colours; `plus` are spikes forward and what adds, `minus` errors and what takes."""


def document(width: float, height: float, title: str, content: str) -> str:
    """A whole picture; `title` says in words what is seen."""
    rules = "".join(f".{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, colour in _LIGHT.items())
    dark = "".join(f".{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, colour in _DARK.items())
    font = f'text{{font:{TEXT_EM:g}px system-ui,"DejaVu Sans",sans-serif}}.strong{{font-weight:600}}'
    halo = f".halo{{paint-order:stroke;stroke:{_LIGHT['ground']};stroke-width:3px}}"
    dark += f".halo{{stroke:{_DARK['ground']}}}"
    style = f"<style>{font}path{{fill:none}}{rules}{halo}@media (prefers-color-scheme:dark){{{dark}}}</style>"
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
        f"<title>{_told(title)}</title>{style}{rect(0, 0, width, height, 'ground')}{content}</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "ink", *, anchor: str = "start", room: float | None = None) -> str:
    """A line of text whose letters stand on `y`; as much of it as there is `room` for, and all of it in its title."""
    shown = words if room is None else shortened(words, TEXT_EM, room)
    title = "" if shown == words else f"<title>{_told(words)}</title>"
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}"{where}>{title}{_told(shown)}</text>'


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "", rounded: float = 0) -> str:
    """A rectangle."""
    inside = f"><title>{_told(title)}</title></rect>" if title else "/>"
    corners = f' rx="{_n(rounded)}"' if rounded else ""
    return f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"{corners}{inside}'


def line(x1: float, y1: float, x2: float, y2: float, kind: str, width: float = 1.0) -> str:
    """A straight line."""
    return path(f"M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}", kind, width)


def path(way: str, kind: str, width: float = 1.0, title: str = "", strength: float = 1.0) -> str:
    """A line along a way, in the words of SVG; a weaker one lets the ground through."""
    inside = f"><title>{_told(title)}</title></path>" if title else "/>"
    opacity = "" if strength == 1 else f' opacity="{strength:g}"'
    return f'<path class="s-{kind}" stroke-width="{_n(width)}"{opacity} d="{way}"{inside}'


def ticks_ns(start_ns: int, end_ns: int, n: int) -> list[int]:
    """Round times between two, at most about `n`."""
    step = 1
    while (end_ns - start_ns) // step > n:
        step = step * 2 if str(step)[0] != "2" else step * 5 // 2
    return list(range(-(-start_ns // step) * step, end_ns + 1, step))


def time_axis(start_ns: int, end_ns: int, left: float, right: float, top: float, bottom: float) -> str:
    """Lines at round times from `top` to `bottom`, and these times below."""
    times_ns = ticks_ns(start_ns, end_ns, 8)
    unit = next((unit for unit in ("s", "ms", "us") if max(times_ns, default=0) >= NS_PER[unit]), "ns")
    scale = (right - left) / max(end_ns - start_ns, 1)
    drawn = []
    for time_ns in times_ns:
        x = left + (time_ns - start_ns) * scale
        whole, part = divmod(time_ns, NS_PER.get(unit, 1))
        words = f"{whole}.{part:0{len(str(NS_PER.get(unit, 1))) - 1}d}".rstrip("0").rstrip(".") if part else str(whole)
        drawn.append(line(x, top, x, bottom, "line"))
        drawn.append(text(x, bottom + 15, words, "soft", anchor="middle"))
    name = text((left + right) / 2, bottom + 31, f"time, {unit}", "soft", anchor="middle")
    return "".join(drawn) + (name if times_ns else text(left, bottom + 15, format_ns(start_ns), "soft"))


def wrapped(words: str, room: float) -> list[str]:
    """A text in lines that there is room for."""
    found: list[str] = []
    for word in words.split():
        if found and text_width(f"{found[-1]} {word}", TEXT_EM) <= room:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def shortened(words: str, em: float, room: float) -> str:
    """As much of a text as there is room for, at a size of letters."""
    if text_width(words, em) <= room:
        return words
    n = len(words)
    while n and text_width(f"{words[:n]}…", em) > room:
        n -= 1
    return f"{words[:n]}…"


def text_width(words: str, em: float) -> float:
    """About how wide a text is drawn, rather too wide than too narrow: fonts differ."""
    return em * sum(_letter_width(letter) for letter in words)


def _letter_width(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in "ijlI|.,:;'!()[] ft/1":
        return 0.42
    return 0.92 if letter in "mwMW@%—" else 0.72 if letter.isupper() else 0.62


def _n(value: float) -> str:
    """A place on the picture, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def _told(words: str) -> str:
    return escape(_UNTOLD.sub("\ufffd", words))
