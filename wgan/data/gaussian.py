"""Numbers on a line with the normal distribution of mean -1 and deviation 1: the target of the one-dimensional GAN."""

import statistics

import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data import labels
from wgan.data.imageset import ImageSet

MEAN, DEVIATION = -1.0, 1.0
COUNT = 10_000
CLASS_NAMES = ()
TARGET = statistics.NormalDist(MEAN, DEVIATION)


def check(data_dir, label, split):
    """The canonical label, which is always "all"; see `wgan.data.check`."""
    if label is not None and str(label).casefold() != labels.ALL:
        raise UserError(f"gaussian has no classes, so label {one_line(label)!r} cannot be used: leave --label out")
    return labels.ALL


def load(data_dir, class_name, split, size):
    """The middles of 10,000 slices of equal probability: as near to the distribution as so many numbers can be."""
    return ImageSet(quantiles(COUNT), f"normal distribution of mean {MEAN:g} and deviation {DEVIATION:g}", class_name)


def quantiles(count):
    """The values below which (i + 1/2) / count of the distribution lies, i from 0: float32 [count, 1], ascending."""
    return np.array([TARGET.inv_cdf((place + 0.5) / count) for place in range(count)], np.float32)[:, None]
