"""Convolutions whose kernel's gradient is computed as a convolution too.

What a kernel's weight meets is the image, moved by the weight's place, so that the gradient is a convolution of the
image with the results' gradient, in which the batch takes the place of the channels. The matrix units of processors
(AMX) are two to four times as fast at that as at oneDNN's own kernel for the gradient, as long as the results are small
images: docs/performance.md.
"""

import tensorflow as tf

from wgan.models import precision

_MAX_SIDE = 4  # pixels of the results; at 8 both take as long


def applies(images, strides):
    """Whether `conv2d` computes images [batch, height, width, channels] in this way here.

    Networks whose batch is open, such as exported ones, are left to TensorFlow.
    """
    batch, height, width, _ = images.shape
    return (
        batch is not None
        and max(height, width) <= _MAX_SIDE * strides
        and images.dtype == tf.bfloat16
        and precision.has_bfloat16_units()
        and not tf.config.list_physical_devices("GPU")
    )


def conv2d(images, kernel, strides=1):
    """A "same" convolution, with its first and second derivatives.

    Args:
        images: [batch, height, width, channels].
        kernel: [taps, taps, channels, filters], of the images' dtype.
        strides: in both directions; no more than the taps.

    Returns:
        [batch, ceil(height / strides), ceil(width / strides), filters].
    """
    if not applies(images, strides):
        return tf.nn.conv2d(images, kernel, strides, "SAME")

    @tf.custom_gradient
    def forward(images, kernel):
        results = tf.nn.conv2d(images, kernel, strides, "SAME")
        return results, lambda slopes: (image_gradient(slopes, kernel), _kernel_gradient(images, slopes, taps, strides))

    @tf.custom_gradient
    def image_gradient(slopes, kernel):
        gradient = tf.nn.conv2d_transpose(slopes, kernel, shape, strides, "SAME")
        return gradient, lambda further: (forward(further, kernel), _kernel_gradient(further, slopes, taps, strides))

    shape, taps = images.shape, kernel.shape[0]
    return forward(images, kernel)


def _kernel_gradient(images, slopes, taps, strides):
    """[taps, taps, channels, filters]: the gradient with respect to the kernel, from that of the results, `slopes`."""
    padding = [[0, 0]]
    for side, result_side in zip(images.shape[1:3], slopes.shape[1:3]):
        missing = (result_side - 1) * strides + taps - side
        padding.append([missing // 2, missing - missing // 2])
    gradient = tf.nn.conv2d(
        tf.transpose(images, [3, 1, 2, 0]),
        tf.transpose(slopes, [1, 2, 0, 3]),
        strides=1,
        padding=[*padding, [0, 0]],
        dilations=strides,
    )
    return tf.transpose(gradient, [1, 2, 0, 3])
