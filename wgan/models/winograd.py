"""Winograd (Toom-Cook) convolutions: small images with a fraction of the multiplications, as matrix products.

A convolution multiplies polynomials, and polynomials can be multiplied at points: a product of degree n - 1 is settled
by its values at n points, which take n multiplications of values in place of one for each pair of coefficients (Toom
and Cook; Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308, for networks). In two dimensions 36 multiplications
take the place of 144 for 4x4 results of a 3x3 kernel, and 49 the place of 400 for a 4x4 image under a 5x5 kernel. For
each pair of points what remains is a product of two matrices, over the channels, and these a processor does at full
speed, forwards and in all derivatives.

In float32 rounding errors are three to five times those of the plain sum with three taps, five to eleven times with
five, and at most about a hundred-thousandth of the largest value; in half precision they would be too large. bfloat16
images are therefore computed in float32, where the processor has no matrix units that would be faster. The transforms
to the points and back cost passes over memory: beyond sides of 8 these eat up the gain, as the transform of the kernel
does in small batches. Graphics cards have such methods of their own.
"""

import functools

import numpy as np
import tensorflow as tf

from wgan.models import precision

_TILE = 4  # pixels a side that are computed together
_POINTS = {3: (0, 1, -1, 2, -1 / 2, np.inf), 5: (0, 1, -1, 2, -2, -1 / 2, np.inf)}  # by the kernel's taps
_TAPS = {len(points): taps for taps, points in _POINTS.items()}
_SIDES = {3: (4, 8), 5: (4,)}
MIN_BATCH = 32  # in smaller ones the kernel's transform takes what the multiplications save


def applies(images, taps, split=1):
    """Whether `convolve` can take the place of a plain convolution here, and is faster.

    Networks whose batch is open, such as exported ones, stay convolutions, which other tools know and make fast.
    `images` are a tensor [batch, height, width, channels]; `taps` are the kernel's.
    """
    batch, height, width, _ = images.shape
    return (
        batch is not None
        and batch >= MIN_BATCH
        and height == width
        and height in [split * side for side in _SIDES.get(taps, ())]
        and (
            images.dtype in (tf.float32, tf.float64)
            or (images.dtype == tf.bfloat16 and not precision.has_bfloat16_units())
        )
        and not tf.config.list_physical_devices("GPU")
    )


def transform_kernel(kernel):
    """What `convolve` takes: a kernel [taps, taps, channels, filters] at the points, [n, n, channels, filters]."""
    kernel = tf.cast(kernel, tf.float32) if kernel.dtype == tf.bfloat16 else tf.convert_to_tensor(kernel)
    taps = kernel.shape[0]
    filter_transform = tf.constant(_transforms(_TILE, taps)[1], kernel.dtype)
    rows = tf.tensordot(filter_transform, kernel, 1)  # along the columns, then along the rows
    columns = tf.matmul(filter_transform, tf.reshape(rows, [-1, taps, kernel.shape[2] * kernel.shape[3]]))
    return tf.reshape(columns, [columns.shape[0], -1, *kernel.shape[2:]])


def convolve(images, kernel, split=1, join=1):
    """A "same" convolution with stride 1, where `applies` says so.

    Args:
        images: [batch, split * side, split * side, channels]; their split^2 phases, which are images of `side`
            pixels, count as channels: `tf.nn.space_to_depth`.
        kernel: of `transform_kernel`, from [taps, taps, split^2 * channels, join^2 * filters].
        split: 1 or 2.
        join: 1, or 2 if the results are the phases of an image: `tf.nn.depth_to_space`.

    Returns:
        [batch, join * side, join * side, filters], of the images' dtype.
    """
    maps = tf.cast(_pixels_first(images, split), kernel.dtype)
    side, _, batch, channels = maps.shape
    n, filters = kernel.shape[0], kernel.shape[-1]
    input_transform, _, output_transform = (tf.constant(matrix, maps.dtype) for matrix in _transforms(side, _TAPS[n]))
    tiles = input_transform.shape[0] // n

    maps = tf.matmul(input_transform, tf.reshape(maps, [side, -1]))
    maps = tf.matmul(input_transform, tf.reshape(maps, [n * tiles, side, -1]))

    # One matrix product for each pair of points. Tiles above each other share the kernel by broadcasting; those side by
    # side lie next to each other in memory and are so many more images.
    products = tf.matmul(tf.reshape(maps, [n, tiles, n, tiles * batch, channels]), kernel[:, None])

    products = tf.matmul(output_transform, tf.reshape(products, [n * tiles, n * tiles, -1]))
    products = tf.matmul(output_transform, tf.reshape(products, [n * tiles, -1]))
    return _batch_first(tf.cast(tf.reshape(products, [side, side, batch, filters]), images.dtype), join)


