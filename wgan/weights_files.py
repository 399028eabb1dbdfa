"""HDF5 files of weights from anywhere: what must hold before a network reads them."""

import math

import h5py

from wgan import files
from wgan.data.messages import one_line
from wgan.errors import UserError

# With what h5py and Keras answer files that are damaged or meant for another network.
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError,
              MemoryError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01"  # begins a collection of texts that attributes refer to
_MOST_ATTRIBUTE_BYTES = 2**20


def check_readable(path):
    """Refuses a file that is damaged, or that would lead elsewhere or unpack to far more than its size.

    Files of this project end in a checksum; those of others are believed as far as HDF5 believes them.

    Args:
        path: a `pathlib.Path` to a file that is there.

    Raises:
        UserError: the file cannot be used.
    """
    sealed = files.is_sealed(path)
    try:
        if sealed is False:
            raise ValueError("its bytes do not match their checksum")
        _check_heaps(path.read_bytes())
        with h5py.File(path, "r") as file:
            if sealed is None and "epoch" in file.attrs:  # which only this project's files have
                raise ValueError("its checksum is cut off")
            _check_group("/", file)
            file.visititems(lambda name, item: _check_item(name, item, path.stat().st_size))
    except UNREADABLE as error:
        raise UserError(f"{path} is no HDF5 weights file, or is damaged ({one_line(error, longest=120)})") from error


def _check_heaps(content):
    """A text that takes no room makes the library (1.14) look for the next one for ever."""
    if not content.startswith(_SIGNATURE):
        raise ValueError("it does not begin like one")
    if (content[13:15] if content[8] < 2 else content[9:11]) != b"\x08\x08":
        raise ValueError("its addresses are of an unusual size")
    start = content.find(_HEAP)
    while start >= 0:
        place, end = start + 16, start + int.from_bytes(content[start + 8:start + 16], "little")
        while place + 16 <= end:
            number = int.from_bytes(content[place:place + 2], "little")
            length = int.from_bytes(content[place + 8:place + 16], "little")
            step = 16 + -(-length // 8) * 8 if number else length
            if not 16 <= step <= end - place:
                raise ValueError("its texts are damaged")
            place += step
        start = content.find(_HEAP, start + 1)


def _check_item(name, item, file_size):
    if isinstance(item, h5py.Group):
        _check_group(name, item)
    elif isinstance(item, h5py.Dataset):
        _check_attributes(name, item)
        _check_dataset(name, item, file_size)
    else:
        raise ValueError(f"{name} is neither a group nor numbers")


def _check_group(name, group):
    """No name may stand for something outside of the file, or for another name."""
    _check_attributes(name, group)
    for inner in group:
        if not isinstance(group.get(inner, getlink=True), h5py.HardLink):
            raise ValueError(f"{inner} is a link")


def _check_dataset(name, dataset, file_size):
    layout = dataset.id.get_create_plist().get_layout()
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or dataset.external:
        raise ValueError(f"{name} is packed, or lies outside of the file")
    if dataset.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds no real numbers")
    if dataset.nbytes > file_size:
        raise ValueError(f"{name} would take {dataset.nbytes:,} bytes")


def _check_attributes(name, item):
    for index in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=index)
        if math.prod(attribute.shape) * attribute.get_type().get_size() > _MOST_ATTRIBUTE_BYTES:
            raise ValueError(f"{name} has an attribute of more than a mebibyte")
