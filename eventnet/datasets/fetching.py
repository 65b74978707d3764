"""Fetching MNIST: from the first mirror that has it, checked by content, never leaving half a file behind.

What is checked is the SHA-256 of the uncompressed files, since mirrors compress them in different ways.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from eventnet.datasets.idx import GZIP_MAGIC
from eventnet.datasets.mnist import FILES, find_file, mnist_folder
from eventnet.errors import RunError
from eventnet.trace.files import replacing

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16

Progress = Callable[[str, int, int | None], None]
"""Is told the name of a file, how many of its bytes are here, and how many there are (None: the mirror does not say).
A file that needs no fetching is told once, with as many bytes here as there are."""


class Content(NamedTuple):
    """What is in a file once uncompressed."""

    n_bytes: int
    sha256: str


MNIST_CONTENT = {
    "train-images-idx3-ubyte": Content(47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": Content(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": Content(7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": Content(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def fetch_mnist(
    folder: Path | None = None,
    progress: Progress | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    contents: Mapping[str, Content] = MNIST_CONTENT,
) -> Path:
    """Fetch what is not yet there of MNIST into `mnist/` under `folder` (None: as for `load_mnist`); returns it.

    Files already there with the right content stay; a wrong one is replaced. Raises RunError where no mirror gives a
    file or the disk refuses it. `contents` says what the files must hold, for another set of the same form.
    """
    where = mnist_folder(folder)
    tell = progress or (lambda name, n_bytes, total: None)
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {where}: {error.strerror or error}; give another") from error
    for name in FILES.values():
        there = find_file(where, name)
        if there is not None and problem_of(there, contents[name]) is None:
            tell(there.name, there.stat().st_size, there.stat().st_size)
        else:
            _fetch(f"{name}.gz", where, contents[name], mirrors, tell)
    return where


def problem_of(path: Path, content: Content) -> str | None:
    """What is wrong with a file, gzipped or not; None where it holds what it should."""
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            is_zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if is_zipped else path.open("rb") as stream:
            # no further than the size that it should have: a small file may unpack to more than there is room for
            while n_bytes <= content.n_bytes and (piece := stream.read(_CHUNK_BYTES)):
                digest.update(piece)
                n_bytes += len(piece)
    except (OSError, EOFError, zlib.error) as error:
        return f"it is damaged ({error})"
    if n_bytes > content.n_bytes:
        return f"it holds more than {content.n_bytes} bytes"
    if n_bytes < content.n_bytes:
        return f"it holds {n_bytes} bytes, not {content.n_bytes}"
    if digest.hexdigest() != content.sha256:
        return f"the SHA-256 of what it holds is {digest.hexdigest()}, not {content.sha256}"
    return None


def _fetch(file_name: str, where: Path, content: Content, mirrors: Sequence[str], tell: Progress) -> None:
    """Get one file from the first mirror that gives the right one."""
    problems = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file_name}"
        try:
            with replacing(where / file_name) as temporary:
                _download(url, temporary, content.n_bytes + _CHUNK_BYTES, partial(tell, file_name))
                problem = problem_of(temporary, content)
                if problem is not None:
                    raise _RefusedError(problem)
            return
        except _RefusedError as refused:
            problems.append(f"{mirror}: {refused}")
    raise RunError(
        f"cannot fetch {file_name} ({'; '.join(problems) or 'no mirror given'}); check the connection and try again, "
        f"or copy the four files of MNIST into {where} yourself"
    )


class _RefusedError(Exception):
    """A mirror does not give what it should."""


def _download(url: str, path: Path, max_bytes: int, tell: Callable[[int, int | None], None]) -> None:
    """Write what `url` gives to `path`, no more than `max_bytes` of it (gzip makes nothing much larger)."""
    n_bytes = 0
    with path.open("wb") as file:
        for piece, total in _pieces(url):
            n_bytes += len(piece)
            if n_bytes > max_bytes:
                raise _RefusedError(f"it is larger than {max_bytes} bytes")
            file.write(piece)
            tell(n_bytes, total)


def _pieces(url: str) -> Iterator[tuple[bytes, int | None]]:
    """What `url` gives, piece by piece, each with the length of the whole where the server says it.

    Only what goes wrong with the network is turned into a refusal here: the disk is its reader's.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            total = response.headers.get("Content-Length", "")
            while piece := response.read(_CHUNK_BYTES):
                yield piece, int(total) if total.isdigit() else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _RefusedError(str(getattr(error, "reason", None) or error) or type(error).__name__) from error
