"""Where a run's grids lie in its sample folder, in every layout, and finding them again."""

import contextlib
import os
import pathlib
import re

from wgan.runs import film

_SAMPLE_NAME = re.compile(r"sample_([0-9]{5,})\.png")
_FOLDER_NAME = re.compile(r"[0-9]{5,}-[0-9]{5,}")
_EPOCHS_IN_A_FOLDER = 500


def sample_path(sample_dir, epoch, layout="flat"):
    """Where the grid of an epoch lies as a picture of its own.

    Args:
        sample_dir: the folder of samples.
        epoch: its number, from 1.
        layout: "flat": `sample_00001.png`, from epoch 100,000 on with more digits; "folders": the same name in a
            folder for 500 epochs, `00001-00500/sample_00001.png`.
    """
    folder = pathlib.Path(sample_dir)
    if layout == "folders":
        first = (epoch - 1) // _EPOCHS_IN_A_FOLDER * _EPOCHS_IN_A_FOLDER + 1
        folder /= f"{first:05d}-{first + _EPOCHS_IN_A_FOLDER - 1:05d}"
    return folder / f"sample_{epoch:05d}.png"


def list_samples(sample_dir):
    """Finds the grids that training has written, in every layout; other files in the folder are passed over.

    Returns:
        A list of (epoch, where), in the order of the epochs; empty when there is no such folder. `where` is the path
        of a PNG, or a `film.Frame`. An epoch that is there twice is listed once, a PNG before a frame.

    Raises:
        OSError: the folder cannot be read.
    """
    found = {frame.epoch: frame for frame in film.frames(sample_dir)}
    found.update(_pictures(sample_dir, "folders"))
    found.update(_pictures(sample_dir, "flat"))
    return sorted(found.items())


def sample_files(sample_dir):
    """The paths of all files that hold grids, those of a film last.

    Raises:
        OSError: the folder cannot be read.
    """
    pictures = [*_pictures(sample_dir, "flat"), *_pictures(sample_dir, "folders")]
    return [path for _, path in sorted(pictures)] + film.files(sample_dir)


def sample_folders(sample_dir):
    """The paths of the folders of 500, and of others with such names.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        with os.scandir(sample_dir) as entries:
            return [pathlib.Path(entry.path) for entry in entries
                    if _FOLDER_NAME.fullmatch(entry.name) and entry.is_dir()]
    except FileNotFoundError:
        return []


def remove_samples_after(sample_dir, epoch):
    """Removes the grids of later epochs, in every layout, and the folders that this leaves empty.

    Raises:
        OSError: a file cannot be removed.
    """
    for layout in ("flat", "folders"):
        for number, path in _pictures(sample_dir, layout):
            if number > epoch:
                path.unlink()
    film.remove_after(sample_dir, epoch)
    for folder in sample_folders(sample_dir):
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()


def _pictures(sample_dir, layout):
    """(epoch, path) of the PNGs in one layout."""
    folders = [sample_dir] if layout == "flat" else sample_folders(sample_dir)
    return [found for folder in folders for found in _pictures_in(folder, sample_dir, layout)]


def _pictures_in(folder, sample_dir, layout):
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            match = _SAMPLE_NAME.fullmatch(entry.name)
            # The second test leaves out sample_000001.png, which would make epoch 1 appear twice, and what lies in
            # another epoch's folder.
            if match and sample_path(sample_dir, int(match[1]), layout) == pathlib.Path(entry.path) and entry.is_file():
                found.append((int(match[1]), pathlib.Path(entry.path)))
    return found
