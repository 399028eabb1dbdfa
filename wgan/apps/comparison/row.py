"""A row of samples of one run, and one of real images: a process of its own, for TensorFlow would keep a GPU's memory
from the runs.

    python -m wgan.apps.comparison.row CHECKPOINT_DIR ROW.png REALS.png
"""

import pathlib
import sys

import numpy as np

from wgan.common import cli, startup
from wgan.images import grids
from wgan.runs import run_images, trained

COLUMNS = 12


def draw(generator):
    """Samples from the latents of seed 0, the same for all recipes: uint8 [COLUMNS, size, size, channels]."""
    from wgan.models import randomness, surroundings
    with surroundings.usual():
        latents = randomness.latents(COLUMNS, generator, randomness.stream(0, 0, randomness.Purpose.PREVIEW_LATENTS))
        return grids.to_uint8(generator(latents, training=False).numpy())


def reals(checkpoint_dir):
    """Real images of a run, chosen at random but always the same: uint8 [COLUMNS, size, size, channels]."""
    found = run_images.load(*trained.read_run(checkpoint_dir), checkpoint_dir)[1].images
    return found[np.random.default_rng(0).choice(len(found), COLUMNS, replace=len(found) < COLUMNS)]


def main(argv):
    """Writes both rows; the second one where it is not there yet."""
    checkpoint_dir, row_path, reals_path = map(pathlib.Path, argv[1:])
    startup.import_tensorflow()
    found = trained.locate(checkpoint_dir)
    if not reals_path.exists():
        grids.save_png(reals_path, grids.image_grid(reals(checkpoint_dir), COLUMNS))
    grids.save_png(row_path, grids.image_grid(draw(found.load()), COLUMNS))
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
