"""The generator and the critic of the main job, 32x32 images."""

import keras
import tensorflow as tf
from keras import layers

from wgan.layers import BatchNormalization, StatelessDropout, UpsampleConv2D, leaky_relu

SLOPE = 0.3  # of LeakyReLU on negative inputs


@keras.saving.register_keras_serializable(package="wgan")
class Generator(keras.Model):
    """Draws images from latents: 4x4x128, then three doublings to 32x32.

    The momenta of the normalisations differ from one to the next as in the article that this network
    comes from.
    """

    def __init__(self, latent_dim=100, channels=3, **kwargs):
        """Args: latent_dim: length of a latent; channels: of the images, 1 or 3."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.channels = channels

        self.dense = layers.Dense(4 * 4 * 128, use_bias=False)
        self.norm_1 = BatchNormalization(momentum=0.8)
        self.reshape = layers.Reshape((4, 4, 128))
        self.conv_2 = UpsampleConv2D(128)
        self.norm_2 = BatchNormalization(momentum=0.99)
        self.conv_3 = UpsampleConv2D(64)
        self.norm_3 = BatchNormalization(momentum=0.8)
        self.conv_4 = UpsampleConv2D(32, transposed=True)
        self.norm_4 = BatchNormalization(momentum=0.99)
        self.conv_5 = layers.Conv2DTranspose(channels, 5, padding="same", use_bias=False)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to images [batch, 32, 32, channels] in [-1, 1]."""
        x = self.reshape(leaky_relu(self.norm_1(self.dense(latents), training=training), SLOPE))
        x = leaky_relu(self.norm_2(self.conv_2(x), training=training), SLOPE)
        x = leaky_relu(self.norm_3(self.conv_3(x), training=training), SLOPE)
        x = leaky_relu(self.norm_4(self.conv_4(x), training=training), SLOPE)
        return tf.tanh(self.conv_5(x))

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim, "channels": self.channels}


@keras.saving.register_keras_serializable(package="wgan")
class Critic(keras.Model):
    """Scores images without a bound: no sigmoid or tanh at the end, no normalisation anywhere.

    Batch normalisation would make a score depend on the other images of the batch, while the gradient
    penalty is taken for each image alone (Gulrajani et al. 2017, section 4).
    """

    def __init__(self, channels=3, **kwargs):
        """Args: channels: of the images, 1 or 3."""
        super().__init__(**kwargs)
        self.channels = channels

        self.conv_1 = layers.Conv2D(32, 5, strides=2, padding="same")
        self.conv_2 = layers.Conv2D(64, 5, strides=2, padding="same")
        self.dropout = StatelessDropout(0.3)
        self.conv_3 = layers.Conv2D(128, 5, strides=2, padding="same")
        self.conv_4 = layers.Conv2D(128, 5, padding="same")
        self.flatten = layers.Flatten()
        self.dense = layers.Dense(1)

    def call(self, images, dropout_seed=None):
        """Images [batch, 32, 32, channels] to logits [batch].

        Args:
            images: float in [-1, 1].
            dropout_seed: int64 [2]; with None the dropout is off.
        """
        x = leaky_relu(self.conv_1(images), SLOPE)
        x = self.dropout(leaky_relu(self.conv_2(x), SLOPE), seed=dropout_seed)
        x = leaky_relu(self.conv_3(x), SLOPE)
        x = leaky_relu(self.conv_4(x), SLOPE)
        return tf.squeeze(self.dense(self.flatten(x)), axis=1)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
