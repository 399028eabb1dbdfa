"""What the convolutional generators have in common."""

import operator

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import batch_norm_groups

MAX_PIXELS_AT_ONCE = 2**21  # drawn in one pass: 2,048 images of 32 x 32, whose activations take some 300 MB


def doublings(image_size, smallest):
    """How often a side of `smallest` pixels, a power of two, is to be doubled; ValueError where it never comes to
    `image_size`."""
    times = int(image_size).bit_length() - smallest.bit_length()
    if times < 0 or image_size != smallest * 2**times:
        raise ValueError(f"image_size is {image_size}; it must be {smallest}, {2 * smallest}, {4 * smallest} ...")
    return times


def class_shares(labels, num_classes, dtype):
    """Each image's share of each class, `dtype` [batch, num_classes].

    `labels` are int32 [batch], or such shares, for an image between classes.
    """
    labels = tf.one_hot(tf.cast(labels, tf.int32), num_classes) if len(labels.shape) == 1 else labels
    return tf.cast(labels, dtype)


class ImageGenerator(keras.Model):
    """A generator of square images, made again from a few numbers."""

    def __init__(self, latent_dim, channels, image_size, num_classes=0, **kwargs):
        """Arguments as of `plain.Generator`."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.channels = channels
        self.image_size = image_size
        self.num_classes = num_classes
        if num_classes:  # each is as long a vector as a latent
            self.class_embedding = layers.Dense(
                latent_dim, use_bias=False, kernel_initializer={"class_name": "RandomNormal", "config": {"stddev": 1.0}}
            )

    def joined(self, inputs):
        """Latents with the vectors of their classes behind them; without classes the latents, [batch, latent_dim]."""
        if not self.num_classes:
            return inputs
        if not isinstance(inputs, (list, tuple)):
            raise ValueError("this generator is asked for a class: give [latents, labels], labels int32 [batch]")
        latents, labels = inputs
        shares = class_shares(labels, self.num_classes, latents.dtype)
        return tf.concat([latents, self.class_embedding(shares)], axis=1)

    def draw_batches(self, inputs):
        """Draws for training from batches of latents, [count, batch, latent_dim], each normalised by itself.

        All together where memory allows: one pass over many small batches takes a fraction of the time of many passes.
        With classes, `inputs` is a list of latents and labels, int32 [count, batch]. Returns a list of `count` times
        images [batch, image_size, image_size, channels].
        """
        count, batch = tf.nest.flatten(inputs)[0].shape[:2]
        if count * batch * self.image_size**2 > MAX_PIXELS_AT_ONCE:
            batches = [tf.nest.map_structure(operator.itemgetter(place), inputs) for place in range(count)]
            return [self(each, training=True) for each in batches]
        merged = tf.nest.map_structure(lambda each: tf.reshape(each, [count * batch, *each.shape[2:]]), inputs)
        with batch_norm_groups(count):
            return tf.split(self(merged, training=True), count)

    def get_config(self):
        own = ("latent_dim", "channels", "image_size", "num_classes")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
