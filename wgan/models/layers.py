"""Layers that compute what Keras's compute, with less work.

Their variables have the shapes and names of Keras's layers, so weights are interchangeable with those of
the plain network. Each is tested against the plain form, derivatives included.
"""

import contextvars

import keras
import numpy as np
import tensorflow as tf

from wgan.common.scopes import changed
from wgan.models import convolution, randomness, replicas, winograd

# An image of even height and width is four small images, its phases: row and column even, row even and
# column odd, and so on. Pixel 2u + p of a row lies at place u of phase p.

# _MERGE[a, p, i]: where a small image is upsampled, row i of a 5x5 kernel at an output pixel of phase p
# meets the small row u + a - 1. Several kernel rows meet the same one.
_MERGE = np.array(
    [[[p + i - 2 in (2 * (a - 1), 2 * (a - 1) + 1) for i in range(5)] for p in range(2)] for a in range(3)], float
)

# _ALIGN[p, a, q, i]: where an image is given by its phases, the same row meets row u + a - 1 of phase q.
_ALIGN = np.array(
    [[[[p + i - 2 == 2 * (a - 1) + q for i in range(5)] for q in range(2)] for a in range(3)] for p in range(2)], float
)

_common_momentum = contextvars.ContextVar("momentum", default=None)
_shared_kernels = contextvars.ContextVar("shared_kernels", default=None)
_group_count = contextvars.ContextVar("group_count", default=1)


def leaky_relu(x, slope):
    """max(x, slope * x), whose second derivative is nothing rather than a tensor of zeros.

    TensorFlow's own gives zeros, and those make the gradient penalty go a second time, in vain, through
    the whole forward computation of the interpolates.

    Args:
        x: float tensor of any shape.
        slope: on negative inputs, in [0, 1).
    """

    @tf.custom_gradient
    def forward(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda dy: backward(dy, tf.stop_gradient(y))

    @tf.custom_gradient
    def backward(dy, y):  # y is positive exactly where x is, so x need not be kept
        dx = tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)
        return dx, lambda ddx: (backward(ddx, y), None)

    return forward(x)


class Conv2D(keras.layers.Conv2D):
    """Keras's layer; 5x5 kernels with "same" padding take fewer multiplications where images are small."""

    def convolution_op(self, inputs, kernel):
        """[batch, height, width, channels] to [batch, height / stride, width / stride, filters], without the bias.

        With stride 2 every result sees three rows of each of the image's phases (two of the even ones, and a
        zero), so that the layer is a 3x3 convolution of the phases.
        """
        fits = (
            self.kernel_size == (5, 5)
            and self.padding == "same"
            and self.data_format == "channels_last"
            and self.dilation_rate == (1, 1)
            and self.groups == 1
        )
        if fits and self.strides == (1, 1) and winograd.applies(inputs, taps=5):
            return winograd.convolve(inputs, _once(self, lambda: winograd.transform_kernel(kernel)))
        if fits and self.strides == (2, 2) and winograd.applies(inputs, taps=3, split=2):
            transformed = _once(self, lambda: winograd.transform_kernel(_kernel_on_phases(kernel)))
            return winograd.convolve(inputs, transformed, split=2)
        if fits and self.strides in ((1, 1), (2, 2)):
            return convolution.conv2d(inputs, tf.convert_to_tensor(kernel), self.strides[0])
        return super().convolution_op(inputs, kernel)


def _once(layer, transform):
    """What a layer makes of its kernel, for all its calls within `shared_kernels`."""
    made = _shared_kernels.get()
    if made is None:
        return transform()
    if id(layer) not in made:
        made[id(layer)] = transform()
    return made[id(layer)]


def _kernel_on_phases(kernel):
    """[5, 5, channels, filters] of a convolution with stride 2 to [3, 3, 4 * channels, filters] of one of phases."""
    *_, channels, filters = kernel.shape
    kernel = tf.reshape(tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]]), [3, 2, 3, 2, channels, filters])
    return tf.reshape(tf.transpose(kernel, [0, 2, 1, 3, 4, 5]), [3, 3, 4 * channels, filters])


