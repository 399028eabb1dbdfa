"""Numbers on a line, normally distributed with mean -1 and standard deviation 1: what `gaussian_1d` is to learn."""

import statistics

import numpy as np

from wgan.data.dataset import Dataset
from wgan.data.imageset import ImageSet

MEAN, STD = -1.0, 1.0
COUNT = 10_000
TARGET = statistics.NormalDist(MEAN, STD)


class Gaussian(Dataset):
    """The middles of 10,000 slices of equal probability: as near to the distribution as so many numbers can be."""

    has_splits = False

    def load(self, data_dir, class_name, split, size):
        """float32 [10,000, 1] in place of images."""
        name = f"normal distribution of mean {MEAN:g} and standard deviation {STD:g}"
        return ImageSet(quantiles(COUNT), name, class_name)


def quantiles(count):
    """The values below which (i + 1/2) / count of the distribution lies, i from 0: float32 [count, 1], ascending."""
    return np.array([TARGET.inv_cdf((place + 0.5) / count) for place in range(count)], np.float32)[:, None]


GAUSSIAN = Gaussian("gaussian")
