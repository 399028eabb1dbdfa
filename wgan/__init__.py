"""WGAN-GP in TensorFlow and Keras. What `from wgan import ...` gives is documented in docs/library.md.

Names are imported when they are asked for: `import wgan` alone, or the configuration, does not import TensorFlow.
"""

import importlib
import typing

from wgan import startup

if typing.TYPE_CHECKING:
    from wgan.batches import epoch_batches
    from wgan.config import TrainingConfig
    from wgan.constraints import Clipping, GradientPenalty
    from wgan.data import ImageSet
    from wgan.errors import UserError
    from wgan.gan import GAN
    from wgan.images import image_grid, save_png
    from wgan.library import draw_samples, load_generator, load_images, measure, train
    from wgan.networks import Critic, Generator
    from wgan.recipes import RECIPES

_HOMES = {name: module for module, names in {
    "wgan.batches": ("epoch_batches",),
    "wgan.config": ("TrainingConfig",),
    "wgan.constraints": ("Clipping", "GradientPenalty"),
    "wgan.data": ("ImageSet",),
    "wgan.errors": ("UserError",),
    "wgan.gan": ("GAN",),
    "wgan.images": ("image_grid", "save_png"),
    "wgan.library": ("draw_samples", "load_generator", "load_images", "measure", "train"),
    "wgan.networks": ("Critic", "Generator"),
    "wgan.recipes": ("RECIPES",),
}.items() for name in names}

_WITH_TENSORFLOW = ("wgan.batches", "wgan.constraints", "wgan.gan", "wgan.networks")

__all__ = ["Clipping", "Critic", "GAN", "Generator", "GradientPenalty", "ImageSet", "RECIPES", "TrainingConfig",
           "UserError", "draw_samples", "epoch_batches", "image_grid", "load_generator", "load_images", "measure",
           "save_png", "train"]


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wgan' has no attribute {name!r}")
    if _HOMES[name] in _WITH_TENSORFLOW:
        startup.import_tensorflow()
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
