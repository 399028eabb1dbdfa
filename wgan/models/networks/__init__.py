"""The networks that can be trained, made from a run's settings."""

import inspect
from collections.abc import Callable

from wgan.common.errors import UserError
from wgan.models.networks import dcgan, perceptrons, plain, resnet, sgan
from wgan.models.networks.plain import Critic, Generator

__all__ = ["NETWORKS", "Critic", "Generator", "build"]


def convolutional(config, channels, num_classes=0):
    """The networks of the main job, plain or residual as `config.network` says."""
    size, norm = config.image_size, config.critic_norm
    # The critic comes first: initial weights depend on the order in which layers are made.
    if config.network == "resnet":
        family, critic = resnet, resnet.Critic(channels, size, norm, num_classes)
    else:
        family, critic = plain, plain.Critic(channels, size, config.critic_dropout, norm, num_classes=num_classes)
    return family.Generator(config.latent_dim, channels, size, config.generator_norm, num_classes), critic


def bounded_convolutional(config, channels):
    """The plain ones, with a critic that ends in tanh."""
    size = config.image_size
    return (
        plain.Generator(config.latent_dim, channels, size, config.generator_norm),
        plain.Critic(channels, size, config.critic_dropout, config.critic_norm, bounded=True),
    )


def mlp(config, channels, widths):
    """Fully connected networks; `widths` are the generator's from latents to image, and back in the discriminator."""
    shape = (config.image_size, config.image_size, channels)
    return perceptrons.Generator(config.latent_dim, shape, widths), perceptrons.Discriminator(shape, widths[::-1])


# By the names that recipes use: a `TrainingConfig`, the channels of the images, the recipe's options and, where it
# learns classes, `num_classes`, to a generator and a critic.
NETWORKS: dict[str, Callable] = {
    "convolutional": convolutional,
    "bounded_convolutional": bounded_convolutional,
    "mlp": mlp,
    "dcgan": lambda config, channels: (
        dcgan.Generator(config.latent_dim, channels, config.image_size),
        dcgan.Discriminator(),
    ),
    "sgan": lambda config, channels, num_classes: (
        sgan.Generator(config.latent_dim, channels, config.image_size),
        sgan.Discriminator(num_classes),
    ),
    "gaussian": lambda config, channels: (
        perceptrons.Generator(config.latent_dim, (1,), (16, 16), "tanh", 5.0, "uniform"),
        perceptrons.Discriminator((1,), (16, 16), "tanh"),
    ),
}


def build(config, channels, num_classes=0):
    """The generator and the critic of a run's recipe, without variables yet, for images of 1 or 3 channels;
    `num_classes` is for a recipe that learns classes."""
    recipe = config.recipe_spec
    classes = {"num_classes": num_classes} if recipe.wants_labels else {}
    make, options = NETWORKS[recipe.networks], {**recipe.network_options, **classes}
    try:
        inspect.signature(make).bind(config, channels, **options)
    except TypeError as error:
        raise UserError(f"recipe {recipe.name}: {error} of the networks {recipe.networks!r}") from error
    return make(config, channels, **options)
