"""The smallest networks: from number to number."""

import keras
import tensorflow as tf
from keras import layers

WIDTH = 16
REACH = 5.0  # of the generator: its tanh gives -1 to 1


@keras.saving.register_keras_serializable(package="wgan.gaussian")
class Generator(keras.Model):
    """Uniform numbers to numbers between -5 and 5."""

    latent_distribution = "uniform"

    def __init__(self, latent_dim=1, **kwargs):
        """Args: latent_dim: numbers in a latent."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.hidden = [layers.Dense(WIDTH, activation="tanh") for _ in range(2)]
        self.last = layers.Dense(1, activation="tanh", dtype=self.variable_dtype)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to numbers [batch, 1]."""
        x = latents
        for dense in self.hidden:
            x = dense(x)
        return REACH * self.last(x)

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="wgan.gaussian")
class Discriminator(keras.Model):
    """Numbers to logits."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [layers.Dense(WIDTH, activation="tanh") for _ in range(2)]
        self.last = layers.Dense(1, dtype=self.variable_dtype)

    def call(self, points, dropout_seed=None):
        """Numbers [batch, 1] to logits [batch]; there is no dropout."""
        x = points
        for dense in self.hidden:
            x = dense(x)
        return tf.squeeze(self.last(x), axis=1)
