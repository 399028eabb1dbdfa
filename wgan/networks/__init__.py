"""The networks that can be trained."""

from wgan.networks.wgan_gp import Critic, Generator

__all__ = ["Critic", "Generator"]
