"""Samples of a generator, measured against a fixed set of real images."""

import numpy as np
import tensorflow as tf

from wgan.evaluation import distances, neighbours, report
from wgan.images import grids
from wgan.models import randomness
from wgan.models.classes import with_labels
from wgan.models.randomness import Purpose

MAX_REALS = 6000  # all horses; more cost time without changing the figures much
BATCH = 500
FIGURES = ("fid", "kid", "kid_error", "precision", "recall")


def subset_indices(count, most):
    """Which of `count` images to take where at most `most` are wanted: always the same ones, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def at_most(most, images):
    """So many images of an array or of `Records`, an array; always the same ones, in their order."""
    return images[:] if len(images) <= most else images[subset_indices(len(images), most)]


def in_batches(function, *arrays, size=BATCH):
    """What a function makes of the arrays' parts of at most `size` rows, as a list of numpy arrays."""
    return [
        np.asarray(function(*(tf.convert_to_tensor(array[start : start + size]) for array in arrays)))
        for start in range(0, len(arrays[0]), size)
    ]


class Sampler:
    """Draws the same images from a generator whenever its weights are the same."""

    def __init__(self, generator, count, seed, labels=None):
        """The generator turns latents [batch, latent_dim] into images in [-1, 1]. `labels`, int32 [count], are the
        classes to draw; None for a generator that is not asked for them."""
        latents = randomness.latents(count, generator, randomness.stream(seed, 0, Purpose.EVALUATION_LATENTS))
        self.inputs = [latents] if labels is None else [latents, labels]
        self._draw = tf.function(
            lambda latents, labels=None: generator(with_labels(latents, labels), training=False), reduce_retracing=True
        )

    def __call__(self):
        """uint8 [count, size, size, channels], as they would be saved: with the moving statistics, rounded."""
        return np.concatenate([grids.to_uint8(images) for images in in_batches(self._draw, *self.inputs)])


class Evaluator:
    """FID, KID, precision and recall against the same real images again and again."""

    def __init__(self, extract, reals):
        """Computes all that depends on the real images alone, uint8 [N, size, size, channels], which takes seconds;
        `extract` is an `Extractor`."""
        self._extract, self._reals = extract, extract(reals)
        self._kernel_sums = distances.kernel_sums_within(self._reals)
        self._radii = neighbours.radii(self._reals, neighbours.K)

    def figures(self, images):
        """The `FIGURES` of images, uint8 [M, size, size, channels], as a dictionary of floats."""
        return report.figures(self._reals, self._extract(images), self._kernel_sums, self._radii)
