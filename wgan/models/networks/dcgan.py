"""A small convolutional generator and discriminator."""

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import BatchNormalization, leaky_relu
from wgan.models.networks.image_generator import ImageGenerator

SLOPE = 0.2


@keras.saving.register_keras_serializable(package="wgan.dcgan")
class Generator(ImageGenerator):
    """One plane of twice the image's side, refined by convolutions, and halved by the last one."""

    def __init__(self, latent_dim=100, channels=1, image_size=28, **kwargs):
        """Args: latent_dim: length of a latent; channels: of the images; image_size: pixels a side."""
        super().__init__(latent_dim, channels, image_size, **kwargs)
        side = 2 * image_size
        self.dense = layers.Dense(side * side)
        self.reshape = layers.Reshape((side, side, 1))
        self.norm_1 = BatchNormalization()
        self.conv_2 = layers.Conv2D(50, 3, padding="same")
        self.norm_2 = BatchNormalization()
        self.conv_3 = layers.Conv2D(25, 3, padding="same")
        self.norm_3 = BatchNormalization()
        self.conv_4 = layers.Conv2D(channels, 2, strides=2)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to images [batch, image_size, image_size, channels] in [-1, 1]."""
        x = tf.nn.relu(self.norm_1(self.reshape(self.dense(latents)), training=training))
        x = tf.nn.relu(self.norm_2(self.conv_2(x), training=training))
        x = tf.nn.relu(self.norm_3(self.conv_3(x), training=training))
        return tf.tanh(tf.cast(self.conv_4(x), self.variable_dtype))


@keras.saving.register_keras_serializable(package="wgan.dcgan")
class Discriminator(keras.Model):
    """Two convolutions with average pooling, and a wide layer before the logit."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv_1 = layers.Conv2D(32, 5, padding="same")
        self.conv_2 = layers.Conv2D(64, 5, padding="same")
        self.pool = layers.AveragePooling2D(2)
        self.flatten = layers.Flatten()
        self.dense_3 = layers.Dense(1024)
        self.last = layers.Dense(1, dtype=self.variable_dtype)

    def call(self, images, dropout_seed=None):
        """Images [batch, height, width, channels] to logits [batch]; there is no dropout."""
        x = self.pool(leaky_relu(self.conv_1(images), SLOPE))
        x = self.pool(leaky_relu(self.conv_2(x), SLOPE))
        x = leaky_relu(self.dense_3(self.flatten(x)), SLOPE)
        return tf.squeeze(self.last(x), axis=1)
