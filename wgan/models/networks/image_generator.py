"""What the convolutional generators have in common."""

import keras
import tensorflow as tf

from wgan.models.layers import batch_norm_groups

MAX_PIXELS_AT_ONCE = 2**21  # drawn in one pass: 2,048 images of 32 x 32, whose activations take some 300 MB


class ImageGenerator(keras.Model):
    """A generator of square images, made again from three numbers."""

    def __init__(self, latent_dim, channels, image_size, **kwargs):
        """Args: latent_dim: length of a latent; channels: of the images, 1 or 3; image_size: pixels a side."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.channels = channels
        self.image_size = image_size

    def draw_batches(self, latents):
        """Draws for training from batches of latents, [count, batch, latent_dim], each normalised by itself.

        All together where memory allows: one pass over many small batches takes a fraction of the time of many passes.

        Returns:
            A list of `count` times images [batch, image_size, image_size, channels].
        """
        count, batch, _ = latents.shape
        if count * batch * self.image_size**2 > MAX_PIXELS_AT_ONCE:
            return [self(each, training=True) for each in tf.unstack(latents)]
        with batch_norm_groups(count):
            return tf.split(self(tf.reshape(latents, [count * batch, -1]), training=True), count)

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "channels": self.channels,
            "image_size": self.image_size,
        }