class UpsampleConv2D(keras.layers.Layer):
    """Nearest upsampling by two, then a 5x5 "same" convolution without bias, in one go.

    Nearest upsampling repeats pixels, so of the 25 pixels that an output pixel sees only 9 differ.
    Which ones depends on whether its row and column are even or odd; for each of these four phases the
    kernel rows (and columns) that meet the same pixel are added up, w' = M w M^T, and one 3x3
    convolution of the small image gives all four phases as channels. 36 multiplications per small pixel
    take the place of 100.
    """

    def __init__(self, filters, transposed=False, as_phases=False, **kwargs):
        """
        Args:
            filters: channels of the output.
            transposed: be the stride-1 transposed convolution, whose kernel is stored flipped and with
                its channels the other way round, [5, 5, filters, channels], as Keras stores it.
            as_phases: leave the output as its four phases, for `PhasesConv2DTranspose`.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.transposed = transposed
        self.as_phases = as_phases

    def build(self, input_shape):
        channels = input_shape[-1]
        ends = (self.filters, channels) if self.transposed else (channels, self.filters)
        # autocast off: the sums of kernel rows are taken in the precision of the variable.
        self.kernel = self.add_weight(name="kernel", shape=(5, 5, *ends), initializer="glorot_uniform", autocast=False)

    def call(self, inputs):
        """[batch, height, width, channels] to [batch, 2 height, 2 width, filters].

        As phases the result is [batch, height, width, 4, filters].
        """
        kernel = self._merged_kernel()
        if not self.as_phases and winograd.applies(inputs, taps=3):
            return winograd.convolve(inputs, winograd.transform_kernel(kernel), join=2)
        phases = convolution.conv2d(inputs, kernel)
        if self.as_phases:
            return tf.reshape(phases, [-1, *phases.shape[1:3], 4, self.filters])
        return tf.nn.depth_to_space(phases, 2)

    def _merged_kernel(self):
        """[3, 3, channels, 4 * filters]; `depth_to_space` wants the phases before the filters."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.transposed:
            kernel = _untransposed(kernel)
        merge = tf.constant(_MERGE.reshape(6, 5), kernel.dtype)
        columns = tf.tensordot(merge, tf.tensordot(merge, kernel, 1), [[1], [1]])  # of the kernel's merged rows
        merged = tf.transpose(tf.reshape(columns, [3, 2, 3, 2, -1, self.filters]), [2, 0, 4, 3, 1, 5])
        return tf.cast(tf.reshape(merged, [3, 3, -1, 4 * self.filters]), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        if self.as_phases:
            return (batch, height, width, 4, self.filters)
        return (batch, 2 * height, 2 * width, self.filters)


class PhasesConv2DTranspose(keras.layers.Layer):
    """A 5x5 "same" transposed convolution with stride 1, without bias, of an image given as phases.

    It is a 3x3 convolution from the channels of the four phases to those of the result's. With few
    output channels (3, for colour) that fills a processor's vectors far better, although it multiplies
    by some zeros: 144 multiplications in place of 100.
    """

    def __init__(self, filters, **kwargs):
        """Args: filters: channels of the output."""
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(5, 5, self.filters, input_shape[-1]), initializer="glorot_uniform", autocast=False
        )

    def call(self, inputs):
        """[batch, height, width, 4, channels] to [batch, 2 height, 2 width, filters]."""
        _, height, width, _, channels = inputs.shape
        phases = tf.reshape(inputs, [-1, height, width, 4 * channels])
        return tf.nn.depth_to_space(tf.nn.conv2d(phases, self._aligned_kernel(), strides=1, padding="SAME"), 2)

    def _aligned_kernel(self):
        """[3, 3, 4 * channels, 4 * filters]."""
        kernel = _untransposed(tf.convert_to_tensor(self.kernel))
        align = tf.constant(_ALIGN, kernel.dtype)
        aligned = tf.einsum("paqi,rbsj,ijcf->abqscprf", align, align, kernel)
        return tf.cast(tf.reshape(aligned, [3, 3, -1, 4 * self.filters]), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, _, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)


