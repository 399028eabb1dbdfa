"""The real images of each epoch, in an order that depends on the seed and the epoch alone."""

import math

import tensorflow as tf

from wgan import randomness
from wgan.randomness import Purpose


def epoch_indices(seed, epoch, num_images, num_drawn, attempt=0):
    """Which images an epoch draws: a fresh shuffle of all; where that is too few, further shuffles follow.

    Sorting random keys in place of a shuffle operation compiles everywhere, also under XLA.

    Returns:
        int32 [num_drawn], each in [0, num_images).
    """
    shuffles = math.ceil(num_drawn / num_images)
    keys = randomness.uniform([shuffles, num_images], randomness.stream(seed, epoch, Purpose.SHUFFLE, attempt=attempt))
    return tf.reshape(tf.argsort(keys, stable=True), [-1])[:num_drawn]


def epoch_batches(images, seed, critic_steps, batch_size, first_epoch, last_epoch, attempt=0):
    """The training data as `fit` takes it: one element is one epoch.

    Args:
        images: uint8 [num_images, height, width, channels]; also a `numpy.memmap`. They are not copied,
            but for the batches drawn from them.

    Returns:
        A `tf.data.Dataset` of pairs: the epoch's number, int64 [], and its real images,
        uint8 [critic_steps, batch_size, height, width, channels].
    """
    shape = [critic_steps, batch_size, *images.shape[1:]]

    def draw(epoch):
        indices = epoch_indices(seed, epoch, len(images), critic_steps * batch_size, attempt)
        drawn = tf.numpy_function(lambda chosen: images[chosen], [indices], tf.uint8, stateful=False)
        return epoch, tf.reshape(drawn, shape)

    return tf.data.Dataset.range(first_epoch, last_epoch + 1).map(draw).prefetch(2)
