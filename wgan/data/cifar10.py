"""CIFAR-10, from Keras's download or from the official "python version" files."""

import contextlib
import io
import lzma
import pathlib
import pickle
import pickletools
import re
import tarfile
import zlib

import numpy as np

from wgan.common.errors import UserError, readable
from wgan.common.messages import one_line
from wgan.data.dataset import Dataset, official

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LOOKALIKES = ("ship", "truck", "airplane", "dog", "horse", "cat", "bird", "deer", "airplane", "automobile")
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
_FILES = {"train": TRAIN_FILES, "test": TEST_FILES, "all": TRAIN_FILES + TEST_FILES}
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
MAX_BYTES = 64 * 2**20  # of a batch file; an official one has about 31 million
ROW_BYTES = 3 * 32 * 32
_MAX_TUPLES = 40  # an official file has seven
_KNOWN_NAMES = r"numpy\.(_?core\.multiarray\._reconstruct|ndarray|dtype)"


class Cifar10(Dataset):
    """60,000 images of 32x32 pixels in ten classes."""

    default = "horse"

    def similar(self, class_name, data_dir):
        """What a class is most easily taken for; None for all."""
        return dict(zip(CLASS_NAMES, LOOKALIKES)).get(class_name)

    def check_files(self, data_dir, split):
        """See `Dataset.check_files`."""
        source = _find(data_dir)
        if source.is_dir():
            _refuse_missing(source, [name for name in _FILES[split] if not (source / name).is_file()], split)
        else:
            with _open_archive(source):
                pass

    def read(self, data_dir, split):
        """See `Dataset.read`; the parts are the batches, in order (an archive has an order of its own)."""
        source = _find(data_dir)
        batches = (_folder_batches if source.is_dir() else _archive_batches)(source, _FILES[split])
        found = {name: decode(raw, shown) for name, raw, shown in batches}
        _refuse_missing(source, [name for name in _FILES[split] if name not in found], split)
        return {part: [found[name] for name in _FILES[part]] for part in official(split)}, ()


CIFAR10 = Cifar10("cifar10", CLASS_NAMES)


def decode(raw, shown):
    """Decodes the bytes of a batch file, which is a Python 2 pickle, without running anything that it names.

    Returns images, uint8 [N, 32, 32, 3], a view on the bytes, and labels, integers [N], 0..9. Raises UserError, with
    the file's path as `shown`, where it is truncated, asks for a forbidden object, or is not a CIFAR-10 batch.
    """
    try:
        if sum("TUPLE" in opcode.name for opcode, _, _ in pickletools.genops(raw)) > _MAX_TUPLES:
            raise ValueError("too many tuples, which may take for ever to compare, or end the process")
        batch = _Unpickler(io.BytesIO(raw), encoding="bytes").load()
        data, numbers = (batch[key] if key in batch else batch[key.decode()] for key in (b"data", b"labels"))
        _, shape, dtype, is_fortran, content = data.state
        rows = np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")
        if not isinstance(numbers, list) or not set(map(type, numbers)) <= {int}:
            raise ValueError("labels are not a list of integers")
        numbers = np.array(numbers, np.int64)
        if dtype.arguments[0] not in (b"u1", "u1") or rows.shape != (len(rows), ROW_BYTES):
            raise ValueError(f"its data is not uint8 [N, {ROW_BYTES}]")
        if numbers.shape != (len(rows),):
            raise ValueError("labels and data differ in length")
        if not np.isin(numbers, range(len(CLASS_NAMES))).all():
            raise ValueError(f"labels are not all from 0 to {len(CLASS_NAMES) - 1}")
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(
            f"{shown} is truncated or is not a CIFAR-10 batch file ({one_line(error, longest=120)}): "
            "put the official file in its place"
        ) from error
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), numbers


class _Placeholder:
    """Stands for numpy's array and dtype: keeps what the pickle gives, so that not even numpy is called by it."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle._Unpickler):  # the one in Python: a damaged number makes no table of that size
    def find_class(self, module, name):
        if not re.fullmatch(_KNOWN_NAMES, f"{module}.{name}"):
            raise ValueError(f"it asks for {module}.{name}, which no CIFAR-10 file needs, and which may be harmful")
        return _Placeholder


def _find(data_dir):
    """The folder with the batch files, or the archive; a folder goes before an archive."""
    place = pathlib.Path(data_dir)
    if place.is_file():
        return place.parent if place.name in _FILES["all"] else place
    if any((place / name).is_file() for name in _FILES["all"]):
        return place
    for candidate in (place / FOLDER, place / ARCHIVE):
        if candidate.exists():
            return candidate
    raise UserError(
        f"--data_dir {one_line(data_dir)} holds neither {FOLDER} nor {ARCHIVE}: give the path of one of them, or of "
        "the folder they are in; for images of your own, add --dataset folder"
    )


def _refuse_missing(source, missing, split):
    if missing:
        may_do_without = split == "all" and tuple(missing) == TEST_FILES
        instead = " (or train without it: train.py --split train)" if may_do_without else ""
        raise UserError(
            f"{one_line(source)} lacks {', '.join(missing)}: add what is missing from the official {ARCHIVE}{instead}"
        )


def _refuse_large(size, shown):
    if size > MAX_BYTES:
        raise UserError(
            f"{shown} is not a CIFAR-10 batch file: it has {size:,} bytes, an official one about "
            f"31 million: use the official files"
        )


def _folder_batches(folder, files):
    """Yields (name, bytes, path to show) for each batch file of a folder."""
    for path in (folder / name for name in files):
        with readable(path):
            _refuse_large(path.stat().st_size, one_line(path))
            content = path.read_bytes()
        yield path.name, content, one_line(path)


def _archive_batches(path, files):
    """As `_folder_batches`; nothing is unpacked to the disk, so names and links in the archive lead nowhere."""
    with _open_archive(path) as archive:
        for member in archive:
            name = pathlib.PurePosixPath(member.name).name
            if name in files and member.isreg():
                shown = f"{one_line(path)}: {name}"
                _refuse_large(member.size, shown)
                yield name, archive.extractfile(member).read(), shown
        while archive.fileobj.read(2**20):  # to the end, where gzip compares its checksum
            pass


@contextlib.contextmanager
def _open_archive(path):
    """The open archive; UserError where it turns out to be damaged."""
    try:
        with tarfile.open(path) as archive:
            yield archive
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise UserError(
            f"{one_line(path)} is not a CIFAR-10 archive, or is damaged ({one_line(error, longest=120)}): "
            f"fetch the official {ARCHIVE} again"
        ) from error
