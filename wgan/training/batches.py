"""The real images of each epoch, in an order that depends on the seed and the epoch alone."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from wgan.data.records import Records
from wgan.models import randomness
from wgan.models.randomness import Purpose

MANY = 2**21  # images, to draw from which keys for all would take a tenth of a second


class Shape(NamedTuple):
    """The batches of an epoch."""

    critic_steps: int
    batch_size: int
    host: int = 0  # which one takes its rows of them
    hosts: int = 1


def epoch_indices(seed, epoch, num_images, num_drawn, attempt=0, purpose=Purpose.SHUFFLE):
    """Which images an epoch draws: a fresh shuffle of all; where that is too few, further shuffles follow.

    Sorting random keys in place of a shuffle operation compiles everywhere, also under XLA.

    Returns:
        int32 [num_drawn], each in [0, num_images).
    """
    shuffles = math.ceil(num_drawn / num_images)
    keys = randomness.uniform([shuffles, num_images], randomness.stream(seed, epoch, purpose, attempt=attempt))
    if shuffles == 1:  # the first of the sorted keys are all that is wanted, which saves most of the sorting
        return tf.math.top_k(-keys[0], num_drawn).indices
    return tf.reshape(tf.argsort(keys, stable=True), [-1])[:num_drawn]


def few_of_many_indices(seed, epoch, num_images, num_drawn, attempt=0, purpose=Purpose.SHUFFLE):
    """As `epoch_indices`, without keys for all: numbers are drawn, and those that come up again are left out."""
    stream = randomness.stream(seed, epoch, purpose, attempt=attempt)
    numbers = tf.random.stateless_uniform([2 * num_drawn], stream, 0, num_images, dtype=tf.int32, alg="philox")
    return tf.ensure_shape(tf.unique(numbers).y[:num_drawn], [num_drawn])


def epoch_batches(
    images: np.ndarray | Records | tuple[np.ndarray | Records, ...],
    seed: int,
    shape: tuple[int, ...],
    epochs: range,
    attempt: int = 0,
    labels: np.ndarray | None = None,
) -> tf.data.Dataset:
    """The training data: one element is one epoch, as `run_epochs` and Keras's `fit` take it.

    Args:
        images: uint8 [num_images, height, width, channels]; also a `numpy.memmap` or `Records`. They are not copied,
            but for the batches drawn from them. Or numbers that are no images, float32 [num_images, 1]. Or a tuple of
            such an array and others of as many rows, such as labels, of which the same rows are drawn.
        seed: of the shuffles.
        shape: a `Shape`, or as it: (critic_steps, batch_size), the batches of an epoch and the images in each. A host
            of several reads its rows alone; the others are zeros, at which nobody looks.
        epochs: those to give, counted from 1, without gaps.
        attempt: another number gives other shuffles.
        labels: int32 [num_images], negative where an image has none; or None.

    Returns:
        A `tf.data.Dataset` of pairs: the epoch's number, int64 [], and its real images,
        uint8 [critic_steps, batch_size, height, width, channels], each array of a tuple in its turn. With labels two
        more follow: as many images, drawn from those that have one, and their labels, int32 [critic_steps, batch_size].
    """
    shape = Shape(*shape)
    num_drawn = shape.critic_steps * shape.batch_size
    images, *others = images if isinstance(images, tuple) else (images,)
    labelled = None if labels is None else np.flatnonzero(labels >= 0)

    def shuffled(epoch, count, purpose):
        # Of records alone: arrays are drawn from as they always were, so that earlier runs continue.
        is_few = isinstance(images, Records) and count > max(MANY, 8 * num_drawn)
        return (few_of_many_indices if is_few else epoch_indices)(seed, epoch, count, num_drawn, attempt, purpose)

    def draw(epoch):
        places = shuffled(epoch, len(images), Purpose.SHUFFLE)
        reals = [_take(array, places, shape) for array in (images, *others)]
        if labelled is None:
            return epoch, *reals
        chosen = tf.gather(labelled, shuffled(epoch, len(labelled), Purpose.LABELLED_SHUFFLE))
        return epoch, *reals, _take(images, chosen, shape), _take(labels, chosen, shape)

    return tf.data.Dataset.range(epochs.start, epochs.stop).map(draw).prefetch(2).with_options(_untuned())


def _take(array, indices, shape):
    """A host's rows of an epoch's batches, at their places among zeros: [critic_steps, batch_size, ...] of a `Shape`.

    `indices`, int32 [critic_steps * batch_size], are those of the rows of all batches in `array`, [num_images, ...].
    """
    critic_steps, batch_size, host, hosts = shape
    share = batch_size // hosts
    own = tf.reshape(tf.reshape(indices, [critic_steps, hosts, share])[:, host], [-1])
    drawn = tf.numpy_function(lambda chosen: array[chosen], [own], array.dtype, stateful=False)
    drawn = tf.reshape(drawn, [critic_steps, share, *array.shape[1:]])
    around = [[0, 0], [host * share, (hosts - 1 - host) * share], *[[0, 0]] * (len(array.shape) - 1)]
    return tf.pad(drawn, around) if hosts > 1 else drawn


def _untuned():
    """No thread that tunes the pipeline: there is nothing to tune, and its end would hold up the end of a training,
    in which it sleeps for up to half a minute."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
