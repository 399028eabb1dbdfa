"""The grids that a run leaves in its sample folder: of images, or the distribution of points on a line."""

import tensorflow as tf

from wgan.images import distribution, grids
from wgan.models import randomness

BYTES_OF_A_PLOT = 25_000


def grid_drawer(gan, recipe, seed):
    """What to draw of a GAN in training: a function from an epoch to the grid, uint8 [height, width, 1 or 3].

    The latents are always the same, of the seed, int64 [2].
    """
    rows, columns = recipe.grid_shape
    latents = randomness.latents(distribution.POINTS if recipe.is_1d else rows * columns, gan.generator, seed)
    draw = tf.function(lambda: gan.sampling_generator(latents, training=False))
    if recipe.is_1d:
        scores = tf.function(lambda: tf.sigmoid(gan.critic(distribution.PLACES[:, None])))
        return lambda epoch: distribution.draw(draw().numpy(), scores().numpy(), epoch)
    return lambda epoch: grids.image_grid(grids.to_uint8(draw().numpy()), columns)


def reals_grid(reals, recipe):
    """A grid of real images, uint8 [N, height, width, channels], or the points that are to be met."""
    rows, columns = recipe.grid_shape
    return distribution.draw(reals) if recipe.is_1d else grids.image_grid(reals[: rows * columns], columns)


def bytes_of_a_grid(reals, recipe):
    """About how large one is on the disk."""
    return BYTES_OF_A_PLOT if recipe.is_1d else reals_grid(reals, recipe).nbytes
