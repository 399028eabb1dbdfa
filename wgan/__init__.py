"""WGAN-GP in TensorFlow and Keras. What `from wgan import ...` gives is documented in docs/library.md.

Names are imported when they are asked for: `import wgan` alone, or the configuration, does not import TensorFlow.
"""

import importlib
import typing

from wgan.common import startup

if typing.TYPE_CHECKING:
    from wgan.apps.library import draw_samples, load_generator, load_images, measure, train
    from wgan.common.errors import UserError
    from wgan.config import TrainingConfig
    from wgan.data import ImageSet
    from wgan.images.grids import image_grid, save_png
    from wgan.models.conditional import ConditionalGAN
    from wgan.models.constraints import Clipping, GradientPenalty
    from wgan.models.gan import GAN
    from wgan.models.networks import Critic, Generator
    from wgan.recipes import RECIPES
    from wgan.training.batches import epoch_batches

_HOMES = {
    name: module
    for module, names in {
        "wgan.training.batches": ("epoch_batches",),
        "wgan.config": ("TrainingConfig",),
        "wgan.models.conditional": ("ConditionalGAN",),
        "wgan.models.constraints": ("Clipping", "GradientPenalty"),
        "wgan.data": ("ImageSet",),
        "wgan.common.errors": ("UserError",),
        "wgan.models.gan": ("GAN",),
        "wgan.images.grids": ("image_grid", "save_png"),
        "wgan.apps.library": ("draw_samples", "load_generator", "load_images", "measure", "train"),
        "wgan.models.networks": ("Critic", "Generator"),
        "wgan.recipes": ("RECIPES",),
    }.items()
    for name in names
}

_WITH_TENSORFLOW = ("wgan.training.batches", "wgan.models")

__all__ = [
    "GAN",
    "RECIPES",
    "Clipping",
    "ConditionalGAN",
    "Critic",
    "Generator",
    "GradientPenalty",
    "ImageSet",
    "TrainingConfig",
    "UserError",
    "draw_samples",
    "epoch_batches",
    "image_grid",
    "load_generator",
    "load_images",
    "measure",
    "save_png",
    "train",
]


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wgan' has no attribute {name!r}")
    if _HOMES[name].startswith(_WITH_TENSORFLOW):
        startup.import_tensorflow()
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
