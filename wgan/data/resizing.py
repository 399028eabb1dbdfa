"""Small grey images brought to 32x32."""

import numpy as np
from PIL import Image

SIZE = 32


def enlarge(images, resample):
    """Resizes grey images to 32x32.

    Args:
        images: uint8 [N, height, width].
        resample: one of `PIL.Image.Resampling`.

    Returns:
        uint8 [N, 32, 32, 1], C-contiguous.
    """
    large = np.empty((len(images), SIZE, SIZE, 1), np.uint8)
    for row, image in zip(large, images):
        row[..., 0] = Image.fromarray(np.ascontiguousarray(image)).resize((SIZE, SIZE), resample)
    return large
