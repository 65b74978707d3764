"""All arrays of a simulation in three pools, one for each type of number, so that kernels have few arguments.

The head of the pool of integers says where each array begins in its pool; `layout` numbers the head by the names of
the arrays in capitals. What Python works with are views of the pools.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import DTypeLike, NDArray

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.excerpt import Played
from eventnet.engines.compiled.feeding import Feed
from eventnet.engines.compiled.recording import Out
from eventnet.engines.compiled.state import Arrays, Floats, Work
from eventnet.engines.compiled.tables import Doubles, Ints, Tables

LINE_BYTES = 64
"""Arrays begin where a line of the processor's cache does: to read what lies across two lines takes longer."""


class Sim(NamedTuple):
    """All that kernels work on: the pools, and values of a sensor where its stream has them. More arrays
    would be more to hand over at every call.
    """

    ints: NDArray[np.int64]
    doubles: NDArray[np.float64]
    floats: NDArray[np.floating]
    given: NDArray[np.floating]


class Pools(NamedTuple):
    """The pools, and what they hold as views."""

    ints: Ints
    doubles: Doubles
    floats: Floats
    net: Tables
    state: Arrays
    work: Work
    feed: Feed
    out: Out
    played: Played


def pooled(head: dict[int, int], net: Tables, state: Arrays, work: Work, feed: Feed, out: Out, played: Played) -> Pools:
    """Copy everything into pools; `head` are the entries of the head other than places."""
    dtype = state.bias.dtype
    groups = (net, state, work, feed, out, played)
    named = {name: array for group in groups for name, array in group._asdict().items()}
    kinds = {
        name: "floats" if name in _own_names() else "ints" if array.dtype == np.int64 else "doubles"
        for name, array in named.items()
    }
    sizes = {"ints": layout.HEAD, "doubles": 0, "floats": 0}
    places = {}
    for name, array in named.items():
        line = LINE_BYTES // array.itemsize
        places[name] = -(-sizes[kinds[name]] // line) * line
        sizes[kinds[name]] = places[name] + array.size
    pools: dict[str, NDArray[Any]] = {
        "ints": _zeros(sizes["ints"], np.int64),
        "doubles": _zeros(sizes["doubles"], np.float64),
        "floats": _zeros(sizes["floats"], dtype),
    }
    for place, value in head.items():
        pools["ints"][place] = value
    views: dict[str, Any] = {}
    for name, array in named.items():
        start = places[name]
        views[name] = pools[kinds[name]][start : start + array.size].reshape(array.shape)
        views[name][...] = array
        pools["ints"][getattr(layout, name.upper())] = start
    moved: list[Any] = [g._replace(**{name: views[name] for name in g._fields if name in views}) for g in groups]
    return Pools(pools["ints"], pools["doubles"], pools["floats"], *moved)


@cache
def _own_names() -> frozenset[str]:
    """The arrays of the network's own type. They have a pool of their own, also where that type is float64."""
    groups = (Tables, Arrays, Work, Feed, Out, Played)
    return frozenset(name for group in groups for name, kind in get_type_hints(group).items() if kind == Floats)


def _zeros(size: int, dtype: DTypeLike) -> NDArray[Any]:
    """Zeros from the beginning of a line on."""
    n_bytes = size * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -room.ctypes.data % LINE_BYTES
    return room[start : start + n_bytes].view(dtype)


def repooled(
    pools: Pools, *, state: Arrays | None = None, feed: Feed | None = None, played: Played | None = None
) -> Pools:
    """The same in new pools, but with another state, feed or what is played, whose arrays are of other sizes."""
    head = dict(enumerate(pools.ints[: layout.N_NUMBERS].tolist()))
    moved = state or pools.state, pools.work, feed or pools.feed, pools.out, played or pools.played
    return pooled(head, pools.net, *moved)
