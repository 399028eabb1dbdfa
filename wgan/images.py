"""Grids of images: putting them together, writing them as PNG, and finding them again in every layout."""

import contextlib
import os
import pathlib
import re

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from wgan import film
from wgan.data.own_files import SOFTWARE
from wgan.files import atomic_path

BACKGROUND = 255  # white: gaps between the images, the border, and places without an image
_SAMPLE_NAME = re.compile(r"sample_([0-9]{5,})\.png")
_FOLDER_NAME = re.compile(r"[0-9]{5,}-[0-9]{5,}")
_EPOCHS_IN_A_FOLDER = 500


def to_uint8(images):
    """Turns the generator's range into that of picture files.

    Args:
        images: float array of any shape, -1 (black) to 1 (white); what lies outside is clipped.

    Returns:
        uint8 array of the same shape, rounded to the nearest of the 256 levels.
    """
    levels = np.asarray(images, dtype=np.float32) * 127.5 + 127.5
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def image_grid(images, columns, gap=2):
    """Lays images out row by row, with white gaps between them and a white border around them.

    Args:
        images: uint8 [N, h, w, C], N at least 1, C 1 or 3.
        columns: images in a row; the last row may hold fewer, the rest of it stays white.
        gap: width of the gaps and of the border, in pixels.

    Returns:
        uint8 [rows * (h + gap) + gap, columns * (w + gap) + gap, C].

    Raises:
        ValueError: the images are not such an array, or `columns` or `gap` is too small.
    """
    images = np.asarray(images)
    if images.ndim != 4 or len(images) == 0 or images.shape[3] not in (1, 3) or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 [N, h, w, 1 or 3], not {images.dtype} {list(images.shape)}")
    if columns < 1 or gap < 0:
        raise ValueError(f"columns must be at least 1 and gap at least 0, not {columns} and {gap}")
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels),
                   BACKGROUND, dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        grid[top:top + height, left:left + width] = image
    return grid


def save_png(path, grid, is_marked=True):
    """Writes a picture, complete or not at all.

    Args:
        path: the PNG file, in a folder that is there.
        grid: uint8 [H, W, 3], or [H, W, 1] which becomes a grey PNG.
        is_marked: whether the file says that it is this program's, so that it is not trained on.

    Raises:
        OSError: the file cannot be written.
    """
    picture = Image.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid)
    metadata = PngInfo()
    if is_marked:
        metadata.add_text("Software", SOFTWARE)
    with atomic_path(path) as temporary:
        # Photographs hardly shrink further: on grids of 32x32 images level 9 takes three times as long
        # as level 1 and saves a twentieth of the bytes. A run writes many thousands of these.
        picture.save(temporary, format="PNG", compress_level=1, pnginfo=metadata)


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


def save_sample(sample_dir, epoch, grid, layout="flat"):
    """Writes a grid where `sample_path` says; the folder of 500 is made, and `sample_dir` is not.

    Raises:
        OSError: the file cannot be written.
    """
    path = sample_path(sample_dir, epoch, layout)
    if layout == "folders":
        path.parent.mkdir(exist_ok=True)
    save_png(path, grid)


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
