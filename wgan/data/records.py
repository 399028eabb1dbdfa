"""Images that are read when they are asked for, for sets too large to be copied or held in memory.

A folder of records holds *shards*, TFRecord files with the pixels of an image in each record, and an index. All records
of a shard have one length, so that every image is found, in any order, without reading others.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import zlib

import numpy as np

from wgan.common.errors import DAMAGED_ZIP, UserError, readable
from wgan.common.messages import one_line

INDEX = "index.npz"
BEFORE, AFTER = 12, 4  # what TFRecord writes around a record, in bytes: its length and two checksums
READERS = 16  # at a time: a drive far away answers many as soon as one
REMEDY = "copy the records again, or make them again"


@dataclasses.dataclass(frozen=True)
class Shard:
    """A TFRecord file of the folder."""

    name: str
    count: int  # of images
    length: int  # of each record in bytes: a grey image has a byte for each pixel, another one three

    @property
    def stride(self):
        """From the beginning of a record to that of the next."""
        return BEFORE + self.length + AFTER


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Images in shards, by their places: `records[3]` and `records[[7, 2]]` are arrays as of an array of all.

    They cost 8 bytes each in memory.
    """

    folder: str
    image_size: int
    shards: tuple[Shard, ...]
    checksums: np.ndarray  # uint32, CRC-32 of the pixels of all images in the shards
    numbers: np.ndarray  # uint32 [N], which of those these are
    channels: int  # 1 if all images of their class are grey, else 3

    @property
    def shape(self):
        """(N, size, size, channels)."""
        return len(self.numbers), self.image_size, self.image_size, self.channels

    dtype = np.dtype(np.uint8)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, places):
        """The images at the places that a slice or integers name, uint8 [..., size, size, channels].

        Raises:
            UserError: a shard is damaged, or is not the one that the index is of.
        """
        chosen = self.numbers[places].astype(np.int64)
        numbers = chosen.ravel()
        images = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        ends = np.cumsum([shard.count for shard in self.shards])
        of_shards = np.searchsorted(ends, numbers, side="right")

        def read(part):
            for row in part:
                shard = self.shards[of_shards[row]]
                pixels = self._pixels(shard, numbers[row] - ends[of_shards[row]] + shard.count, numbers[row])
                pixels = np.frombuffer(pixels, np.uint8).reshape(self.image_size, self.image_size, -1)
                images[row] = pixels[..., : self.channels]

        with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, np.array_split(np.arange(len(numbers)), min(READERS, len(numbers) or 1))))
        return images.reshape(*chosen.shape, *self.shape[1:])

    def _pixels(self, shard, place, number):
        path = os.path.join(self.folder, shard.name)
        for _ in range(2):  # a network drive may err once
            with readable(path), open(path, "rb", buffering=shard.length) as file:  # one read, or more if one is short
                file.seek(place * shard.stride + BEFORE)
                pixels = file.read(shard.length)
            if len(pixels) == shard.length and zlib.crc32(pixels) == self.checksums[number]:
                return pixels
        raise UserError(f"{one_line(path)} is damaged, or has changed since its index was made: {REMEDY}")

    def part(self, places):
        """Some of these, in another order."""
        return dataclasses.replace(self, numbers=self.numbers[places])

    def sha256(self):
        """SHA-256 (hex) of the shape and the checksums, for which no image is read."""
        digest = hashlib.sha256(f"records {self.shape}\n".encode())
        digest.update(self.checksums[self.numbers].data)
        return digest.hexdigest()


def write_index(folder, image_size, shards, checksums, labels, classes):
    """Writes the index of a folder of records; `image_size`, `shards` and `checksums` as in `Records`.

    `labels` are int32 [N], negative for images that are in no class; `classes` are {name: whether all its images are
    grey}, in the order of their numbers.
    """
    about = {"image_size": image_size, "shards": [dataclasses.astuple(s) for s in shards], "grey": classes}
    arrays = {"checksums": checksums, "labels": labels} if classes else {"checksums": checksums}
    np.savez(os.path.join(folder, INDEX), about=json.dumps(about), **arrays)


def class_names(folder):
    """The names of the classes; UserError where there is no index that can be read."""
    with _index(folder) as (_, about):
        return tuple(about["grey"])


def open_records(folder):
    """The `Records` of a folder, all of them; their labels, int32 [N]; and the classes, both as `write_index` has them.

    Raises:
        UserError: the index is missing or damaged, or a shard is missing or is not as long as it should be.
    """
    with _index(folder) as (arrays, about):
        shards = tuple(Shard(*each) for each in about["shards"])
        checksums, classes, image_size = arrays["checksums"], about["grey"], about["image_size"]
        labels = arrays["labels"] if classes else np.full(len(checksums), -1, np.int32)
    for shard in shards:
        path, wanted = os.path.join(folder, shard.name), shard.count * shard.stride
        found = os.path.getsize(path) if os.path.isfile(path) else None
        if found != wanted:
            what = "is missing" if found is None else f"has {found:,} bytes in place of {wanted:,}"
            raise UserError(f"{one_line(path)} {what}: {REMEDY}")
    numbers, channels = np.arange(len(checksums), dtype=np.uint32), max(s.length for s in shards) // image_size**2
    return Records(folder, image_size, shards, checksums, numbers, channels), labels, classes


@contextlib.contextmanager
def _index(folder):
    """The arrays of the index, read when they are asked for, and what else it says."""
    path = os.path.join(folder, INDEX)
    with readable(folder):
        if INDEX not in os.listdir(folder):
            raise UserError(f"{one_line(folder)} holds no {INDEX}, without which there are no records: {REMEDY}")
    try:
        with readable(path), np.load(path) as arrays:
            yield arrays, json.loads(str(arrays["about"]))
    except (TypeError, *DAMAGED_ZIP) as error:
        raise UserError(f"{one_line(path)} is damaged ({one_line(error, longest=120)}): {REMEDY}") from error
