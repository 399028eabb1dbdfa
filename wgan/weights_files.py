"""HDF5 files of weights from anywhere: what must hold before a network reads them."""

import h5py

from wgan import files
from wgan.data.messages import one_line
from wgan.errors import UserError

# With what h5py and Keras answer files that are damaged or meant for another network.
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError)
LARGEST_GROWTH = 64  # times the file's size, that its arrays may have unpacked


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
        with h5py.File(path, "r") as file:
            if sealed is None and "epoch" in file.attrs:  # which only this project's files have
                raise ValueError("its checksum is cut off")
            _check_links(file)
            file.visititems(lambda name, item: _check_dataset(name, item, path.stat().st_size))
    except UNREADABLE as error:
        raise UserError(f"{path} is no HDF5 weights file, or is damaged ({one_line(error, longest=120)})") from error


def _check_links(group):
    """No name may stand for something outside of the file, or for another name."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link")


def _check_dataset(name, item, file_size):
    if isinstance(item, h5py.Group):
        _check_links(item)
    elif isinstance(item, h5py.Dataset):
        if item.external or item.is_virtual:
            raise ValueError(f"{name} lies outside of the file")
        if item.nbytes > LARGEST_GROWTH * file_size:
            raise ValueError(f"{name} would take {item.nbytes:,} bytes")
