"""The handwritten digits that come with scikit-learn: 1,797 grey images of 8x8 pixels, no download."""

import numpy as np

from wgan.data.dataset import Dataset

BRIGHTEST = 16  # the originals count ink in steps from 0 to 16


class Digits(Dataset):
    """Bicubic keeps a fourfold enlargement smooth; Pillow cuts its overshoot off at 0 and 255."""

    has_splits = False

    def read(self, data_dir, split):
        """See `Dataset.read`."""
        from sklearn.datasets import load_digits  # a second of start-up, so only where it is wanted

        digits = load_digits()
        images = np.rint(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
        notices = () if data_dir is None else ("digits comes with scikit-learn: --data_dir is not used",)
        return {"all": [(images, digits.target)]}, notices


DIGITS = Digits("digits", tuple("0123456789"))
