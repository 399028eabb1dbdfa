"""The networks that can be trained, made from a run's settings."""

from wgan.models.networks import dcgan, gaussian, perceptrons, plain, resnet, sgan
from wgan.models.networks.plain import Critic, Generator

# All families are imported, so that Keras can load a saved network of any of them.
__all__ = ["Critic", "Generator", "build", "build_generator", "dcgan", "gaussian", "perceptrons", "plain", "resnet",
           "sgan"]


def build(config, channels):
    """A generator and a critic, without variables yet.

    Args:
        config: a `TrainingConfig`.
        channels: of the images, 1 or 3.
    """
    if config.network == "resnet":
        critic = resnet.Critic(channels, config.image_size, norm=config.critic_norm)
    else:
        critic = plain.Critic(channels, config.image_size, dropout=config.critic_dropout, norm=config.critic_norm)
    return build_generator(config, channels), critic


def build_generator(config, channels):
    """The generator alone; arguments as in `build`."""
    family = resnet if config.network == "resnet" else plain
    return family.Generator(config.latent_dim, channels, config.image_size, norm=config.generator_norm)
