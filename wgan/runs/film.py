"""A film that grows: an animated WebP to which each grid is added at its end, without loss.

A RIFF file says in its head how long it is. A new frame is written behind that end, and only then is the length
changed: until that moment the file is what it was, and after it has one frame more. So a process may be killed between
any two bytes, and no frame is ever written twice. Browsers show the film as it stands.

Each frame carries its epoch and a checksum in a chunk of its own behind the picture. Google's description of the WebP
container allows unknown chunks there, which a player passes over.

A film has several files, `film_00001.webp` and so on, each named by its first epoch: nobody has to copy, or open, all
frames at once.
"""

import io
import os
import pathlib
import re
import struct
import zlib
from typing import NamedTuple

from PIL import Image

from wgan.runs.files import atomic_path, flush_to_disk

FRAMES = 500  # in one file; a grid of 16 colour images of 32x32 pixels takes about 40 KB
_MILLISECONDS = 50  # for which a frame is shown
_NAME = re.compile(r"film_([0-9]{5,})\.webp")
_HEAD = 44  # bytes before the first frame: RIFF, VP8X with the size in pixels, ANIM
_NOTE = struct.Struct("<4sIII")  # behind each picture: name, length, epoch, CRC-32 of epoch and picture
_NOTE_NAME, _NOTE_LENGTH = b"EPOC", 8
_PLACE = 16  # bytes in a frame before its picture: position, size, duration, blending


class Frame(NamedTuple):
    """Where one grid lies: its epoch, its file, and the bytes that its picture takes there, head and all."""

    epoch: int
    path: pathlib.Path
    start: int
    length: int

    def picture(self):
        """The picture as a binary stream, which Pillow opens as a WebP.

        Raises:
            OSError: the file cannot be read.
            ValueError: the frame is damaged.
        """
        with open(self.path, "rb") as file:
            file.seek(self.start)
            picture, note = file.read(self.length), file.read(_NOTE.size)
        if note != _note(self.epoch, picture):
            raise ValueError("its bytes do not have its checksum")
        return io.BytesIO(b"RIFF" + struct.pack("<I", 4 + len(picture)) + b"WEBP" + picture)

    @property
    def end(self):
        """The first byte of the file behind this frame."""
        return self.start + self.length + _NOTE.size

    def __str__(self):
        return f"{self.path}, epoch {self.epoch}"


class Part(NamedTuple):
    """One file of a film: its frames, and whether there is nothing else in it."""

    path: pathlib.Path
    frames: list
    is_whole: bool
    head: bytes

    @property
    def end(self):
        """Behind the last frame."""
        return self.frames[-1].end if self.frames else _HEAD


class Film:
    """Adds grids to the film in a folder; used by one thread."""

    def __init__(self, folder):
        """Args: folder: which has to be there once `add` is called."""
        self._folder = pathlib.Path(folder)
        self._part = None  # the file that grows; None: it has to be looked for

    def add(self, epoch, picture):
        """Adds a frame; those of this epoch and of later ones, from before the run went back, are taken out first.

        Args:
            epoch: its number.
            picture: uint8 [H, W, 1 or 3]. Where its size is another than that of the film's last file, or that file
                is damaged, a new one is begun.

        Raises:
            OSError: the disk fails; the film is as it was, and the same call may follow.
        """
        part, self._part = self._part, None
        if part is None or part.frames[-1].epoch >= epoch:
            part = self._part_before(epoch)
        content, frame = _encoded(epoch, picture)
        head = _head(*picture.shape[:2])
        if part is None or len(part.frames) >= FRAMES or part.head != head:
            part = Part(path_of(self._folder, epoch), [], True, head)
            with atomic_path(part.path) as temporary:
                temporary.write_bytes(_with_length(head, _HEAD + len(content)) + content)
        else:
            _append(part.path, part.end, content)
        part.frames.append(frame._replace(path=part.path, start=part.end + frame.start))
        self._part = part

    def _part_before(self, epoch):
        """The last file, without later frames, or None where none can go on."""
        remove_after(self._folder, epoch - 1)
        paths = files(self._folder)
        part = read(paths[-1]) if paths else None
        return part if part and part.frames and part.is_whole else None


def path_of(folder, epoch):
    """The file that begins with this epoch: `film_00001.webp`."""
    return pathlib.Path(folder) / f"film_{epoch:05d}.webp"