def _untransposed(kernel):
    """The kernel of the convolution that a stride-1 transposed convolution is."""
    return tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer over the last axis, with TensorFlow's fused kernel: one pass in place of several."""

    def call(self, inputs, training=False, track=True):
        """Normalises [..., channels] by the batch's statistics in training, else by the moving ones.

        Args:
            inputs: at least [batch, channels]; several batches after one another within `batch_norm_groups`.
            training: which statistics to use.
            track: whether the batch's statistics, where they are used, also move the moving ones.
        """
        groups = _group_count.get() if training else 1
        if groups == 1:
            return self._normalize(inputs, training, track)
        return tf.concat([self._normalize(group, training, track) for group in tf.split(inputs, groups)], axis=0)

    def _normalize(self, inputs, training, track):
        if training and replicas.count() > 1:
            return self._normalize_over_replicas(inputs, track)
        shape = tf.shape(inputs)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            tf.reshape(inputs, [shape[0], 1, -1, inputs.shape[-1]]),
            self.gamma,
            self.beta,
            mean=None if training else self.moving_mean,
            variance=None if training else self.moving_variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training and track:
            # The kernel reports the variance as estimated for the population, n / (n - 1) times that of
            # the batch, which is what Keras's moving variance follows.
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], variance.dtype)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * (count - 1) / count)
        known = None not in inputs.shape[1:]  # exported networks need sides that stay known
        return tf.reshape(outputs, [-1, *inputs.shape[1:]] if known else tf.shape(inputs))

    def _normalize_over_replicas(self, inputs, track):
        """By the statistics of the whole batch, of which each replica has as many rows."""
        values = tf.cast(inputs, self.variable_dtype)
        axes = list(range(inputs.shape.rank - 1))
        moments = tf.stack([tf.reduce_mean(values, axes), tf.reduce_mean(tf.square(values), axes)])
        mean, square = tf.unstack(replicas.mean(moments))
        variance = tf.maximum(square - tf.square(mean), 0.0)
        if track:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        outputs = tf.nn.batch_normalization(values, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(outputs, inputs.dtype)

    def _move(self, average, value):
        common = _common_momentum.get()
        momentum = self.momentum if common is None else common
        average.assign(average * momentum + value * (1 - momentum))


def batch_norm_momentum(momentum):
    """Each `BatchNormalization` called in this block moves its statistics by this momentum, a float or float32 scalar,
    in place of its own."""
    return changed(_common_momentum.get, _common_momentum.set, momentum)


def shared_kernels():
    """Each layer transforms its kernel once for all its calls in this block, in which it must not be updated."""
    return changed(_shared_kernels.get, _shared_kernels.set, {})


def batch_norm_groups(count):
    """Each `BatchNormalization` called in this block for training takes its inputs for `count` batches of equal size,
    one after another: the result is that of `count` calls."""
    return changed(_group_count.get, _group_count.set, count)


def normalization(kind, momentum=0.99):
    """The layer that a name stands for, called with `training`.

    Args:
        kind: "batch"; "layer", each image by its own mean and standard deviation over all places and channels, with a
            scale and shift per channel (Ba et al. 2016); "none"; or "spectral".
        momentum: of the moving statistics of "batch".

    Raises:
        ValueError: another name.
    """
    made = {
        "batch": lambda: BatchNormalization(momentum=momentum),
        "layer": lambda: keras.layers.GroupNormalization(groups=1),
        "none": keras.layers.Identity,
        "spectral": keras.layers.Identity,  # of the kernels: see `normalized`
    }
    if kind not in made:
        raise ValueError(f"no normalisation is called {kind!r}; choose one of {', '.join(made)}")
    return made[kind]()


class SpectralNormalization(keras.layers.Wrapper):
    """A layer with its kernel divided by an estimate of its largest singular value (Miyato et al. 2018).

    The kernel counts as a matrix W [inputs, filters]. Of a vector u near its first right singular vector, |W u| is the
    estimate, whose gradient is that of the paper's equation 9. u moves by one step of the power iteration,
    u = W^T W u / |W^T W u|, with each call in training, before it is used. Keras's layer sets the kernel itself to its
    normalised value instead, so that no gradient passes through the estimate.
    """

    def __init__(self, layer, **kwargs):
        """Args: layer: with a `kernel` whose last axis is that of the filters."""
        super().__init__(layer, autocast=False, **kwargs)  # the estimate has the precision of the variables

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=self.layer.kernel.shape[-1:],
            initializer="random_normal",
            trainable=False,
            aggregation="only_first_replica",  # all have the same
        )

    def call(self, inputs, training=False):
        """What the layer gives; `training`: whether u moves."""
        if training:
            self._iterate()
        with keras.StatelessScope([(self.layer.kernel, _once(self, self._normalized))]):
            return self.layer(inputs)

    def _iterate(self):
        matrix, u = self._matrix(), tf.convert_to_tensor(self.u)
        self.u.assign(tf.math.l2_normalize(tf.linalg.matvec(matrix, tf.linalg.matvec(matrix, u), transpose_a=True)))

    def _normalized(self):
        estimate = tf.norm(tf.linalg.matvec(self._matrix(), tf.math.l2_normalize(tf.convert_to_tensor(self.u))))
        return tf.convert_to_tensor(self.layer.kernel) / estimate

    def _matrix(self):
        return tf.reshape(self.layer.kernel, [-1, self.layer.kernel.shape[-1]])

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def normalized(layer, kind):
    """A layer, with its kernel normalised where the kind of normalisation is "spectral"."""
    return SpectralNormalization(layer) if kind == "spectral" else layer


class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask is a function of a seed given with the call.

    Keras's own layer counts its calls in a variable; here nothing has to be stored for a resumed run
    to draw the masks that an uninterrupted one would have drawn.
    """

    def __init__(self, rate, whole_channels=False, **kwargs):
        """
        Args:
            rate: the probability with which a value is set to zero, in [0, 1).
            whole_channels: drop a channel of an image as a whole, for inputs [batch, height, width, channels].
        """
        super().__init__(**kwargs)
        self.rate = rate
        self.whole_channels = whole_channels

    def call(self, inputs, seed=None):
        """Zeroes values with probability `rate` and divides the others by `1 - rate`.

        Args:
            inputs: float tensor of any shape.
            seed: int64 [2], as `wgan.models.randomness.stream` gives it; None leaves the inputs alone.
        """
        if seed is None or not self.rate:
            return inputs
        shape = tf.shape(inputs)
        if self.whole_channels:
            shape = tf.stack([shape[0], 1, 1, shape[3]])
        kept = tf.cast(randomness.happens(1 - self.rate, shape, seed), inputs.dtype)
        return inputs * (kept / (1 - self.rate))  # a product is several times faster than a choice

    def compute_output_shape(self, input_shape):
        return input_shape
