"""A TensorBoard event file that grows while it is read, and of which a folder keeps the newest only.

Needs neither TensorFlow nor TensorBoard. An event file cannot be written by temporary file and rename, as others are:
TensorBoard reads on from where it was, and would go on reading the file whose name was taken away. So bytes that were
written once stay as they are, a file to begin anew gets a new and later name, and earlier files go only after it is
complete.
"""

import contextlib
import os
import pathlib
import re
import struct
import time

from wgan.runs import files

# TensorBoard reads what has "tfevents" in its name, in the order of the names.
_NAME = re.compile(r"events\.out\.tfevents\.([0-9]{10})\.wgan")


def list_files(folder):
    """The event files that an `EventLog` has left in a folder, oldest first; none where there is no such folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        return sorted(path for path in pathlib.Path(folder).iterdir() if _NAME.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


class EventLog:
    """Appends to one event file; after a failure it goes on where the last good write ended."""

    def __init__(self, folder):
        """Args: folder: of the event files; made when there is something to write, but not what it lies in."""
        self._folder = pathlib.Path(folder)
        self._path = None
        self._written = 0  # bytes
        self._waiting = b""  # kept after a failure: what a reader may have seen of it comes again just the same
        self._earlier = ()

    def is_lost(self):
        """Whether there is no file to append to: none was begun, or it has gone, or lost its end."""
        try:
            return self._path is None or self._path.stat().st_size < self._written
        except FileNotFoundError:
            return True

    def begin(self):
        """Goes on in a new file; the earlier ones are removed after the next `append`.

        Raises:
            OSError: the disk fails. The log stays as it was.
        """
        self._folder.mkdir(exist_ok=True)
        earlier = list_files(self._folder)
        number = max([int(time.time()), *(1 + int(_NAME.fullmatch(path.name)[1]) for path in earlier)])
        path = self._folder / f"events.out.tfevents.{number:010d}.wgan"
        path.touch(exist_ok=False)
        self._path, self._earlier, self._written, self._waiting = path, earlier, 0, b""

    def append(self, records):
        """Writes bytes, complete records, and before them what earlier failures have left to write.

        Raises:
            OSError: the disk fails. The next call writes these bytes too.
        """
        self._waiting += records
        try:
            with open(self._path, "r+b") as file:
                file.seek(self._written)
                file.write(self._waiting)
            if self._earlier:
                files.flush_to_disk(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self._path, self._written)  # takes no room while it waits
            raise
        self._written, self._waiting = self._written + len(self._waiting), b""
        for path in self._earlier:
            path.unlink(missing_ok=True)
        self._earlier = ()


def record(data):
    """Frames bytes as a TFRecord: uint64 length, its masked CRC, the bytes, their masked CRC; all little-endian."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def _masked_crc(data):
    """Rotated and shifted as TensorFlow's record format wants it (tensorflow/core/lib/hash/crc32c.h)."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data):
    """The checksum of RFC 3720 (Castagnoli's polynomial) of bytes, an int below 2**32."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _remainder(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = tuple(_remainder(byte) for byte in range(256))
