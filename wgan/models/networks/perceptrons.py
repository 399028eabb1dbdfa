"""Fully connected networks."""

import math

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import leaky_relu

SLOPE = 0.2


@keras.saving.register_keras_serializable(package="wgan.perceptrons")
class Generator(keras.Model):
    """Latents through dense layers to all pixels, or all numbers, at once."""

    def __init__(self, latent_dim, shape, widths, activation="relu", reach=1.0, latent_distribution="normal", **kwargs):
        """
        Args:
            latent_dim: length of a latent.
            shape: of what is drawn: (height, width, channels) of an image.
            widths: of the layers between.
            activation: of those layers.
            reach: results lie between minus and plus it.
            latent_distribution: normal, or uniform in [-1, 1).
        """
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.shape = tuple(shape)
        self.widths = tuple(widths)
        self.activation = activation
        self.reach = reach
        self.latent_distribution = latent_distribution
        self.hidden = [layers.Dense(width, activation=activation) for width in self.widths]
        self.last = layers.Dense(math.prod(self.shape), dtype=self.variable_dtype)  # full precision for what is drawn

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to images [batch, *shape] between -reach and reach."""
        x = latents
        for dense in self.hidden:
            x = dense(x)
        return self.reach * tf.tanh(tf.reshape(self.last(x), [-1, *self.shape]))

    def get_config(self):
        own = ("latent_dim", "shape", "widths", "activation", "reach", "latent_distribution")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="wgan.perceptrons")
class Discriminator(keras.Model):
    """All pixels, or all numbers, at once through dense layers to one logit."""

    def __init__(self, shape, widths, activation="leaky_relu", **kwargs):
        """Args: shape, widths: as in `Generator`; activation: leaky_relu or tanh."""
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.widths = tuple(widths)
        self.activation = activation
        self.flatten = layers.Flatten()
        self.hidden = [layers.Dense(width) for width in self.widths]
        self.last = layers.Dense(1, dtype=self.variable_dtype)

    def call(self, images, dropout_seed=None):
        """Images [batch, *shape] to logits [batch]; there is no dropout."""
        x = self.flatten(images)
        for dense in self.hidden:
            x = tf.tanh(dense(x)) if self.activation == "tanh" else leaky_relu(dense(x), SLOPE)
        return tf.squeeze(self.last(x), axis=1)

    def get_config(self):
        own = ("shape", "widths", "activation")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
