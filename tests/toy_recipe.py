"""The smallest GAN of images, for tests of what surrounds a training: each network is one dense layer.

    python tests/toy_recipe.py --epochs 3 --checkpoint_dir DIR --sample_dir DIR

is `train.py` with this recipe and all other flags, for tests that need a process.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from short_runs import SHORT

from wgan.apps import train
from wgan.common import cli
from wgan.recipes import RECIPES, Recipe

TOY = Recipe(
    "toy",
    "One dense layer for each network, on images of one digit.",
    networks="mlp",
    network_options=dict(widths=()),
    loss="wasserstein",
    constraint="gradient_penalty",
    defaults=dict(SHORT, image_size=28, latent_dim=2),
    grid_shape=(1, 2),
)


def register():
    """Lets `TrainingConfig`, flags and stored runs name the recipe."""
    RECIPES[TOY.name] = TOY


if __name__ == "__main__":
    register()
    cli.run(train.main, [sys.argv[0], f"--recipe={TOY.name}", *sys.argv[1:]])
