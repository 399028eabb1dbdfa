"""IDX files, the format MNIST is published in: a header of big-endian numbers, then uint8 values."""

import gzip
import math
import os
import struct
import zlib

import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line

LARGEST = 256 * 2**20  # bytes; the largest official file has 47 million
_CHUNK = 2**20
_UINT8 = 0x08


def read(path, item_shape):
    """Reads an IDX file of uint8 values, compressed with gzip or not.

    Args:
        path: the file; whether it is compressed is seen from its first bytes, not from its name.
        item_shape: the shape of one item: (28, 28) for images, () for labels.

    Returns:
        uint8 [N, *item_shape].

    Raises:
        UserError: the file cannot be read, or its header and its length disagree.
    """
    shown = one_line(path)
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if compressed else file
            count = _count(stream, item_shape)
            if not compressed:
                _compare(os.fstat(file.fileno()).st_size - _header_size(item_shape), count, item_shape)
            values = _values(stream, count * math.prod(item_shape))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{shown} could not be read ({one_line(error, longest=160)}): "
                        f"fetch the file again") from error
    return np.frombuffer(values, np.uint8).reshape(count, *item_shape)


def _header_size(item_shape):
    return 4 + 4 * (1 + len(item_shape))


def _count(stream, item_shape):
    """The number of items, from a header that says uint8 and the right shape."""
    header = stream.read(_header_size(item_shape))
    if len(header) < _header_size(item_shape):
        raise ValueError("truncated in its header")
    magic, count, *shape = struct.unpack(f">{len(header) // 4}I", header)
    if magic != _UINT8 << 8 | 1 + len(item_shape):
        raise ValueError(f"its magic number is {magic}, which is no uint8 IDX file "
                         f"of {1 + len(item_shape)} dimensions")
    if tuple(shape) != tuple(item_shape):
        raise ValueError(f"items of {'x'.join(map(str, shape))} instead of {'x'.join(map(str, item_shape))}")
    if count * math.prod(item_shape) > LARGEST:
        raise ValueError(f"its header says {count:,} items, more than any official file has")
    return count


def _values(stream, size):
    """Exactly `size` bytes; the memory grows with what is there, not with what the header says."""
    values = bytearray()
    while chunk := stream.read(min(_CHUNK, size + 1 - len(values))):
        values += chunk
    _compare(len(values), size, ())
    return values


def _compare(actual, count, item_shape):
    expected = count * math.prod(item_shape)
    if actual != expected:
        kind = "truncated" if actual < expected else "longer than its header says"
        raise ValueError(f"{kind}: {expected:,} bytes of values expected")