def _pixels_first(images, split):
    """[batch, split * side, split * side, channels] to [side, side, batch, split^2 * channels]."""
    batch, height, _, channels = images.shape
    side = height // split
    maps = tf.transpose(tf.reshape(images, [batch, side, split, side, split, channels]), [1, 3, 0, 2, 4, 5])
    return tf.reshape(maps, [side, side, batch, split * split * channels])


def _batch_first(maps, join):
    """[side, side, batch, join^2 * channels] to [batch, join * side, join * side, channels]."""
    side, _, batch, channels = maps.shape
    images = tf.transpose(tf.reshape(maps, [side, side, batch, join, join, -1]), [2, 0, 3, 1, 4, 5])
    return tf.reshape(images, [batch, join * side, join * side, channels // join**2])


@functools.cache
def _transforms(side, taps):
    """B^T, G and A^T of a convolution along one axis, y = A^T ((G w) * (B^T x)), n points for each tile.

    These transform the input, [n * tiles, side], the filter, [n, taps], and the output, [side, n * tiles]; float64.
    """
    n = len(_POINTS[taps])
    if taps == 3:  # each tile of four results sees six pixels, the outermost of which may lie beyond the border
        at, g, bt = _correlation(_POINTS[taps], _TILE, taps)
        tiles = side // _TILE
        inputs, outputs = np.zeros([n, tiles, side + 2]), np.zeros([side, n, tiles])
        for tile in range(tiles):
            start = _TILE * tile
            inputs[:, tile, start : start + n] = bt
            outputs[start : start + _TILE, :, tile] = at
        return inputs[:, :, 1:-1].reshape(-1, side), g, outputs.reshape(side, -1)
    # Four pixels under five taps: y_o = sum_i w[i - o + 2] x_i. With the roles exchanged the four pixels pass over
    # seven taps, the outer two of them zero, backwards in o; that takes 7 points in place of 8.
    at, g, bt = _correlation(_POINTS[taps], side, side)
    return g, bt[:, 1:-1], at[::-1]


def _correlation(points, outputs, taps):
    """Matrices with sum_j w_j x_(o + j) = A^T ((G w) * (B^T x)) for o below `outputs`, and j below `taps`.

    A product of two polynomials has the coefficients V_n^-1 ((V_outputs a) * (V_taps w)), where V_k evaluates k
    coefficients at the points. For fixed w that is a matrix on a, and its transpose is the correlation with w, so that
    A^T = V_outputs^T, G = V_taps, B^T = V_n^-T.

    `points` are n = outputs + taps - 1 numbers, infinity among them. The matrices are A^T [outputs, n], G [n, taps] and
    B^T [n, n], float64.
    """
    return (
        _evaluate(points, outputs).T,
        _evaluate(points, taps),
        np.linalg.inv(_evaluate(points, outputs + taps - 1)).T,
    )


def _evaluate(points, count):
    """[points, count]: the matrix from the coefficients of a polynomial to its values; at infinity, the last one."""
    last = np.eye(count)[-1]
    return np.array([last if np.isinf(point) else float(point) ** np.arange(count) for point in points])
