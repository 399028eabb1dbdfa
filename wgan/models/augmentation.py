"""More images out of few: mirror images, and the differentiable augmentation of Zhao et al. (2020).

"Differentiable Augmentation for Data-Efficient GAN Training": what the critic sees is changed at random, real
images and samples alike and in the generator's step too, so that the critic cannot learn the few images by heart
and the samples do not learn the changes. The ranges are the paper's.
"""

import tensorflow as tf

from wgan.models import randomness

MAX_SHIFT = 1 / 8  # of an image's side
CUT_SIDE = 1 / 2


def flip(images, seed):
    """Mirrors each of the images [batch, height, width, channels] with a probability of one half."""
    mirrored = randomness.happens(0.5, [tf.shape(images)[0], 1, 1, 1], seed)
    return tf.where(mirrored, images[:, :, ::-1], images)


def augment(images, changes, seed):
    """Changes each image in its own way; the result is differentiable with respect to the images.

    They are float32 [batch, height, width, channels], 0 is grey; `changes` are names of `wgan.config.CHANGES`; `seed`
    is int64 [2].
    """
    draws = randomness.uniform([7, tf.shape(images)[0], 1, 1, 1], seed)
    if "color" in changes:
        images = change_colors(images, *tf.unstack(draws[:3]))
    if "translation" in changes:
        images = translate(images, *tf.unstack(draws[3:5, :, 0, 0, 0]))
    if "cutout" in changes:
        images = cut_out(images, *tf.unstack(draws[5:]))
    return images


def change_colors(images, brightness, saturation, contrast):
    """Adds up to half a unit of brightness, and scales saturation by 0 to 2 and contrast by .5 to 1.5.

    Images are float32 [batch, height, width, channels], all others draws from [0, 1), [batch, 1, 1, 1].
    """
    images = images + (brightness - 0.5)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def translate(images, down, right):
    """Shifts images by whole pixels, up to an eighth of their side; grey comes in from the border.

    Images are float32 [batch, height, width, channels], `down` and `right` draws from [0, 1), [batch].
    """
    _, height, width, _ = images.shape
    images = tf.einsum("bij,bjwc->biwc", _shift(height, down), images)
    return tf.einsum("bij,bhjc->bhic", _shift(width, right), images)


def _shift(side, draw):
    """Matrices [batch, side, side] that move a line's values; a product is fast on every device."""
    limit = round(side * MAX_SHIFT)
    by = tf.cast(draw * (2 * limit + 1), tf.int32) - limit
    place = tf.range(side)
    return tf.cast(place[:, None] - place[None, :] == by[:, None, None], tf.float32)


def cut_out(images, row, column):
    """Greys out a square of half the side, whose centre may be anywhere.

    Images are float32 [batch, height, width, channels], `row` and `column` draws from [0, 1), [batch, 1, 1, 1].
    """
    _, height, width, _ = images.shape
    rows, columns = tf.range(height)[:, None, None], tf.range(width)[None, :, None]
    inside = _within(rows, row, height) & _within(columns, column, width)
    return tf.where(inside, 0.0, images)


def _within(places, draw, side):
    half = round(side * CUT_SIDE) // 2
    centre = tf.cast(draw * side, tf.int32)
    return (places >= centre - half) & (places < centre + half)
