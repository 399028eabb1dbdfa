"""Numbers on a line, normally distributed with mean -1 and standard deviation 1: what `gaussian_1d` is to learn."""

import statistics

import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data import labels
from wgan.data.imageset import ImageSet

MEAN, STD = -1.0, 1.0
COUNT = 10_000
CLASS_NAMES = ()
TARGET = statistics.NormalDist(MEAN, STD)


def check(data_dir, label, split):
    """The canonical label, which is always "all"; see `wgan.data.check`."""
    if label is not None and str(label).casefold() != labels.ALL:
        raise UserError(f"gaussian has no classes, so label {one_line(label)!r} cannot be used: leave --label out")
    return labels.ALL


def load(data_dir, class_name, split, size):
    """The middles of 10,000 slices of equal probability: as near to the distribution as so many numbers can be."""
    name = f"normal distribution of mean {MEAN:g} and standard deviation {STD:g}"
    return ImageSet(quantiles(COUNT), name, class_name)


def quantiles(count):
    """The values below which (i + 1/2) / count of the distribution lies, i from 0: float32 [count, 1], ascending."""
    return np.array([TARGET.inv_cdf((place + 0.5) / count) for place in range(count)], np.float32)[:, None]
