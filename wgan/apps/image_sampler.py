"""Latents and images of a trained generator: a seed's samples are the same ones, however many are asked for."""

import numpy as np
import scipy.special
import tensorflow as tf

from wgan.images import grids
from wgan.models import randomness, surroundings
from wgan.models.classes import with_labels
from wgan.models.randomness import Purpose

_BLOCK = 64  # latents from one stream. Part of what a seed means: never change it


def draw_latents(seed, first, count, latent_dim, truncation=None, distribution="normal"):
    """Draws latents, standard normal or uniform in (-1, 1), each a function of the seed and its own number.

    By the inverse of the distribution function: z = Phi^-1(u), u from 2**32 equally likely values. Truncated to
    |z| <= t the same u is first brought into [Phi(-t), Phi(t)], which is the exact truncated distribution, and
    leaves each sample recognisable. Uniform latents, 2u - 1, are truncated in the same way.

    Args:
        seed: 0 to 2**31 - 1.
        first, count: number of the first latent, from 0; and how many, at least 1.
        latent_dim: length of one.
        truncation: t, more than 0, or None.
        distribution: "normal" or "uniform".

    Returns:
        float32 [count, latent_dim].
    """
    blocks = range(first // _BLOCK, (first + count - 1) // _BLOCK + 1)
    streams = [randomness.stream(seed, block, Purpose.GENERATE_LATENTS) for block in blocks]
    integers = np.concatenate([randomness.integers([_BLOCK, latent_dim], stream).numpy() for stream in streams])
    start = first - blocks.start * _BLOCK
    uniform = (integers[start : start + count] + 2.0**31 + 0.5) * 2.0**-32  # float64, in (0, 1)
    if distribution == "uniform":
        return ((2 * uniform - 1) * min(1, truncation or 1)).astype(np.float32)
    if truncation is None:
        return scipy.special.ndtri(uniform).astype(np.float32)
    below = scipy.special.ndtr(-truncation)
    latents = scipy.special.ndtri(below + uniform * (1 - 2 * below))
    return np.clip(latents, -truncation, truncation).astype(np.float32)  # rounding may lead a little beyond


class ImageSampler:
    """Turns latents into images by a generator in inference mode, `batch_size` at a time.

    The last batch is filled up with zeros, so the network always sees the same shape and an image has the same
    bits whatever is drawn after it. Another batch size may make kernels add in another order, which can move a
    value by a grey level. The generator turns latents [batch, latent_dim], and labels where it is asked for classes,
    into images in [-1, 1].
    """

    def __init__(self, generator, batch_size, label=None):
        """`label` is the number of the class of images that are drawn without labels; None: the classes in turn."""
        self.label = label
        self.latent_dim = generator.latent_dim
        self.distribution = randomness.latent_distribution(generator)
        self.num_classes = getattr(generator, "num_classes", 0)
        self.batch_size = batch_size
        self._draw = tf.function(lambda latents, labels=None: generator(with_labels(latents, labels), training=False))

    @surroundings.usual()
    def latents(self, seed, first, count, truncation=None):
        """What `draw_latents` draws for this generator: float32 [count, latent_dim]."""
        return draw_latents(seed, first, count, self.latent_dim, truncation, self.distribution)

    def shares(self, labels):
        """Labels, int [N], as shares of the classes, float32 [N, number of classes]."""
        return np.float32(np.asarray(labels)[:, None] == np.arange(self.num_classes))

    @surroundings.usual()
    def __call__(self, latents, labels=None):
        """Draws images, at least one: latents, float32 [N, latent_dim], to uint8 [N, size, size, channels].

        `labels` are int [N], or what `shares` gives; None: as the constructor was told.
        """
        inputs = [np.asarray(latents, np.float32)]
        if self.num_classes:
            usual = np.arange(len(latents)) % self.num_classes if self.label is None else [self.label] * len(latents)
            labels = np.asarray(usual if labels is None else labels)
            inputs.append(labels.astype(np.int32 if labels.ndim == 1 else np.float32))
        rest = -len(latents) % self.batch_size
        filled = [np.concatenate([each, np.zeros((rest, *each.shape[1:]), each.dtype)]) for each in inputs]
        batches = zip(*(each.reshape(-1, self.batch_size, *each.shape[1:]) for each in filled))
        images = [grids.to_uint8(self._draw(*map(tf.constant, batch)).numpy()) for batch in batches]
        return np.concatenate(images)[: len(latents)]
