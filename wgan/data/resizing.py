"""Small images brought to the size to train on."""

import numpy as np
from PIL import Image


def resize(images, size, resample):
    """Resizes images to squares.

    Args:
        images: uint8 [N, height, width] (grey) or [N, height, width, 3].
        size: pixels a side of the result.
        resample: one of `PIL.Image.Resampling`.

    Returns:
        uint8 [N, size, size, 1 or 3], C-contiguous.
    """
    resized = np.empty((len(images), size, size, *(images.shape[3:] or (1,))), np.uint8)
    for row, image in zip(resized, images):
        small = Image.fromarray(np.ascontiguousarray(image)).resize((size, size), resample)
        row[...] = np.asarray(small).reshape(row.shape)
    return resized
