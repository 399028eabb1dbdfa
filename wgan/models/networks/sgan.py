"""A convolutional generator, and a discriminator with two heads: is it real, and which class is it."""

import keras
import tensorflow as tf
from keras import layers

from wgan.models import randomness
from wgan.models.layers import BatchNormalization, StatelessDropout, leaky_relu
from wgan.models.networks.image_generator import ImageGenerator

SLOPE = 0.2
CONV_INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
SCALE_INITIALIZER = {"class_name": "RandomNormal", "config": {"mean": 1.0, "stddev": 0.02}}


def _conv(filters, strides=1):
    return layers.Conv2D(filters, 3, strides=strides, padding="same", kernel_initializer=CONV_INITIALIZER)


def _norm():
    # The article's .8 stands where its library expects epsilon; the momentum was meant.
    return BatchNormalization(momentum=0.8, gamma_initializer=SCALE_INITIALIZER)


@keras.saving.register_keras_serializable(package="wgan.sgan")
class Generator(ImageGenerator):
    """A quarter of the image's side with 128 channels, doubled twice."""

    def __init__(self, latent_dim=100, channels=1, image_size=32, **kwargs):
        """Args: latent_dim: length of a latent; channels: of the images; image_size: pixels a side, a multiple of 4."""
        super().__init__(latent_dim, channels, image_size, **kwargs)
        side = image_size // 4
        self.dense = layers.Dense(128 * side * side)
        self.reshape = layers.Reshape((side, side, 128))
        self.upsample = layers.UpSampling2D()
        self.norm_1, self.norm_2, self.norm_3 = _norm(), _norm(), _norm()
        self.conv_2, self.conv_3, self.conv_4 = _conv(128), _conv(64), _conv(channels)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to images [batch, image_size, image_size, channels] in [-1, 1]."""
        x = self.norm_1(self.reshape(self.dense(latents)), training=training)
        x = leaky_relu(self.norm_2(self.conv_2(self.upsample(x)), training=training), SLOPE)
        x = leaky_relu(self.norm_3(self.conv_3(self.upsample(x)), training=training), SLOPE)
        return tf.tanh(tf.cast(self.conv_4(x), self.variable_dtype))


@keras.saving.register_keras_serializable(package="wgan.sgan")
class Discriminator(keras.Model):
    """Four halving convolutions below a head for validity and a head for the classes."""

    def __init__(self, num_classes, **kwargs):
        """Args: num_classes: of the labels; the class head has one more, for what is generated."""
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.convs = [_conv(filters, strides=2) for filters in (16, 32, 64, 128)]
        self.norms = [None, _norm(), _norm(), _norm()]
        self.dropout = StatelessDropout(0.25, whole_channels=True)
        self.flatten = layers.Flatten()
        self.validity = layers.Dense(1, dtype=self.variable_dtype)
        self.classes = layers.Dense(num_classes + 1, dtype=self.variable_dtype)

    def call(self, images, dropout_seed=None, training=False, track=True):
        """Images in [-1, 1], [batch, height, width, channels], to logits: validity [batch], class [batch, classes + 1].

        `dropout_seed` is int64 [2]; with None the dropout is off. `training` normalises by the batch's own statistics,
        which with `track` count among those that are used without training.
        """
        x = images
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            seed = None if dropout_seed is None else randomness.substream(dropout_seed, place)
            x = self.dropout(leaky_relu(conv(x), SLOPE), seed=seed)
            if norm is not None:
                x = norm(x, training=training, track=track)
        x = self.flatten(x)
        return tf.squeeze(self.validity(x), axis=1), self.classes(x)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
