"""The pictures that a run leaves in its sample folder: grids of images, or the distribution of points."""

import tensorflow as tf

from wgan.images import distribution, grids
from wgan.models import randomness
from wgan.runs.film import Film

BYTES_OF_A_PLOT = 25_000


def picture_maker(gan, recipe, seed):
    """What to draw of a GAN in training.

    Args:
        gan: a `GAN`.
        recipe: its `Recipe`.
        seed: of the latents, int64 [2].

    Returns:
        A function of the epoch that gives a function without arguments, to be called in another thread, which
        gives the picture, uint8 [height, width, 1 or 3].
    """
    rows, columns = recipe.grid_shape
    latents = randomness.latents(distribution.POINTS if recipe.is_1d else rows * columns, gan.generator, seed)
    draw = tf.function(lambda: gan.sampling_generator(latents, training=False))
    if recipe.is_1d:
        scores = tf.function(lambda: tf.sigmoid(gan.critic(distribution.PLACES[:, None])))
        return lambda epoch: _later(distribution.draw, draw().numpy(), scores().numpy(), epoch)
    return lambda epoch: _later(_grid, draw().numpy(), columns)


def saver(sample_dir, layout):
    """Where pictures go.

    Args:
        sample_dir: the folder of samples.
        layout: "flat", "folders" or "film".

    Returns:
        A function of an epoch and what `picture_maker`'s function gave for it, to be called in the writer's thread,
        which writes the picture.
    """
    if layout == "film":
        film = Film(sample_dir)
        return lambda epoch, picture: film.add(epoch, picture())
    return lambda epoch, picture: grids.save_sample(sample_dir, epoch, picture(), layout)


def save_reals(path, reals, recipe):
    """A sheet of real images, uint8 [N, height, width, channels], or the points that are to be met."""
    rows, columns = recipe.grid_shape
    grids.save_png(path, distribution.draw(reals) if recipe.is_1d
                    else grids.image_grid(reals[:rows * columns], columns))


def bytes_of_a_picture(reals, recipe):
    """About how large one is on the disk."""
    rows, columns = recipe.grid_shape
    return BYTES_OF_A_PLOT if recipe.is_1d else grids.image_grid(reals[:rows * columns], columns).nbytes


def _grid(samples, columns):
    return grids.image_grid(grids.to_uint8(samples), columns)


def _later(function, *arguments):
    return lambda: function(*arguments)
