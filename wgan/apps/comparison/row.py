"""A row of samples of one run, and one of real images: a process of its own, for TensorFlow would keep a GPU's memory
from the runs.

    python -m wgan.apps.comparison.row CHECKPOINT_DIR ROW.png REALS.png
"""

import pathlib

import numpy as np

from wgan.apps import library
from wgan.common import cli, startup
from wgan.images import grids
from wgan.runs import run_images, trained

COLUMNS = 12


def main(argv):
    """Writes the first samples of seed 0, and some real images of the run where that file is not there yet."""
    checkpoint_dir, row_path, reals_path = map(pathlib.Path, argv[1:])
    startup.import_tensorflow()
    if not reals_path.exists():
        reals = run_images.load(*trained.read_run(checkpoint_dir), checkpoint_dir)[1].images
        chosen = np.random.default_rng(0).choice(len(reals), COLUMNS, replace=len(reals) < COLUMNS)
        grids.save_png(reals_path, grids.image_grid(reals[chosen], COLUMNS))
    samples = library.draw_samples(library.load_generator(checkpoint_dir), COLUMNS)
    grids.save_png(row_path, grids.image_grid(samples, COLUMNS))
    return 0


if __name__ == "__main__":
    cli.run(main)
