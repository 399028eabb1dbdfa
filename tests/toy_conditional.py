"""The smallest conditional GAN: as `toy_recipe`, for images of several classes."""

import contextlib
import dataclasses
from unittest import mock

import short_runs
import toy_recipe

from wgan.config import TrainingConfig
from wgan.recipes import RECIPES

RECIPE = dataclasses.replace(
    toy_recipe.TOY,
    name="toy_conditional",
    networks="toy_conditional",
    network_options={},
    gan="conditional",
    defaults=dict(toy_recipe.TOY.defaults, label="all"),
    grid_shape=(10, 3),
)


def networks_of(config, channels, num_classes):
    """One dense layer each, with what makes `plain`'s conditional."""
    import keras
    import tensorflow as tf

    from wgan.models.networks.image_generator import ImageGenerator

    @keras.saving.register_keras_serializable(package="tests")
    class Generator(ImageGenerator):
        def __init__(self, latent_dim, channels, image_size, num_classes, **kwargs):
            super().__init__(latent_dim, channels, image_size, num_classes, **kwargs)
            self.dense = keras.layers.Dense(image_size**2 * channels)

        def call(self, inputs, training=False):
            pixels = self.dense(self.joined(inputs))
            return tf.tanh(tf.reshape(pixels, [-1, self.image_size, self.image_size, self.channels]))

    class Critic(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(num_classes)

        def call(self, images, dropout_seed=None, training=False):
            return self.dense(tf.reshape(images, [-1, config.image_size**2 * channels]))

    return Generator(config.latent_dim, channels, config.image_size, num_classes), Critic()


@contextlib.contextmanager
def registered():
    """Flags, `TrainingConfig` and stored runs may name the recipe in the block."""
    from wgan.models.networks import NETWORKS

    with mock.patch.dict(RECIPES, {RECIPE.name: RECIPE}), mock.patch.dict(NETWORKS, {RECIPE.networks: networks_of}):
        yield


def config(folder, **changes):
    """The configuration of a run of the recipe whose files lie in `folder`."""
    return TrainingConfig(**short_runs.settings(folder, **{**RECIPE.defaults, "recipe": RECIPE.name, **changes}))
