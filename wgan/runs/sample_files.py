"""Where a run's grids are in its sample folder, in every layout, and finding them again."""

import contextlib
import pathlib
from typing import NamedTuple

from wgan.runs import grid_archives
from wgan.runs.files import entries
from wgan.runs.grid_archives import archive_name, first_number, grid_name, range_of


class Found(NamedTuple):
    """What training has written to a sample folder."""

    grids: list  # (epoch, path) of PNGs, those in folders first
    archives: list  # their paths
    folders: list  # of 500 epochs; their paths

    @property
    def files(self):
        """The paths of all files that hold grids, archives last."""
        return [path for _, path in sorted(self.grids)] + self.archives


def sample_path(sample_dir, epoch, layout="flat"):
    """The path of an epoch's grid: `sample_00001.png`, or in the layout "folders" `00001-00500/sample_00001.png`."""
    folder = pathlib.Path(sample_dir)
    if layout == "folders":
        folder /= range_of(epoch)
    return folder / grid_name(epoch)


def find(sample_dir):
    """A `Found` of a folder, which may be missing; OSError where it cannot be read.

    A name is one of ours if it is what we would call the number in it: not sample_000001.png, which would make epoch 1
    appear twice, nor what is in another epoch's folder.
    """
    found = [(first_number(entry.name), entry) for entry in entries(sample_dir)]
    archives = [pathlib.Path(entry.path) for number, entry in found if entry.name == archive_name(number)]
    folders = [pathlib.Path(entry.path) for number, entry in found if entry.name == range_of(number) and entry.is_dir()]
    inner = [(first_number(entry.name), entry) for folder in folders for entry in entries(folder)]
    pngs = [(number, entry) for number, entry in inner if range_of(number) == pathlib.Path(entry.path).parent.name]
    grids = [
        (number, pathlib.Path(entry.path))
        for number, entry in pngs + found
        if number and entry.name == grid_name(number) and entry.is_file()
    ]
    return Found(grids, sorted(archives), folders)


def list_samples(sample_dir):
    """The grids that training has written, in every layout; OSError where the folder cannot be read.

    Returns:
        A list of (epoch, where), in the order of the epochs; `where.read_bytes()` is the PNG, be it a path or a
        `grid_archives.ZippedGrid`. An epoch that is there twice is listed once, as a file of its own if it has one.
    """
    found, grids = find(sample_dir), {}
    for path in found.archives:
        grids.update(grid_archives.read(path))
    grids.update(found.grids)
    return sorted(grids.items())


def remove_samples_after(sample_dir, epoch):
    """Removes the grids of later epochs, in every layout, and the folders that this leaves empty."""
    found = find(sample_dir)
    for number, path in found.grids:
        if number > epoch:
            path.unlink()
    for path in found.archives:
        numbers = grid_archives.read(path) if path.name == archive_name(epoch) else {}
        if first_number(path.name) > epoch or min(numbers, default=0) > epoch:
            path.unlink()
        elif max(numbers, default=0) > epoch:
            grid_archives.update(path, {}, epoch)
    for folder in found.folders:
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()