def files(folder):
    """The paths of a film's files in the order of their epochs; empty where there are none, or no such folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    epochs = [int(match[1]) for match in map(_NAME.fullmatch, names) if match]
    paths = [path_of(folder, epoch) for epoch in sorted(epochs)]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def files_among(paths):
    """Those of the paths that are named like a film's files."""
    return [path for path in paths if _NAME.fullmatch(path.name)]


def frames(folder):
    """All `Frame`s in a folder, as far as its files are sound, in the order of the files."""
    return [frame for path in files(folder) for frame in read(path).frames]


def remove_after(folder, epoch):
    """Takes out the frames of later epochs; what is damaged otherwise stays as it is."""
    for path in reversed(files(folder)):
        if int(_NAME.fullmatch(path.name)[1]) > epoch:
            path.unlink()
            continue
        frames_there = read(path).frames
        kept = [frame for frame in frames_there if frame.epoch <= epoch]
        if 0 < len(kept) < len(frames_there):
            _cut(path, kept[-1].end)
        return  # those before have earlier frames


def read(path):
    """A `Part` with the frames up to the first that cannot be one; the pictures themselves are not read.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if len(head) < _HEAD or head != _head_like(head):
            return Part(pathlib.Path(path), [], False, head)
        end, found = _length_in(head), []
        while (place := found[-1].end if found else _HEAD) < end:
            frame = _frame_at(file, place, min(end, os.fstat(file.fileno()).st_size), path)
            if frame is None or found and frame.epoch <= found[-1].epoch:
                break
            found.append(frame)
    return Part(pathlib.Path(path), found, place == end, _with_length(head, 0))


def _frame_at(file, place, end, path):
    """The `Frame` that begins at `place`, or None where there is none that ends by `end`."""
    file.seek(place)
    name, length = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
    last = place + 8 + length
    if name != b"ANMF" or length <= _PLACE + _NOTE.size or last > end:
        return None
    file.seek(last - _NOTE.size)
    name, size, epoch, _ = _NOTE.unpack(file.read(_NOTE.size))
    if (name, size) != (_NOTE_NAME, _NOTE_LENGTH):
        return None
    return Frame(epoch, pathlib.Path(path), place + 8 + _PLACE, length - _PLACE - _NOTE.size)


def _append(path, end, content):
    with open(path, "rb+") as file:
        file.truncate(end)  # what a killed process left behind the end
        file.seek(end)
        file.write(content)
    flush_to_disk(path)  # before the length says that they are there
    _set_length(path, end + len(content))


def _cut(path, end):
    _set_length(path, end)
    flush_to_disk(path)
    os.truncate(path, end)


def _set_length(path, length):
    with open(path, "rb+") as file:
        file.seek(4)
        file.write(struct.pack("<I", length - 8))  # in one write: no process ends in the middle of it


def _encoded(epoch, picture):
    """A frame's bytes, and a `Frame` that tells where in them the picture lies."""
    stream = io.BytesIO()
    pixels = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).convert("RGB")
    pixels.save(stream, format="WEBP", lossless=True, method=0)  # as quick as a PNG, and no larger
    encoded = stream.getvalue()[12:]
    height, width = picture.shape[:2]
    place = bytes(6) + _u24(width - 1) + _u24(height - 1) + _u24(_MILLISECONDS) + b"\x02"  # covers the one before
    content = place + encoded + _note(epoch, encoded)
    return (struct.pack("<4sI", b"ANMF", len(content)) + content,
            Frame(epoch, pathlib.Path(), 8 + _PLACE, len(encoded)))


def _note(epoch, picture):
    checksum = zlib.crc32(picture, zlib.crc32(struct.pack("<I", epoch)))
    return _NOTE.pack(_NOTE_NAME, _NOTE_LENGTH, epoch, checksum)


def _head(height, width):
    """All before the first frame, with length 0: an animation of this size in pixels that loops forever."""
    return (struct.pack("<4sI4s", b"RIFF", 0, b"WEBP")
            + struct.pack("<4sI4s", b"VP8X", 10, b"\x02\0\0\0") + _u24(width - 1) + _u24(height - 1)
            + struct.pack("<4sIIH", b"ANIM", 6, 0xFFFFFFFF, 0))


def _head_like(head):
    """What a head with the length and the size in pixels of this one should be."""
    width, height = (int.from_bytes(head[start:start + 3], "little") + 1 for start in (24, 27))
    return _with_length(_head(height, width), _length_in(head))


def _length_in(head):
    return struct.unpack("<I", head[4:8])[0] + 8


def _with_length(head, length):
    return head[:4] + struct.pack("<I", max(0, length - 8)) + head[8:]


def _u24(number):
    return struct.pack("<I", number)[:3]
