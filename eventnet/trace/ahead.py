"""Reading what comes next while what is here is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Key = TypeVar("_Key")
_Read = TypeVar("_Read")


def ahead(read: Callable[[_Key], _Read], keys: Sequence[_Key], n_ahead: int = 1) -> Iterator[_Read]:
    """What `read` gives for each key in turn; so many threads read what comes next while one is used."""
    left = iter(keys)
    with ThreadPoolExecutor(n_ahead, thread_name_prefix="read-ahead") as reader:
        coming = deque(reader.submit(read, key) for key in islice(left, n_ahead))
        while coming:
            found = coming.popleft().result()
            coming.extend(reader.submit(read, key) for key in islice(left, 1))
            yield found
