"""Fully connected networks."""

import math

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import leaky_relu

SLOPE = 0.2


@keras.saving.register_keras_serializable(package="wgan.perceptrons")
class Generator(keras.Model):
    """Latents through ReLU layers to all pixels at once."""

    def __init__(self, latent_dim, shape, widths, **kwargs):
        """Args: latent_dim: length of a latent; shape: of an image, (height, width, channels); widths: of layers."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.shape = tuple(shape)
        self.widths = tuple(widths)
        self.hidden = [layers.Dense(width, activation="relu") for width in self.widths]
        self.last = layers.Dense(math.prod(self.shape))
        self.reshape = layers.Reshape(self.shape)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to images [batch, *shape] in [-1, 1]."""
        x = latents
        for dense in self.hidden:
            x = dense(x)
        return tf.tanh(tf.cast(self.reshape(self.last(x)), self.variable_dtype))  # a layer would cast it back

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim, "shape": self.shape, "widths": self.widths}


@keras.saving.register_keras_serializable(package="wgan.perceptrons")
class Discriminator(keras.Model):
    """All pixels at once through leaky layers to one logit."""

    def __init__(self, shape, widths, **kwargs):
        """Args: shape: of an image, (height, width, channels); widths: of the layers between."""
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.widths = tuple(widths)
        self.flatten = layers.Flatten()
        self.hidden = [layers.Dense(width) for width in self.widths]
        self.last = layers.Dense(1, dtype=self.variable_dtype)

    def call(self, images, dropout_seed=None):
        """Images [batch, *shape] to logits [batch]; there is no dropout."""
        x = self.flatten(images)
        for dense in self.hidden:
            x = leaky_relu(dense(x), SLOPE)
        return tf.squeeze(self.last(x), axis=1)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape, "widths": self.widths}
