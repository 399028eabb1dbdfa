"""The smallest GAN of images, for tests of what surrounds a training: each network is one dense layer.

    python tests/toy_recipe.py --epochs 3 --checkpoint_dir DIR --sample_dir DIR

is `train.py` with this recipe and all other flags, for tests that need a process.
"""

import pathlib
import sys
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import short_runs

from wgan.apps import train
from wgan.common import cli
from wgan.config import TrainingConfig
from wgan.images import curves
from wgan.recipes import RECIPES, Recipe

TOY = Recipe(
    "toy",
    "One dense layer for each network, on images of one digit.",
    networks="mlp",
    network_options=dict(widths=()),
    loss="wasserstein",
    constraint="gradient_penalty",
    defaults=dict(short_runs.SHORT, image_size=28, latent_dim=2),
    grid_shape=(1, 2),
)


def registered():
    """Flags, `TrainingConfig` and stored runs may name the recipe in the block."""
    return mock.patch.dict(RECIPES, {TOY.name: TOY})


def config(folder, **changes):
    """The configuration of a run of the recipe whose files lie in `folder`."""
    return TrainingConfig(**short_runs.settings(folder, recipe=TOY.name, **{**TOY.defaults, **changes}))


if __name__ == "__main__":
    curves.draw_curves = short_runs.write_no_curves
    with registered():
        cli.run(train.main, [sys.argv[0], f"--recipe={TOY.name}", *sys.argv[1:]])
