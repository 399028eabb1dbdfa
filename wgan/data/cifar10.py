"""CIFAR-10, from Keras's download or from the official "python version" files."""

import contextlib
import gzip
import os
import pathlib
import tarfile
import zlib

import numpy as np
from PIL import Image

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data import cifar10_batch, labels, resizing
from wgan.data.download import keras_splits
from wgan.data.imageset import ImageSet

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DEFAULT = "horse"
# What each class is most easily taken for.
LOOKALIKES = {"airplane": "ship", "automobile": "truck", "bird": "airplane", "cat": "dog", "deer": "horse",
              "dog": "cat", "frog": "bird", "horse": "deer", "ship": "airplane", "truck": "automobile"}
TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
_LARGEST_ARCHIVE = 4 * cifar10_batch.LARGEST  # unpacked; the official one has about 186 million bytes
_MOST_READS_AT_END = 100  # where a header lies about a size, tarfile would go on for ever
_READING_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError)


def check(data_dir, label, split):
    """The canonical label, once the files are known to be there; see `wgan.data.check`."""
    class_name = labels.resolve(label, CLASS_NAMES, "cifar10", DEFAULT)
    if data_dir is not None:
        source = _find(data_dir)
        if os.path.isdir(source):
            files = _wanted(split)
            missing = [name for name in files if not os.path.isfile(os.path.join(source, name))]
            _refuse_missing(source, missing)
        else:
            _refuse_other_files(source)
    return class_name


def holds(path):
    """Whether the official files, or some of them, are at a path."""
    if os.path.isfile(path):
        return os.path.basename(path) in (*TRAIN_FILES, *TEST_FILES, ARCHIVE)
    return _found_in(path) is not None


def similar_class(data_dir, class_name):
    """Another class, by whose distance to judge that of samples; None for "all"."""
    return LOOKALIKES.get(class_name)


def class_names_in(data_dir):
    """The ten names."""
    return CLASS_NAMES


def load(data_dir, class_name, split, size):
    """The images of one class or of all: uint8 [N, size, size, 3], in official order, train before test."""
    if data_dir is None:
        images, numbers = _downloaded(class_name, split)
    else:
        images, numbers = _from_files(_find(data_dir), class_name, _wanted(split))
    splits = "train and test" if split == "all" else split
    notices = ()
    if size != images.shape[1]:
        images = resizing.resize(images, size, Image.Resampling.BICUBIC)
        if size > 32:
            notices = (f"cifar10's images are 32x32; enlarged to {size}x{size} they show nothing more",)
    return ImageSet(images, f"cifar10 {class_name}, {splits}", class_name, notices,
                    labels=numbers.astype(np.int32), label_names=CLASS_NAMES)


def _wanted(split):
    return {"train": TRAIN_FILES, "test": TEST_FILES, "all": TRAIN_FILES + TEST_FILES}[split]


def _downloaded(class_name, split):
    splits = keras_splits("cifar10")
    parts = []
    for name in ("train", "test") if split == "all" else (split,):
        images, numbers = splits[name]
        if images.shape[1:] == (3, 32, 32):  # Keras set to image_data_format "channels_first"
            images = images.transpose(0, 2, 3, 1)
        chosen = _selected(numbers, class_name)
        parts.append((images[chosen], numbers[chosen]))
    return tuple(np.ascontiguousarray(np.concatenate(part)) for part in zip(*parts))


def _from_files(source, class_name, files):
    """Reads batch after batch and keeps the chosen class only; the archive has an order of its own."""
    parts = {}
    read = _folder_batches if os.path.isdir(source) else _archive_batches
    with contextlib.closing(read(source, files)) as found:
        for name, raw, shown in found:
            if name in parts:
                raise UserError(f"{one_line(source)} holds {name} twice: use the official {ARCHIVE}")
            rows, numbers = cifar10_batch.decode(raw, shown)
            chosen = _selected(numbers, class_name)
            parts[name] = _as_images(rows[chosen]), numbers[chosen]
    _refuse_missing(source, [name for name in files if name not in parts])
    return tuple(np.concatenate(part) for part in zip(*(parts[name] for name in files)))


