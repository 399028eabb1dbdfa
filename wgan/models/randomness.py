"""All random numbers of a run: each a function of the run's seed, the epoch and the purpose.

Nothing here has a state, so a run that is continued draws what an uninterrupted one would have drawn.
Every draw starts from the integers of a named generator, Philox: they are the same on every device, while
TensorFlow's own floating-point draws differ between its kernels and those that XLA compiles.
"""

import enum
import math

import numpy as np
import tensorflow as tf


class Purpose(enum.IntEnum):
    """What a random number is for. The values are part of every stored run: never renumber them."""

    SHUFFLE = 0
    CRITIC_LATENTS = 1
    INTERPOLATION = 2
    CRITIC_DROPOUT = 3
    GENERATOR_LATENTS = 4
    GENERATOR_DROPOUT = 5
    PREVIEW_LATENTS = 6
    EVALUATION_LATENTS = 7
    FLIPS = 8
    CRITIC_AUGMENTATION = 9
    GENERATOR_AUGMENTATION = 10
    LABELLED_SHUFFLE = 11
    CLASSIFIER_DROPOUT = 12
    STATISTICS_LATENTS = 13
    GENERATE_LATENTS = 20


def stream(seed, epoch, purpose, step=0, attempt=0):
    """The seed of one draw: int64 [2], as TensorFlow's stateless operations take it.

    Args:
        seed: the run's seed, below 2**31.
        epoch: int or int64 tensor, from 1 on; 0 for what stays the same throughout a run.
        purpose: a `Purpose`.
        step: the critic update within the epoch, below 256.
        attempt: how often the run has gone back because its numbers went wrong: int or int64 tensor. Each
            attempt draws other numbers, since the same ones would lead to the same end.
    """
    place = (tf.cast(epoch, tf.int64) * 256 + int(purpose)) * 256 + step
    return tf.stack([seed + tf.cast(attempt, tf.int64) * 2**31, place])


def substream(seed, place):
    """Another seed, int64 [2], for each place below 2**14 where one draw needs several."""
    return seed + tf.constant([place * 2**48, 0], tf.int64)


def of_replica(seed, number):
    """Another seed, int64 [2], for each replica below 2**14; the first one's is `seed` itself."""
    return seed + tf.stack([tf.constant(0, tf.int64), tf.cast(number, tf.int64) * 2**48])


def integers(shape, seed):
    """int32 draws, every value equally likely."""
    return tf.random.stateless_uniform(shape, seed, minval=None, maxval=None, dtype=tf.int32, alg="philox")


def uniform(shape, seed):
    """float32 draws from [0, 1), with the 24 bits that a float32 can hold there."""
    # Every step is exact. GPUs have no kernel for int32 sums: TensorFlow would take those to the processor.
    return (tf.cast(tf.bitwise.right_shift(integers(shape, seed), 8), tf.float32) + 2.0**23) * 2.0**-24


def normal(shape, seed):
    """Standard normal float32 draws, by the method of Box and Muller (1958)."""
    radius, angle = tf.unstack(uniform([2, *shape], seed))
    return tf.sqrt(-2.0 * tf.math.log(1.0 - radius)) * tf.cos(2.0 * math.pi * angle)


def latents(count, generator, seed):
    """Latents for a generator, float32 [count, generator.latent_dim].

    Standard normal, or uniform in [-1, 1) where the generator says `latent_distribution = "uniform"`.
    """
    shape = [count, generator.latent_dim]
    if latent_distribution(generator) == "uniform":
        return 2.0 * uniform(shape, seed) - 1.0
    return normal(shape, seed)


def latent_distribution(generator):
    """What a generator's latents are drawn from: "normal", where it does not say `latent_distribution`."""
    return getattr(generator, "latent_distribution", "normal")


def labels(count, frequencies, seed):
    """Classes, int32 [count], each as probable as `frequencies`, [number of classes], says up to a factor."""
    bounds = np.cumsum(frequencies)[:-1] / np.sum(frequencies)
    return tf.reduce_sum(tf.cast(uniform([count, 1], seed) >= tf.constant(bounds, tf.float32), tf.int32), axis=1)


def happens(probability, shape, seed):
    """bool draws that are true with a probability in (0, 1]."""
    return integers(shape, seed) <= round(probability * 2**32) - 1 - 2**31
