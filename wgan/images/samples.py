"""The grids that runs leave in sample folders: of images, or the distribution of points on a line."""

import numpy as np
import tensorflow as tf

from wgan.images import distribution, grids
from wgan.models import randomness, surroundings
from wgan.models.classes import with_labels
from wgan.models.randomness import Purpose
from wgan.runs import trained


def grid_drawer(gan, recipe, seed):
    """What to draw of a GAN in training: a function from an epoch to the grid, uint8 [height, width, 1 or 3].

    The latents are always the same, of the seed, int64 [2]. A conditional recipe has a row per class, of the same
    latents each.
    """
    rows, columns = recipe.grid_shape
    count = columns if recipe.is_conditional else rows * columns
    latents, labels = randomness.latents(distribution.POINTS if recipe.is_1d else count, gan.generator, seed), None
    if recipe.is_conditional:
        rows = min(rows, gan.generator.num_classes)
        latents, labels = tf.tile(latents, [rows, 1]), tf.repeat(tf.range(rows), columns)
    draw = tf.function(lambda: gan.sampling_generator(with_labels(latents, labels), training=False))
    if recipe.is_1d:
        scores = tf.function(lambda: tf.sigmoid(gan.critic(distribution.PLACES[:, None])))
        return lambda epoch: distribution.draw(draw().numpy(), scores().numpy(), epoch)
    return lambda epoch: grids.image_grid(grids.to_uint8(draw().numpy()), columns)


@surroundings.usual()
def class_grid(runs, columns=10):
    """A row of samples of each run's saved generator, all from the same latents, uint8 [height, width, 1 or 3].

    `runs` are the `TrainingConfig`s, of one seed.
    """
    rows = []
    for run in runs:
        generator = trained.locate(run.checkpoint_dir).load()
        latents = randomness.latents(columns, generator, randomness.stream(run.seed, 0, Purpose.PREVIEW_LATENTS))
        rows.append(grids.to_uint8(generator(latents, training=False).numpy()))
    channels = max(row.shape[-1] for row in rows)  # a class of grey images may stand beside one in colour
    rows = [np.broadcast_to(row, (*row.shape[:-1], channels)) for row in rows]
    return grids.image_grid(np.concatenate(rows), columns)


def reals_grid(image_set, recipe):
    """A grid of an `ImageSet`'s first images, or the points that are to be met."""
    if recipe.is_1d:
        return distribution.draw(image_set.images)
    rows, columns = recipe.grid_shape
    shown = np.arange(min(rows * columns, len(image_set.images)))
    if recipe.is_conditional:  # a row per class; where there are few images, some of them again
        places_of = [np.flatnonzero(image_set.labels == number) for number in range(len(image_set.label_names))]
        shown = np.concatenate([np.resize(places, columns) for places in places_of[:rows]])
    return grids.image_grid(image_set.images[shown], columns)