def _selected(numbers, class_name):
    """An index for the images of one class; a slice for all of them, which copies nothing."""
    return slice(None) if class_name == labels.ALL else numbers == CLASS_NAMES.index(class_name)


def _as_images(rows):
    """[N, 3072] in colour planes as contiguous [N, 32, 32, 3]."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _find(data_dir):
    """The folder with the batch files, or the archive; a folder goes before an archive."""
    if os.path.isfile(data_dir):
        if os.path.basename(data_dir) in TRAIN_FILES + TEST_FILES:
            return os.path.dirname(data_dir) or os.curdir
        return data_dir
    found = _found_in(data_dir)
    if found is not None:
        return found
    raise UserError(f"--data_dir {one_line(data_dir)} holds neither {FOLDER} nor {ARCHIVE}: "
                    f"give the path of one of them, or of the folder they are in")


def _found_in(folder):
    """Where the files of a folder are; None where it holds none."""
    if any(os.path.isfile(os.path.join(folder, name)) for name in TRAIN_FILES + TEST_FILES):
        return folder
    inner, archive = os.path.join(folder, FOLDER), os.path.join(folder, ARCHIVE)
    if os.path.isdir(inner):
        return inner
    return archive if os.path.isfile(archive) else None


def _refuse_missing(source, missing):
    if missing:
        instead = " (or train without it: train.py --split train)" if tuple(missing) == TEST_FILES else ""
        raise UserError(f"{one_line(source)} lacks {', '.join(missing)}: "
                        f"add what is missing from the official {ARCHIVE}{instead}")


def _refuse_other_files(path):
    try:
        with open(path, "rb") as file:
            tarfile.TarInfo.frombuf(_unzipped(file).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except _READING_ERRORS as error:
        raise UserError(f"{one_line(path)} is no readable tar archive ({one_line(error, longest=80)}): "
                        f"give the official {ARCHIVE}, or the {FOLDER} folder") from error


def _folder_batches(folder, files):
    """Yields (name, bytes, path to show) for each batch file of a folder."""
    for name in files:
        path = os.path.join(folder, name)
        shown = one_line(path)
        try:
            _refuse_large(os.path.getsize(path), shown)
            with open(path, "rb") as file:
                yield name, file.read(cifar10_batch.LARGEST), shown
        except OSError as error:
            raise UserError(f"{shown} could not be read ({one_line(error.strerror or error)}): "
                            f"check the file and its permissions") from error


def _archive_batches(path, files):
    """Yields (name, bytes, path to show) for each batch file of the archive, in the archive's order.

    Nothing is unpacked to the disk, so the names in the archive cannot lead anywhere; only regular
    files with the official names are read.
    """
    shown = one_line(path)
    try:
        with open(path, "rb") as file, _Bounded(_unzipped(file)) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = pathlib.PurePosixPath(member.name).name
                    if name in files and member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        _refuse_large(member.size, f"{shown}: {name}")
                        yield name, archive.extractfile(member).read(), f"{shown}: {name}"
            while stream.read(2**20):  # to the end, where gzip compares its checksum
                pass
    except _READING_ERRORS as error:
        raise UserError(f"{shown} is truncated or damaged ({one_line(error, longest=120)}): "
                        f"fetch the archive again") from error


def _refuse_large(size, shown):
    if size > cifar10_batch.LARGEST:
        raise UserError(f"{shown} is no CIFAR-10 batch file: it has {size:,} bytes, an official one about "
                        f"31 million: use the official files")


def _unzipped(file):
    """The stream inside a gzip file, or the file itself where it is a plain tar."""
    magic = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if magic == b"\x1f\x8b" else file


class _Bounded(contextlib.AbstractContextManager):
    """A stream that ends with an error after more bytes than an official archive could have."""

    def __init__(self, stream):
        self._stream = stream
        self._left = _LARGEST_ARCHIVE
        self._reads_at_end = 0

    def read(self, size):
        data = self._stream.read(min(size, self._left + 1))
        self._reads_at_end += not data
        if self._reads_at_end > _MOST_READS_AT_END:
            raise OSError("it ends too early")
        self._left -= len(data)
        if self._left < 0:
            raise OSError(f"it unpacks to more than {_LARGEST_ARCHIVE:,} bytes")
        return data

    def __exit__(self, *exception):
        self._stream.close()
