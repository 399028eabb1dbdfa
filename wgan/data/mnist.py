"""MNIST and Fashion-MNIST, from Keras's download or from IDX files."""

import gzip
import os
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data.dataset import Dataset, official

MAX_BYTES = 256 * 2**20  # of an unpacked file; the largest official one has 47 million
_PREFIXES = {"train": "train", "test": "t10k"}  # official split -> how its files are named


class Mnist(Dataset):
    """One data set of 28x28 grey images. Bilinear, which Pillow antialiases, adds no ringing to flat black."""

    resample = Image.Resampling.BILINEAR

    def __init__(self, name, class_names, inner):
        """Args: name, class_names: see `Dataset`; inner: the sub-folder that other libraries keep the files in."""
        super().__init__(name, class_names)
        self._inner = inner

    def read(self, data_dir, split):
        """See `Dataset.read`."""
        found = {name: [_read(*paths)] for name, paths in self.check_files(data_dir, split).items()}
        notices: tuple[str, ...] = ()
        if len(found) < len(official(split)):
            notices = (
                f"{self.name}: only the official {''.join(found)} files were found in "
                f"{one_line(data_dir)}; the other split is left out",
            )
        return found, notices

    def check_files(self, data_dir, split):
        """{split: (images path, labels path)} for each official split that is there and wanted."""
        if not os.path.isdir(data_dir):
            raise UserError(
                f"--data_dir {one_line(data_dir)} is a file: give the folder that holds the {self.name} files"
            )
        for inner in ("", self._inner, "raw"):
            folder = pathlib.Path(data_dir, inner)
            pairs = {name: _pair(folder, prefix) for name, prefix in _PREFIXES.items()}
            there = [name for name, paths in pairs.items() if paths]
            wanted = {name: pairs[name] for name in there if name in official(split)}
            if there and not wanted:
                raise UserError(
                    f"{one_line(folder)} has only the {_PREFIXES[there[0]]} files, so split "
                    f"{split!r} cannot be used: add the {_PREFIXES[split]} files, or use split 'all'"
                )
            if wanted:
                return wanted
        raise UserError(
            f"--data_dir {one_line(data_dir)} holds no {self.name} files: they are called "
            f"train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-... (with .gz or without)"
        )


def _pair(folder, prefix):
    """The images file and the labels file of one official split, under any usual name; None where neither is there."""
    names = [
        [f"{prefix}-{kind}{ending}" for ending in ("", ".gz") for kind in (f"{of}-{idx}-ubyte", f"{of}.{idx}-ubyte")]
        for of, idx in (("images", "idx3"), ("labels", "idx1"))
    ]  # plain before compressed
    found = [next((name for name in usual if (folder / name).is_file()), None) for usual in names]
    if found == [None, None]:
        return None
    if None in found:
        raise UserError(
            f"{one_line(folder)} lacks {names[found.index(None)][0]} (with .gz or without), which belongs "
            f"to {one_line(found[0] or found[1])}: add it"
        )
    return [folder / name for name in found]


def _read(images_path, labels_path):
    images, numbers = read_idx(images_path, (28, 28)), read_idx(labels_path, ())
    if len(images) != len(numbers):
        raise UserError(
            f"{one_line(images_path)} has {len(images):,} images but {one_line(labels_path)} has "
            f"{len(numbers):,} labels: fetch both again"
        )
    if numbers.size and numbers.max() > 9:
        raise UserError(f"{one_line(labels_path)} has a label above 9: fetch the file again")
    return images, numbers


def read_idx(path, item_shape):
    """Reads an IDX file, which is a header of big-endian numbers and then uint8 values [N, *item_shape].

    Whether it is compressed with gzip is seen from its first bytes, not from its name. `item_shape` is (28, 28) for
    images, () for labels. Raises UserError where the file cannot be read, or its header and its length disagree.
    """
    try:
        with open(path, "rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if is_packed else open)(path, "rb") as stream:
            content = stream.read(MAX_BYTES)
        header = struct.Struct(f">{2 + len(item_shape)}I")
        magic, count, *shape = header.unpack_from(content)
        if (magic, *shape) != (0x801 + len(item_shape), *item_shape):
            raise ValueError(
                f"its header says magic number {magic:#x} and items of {shape}, and not uint8 of {[*item_shape]}"
            )
        return np.frombuffer(content, np.uint8)[header.size :].reshape(count, *item_shape)
    except (OSError, EOFError, zlib.error, ValueError, struct.error) as error:
        raise UserError(
            f"{one_line(path)} is damaged, or is not such an IDX file ({one_line(error, longest=160)}): "
            "fetch the file again"
        ) from error


MNIST = Mnist("mnist", tuple("0123456789"), "MNIST/raw")
FASHION_MNIST = Mnist(
    "fashion_mnist",
    ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    "FashionMNIST/raw",
)
