"""A sheet with a row of samples per class, from one run per class."""

import pathlib

import numpy as np
import tensorflow as tf

from wgan import checkpoints, data, images, randomness
from wgan.randomness import Purpose

SHEET_FILE = "each.png"
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
    path = pathlib.Path(folder, SHEET_FILE)
    images.save_png(path, images.image_grid(np.concatenate(rows), COLUMNS))
    return path


def _row(run):
    generator = _generator(run)
    latents = randomness.latents(COLUMNS, generator, randomness.stream(run.seed, 0, Purpose.PREVIEW_LATENTS))
    return images.to_uint8(generator(latents, training=False).numpy())


def _generator(run):
    channels = data.load_for_run(run).images.shape[-1]
    generator = run.the_recipe.parts(run, channels).generator
    generator(tf.zeros([1, run.latent_dim]))
    folder = pathlib.Path(run.checkpoint_dir)
    averaged = folder / checkpoints.AVERAGED_FILE
    generator.load_weights(averaged if averaged.exists() else folder / checkpoints.GENERATOR_FILE)
    return generator
