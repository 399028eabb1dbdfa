"""Where a run's grids are in its sample folder, in every layout, and finding them again."""

import contextlib
import pathlib
import re

from wgan.runs import grid_archives
from wgan.runs.files import entries

_SAMPLE_NAME = re.compile(r"sample_([0-9]{5,})\.png")
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
    return folder / f"sample_{epoch:05d}.png"


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
    found.update(_pngs(sample_dir, "folders"))
    found.update(_pngs(sample_dir, "flat"))
    return sorted(found.items())


def sample_files(sample_dir):
    """The paths of all files that hold grids, archives last.

    Raises:
        OSError: the folder cannot be read.
    """
    pngs = [*_pngs(sample_dir, "flat"), *_pngs(sample_dir, "folders")]
    return [path for _, path in sorted(pngs)] + grid_archives.archives(sample_dir)


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
    for layout in ("flat", "folders"):
        for number, path in _pngs(sample_dir, layout):
            if number > epoch:
                path.unlink()
    grid_archives.remove_after(sample_dir, epoch)
    for folder in sample_folders(sample_dir):
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()


def _pngs(sample_dir, layout):
    """(epoch, path) of the PNGs in one layout."""
    folders = [sample_dir] if layout == "flat" else sample_folders(sample_dir)
    named = [
        (_SAMPLE_NAME.fullmatch(entry.name), pathlib.Path(entry.path))
        for folder in folders
        for entry in entries(folder)
        if entry.is_file()
    ]
    # The second test leaves out sample_000001.png, which would make epoch 1 appear twice, and what is in another
    # epoch's folder.
    return [
        (int(match[1]), path)
        for match, path in named
        if match and path == sample_path(sample_dir, int(match[1]), layout)
    ]
