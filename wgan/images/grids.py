"""Grids of images: putting them together, and writing them as PNG."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from wgan.data.own_files import SOFTWARE
from wgan.runs.files import atomic_path
from wgan.runs.sample_files import sample_path

BACKGROUND = 255  # white: gaps between the images, the border, and places without an image


def to_uint8(images):
    """Floats of any shape, -1 (black) to 1 (white), as uint8: clipped, and rounded to the nearest of 256 levels."""
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
    cells = np.full((rows * columns, gap + height, gap + width, channels), BACKGROUND, np.uint8)
    cells[:count, gap:, gap:] = images
    grid = (
        cells.reshape(rows, columns, *cells.shape[1:])
        .swapaxes(1, 2)
        .reshape(rows * (gap + height), columns * (gap + width), channels)
    )
    return np.pad(grid, ((0, gap), (0, gap), (0, 0)), constant_values=BACKGROUND)


def save_png(path, grid, is_marked=True):
    """Writes a PNG, complete or not at all.

    Args:
        path: the file, which ends in .png, in a folder that is there.
        grid: uint8 [H, W, 3], or [H, W, 1] which becomes a grey PNG.
        is_marked: whether the file says that it is this program's, so that it is not trained on.

    Raises:
        ValueError: `grid` is not such an array, or the name ends otherwise.
        OSError: the file cannot be written.
    """
    if not str(path).lower().endswith(".png"):
        raise ValueError(f"{path} must end in .png, which is what is written")
    if grid.dtype != np.uint8 or grid.ndim != 3 or grid.shape[2] not in (1, 3):
        raise ValueError(f"grid must be uint8 [H, W, 1 or 3], not {grid.dtype} {list(grid.shape)}")
    image = Image.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid)
    metadata = PngInfo()
    if is_marked:
        metadata.add_text("Software", SOFTWARE)
    with atomic_path(path) as temporary:
        # Photographs hardly shrink further: on grids of 32x32 images level 9 takes three times as long
        # as level 1 and saves a twentieth of the bytes. A run writes many thousands of these.
        image.save(temporary, format="PNG", compress_level=1, pnginfo=metadata)


def save_sample(sample_dir, epoch, grid, layout="flat"):
    """As `save_png`, where `sample_path` says; the folder of 500 is made, and `sample_dir` is not."""
    path = sample_path(sample_dir, epoch, layout)
    if layout == "folders":
        path.parent.mkdir(exist_ok=True)
    save_png(path, grid)
