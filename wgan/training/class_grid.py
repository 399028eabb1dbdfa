"""A grid with a row of samples per class, from one run per class."""

import pathlib

import numpy as np

from wgan.images import grids
from wgan.models import randomness, surroundings
from wgan.models.randomness import Purpose
from wgan.runs import trained

GRID_FILE = "each.png"
COLUMNS = 10


def write(runs, folder):
    """Draws every run's generator from the same latents.

    Args:
        runs: the `TrainingConfig`s, whose weights are saved.
        folder: where `each.png` goes.

    Returns:
        Its path.
    """
    rows = [_row(run) for run in runs]
    channels = max(row.shape[-1] for row in rows)  # a class of grey images may stand beside one in colour
    rows = [np.broadcast_to(row, (*row.shape[:-1], channels)) for row in rows]
    path = pathlib.Path(folder, GRID_FILE)
    grids.save_png(path, grids.image_grid(np.concatenate(rows), COLUMNS))
    return path


@surroundings.usual()
def _row(run):
    generator = trained.locate(run.checkpoint_dir).load()
    latents = randomness.latents(COLUMNS, generator, randomness.stream(run.seed, 0, Purpose.PREVIEW_LATENTS))
    return grids.to_uint8(generator(latents, training=False).numpy())
