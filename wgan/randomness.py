"""All random numbers of a run: each a function of the run's seed, the epoch and the purpose.

Nothing here has a state, so a run that is continued draws what an uninterrupted one would have drawn.
The algorithm is named in every draw, since TensorFlow's default differs between devices.
"""

import enum

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


def stream(seed, epoch, purpose, step=0):
    """The seed of one draw: int64 [2], as TensorFlow's stateless operations take it.

    Args:
        seed: the run's seed, below 2**31.
        epoch: int or int64 tensor, from 1 on; 0 for what stays the same throughout a run.
        purpose: a `Purpose`.
        step: the critic update within the epoch, below 256.
    """
    place = (tf.cast(epoch, tf.int64) * 256 + int(purpose)) * 256 + step
    return tf.stack([tf.constant(seed, tf.int64), place])


def normal(shape, seed):
    """Standard normal float32 draws."""
    return tf.random.stateless_normal(shape, seed, alg="philox")


def uniform(shape, seed):
    """float32 draws from [0, 1)."""
    return tf.random.stateless_uniform(shape, seed, alg="philox")
