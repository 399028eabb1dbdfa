"""The real images of each epoch, in an order that depends on the seed and the epoch alone."""

import math

import numpy as np
import tensorflow as tf

from wgan.models import randomness
from wgan.models.randomness import Purpose


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


def epoch_batches(
    images: np.ndarray,
    seed: int,
    shape: tuple[int, int],
    epochs: range,
    attempt: int = 0,
    labels: np.ndarray | None = None,
) -> tf.data.Dataset:
    """The training data: one element is one epoch, as `run_epochs` and Keras's `fit` take it.

    Args:
        images: uint8 [num_images, height, width, channels]; also a `numpy.memmap`. They are not copied,
            but for the batches drawn from them. Or numbers that are no images, float32 [num_images, 1].
        seed: of the shuffles.
        shape: (critic_steps, batch_size), the batches of an epoch and the images in each.
        epochs: those to give, counted from 1, without gaps.
        attempt: another number gives other shuffles.
        labels: int32 [num_images], negative where an image has none; or None.

    Returns:
        A `tf.data.Dataset` of pairs: the epoch's number, int64 [], and its real images,
        uint8 [critic_steps, batch_size, height, width, channels]. With labels two more follow: as many images,
        drawn from those that have one, and their labels, int32 [critic_steps, batch_size].
    """
    critic_steps, batch_size = shape
    labelled = None if labels is None else np.flatnonzero(labels >= 0)

    def take(array, indices):
        drawn = tf.numpy_function(lambda chosen: array[chosen], [indices], array.dtype, stateful=False)
        return tf.reshape(drawn, [critic_steps, batch_size, *array.shape[1:]])

    def shuffled(epoch, count, purpose):
        return epoch_indices(seed, epoch, count, critic_steps * batch_size, attempt, purpose)

    def draw(epoch):
        reals = take(images, shuffled(epoch, len(images), Purpose.SHUFFLE))
        if labelled is None:
            return epoch, reals
        chosen = tf.gather(labelled, shuffled(epoch, len(labelled), Purpose.LABELLED_SHUFFLE))
        return epoch, reals, take(images, chosen), take(labels, chosen)

    return tf.data.Dataset.range(epochs.start, epochs.stop).map(draw).prefetch(2).with_options(_untuned())


def _untuned():
    """No thread that tunes the pipeline: there is nothing to tune, and its end would hold up the end of a training,
    in which it sleeps for up to half a minute."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
