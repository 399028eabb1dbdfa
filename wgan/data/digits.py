"""The handwritten digits that come with scikit-learn: 1,797 grey images, no download."""

import numpy as np
from PIL import Image

from wgan.data import labels
from wgan.data.imageset import ImageSet, resize

CLASS_NAMES = tuple("0123456789")
BRIGHTEST = 16  # the 8x8 originals count ink in steps from 0 to 16


def check(data_dir, label, split):
    """The canonical label; see `wgan.data.check`."""
    return labels.resolve(label, CLASS_NAMES, "digits")


def load(data_dir, class_name, split, size):
    """The digits, scaled to 0..255 and enlarged: uint8 [N, size, size, 1]."""
    from sklearn.datasets import load_digits  # a second of start-up, so only where it is wanted

    digits = load_digits()
    chosen = slice(None) if class_name == labels.ALL else digits.target == CLASS_NAMES.index(class_name)
    small = np.rint(digits.images[chosen] * (255 / BRIGHTEST)).astype(np.uint8)
    # Bicubic keeps a fourfold enlargement smooth; Pillow cuts its overshoot off at 0 and 255.
    images = resize(small, size, Image.Resampling.BICUBIC)
    notices = () if data_dir is None else ("digits comes with scikit-learn: --data_dir is not used",)
    return ImageSet(
        images,
        f"digits {class_name}",
        class_name,
        notices,
        labels=digits.target[chosen].astype(np.int32),
        label_names=CLASS_NAMES,
    )
