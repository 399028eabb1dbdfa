"""Convolutions of small pictures with a fraction of the multiplications, as matrix products.

A convolution multiplies polynomials, and polynomials can be multiplied at points: a product of degree n - 1 is settled
by its values at n points, which take n multiplications of values in place of one for each pair of coefficients (Toom
and Cook; Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308, for networks). In two dimensions 36 multiplications
take the place of 144 for four by four pixels under a 3x3 kernel, and 49 the place of 400 for a 4x4 picture under a 5x5
kernel. For each pair of points what remains is a product of two matrices, over the channels, and these a processor
does at full speed, forwards and in all derivatives.

Rounding errors are some five times those of the plain sum, a hundred-thousandth of the largest value in float32; in
half precision they would be too large. The way to the points and back costs passes over memory: beyond sides of 8 that
was found to eat up the gain. Graphics cards have such methods of their own.
"""

import functools

import numpy as np
import tensorflow as tf

_TILE = 4  # pixels a side that are computed together
_POINTS = {3: (0, 1, -1, 2, -1 / 2, np.inf), 5: (0, 1, -1, 2, -2, 1 / 2, np.inf)}  # by the kernel's taps
_SIDES = {3: (4, 8), 5: (4,)}


def pays(images, taps, split=1):
    """Whether `convolve` should take the place of a plain convolution here.

    Exported networks, whose batch is open, stay convolutions, for these are what other tools know and make fast.

    Args:
        images: a tensor [batch, height, width, channels].
        taps, split: as in `convolve`.
    """
    batch, height, width, _ = images.shape
    return (batch is not None and height == width and height in [split * side for side in _SIDES.get(taps, ())]
            and images.dtype in (tf.float32, tf.float64) and not tf.config.list_physical_devices("GPU"))


def convolve(images, kernel, split=1, join=1):
    """A "same" convolution with stride 1, for what `pays` has found fit.

    Args:
        images: [batch, split * side, split * side, channels]; their split^2 phases, which are pictures of `side`
            pixels, count as channels: `tf.nn.space_to_depth`.
        kernel: [taps, taps, split^2 * channels, join^2 * filters].
        split: 1 or 2.
        join: 1, or 2 if the results are the phases of a picture: `tf.nn.depth_to_space`.

    Returns:
        [batch, join * side, join * side, filters].
    """
    maps = _pixels_first(images, split)
    side, _, batch, channels = maps.shape
    taps, filters = kernel.shape[0], kernel.shape[-1]
    to_points, kernel_to_points, from_points = (tf.constant(table, maps.dtype) for table in _tables(side, taps))
    n = kernel_to_points.shape[0]
    tiles = to_points.shape[0] // n

    maps = tf.matmul(to_points, tf.reshape(maps, [side, -1]))  # along the columns, then along the rows
    maps = tf.matmul(to_points, tf.reshape(maps, [n * tiles, side, -1]))
    kernel = tf.tensordot(kernel_to_points, kernel, 1)
    kernel = tf.matmul(kernel_to_points, tf.reshape(kernel, [n, taps, -1]))

    # One matrix product for each pair of points; the tiles in the middle share the kernel.
    values = tf.matmul(tf.reshape(maps, [n, tiles, n, tiles * batch, channels]),
                       tf.reshape(kernel, [n, 1, n, channels, filters]))

    values = tf.matmul(from_points, tf.reshape(values, [n * tiles, n * tiles, -1]))
    values = tf.matmul(from_points, tf.reshape(values, [n * tiles, -1]))
    return _batch_first(tf.reshape(values, [side, side, batch, filters]), join)


def _pixels_first(images, split):
    """[batch, split * side, split * side, channels] to [side, side, batch, split^2 * channels]."""
    batch, height, width, channels = images.shape
    side = height // split
    maps = tf.transpose(tf.reshape(images, [batch, side, split, side, split, channels]), [1, 3, 0, 2, 4, 5])
    return tf.reshape(maps, [side, side, batch, split * split * channels])


def _batch_first(maps, join):
    """[side, side, batch, join^2 * channels] to [batch, join * side, join * side, channels]."""
    side, _, batch, channels = maps.shape
    images = tf.transpose(tf.reshape(maps, [side, side, batch, join, join, -1]), [2, 0, 3, 1, 4, 5])
    return tf.reshape(images, [batch, join * side, join * side, channels // join**2])


@functools.cache
def _tables(side, taps):
    """What a convolution along one axis is made of: y = from_points ((kernel_to_points w) * (to_points x)).

    Returns:
        float64 [n * tiles, side], [n, taps] and [side, n * tiles]; the product is taken for each point and tile.
    """
    points = _POINTS[taps]
    n = len(points)
    if taps == 3:  # each tile of four results sees six pixels, the outermost of which may lie beyond the border
        from_point, kernel, to_point = _correlation(points, _TILE, taps)
        tiles = side // _TILE
        to_points, from_points = np.zeros([n, tiles, side + 2]), np.zeros([side, n, tiles])
        for tile in range(tiles):
            start = _TILE * tile
            to_points[:, tile, start:start + n] = to_point
            from_points[start:start + _TILE, :, tile] = from_point
        return to_points[:, :, 1:-1].reshape(-1, side), kernel, from_points.reshape(side, -1)
    # Four pixels under five taps: y_o = sum_i w[i - o + 2] x_i. The other way round seven taps, the outer two of them
    # zero, pass over the four pixels, o backwards, which takes 7 points in place of 8.
    from_point, to_points, kernel = _correlation(points, side, side)
    return to_points, kernel[:, 1:-1], from_point[::-1]


def _correlation(points, outputs, taps):
    """Matrices with sum_j w_j x_(o + j) = A ((G w) * (B x)) for o below `outputs`; one point per x.

    A product of two polynomials has the coefficients V_n^-1 ((V_outputs a) * (V_taps w)), where V_k evaluates k
    coefficients at the points. For fixed w that is a matrix on a, and its transpose is the correlation with w, so
    that A = V_outputs^T, G = V_taps, B = V_n^-T. The rows of V_outputs and B are then scaled to a largest value of one,
    at the cost of G, which keeps what is computed from pictures near their size.

    Returns:
        A [outputs, n], G [n, taps] and B [n, n], float64.
    """
    n = outputs + taps - 1
    a, g, b = _evaluate(points, outputs), _evaluate(points, taps), np.linalg.inv(_evaluate(points, n)).T
    a_size, b_size = (np.abs(matrix).max(axis=1, keepdims=True) for matrix in (a, b))
    return (a / a_size).T, g * a_size * b_size, b / b_size


def _evaluate(points, count):
    """[points, count]: the matrix from the coefficients of a polynomial to its values; at infinity, the last one."""
    last = np.eye(count)[-1]
    return np.array([last if np.isinf(point) else float(point) ** np.arange(count) for point in points])
