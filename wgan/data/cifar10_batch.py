"""CIFAR-10 batch files: Python 2 pickles, read without running anything they hold.

A pickle can name any Python object and call it. Here three numpy names are known, and they stand for
`_Array`, a plain holder, so not even numpy is called before the values have been checked; any other
name ends the reading. This also makes numpy's own moves (numpy.core to numpy._core) no concern.
"""

import collections
import io
import pickle
import pickletools

import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line

LARGEST = 64 * 2**20  # bytes; an official batch file has about 31 million
CLASS_COUNT = 10
ROW_BYTES = 3 * 32 * 32
_MEMO_LIMIT = 1_000_000  # an official file stores about 20,000 objects in its memo
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
# An official file has seven tuples and repeats none. A key of tuples in tuples takes time without end to hash.
_FEW_OPCODES = (frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}), frozenset({"GET", "BINGET", "LONG_BINGET", "DUP"}))
_FEW = 20
_MEND = "put the official file in its place"


class _Array:
    """Stands for numpy's array and dtype: keeps what the pickle gives, and does nothing with it."""

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments):
        self.arguments = arguments
        self.state = None

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the three names an official batch file needs."""

    known = frozenset({
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),  # the same, saved again by numpy 2
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    })

    def __init__(self, file, shown):
        super().__init__(file, encoding="bytes")
        self._shown = shown

    def find_class(self, module, name):
        if (module, name) not in self.known:
            raise UserError(f"{self._shown} was not loaded: it asks for {one_line(f'{module}.{name}')}, "
                            f"which no CIFAR-10 file needs, and which may be harmful: {_MEND}")
        return _Array


def decode(raw, shown):
    """Decodes one batch file.

    Args:
        raw: the file's bytes.
        shown: the file's path, for messages.

    Returns:
        rows: uint8 [N, 3072], read-only; each row has the 32x32 red values, then green, then blue.
        labels: uint8 [N], 0..9.

    Raises:
        UserError: the file is truncated, asks for a forbidden object, or is no CIFAR-10 batch.
    """
    try:
        _scan(raw)
        batch = _Unpickler(io.BytesIO(raw), shown).load()
    except UserError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{shown} is truncated or is no CIFAR-10 batch file "
                        f"({one_line(error, longest=120)}): {_MEND}") from error
    try:
        rows = _rows(_entry(batch, "data"))
        labels = _labels(_entry(batch, "labels"), len(rows))
    except ValueError as error:
        raise UserError(f"{shown} is no CIFAR-10 batch file ({error}): {_MEND}") from error
    return rows, labels


def _scan(raw):
    """Walks through the opcodes without acting on them.

    This finds a lying length, which pickle would allocate before it reads, and a lying memo number,
    which makes pickle allocate a table of that size.
    """
    seen = collections.Counter()
    for opcode, argument, _ in pickletools.genops(raw):
        for few in _FEW_OPCODES:
            seen[few] += opcode.name in few
            if seen[few] > _FEW:
                raise ValueError(f"more than {_FEW} {opcode.name}")
        if opcode.name in _MEMO_OPCODES and int(argument) > _MEMO_LIMIT:
            raise ValueError(f"memo number {argument}")


def _entry(batch, key):
    if not isinstance(batch, dict):
        raise ValueError("it holds no dictionary")
    value = batch.get(key.encode("ascii"), batch.get(key))
    if value is None:
        raise ValueError(f"it has no '{key}'")
    return value


def _rows(held):
    """The array that numpy would have built from what the pickle holds, after checks."""
    state = getattr(held, "state", None)
    if not (isinstance(held, _Array) and isinstance(state, tuple) and len(state) == 5):
        raise ValueError("'data' is no array")
    _, shape, dtype, column_order, data = state
    if not (isinstance(dtype, _Array) and dtype.arguments[:1] in [(b"u1",), ("u1",)]):
        raise ValueError("'data' is not of uint8")
    sizes = [type(size) for size in shape] if isinstance(shape, tuple) else []
    if sizes != [int, int] or shape[1] != ROW_BYTES:
        raise ValueError(f"'data' is not of shape [N, {ROW_BYTES}]")
    if not isinstance(data, bytes) or len(data) != shape[0] * ROW_BYTES:
        raise ValueError("'data' has another length than its shape")
    return np.frombuffer(data, np.uint8).reshape(shape, order="F" if column_order else "C")


def _labels(held, count):
    if not isinstance(held, list) or len(held) != count:
        raise ValueError("'labels' and 'data' differ in length")
    if not all(type(value) is int and 0 <= value < CLASS_COUNT for value in held):
        raise ValueError(f"'labels' are not all from 0 to {CLASS_COUNT - 1}")
    return np.array(held, np.uint8)
