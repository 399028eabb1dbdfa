"""Trains a Wasserstein GAN with gradient penalty, or another recipe, on one class of images.

python train.py --label 7 --epochs 12000
"""

import functools

from wgan.common import cli
from wgan.config import TrainingConfig
from wgan.recipes import DEFAULT, RECIPES
from wgan.training.launch import launch


def define_flags():
    """One flag per field of the configuration, and the two that concern this call alone."""
    groups = cli.FlagGroups(
        "Trains a GAN, by default a WGAN-GP on the horses of CIFAR-10. The same command again continues where the last "
        "one stopped.",
        TrainingConfig,
        Recipes=[(recipe.name, recipe.summary) for recipe in RECIPES.values()],
    )
    groups.define("Files", "fresh", bool, False, "Start over; says which files of an earlier run it replaces.")
    groups.define(
        "This call", "dry_run", bool, False, "Print the settings and the size of data, networks and files; then exit."
    )
    return groups


def read_flags(argv):
    """The flags that are given in `argv`, by their names; raises UserError where one does not exist or fit."""
    return define_flags().parse(argv, given_alone=True)


def main(argv):
    """Trains as the flags say; returns the exit status."""
    given = read_flags(argv)
    fresh, dry_run = given.pop("fresh", False), given.pop("dry_run", False)
    return launch(TrainingConfig.of_recipe(given.pop("recipe", DEFAULT), **given), fresh, dry_run)


command = functools.partial(cli.run, main)

if __name__ == "__main__":
    command()
