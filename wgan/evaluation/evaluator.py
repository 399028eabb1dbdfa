"""Samples of a generator, measured against a fixed set of real images."""

import functools

import numpy as np
import tensorflow as tf

from wgan.evaluation import distances, neighbours, report
from wgan.images import grids
from wgan.models import randomness
from wgan.models.randomness import Purpose

MAX_REALS = 6000  # all horses; more cost time without changing the figures much
BATCH = 500
FIGURES = ("fid", "kid", "kid_error", "precision", "recall")


def subset_indices(count, most):
    """Which of `count` images to take where at most `most` are wanted: always the same ones, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


class Sampler:
    """Draws the same images from a generator whenever its weights are the same."""

    def __init__(self, generator, count, seed):
        """
        Args:
            generator: latents [batch, latent_dim] to images in [-1, 1].
            count: number of images.
            seed: of the latents.
        """
        stream = randomness.stream(seed, 0, Purpose.EVALUATION_LATENTS)
        self.latents = randomness.latents(count, generator, stream)
        self._draw = tf.function(lambda latents: generator(latents, training=False), reduce_retracing=True)

    def __call__(self):
        """uint8 [count, size, size, channels], as they would be saved: with the moving statistics, rounded."""
        return np.concatenate(
            [
                grids.to_uint8(self._draw(self.latents[start : start + BATCH]).numpy())
                for start in range(0, len(self.latents), BATCH)
            ]
        )


class Evaluator:
    """FID, KID, precision and recall against the same real images again and again."""

    def __init__(self, extract, reals):
        """
        Args:
            extract: an `Extractor`.
            reals: uint8 [N, size, size, channels].
        """
        self.extract = extract
        self._reals = reals

    @functools.cached_property
    def real_features(self):
        """float32 [N, dimensions], computed when first wanted."""
        return self.extract(self._reals)

    @functools.cached_property
    def _real_kernel_sums(self):
        return distances.kernel_sums_within(self.real_features)

    @functools.cached_property
    def _real_radii(self):
        return neighbours.radii(self.real_features, neighbours.K)

    def prepare(self):
        """Computes all that depends on the real images alone, which takes seconds; else `figures` does at first."""
        return self.real_features, self._real_kernel_sums, self._real_radii

    def figures(self, images):
        """The `FIGURES` of images, uint8 [M, size, size, channels], as a dictionary of floats."""
        return report.figures(self.real_features, self.extract(images), self._real_kernel_sums, self._real_radii)
