"""Where a run's grids are in its sample folder, in every layout, and finding them again."""

import contextlib
import pathlib
import re

from wgan.runs import grid_archives
from wgan.runs.files import entries

_FOLDER_NAME = re.compile(r"[0-9]{5,}-[0-9]{5,}")


def sample_path(sample_dir, epoch, layout="flat"):
    """The path of an epoch's grid.

    Args:
        sample_dir: the folder of samples.
        epoch: its number, from 1.
        layout: "flat": `sample_00001.png`, from epoch 100,000 on with more digits; "folders": the same name in a
            folder for 500 epochs, `00001-00500/sample_00001.png`.
    """
    folder = pathlib.Path(sample_dir)
    if layout == "folders":
        folder /= grid_archives.range_of(epoch)
    return folder / grid_archives.grid_name(epoch)


def list_samples(sample_dir):
    """Finds the grids that training has written, in every layout; other files in the folder are passed over.

    Returns:
        A list of (epoch, where), in the order of the epochs; empty when there is no such folder. `where` is the path
        of a PNG, or a `grid_archives.ZippedGrid`: `where.read_bytes()` is the PNG. An epoch that is there twice is
        listed once, as a file of its own if it has one.

    Raises:
        OSError: the folder cannot be read.
    """
    found = {}
    for path in grid_archives.archives(sample_dir):
        found.update(grid_archives.read(path))
    found.update(_pngs(sample_dir))
    return sorted(found.items())


def sample_files(sample_dir):
    """The paths of all files that hold grids, archives last.

    Raises:
        OSError: the folder cannot be read.
    """
    return [path for _, path in sorted(_pngs(sample_dir))] + grid_archives.archives(sample_dir)


def sample_folders(sample_dir):
    """The paths of the folders of 500, and of others with such names.

    Raises:
        OSError: the folder cannot be read.
    """
    return [
        pathlib.Path(entry.path)
        for entry in entries(sample_dir)
        if _FOLDER_NAME.fullmatch(entry.name) and entry.is_dir()
    ]


def remove_samples_after(sample_dir, epoch):
    """Removes the grids of later epochs, in every layout, and the folders that this leaves empty.

    Raises:
        OSError: a file cannot be removed.
    """
    for number, path in _pngs(sample_dir):
        if number > epoch:
            path.unlink()
    grid_archives.remove_after(sample_dir, epoch)
    for folder in sample_folders(sample_dir):
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()


def _pngs(sample_dir):
    """(epoch, path) of the PNGs in all layouts, those that are flat last."""
    folders = (*sample_folders(sample_dir), sample_dir)
    named = [
        (grid_archives.GRID_NAME.fullmatch(entry.name), pathlib.Path(entry.path))
        for folder in folders
        for entry in entries(folder)
        if entry.is_file()
    ]
    numbered = [(int(match[1]), path) for match, path in named if match]
    # Not sample_000001.png, which would make epoch 1 appear twice, nor what is in another epoch's folder.
    return [
        (epoch, path)
        for epoch, path in numbered
        if path in (sample_path(sample_dir, epoch, "flat"), sample_path(sample_dir, epoch, "folders"))
    ]
