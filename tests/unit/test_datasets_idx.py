"""IDX files: every type read back as it was written, plain and gzipped, and everything damaged refused by name."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eventnet.datasets.idx import TYPES, read_idx
from eventnet.errors import InputError

CODE_OF = {np.dtype(kind).newbyteorder("="): code for code, kind in TYPES.items()}


def idx_bytes(array):
    """An array as the format's description says it is written."""
    head = bytes([0, 0, CODE_OF[array.dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@settings(deadline=None)
@given(
    array=st.sampled_from(sorted(CODE_OF, key=str)).flatmap(lambda kind: arrays(kind, array_shapes(max_dims=4))),
    zipped=st.booleans(),
)
def test_what_was_written_is_read(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    found = read_idx(path)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.tobytes() == array.tobytes()
    assert found.shape == array.shape


def test_a_file_written_by_hand(tmp_path):
    (tmp_path / "hand").write_bytes(bytes.fromhex("00000b02 00000002 00000003 0001 0002 ffff 0100 7fff 8000"))
    assert read_idx(tmp_path / "hand").tolist() == [[1, 2, -1], [256, 32767, -32768]]


WHOLE = bytes.fromhex("00000802 00000002 00000003") + bytes(range(6))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["magic number", "cut short", "0 bytes of 4"]),
        (WHOLE[:3], ["magic number", "cut short", "3 bytes of 4"]),
        (WHOLE[:9], ["dimensions", "cut short", "5 bytes of 8"]),
        (WHOLE[:-1], ["values", "cut short", "5 bytes", "(2, 3)", "need 6"]),
        (WHOLE + b"\0", ["dimensions", "goes on after the 6 bytes", "(2, 3)"]),
        (b"\1" + WHOLE[1:], ["magic number", "not an IDX file", "01 00 08 02"]),
        (b"PK\3\4 an archive", ["not an IDX file"]),
        (bytes.fromhex("00000a01 00000001 00"), ["type code", "0x0a", "0x08"]),
        (bytes.fromhex("00000800"), ["number of dimensions", "got 0", "1 to 32"]),
        (bytes.fromhex("00000821"), ["number of dimensions", "got 33"]),
        (bytes.fromhex("00000802 00000000 00000003"), ["dimensions", "above 0", "(0, 3)"]),
        # more values than any machine holds: only what is there is read
        (bytes.fromhex("00000803 ffffffff ffffffff ffffffff 00"), ["values", "cut short", "1 bytes"]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_wrong_with_a_file_is_named(tmp_path, content, words, zipped):
    path = tmp_path / "damaged"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputError) as refused:
        read_idx(path)
    for word in [str(path), *words]:
        assert word in str(refused.value)
    assert refused.value.remedy


def test_a_damaged_gzip_file_is_refused_wherever_the_damage_is(tmp_path):
    path = tmp_path / "damaged.gz"
    noise = np.random.default_rng(0).integers(256, size=3000).astype(np.uint8)
    whole = gzip.compress(idx_bytes(noise), mtime=0)
    damaged = [whole[:length] for length in range(2, len(whole), 97)]
    damaged += [whole[:-1], whole + b"and more"]
    for at in (*range(10, len(whole), 97), -1, -5):  # -1 in the length, -5 in the checksum
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged\.gz"):
            read_idx(path)
    path.write_bytes(whole)
    assert np.array_equal(read_idx(path), noise)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_idx(path)
