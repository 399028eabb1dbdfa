"""The generator and the critic of the main job: plain stacks of convolutions."""

import keras
import tensorflow as tf
from keras import layers

from wgan.models.layers import (
    Conv2D,
    PhasesConv2DTranspose,
    StatelessDropout,
    UpsampleConv2D,
    leaky_relu,
    normalization,
    normalized,
)
from wgan.models.networks.image_generator import ImageGenerator, doublings

SLOPE = 0.3  # of LeakyReLU on negative inputs


@keras.saving.register_keras_serializable(package="wgan")
class Generator(ImageGenerator):
    """Draws images from latents: 4x4x128, then three doublings to 32x32.

    Larger images begin with further doublings of 128 channels.

    The momenta of the normalisations differ from one to the next as in the article that this network
    comes from.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        channels: int = 3,
        image_size: int = 32,
        norm: str = "batch",
        num_classes: int = 0,
        **kwargs,
    ):
        """
        Args:
            latent_dim: length of a latent.
            channels: of the images, 1 or 3.
            image_size: pixels a side, 32 or twice, four times ... as many.
            norm: batch, layer or none.
            num_classes: of which it draws the one that it is asked for; 0: it is not asked.
        """
        super().__init__(latent_dim, channels, image_size, num_classes, **kwargs)
        self.norm = norm
        further = range(doublings(image_size, 32))

        self.dense = layers.Dense(4 * 4 * 128, use_bias=False)
        self.norm_1 = normalization(norm, momentum=0.8)
        self.reshape = layers.Reshape((4, 4, 128))
        self.further_convs = [UpsampleConv2D(128) for _ in further]
        self.further_norms = [normalization(norm, momentum=0.99) for _ in further]
        self.conv_2 = UpsampleConv2D(128)
        self.norm_2 = normalization(norm, momentum=0.99)
        self.conv_3 = UpsampleConv2D(64)
        self.norm_3 = normalization(norm, momentum=0.8)
        self.conv_4 = UpsampleConv2D(32, transposed=True, as_phases=True)
        self.norm_4 = normalization(norm, momentum=0.99)
        self.conv_5 = PhasesConv2DTranspose(channels)

    def call(self, inputs, training=False):
        """Latents [batch, latent_dim] to images [batch, image_size, image_size, channels] in [-1, 1].

        With classes the input is a list of latents and labels, int32 [batch], or for images between classes the share
        of each, float [batch, num_classes].

        With half-precision layers the images still have the variables' precision: bfloat16 near 1 has
        steps of half a grey level.
        """
        x = self.dense(self.joined(inputs))
        x = self.reshape(leaky_relu(self.norm_1(x, training=training), SLOPE))
        for conv, norm in zip(self.further_convs, self.further_norms):
            x = leaky_relu(norm(conv(x), training=training), SLOPE)
        x = leaky_relu(self.norm_2(self.conv_2(x), training=training), SLOPE)
        x = leaky_relu(self.norm_3(self.conv_3(x), training=training), SLOPE)
        x = leaky_relu(self.norm_4(self.conv_4(x), training=training), SLOPE)
        return tf.tanh(tf.cast(self.conv_5(x), self.variable_dtype))

    def get_config(self):
        return {**super().get_config(), "norm": self.norm}


@keras.saving.register_keras_serializable(package="wgan")
class Critic(keras.Model):
    """Scores images without a bound, unless asked otherwise.

    Three halvings lead from 32x32 to 4x4; larger images have further ones of 128 channels.

    Batch normalisation would make a score depend on the other images of the batch, while the gradient
    penalty is taken for each image alone (Gulrajani et al. 2017, section 4).
    """

    def __init__(
        self,
        channels: int = 3,
        image_size: int = 32,
        dropout: float = 0.0,
        norm: str = "none",
        bounded: bool = False,
        num_classes: int = 0,
        **kwargs,
    ):
        """
        Args:
            channels: of the images, 1 or 3.
            image_size: pixels a side, as in `Generator`.
            dropout: share of the second layer's outputs that is dropped in training.
            norm: none, layer, or spectral, which is of all kernels.
            bounded: end in tanh, which no Wasserstein critic should: see wgan_gp_article in `wgan.recipes`.
            num_classes: for each of which it gives a score; 0: there is one score for all images.
        """
        super().__init__(**kwargs)
        self.channels = channels
        self.image_size = image_size
        self.bounded = bounded
        self.dropout_rate = dropout
        self.norm = norm
        self.num_classes = num_classes

        self.conv_1 = normalized(layers.Conv2D(32, 5, strides=2, padding="same"), norm)
        self.conv_2 = normalized(layers.Conv2D(64, 5, strides=2, padding="same"), norm)
        self.dropout = StatelessDropout(dropout)
        self.conv_3 = normalized(Conv2D(128, 5, strides=2, padding="same"), norm)
        self.further_convs = [
            normalized(Conv2D(128, 5, strides=2, padding="same"), norm) for _ in range(doublings(image_size, 32))
        ]
        self.conv_4 = normalized(Conv2D(128, 5, padding="same"), norm)
        self.norms = [normalization(norm) for _ in range(3 + len(self.further_convs))]
        self.flatten = layers.Flatten()
        # The logits keep their digits.
        self.dense = normalized(layers.Dense(num_classes or 1, dtype=self.variable_dtype), norm)

    def call(self, images, dropout_seed=None):
        """Images [batch, image_size, image_size, channels] to logits, [batch], with classes [batch, num_classes].

        Args:
            images: float in [-1, 1].
            dropout_seed: int64 [2]; with None the dropout is off.
        """
        norm_2, *further_norms, norm_4 = self.norms
        x = leaky_relu(self.conv_1(images), SLOPE)
        x = self.dropout(leaky_relu(norm_2(self.conv_2(x)), SLOPE), seed=dropout_seed)
        for conv, norm in zip((self.conv_3, *self.further_convs), further_norms):
            x = leaky_relu(norm(conv(x)), SLOPE)
        x = leaky_relu(norm_4(self.conv_4(x)), SLOPE)
        logits = self.dense(self.flatten(x))
        logits = logits if self.num_classes else tf.squeeze(logits, axis=1)
        return tf.tanh(logits) if self.bounded else logits

    def get_config(self):
        own = ("channels", "image_size", "norm", "bounded", "num_classes")
        return {**super().get_config(), "dropout": self.dropout_rate, **{name: getattr(self, name) for name in own}}
