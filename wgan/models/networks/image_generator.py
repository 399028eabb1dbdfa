"""What the convolutional generators have in common."""

import keras


class ImageGenerator(keras.Model):
    """A generator of square images, made again from three numbers."""

    def __init__(self, latent_dim, channels, image_size, **kwargs):
        """Args: latent_dim: length of a latent; channels: of the images, 1 or 3; image_size: pixels a side."""
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.channels = channels
        self.image_size = image_size

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "channels": self.channels,
            "image_size": self.image_size,
        }
