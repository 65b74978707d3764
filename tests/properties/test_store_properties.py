"""Any state tree survives saving and loading, in value and in type; any cut into batches gives the same
bytes.
"""

from __future__ import annotations

import math
import struct
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from eventnet.trace.events import EventBatch
from eventnet.trace.state import load_state, save_state
from tests.fake_runs import new_writer, random_batches, small_graph

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.floats(allow_nan=True)
    | st.text()
    | st.builds(np.int64, st.integers(-(2**63), 2**63 - 1))
    | st.builds(np.float32, st.floats(width=32))
)
arrays = npst.arrays(
    dtype=st.sampled_from([np.int64, np.int32, np.uint64, np.float32, np.float64, np.bool_, np.dtype("U4")]),
    shape=npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
trees = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=15,
)


def same(a: Any, b: Any) -> bool:
    """Equal in value and type, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


@given(st.dictionaries(st.text(max_size=6), trees, max_size=5))
@settings(max_examples=150, deadline=None)
def test_a_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        save_state(path, state)
        assert same(load_state(path), state)
        save_state(path, state, as_cache=True)
        assert same(load_state(path), state)


def cut(batch: EventBatch, places: list[int]) -> list[EventBatch]:
    """The same events in several batches."""
    edges = sorted({0, len(batch.neurons), *(place % (len(batch.neurons) + 1) for place in places)})
    return [
        batch._replace(
            first_event=batch.first_event + a,
            neurons=batch.neurons[a:b],
            values=batch.values[a:b],
            causes=batch.causes[a:b],
        )
        for a, b in pairwise(edges)
    ]


@given(st.lists(st.integers(0, 1000), max_size=6), st.integers(90, 400), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_bytes_depend_on_the_events_alone(places: list[int], part_events: int, seed: int) -> None:
    graph = small_graph()
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for name, cuts in (("whole", []), ("cut", places)):
            writer = new_writer(Path(folder) / name, graph, part_events=part_events)
            for batch in random_batches(graph, 700, seed):
                for piece in cut(batch, cuts):
                    writer.events(piece)
            writer.close("interrupted", 0)
            files = sorted((Path(folder) / name / "trace").iterdir())
            contents.append([(file.name, file.read_bytes()) for file in files])
        assert contents[0] == contents[1]
        n_parts = 700 // part_events
        assert len(contents[0]) == n_parts + 1 + (n_parts > 0)  # the tail, and what the footers say
