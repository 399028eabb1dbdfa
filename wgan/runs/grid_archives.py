"""Zip files that each hold the grids of 500 epochs: a drive gets a few of them, not thousands of PNGs."""

import contextlib
import io
import math
import os
import pathlib
import re
import zipfile
import zlib
from typing import NamedTuple

from wgan.common.errors import DAMAGED_ZIP
from wgan.common.messages import one_line
from wgan.common.output import note
from wgan.runs.files import atomic_path

EPOCHS = 500  # in one archive, and in one folder
_NUMBER = re.compile("[0-9]{5,}")


class ZippedGrid(NamedTuple):
    """A PNG in an archive, which is read as a `pathlib.Path` is."""

    archive: pathlib.Path
    name: str

    def read_bytes(self):
        """Raises OSError where the archive cannot be read, ValueError where it is damaged."""
        try:
            with zipfile.ZipFile(self.archive) as archive:
                return archive.read(self.name)
        except DAMAGED_ZIP as error:
            raise ValueError(one_line(error)) from error

    def stat(self):
        """That of the archive."""
        return self.archive.stat()

    def __str__(self):
        return f"{self.archive}/{self.name}"


def grid_name(epoch):
    """What the grid of an epoch is called, in an archive and as a file: `sample_00001.png`."""
    return f"sample_{epoch:05d}.png"


def range_of(epoch):
    """The 500 epochs that are kept together with this one: `00001-00500`."""
    first = (epoch - 1) // EPOCHS * EPOCHS + 1
    return f"{first:05d}-{first + EPOCHS - 1:05d}"


def archive_name(epoch):
    """Which archive has the grid of an epoch: `grids_00001-00500.zip`."""
    return f"grids_{range_of(epoch)}.zip"


def first_number(name):
    """The first number in a name, which is the (first) epoch of a grid, an archive or a folder; 0 without one."""
    match = _NUMBER.search(name)
    return int(match[0]) if match else 0


def read(path):
    """{epoch: ZippedGrid} of an archive; a damaged one is named on standard error and passed over."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {epoch: ZippedGrid(path, name) for epoch, name in _names(archive).items()}
    except DAMAGED_ZIP as error:
        note(f"{path} is damaged ({one_line(error)}), and its grids are passed over")
        return {}


def holds(path, grids):
    """Whether an archive has these grids, byte for byte; `grids` as in `update`."""
    with contextlib.suppress(FileNotFoundError, *DAMAGED_ZIP), zipfile.ZipFile(path) as archive:
        names = _names(archive)
        return all(
            epoch in names and zlib.crc32(grid.read_bytes()) == archive.getinfo(names[epoch]).CRC
            for epoch, grid in grids.items()
        )
    return False


def update(path, grids, last_epoch=math.inf):
    """Writes an archive anew, with more grids; a damaged one is kept under another name, and a new one begun.

    `grids` are {epoch: what gives a PNG by `read_bytes`}; those of other epochs stay in the archive, but for epochs
    after `last_epoch`. Where a disk fails, with OSError, the archive is as it was.
    """
    with atomic_path(path) as temporary, _to_read(path) as earlier, zipfile.ZipFile(temporary, "w") as archive:
        kept = {epoch: name for epoch, name in _names(earlier).items() if epoch <= last_epoch}
        for epoch in sorted(kept | grids):
            try:
                content = grids[epoch].read_bytes() if epoch in grids else earlier.read(kept[epoch])
                archive.writestr(zipfile.ZipInfo(grid_name(epoch)), content)  # PNGs shrink no further
            except DAMAGED_ZIP as error:
                note(f"the grid of epoch {epoch} in {path} is damaged ({one_line(error)}), and is left out")


def _to_read(path):
    """An archive, which is an empty one where there is none that can be read."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        pass
    except DAMAGED_ZIP as error:
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        note(f"{path} is damaged ({one_line(error)}), and is now {aside.name}")
    return zipfile.ZipFile(io.BytesIO(), "w")


def _names(archive):
    """{epoch: name} of the grids in an open archive."""
    numbered = [(first_number(name), name) for name in archive.namelist()]
    return {epoch: name for epoch, name in numbered if name == grid_name(epoch)}
