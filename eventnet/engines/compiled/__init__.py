"""The compiled engine: the actor engine's meaning in array-only Numba kernels behind a validating wrapper.

A network is flattened into tables (`tables.py`) and arrays of state (`state.py`), whose columns `layout.py` names. The
kernels (`kernels/`) run many instants at once over them, in the order of the actor engine's phases. The wrapper
(`engine.py`) reads streams ahead for them (`feeding.py`), hands on what they recorded (`recording.py`), and raises what
they refuse.
"""

from eventnet.engines.compiled.engine import CompiledEngine
from eventnet.engines.compiled.entry import entry

__all__ = ["CompiledEngine", "entry"]
