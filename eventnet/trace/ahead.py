"""Reading what comes next while what is here is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Key = TypeVar("_Key")
_Read = TypeVar("_Read")


def ahead(read: Callable[[_Key], _Read], keys: Sequence[_Key]) -> Iterator[_Read]:
    """What `read` gives for each key in turn; a thread reads the next while one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = [reader.submit(read, key) for key in keys[:1]]
        for k in range(len(keys)):
            found = coming.pop().result()
            coming += [reader.submit(read, key) for key in keys[k + 1 : k + 2]]
            yield found
