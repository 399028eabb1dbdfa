"""MNIST and Fashion-MNIST, from Keras's download or from IDX files."""

import dataclasses
import gzip
import os
import struct
import zlib

import numpy as np
from PIL import Image

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data import labels
from wgan.data.download import keras_splits
from wgan.data.imageset import ImageSet, resize

MAX_BYTES = 256 * 2**20  # of an unpacked file; the largest official one has 47 million
_PREFIXES = {"train": "train", "test": "t10k"}  # official split -> how its files are named


@dataclasses.dataclass(frozen=True)
class Source:
    """One data set of 28x28 grey images in IDX files.

    Attributes:
        dataset: its name here, and in `keras.datasets`.
        CLASS_NAMES: the ten names, in the order of their numbers.
        inner: the sub-folder of data_dir that other libraries keep the files in.
    """

    dataset: str
    CLASS_NAMES: tuple[str, ...]
    inner: str

    def check(self, data_dir, label, split):
        """The canonical label, once the files are known to be there; see `wgan.data.check`."""
        class_name = labels.resolve(label, self.CLASS_NAMES, self.dataset)
        if data_dir is not None:
            self._find(data_dir, split)
        return class_name

    def holds(self, path):
        """Whether there are files of this kind in a folder; what they show, their names do not say. Or UserError."""
        return bool(self._find(path, "all"))

    def load(self, data_dir, class_name, split, size):
        """The images of one class or of all: uint8 [N, size, size, 1], in official order, train before test."""
        if data_dir is None:
            found = keras_splits(self.dataset)
            found = found if split == "all" else {split: found[split]}
        else:
            found = {name: _read(*paths) for name, paths in self._find(data_dir, split).items()}
        parts = [self._select(*found[name], class_name) for name in found]
        chosen, numbers = (np.concatenate(part) for part in zip(*parts))
        notices = ()
        if split == "all" and len(found) == 1:
            notices = (
                f"{self.dataset}: only the official {''.join(found)} files were found in "
                f"{one_line(data_dir)}; the other split is left out",
            )
        name = f"{self.dataset} {class_name}, {' and '.join(found)}"
        # Bilinear, which Pillow antialiases, adds no ringing to the flat black around a digit.
        return ImageSet(
            resize(chosen, size, Image.Resampling.BILINEAR),
            name,
            class_name,
            notices,
            labels=numbers.astype(np.int32),
            label_names=self.CLASS_NAMES,
        )

    def _select(self, images, numbers, class_name):
        chosen = slice(None) if class_name == labels.ALL else numbers == self.CLASS_NAMES.index(class_name)
        return images[chosen], numbers[chosen]

    def _find(self, data_dir, split):
        """{split: (images path, labels path)} for each official split that is there and wanted."""
        if not os.path.isdir(data_dir):
            raise UserError(
                f"--data_dir {one_line(data_dir)} is a file: give the folder that holds the {self.dataset} files"
            )
        for inner in ("", self.inner, "raw"):
            folder = os.path.join(data_dir, *inner.split("/")) if inner else data_dir
            found = {name: _pair(folder, prefix) for name, prefix in _PREFIXES.items()}
            found = {name: paths for name, paths in found.items() if paths}
            if split != "all" and found:
                if split not in found:
                    raise UserError(
                        f"{one_line(folder)} has only the {_PREFIXES[''.join(found)]} files, so split "
                        f"{split!r} cannot be used: add the {_PREFIXES[split]} files, or use split 'all'"
                    )
                found = {split: found[split]}
            if found:
                return found
        raise UserError(
            f"--data_dir {one_line(data_dir)} holds no {self.dataset} files: they are called "
            f"train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-... (with .gz or without)"
        )


def _pair(folder, prefix):
    """The images file and the labels file of one official split, under any usual name; None where neither is there."""
    kinds = ("images", "idx3"), ("labels", "idx1")
    names = [
        [f"{prefix}-{kind}{mark}{idx}-ubyte{ending}" for ending in ("", ".gz") for mark in "-."] for kind, idx in kinds
    ]  # plain before compressed
    found = [next((name for name in usual if os.path.isfile(os.path.join(folder, name))), None) for usual in names]
    if found == [None, None]:
        return None
    if None in found:
        raise UserError(
            f"{one_line(folder)} lacks {names[found.index(None)][0]} (with .gz or without), which belongs "
            f"to {one_line(found[0] or found[1])}: add it"
        )
    return [os.path.join(folder, name) for name in found]


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
    """Reads an IDX file, which is a header of big-endian numbers and then uint8 values, compressed with gzip or not.

    Args:
        path: the file; whether it is compressed is seen from its first bytes, not from its name.
        item_shape: the shape of one item: (28, 28) for images, () for labels.

    Returns:
        uint8 [N, *item_shape].

    Raises:
        UserError: the file cannot be read, or its header and its length disagree.
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


MNIST = Source("mnist", tuple("0123456789"), "MNIST/raw")
FASHION_MNIST = Source(
    "fashion_mnist",
    ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    "FashionMNIST/raw",
)
