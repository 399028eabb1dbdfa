"""Residual networks: those for CIFAR-10 in the appendix of Gulrajani et al. (2017), with 128 channels throughout."""

import functools

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import leaky_relu, normalization, normalized
from wgan.models.networks.image_generator import ImageGenerator, doublings

WIDTH = 128


def relu(x):
    """max(x, 0), whose second derivative is nothing rather than zeros; see `layers.leaky_relu`."""
    return leaky_relu(x, 0.0)


class ResidualBlock(keras.layers.Layer):
    """x + f(x), where f is norm, ReLU, 3x3 convolution, twice; it may double or halve the image's sides."""

    def __init__(self, resample=None, norm="none", relu_first=True, **kwargs):
        """Args: resample: "up", "down" or None; norm: batch, layer, spectral or none; relu_first: False for a block
        that sees images, whose negative values are not to be lost."""
        super().__init__(**kwargs)
        self.resample = resample
        self.norm = norm
        self.relu_first = relu_first

    def build(self, input_shape):
        self.norm_1 = normalization(self.norm)
        conv = functools.partial(layers.Conv2D, WIDTH, 3, padding="same", kernel_initializer="he_uniform")
        self.conv_1 = normalized(conv(), self.norm)
        self.norm_2 = normalization(self.norm)
        self.conv_2 = normalized(conv(), self.norm)
        resized = self.resample or input_shape[-1] != WIDTH
        self.shortcut = normalized(layers.Conv2D(WIDTH, 1), self.norm) if resized else layers.Identity()
        batch, *sides, channels = input_shape
        up = 2 if self.resample == "up" else 1
        self.norm_1.build(input_shape)
        self.conv_1.build((batch, *(up * side for side in sides), channels))
        self.norm_2.build((batch, *(up * side for side in sides), WIDTH))
        self.conv_2.build((batch, *(up * side for side in sides), WIDTH))
        self.shortcut.build(input_shape)

    def call(self, inputs, training=False):
        """[batch, height, width, channels] to [batch, height', width', 128]."""
        x = self.norm_1(inputs, training=training)
        x = self.conv_1(self._upsampled(relu(x) if self.relu_first else x))
        x = self.conv_2(relu(self.norm_2(x, training=training)))
        # The 1x1 convolution is taken at the smaller size, which gives the same with a quarter of the work.
        return self._downsampled(x) + self._upsampled(self.shortcut(self._downsampled(inputs)))

    def _upsampled(self, x):
        return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2) if self.resample == "up" else x

    def _downsampled(self, x):
        return tf.nn.avg_pool2d(x, 2, 2, "VALID") if self.resample == "down" else x


@keras.saving.register_keras_serializable(package="wgan.resnet")
class Generator(ImageGenerator):
    """4x4x128, then one doubling residual block after another."""

    def __init__(self, latent_dim=128, channels=3, image_size=32, norm="batch", num_classes=0, **kwargs):
        """Arguments as of `plain.Generator`, but for the image's side: a power of two from 8 on."""
        super().__init__(latent_dim, channels, image_size, num_classes, **kwargs)
        self.norm = norm
        self.dense = layers.Dense(4 * 4 * WIDTH)
        self.reshape = layers.Reshape((4, 4, WIDTH))
        self.blocks = [ResidualBlock("up", norm) for _ in range(doublings(image_size, 8) + 1)]
        self.last_norm = normalization(norm)
        self.last_conv = layers.Conv2D(channels, 3, padding="same")

    def call(self, inputs, training=False):
        """Latents [batch, latent_dim], with labels as in `plain`, to images [batch, image_size, image_size, channels]
        in [-1, 1]."""
        x = self.reshape(self.dense(self.joined(inputs)))
        for block in self.blocks:
            x = block(x, training=training)
        x = relu(self.last_norm(x, training=training))
        return tf.tanh(tf.cast(self.last_conv(x), self.variable_dtype))

    def get_config(self):
        return {**super().get_config(), "norm": self.norm}


@keras.saving.register_keras_serializable(package="wgan.resnet")
class Critic(keras.Model):
    """Halving residual blocks down to 8x8, two more, and the mean over all places."""

    def __init__(self, channels=3, image_size=32, norm="none", num_classes=0, **kwargs):
        """Arguments as of `plain.Critic`, but for the image's side, as in `Generator`."""
        super().__init__(**kwargs)
        self.channels = channels
        self.image_size = image_size
        self.norm = norm
        # The first block sees images as they are: no normalisation before it but that of kernels, and no ReLU.
        self.first_block = ResidualBlock("down", norm if norm == "spectral" else "none", relu_first=False)
        self.blocks = [ResidualBlock("down", norm) for _ in range(doublings(image_size, 8) - 1)]
        self.last_blocks = [ResidualBlock(None, norm) for _ in range(2)]
        # The logits keep their digits.
        self.dense = normalized(layers.Dense(num_classes or 1, dtype=self.variable_dtype), norm)
        self.num_classes = num_classes

    def call(self, images, dropout_seed=None):
        """Images [batch, image_size, image_size, channels] to logits as in `plain`; there is no dropout."""
        x = tf.cast(images, self.compute_dtype)
        for block in (self.first_block, *self.blocks, *self.last_blocks):
            x = block(x)
        logits = self.dense(tf.reduce_mean(relu(x), axis=[1, 2]))
        return logits if self.num_classes else tf.squeeze(logits, axis=1)

    def get_config(self):
        own = ("channels", "image_size", "norm", "num_classes")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
