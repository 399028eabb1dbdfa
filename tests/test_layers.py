"""Each layer against the plain form that it stands for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from wgan.models import convolution, winograd
from wgan.models.layers import (
    BatchNormalization,
    Conv2D,
    PhasesConv2DTranspose,
    SpectralNormalization,
    StatelessDropout,
    UpsampleConv2D,
    leaky_relu,
    shared_kernels,
)
from wgan.models.optimizers import Adam

SEED = tf.constant([3, 4], tf.int64)


def derivatives(layer, inputs, kernel):
    """Output, first derivatives, and second ones through the norm of the input's gradient."""
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = layer(inputs)
            scalar = tf.reduce_sum(tf.sin(outputs))
        slope = inner.gradient(scalar, inputs)
        norm = tf.reduce_sum(slope**2)
    return outputs, slope, *outer.gradient(scalar, [kernel]), *outer.gradient(norm, [inputs, kernel])


def assert_same_derivatives(fast, plain, inputs):
    """The plain layers end in the convolution that has the fast layer's kernel."""
    fast(inputs), plain(inputs)
    plain.layers[-1].kernel.assign(fast.kernel)
    results = zip(
        derivatives(fast, inputs, fast.kernel), derivatives(plain, inputs, plain.layers[-1].kernel), strict=True
    )
    for ours, theirs in results:
        assert ours.dtype == "float64"
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)


@pytest.fixture(params=["winograd", "convolution", "plain"])
def each_way(request, monkeypatch):
    """By Winograd convolutions, by a convolution for the kernel's gradient, and by TensorFlow alone: which one is
    taken depends on the hardware and the precision."""
    for module in (winograd, convolution):
        if not module.__name__.endswith(request.param):
            monkeypatch.setattr(module, "applies", lambda *args, **kwargs: False)
    if request.param == "convolution":
        monkeypatch.setattr(convolution, "applies", lambda images, strides: True)
    monkeypatch.setattr(winograd, "MIN_BATCH", 1)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("side, channels, filters", [(4, 3, 5), (8, 2, 3), (16, 1, 2), (6, 3, 1)])
def test_conv_is_that_of_keras(float64, each_way, strides, side, channels, filters):
    inputs = tf.constant(np.random.default_rng(7).normal(size=[3, side, side, channels]))
    fast, plain = (
        kind(filters, 5, strides=strides, padding="same", bias_initializer="random_normal")
        for kind in (Conv2D, layers.Conv2D)
    )
    plain = keras.Sequential([plain])
    fast(inputs), plain(inputs)
    plain.layers[-1].bias.assign(fast.bias)
    assert_same_derivatives(fast, plain, inputs)


def test_a_kernel_that_two_calls_share_has_the_gradients_of_both(float64, each_way):
    inputs = tf.constant(np.random.default_rng(9).normal(size=[2, 3, 4, 4, 2]))
    layer = Conv2D(3, 5, padding="same")

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(inputs[0]) * tf.sin(layer(inputs[1])))
        return tape.gradient(loss, layer.kernel)

    layer(inputs[0])
    expected = gradients()
    with shared_kernels():
        np.testing.assert_allclose(gradients(), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [{"padding": "valid"}, {"kernel_size": 3}, {"kernel_size": 3, "strides": 2}, {"dilation_rate": 2}, {"groups": 2}],
)
def test_other_convolutions_are_those_of_keras_too(float64, settings):
    inputs = tf.constant(np.random.default_rng(8).normal(size=[64, *([8, 8] if "padding" in settings else [4, 4]), 2]))
    settings = {"kernel_size": 5, "padding": "same", **settings}
    assert_same_derivatives(Conv2D(4, **settings), keras.Sequential([layers.Conv2D(4, **settings)]), inputs)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("height, width, channels, filters", [(4, 4, 3, 5), (8, 8, 2, 1), (1, 2, 1, 1), (3, 7, 2, 3)])
def test_upsample_conv_is_upsampling_then_convolution(float64, each_way, transposed, height, width, channels, filters):
    inputs = tf.constant(np.random.default_rng(0).normal(size=[2, height, width, channels]))
    kind = layers.Conv2DTranspose if transposed else layers.Conv2D
    plain = keras.Sequential(
        [layers.UpSampling2D(2, interpolation="nearest"), kind(filters, 5, padding="same", use_bias=False)]
    )
    assert_same_derivatives(UpsampleConv2D(filters, transposed=transposed), plain, inputs)


def join_phases(phases):
    """[batch, height, width, 4, channels] to the image that they are the phases of, one pixel at a time."""
    batch, height, width, _, channels = phases.shape
    rows = [[phases[:, y // 2, x // 2, 2 * (y % 2) + x % 2] for x in range(2 * width)] for y in range(2 * height)]
    return tf.reshape(tf.stack([tf.stack(row, 1) for row in rows], 1), [batch, 2 * height, 2 * width, channels])


def test_phases_are_those_of_the_upsampled_convolution(float64):
    inputs = tf.constant(np.random.default_rng(5).normal(size=[2, 3, 4, 3]))
    whole, phases = UpsampleConv2D(5), UpsampleConv2D(5, as_phases=True)
    whole(inputs), phases(inputs)
    phases.kernel.assign(whole.kernel)
    assert phases(inputs).shape == phases.compute_output_shape(inputs.shape) == (2, 3, 4, 4, 5)
    np.testing.assert_allclose(join_phases(phases(inputs)).numpy(), whole(inputs).numpy(), rtol=1e-12)


@pytest.mark.parametrize("height, width, channels, filters", [(4, 4, 3, 5), (1, 2, 1, 1), (3, 5, 2, 3)])
def test_phases_convolution_is_that_of_the_joined_image(float64, height, width, channels, filters):
    inputs = tf.constant(np.random.default_rng(6).normal(size=[2, height, width, 4, channels]))
    plain = keras.Sequential(
        [layers.Lambda(join_phases), layers.Conv2DTranspose(filters, 5, padding="same", use_bias=False)]
    )
    assert_same_derivatives(PhasesConv2DTranspose(filters), plain, inputs)


def test_leaky_relu_and_its_derivatives_but_for_the_useless_zeros():
    x = tf.constant(np.random.default_rng(1).normal(size=[4, 6]))
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = leaky_relu(x, 0.3)
        slope = inner.gradient(y, x)
    np.testing.assert_allclose(y.numpy(), np.where(x > 0, x, 0.3 * x))
    np.testing.assert_allclose(slope.numpy(), np.where(x > 0, 1, 0.3))
    assert outer.gradient(slope, x) is None


def test_leaky_relu_passes_second_derivatives_with_respect_to_weights():
    x = tf.constant(np.random.default_rng(2).normal(size=[4, 6]))
    weights = tf.Variable(np.random.default_rng(3).normal(size=[6, 5]))

    def second(activation):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = activation(x @ weights, 0.3) ** 2
            norm = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(norm, weights).numpy()

    np.testing.assert_allclose(second(leaky_relu), second(tf.nn.leaky_relu), rtol=1e-12)


@pytest.mark.parametrize("shape", [(6, 9), (5, 3, 4, 7)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_is_that_of_keras(shape, training):
    inputs = np.random.default_rng(4).normal(2, 3, size=shape)
    ours, theirs = BatchNormalization(momentum=0.8), layers.BatchNormalization(momentum=0.8, dtype="float64")
    results = []
    for layer, x in ((ours, tf.constant(inputs, tf.float32)), (theirs, tf.constant(inputs))):
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 1.5, shape[-1]))
        layer.moving_mean.assign(np.linspace(-1, 1, shape[-1]))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            scalar = tf.reduce_sum(tf.sin(y))
        gradients = tape.gradient(scalar, [x, layer.gamma, layer.beta])
        results.append([y, *gradients, layer.moving_mean, layer.moving_variance])
    for one, other in zip(*results):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    dropped = StatelessDropout(0.3)(tf.ones([200, 500]), seed=SEED).numpy()
    assert abs((dropped == 0).mean() - 0.3) < 0.01
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=1e-6)


def test_dropout_without_seed_changes_nothing():
    inputs = tf.random.normal([3, 4], seed=1)
    np.testing.assert_array_equal(StatelessDropout(0.3)(inputs).numpy(), inputs.numpy())


def test_dropout_gradient_uses_the_same_mask():
    inputs = tf.ones([50, 50])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        dropped = StatelessDropout(0.3)(inputs, seed=SEED)
    np.testing.assert_allclose(tape.gradient(dropped, inputs).numpy(), dropped.numpy(), rtol=1e-6)


@pytest.mark.parametrize("strides", [1, 2])
def test_spectral_normalization_divides_by_the_largest_singular_value(float64, each_way, strides):
    """And its gradient is that of equation 9 of Miyato et al. (2018)."""
    keras.utils.set_random_seed(0)  # of the kernel, whose first two singular values must not be near each other
    fast = lambda: Conv2D(5, 5, strides=strides, padding="same")
    layer, plain = SpectralNormalization(fast()), fast()
    inputs = tf.constant(np.random.default_rng(7).normal(size=[3, 4 * strides, 4 * strides, 3]))
    for _ in range(300):
        layer(inputs, training=True)
    kernel = layer.layer.kernel
    left, (largest, *_), right = np.linalg.svd(kernel.numpy().reshape(-1, 5), full_matrices=False)
    plain(inputs)
    plain.kernel.assign(kernel / largest)
    with tf.GradientTape(persistent=True) as tape:
        ours, theirs = layer(inputs), plain(inputs)
        scalars = [tf.reduce_sum(tf.sin(outputs)) for outputs in (ours, theirs)]
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)
    slope = tape.gradient(scalars[1], plain.kernel).numpy()
    first = np.outer(left[:, 0], right[0]).reshape(slope.shape)
    expected = (slope - np.sum(slope * plain.kernel.numpy()) * first) / largest
    np.testing.assert_allclose(tape.gradient(scalars[0], kernel).numpy(), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("betas", [(0.5, 0.9), (0.0, 0.99)])
def test_adam_makes_the_updates_of_keras_s(betas):
    rng = np.random.default_rng(0)
    start = rng.normal(size=[3, 4]).astype(np.float32)
    gradients = rng.normal(size=[5, 3, 4]).astype(np.float32)
    gradients[2] = 0  # nothing to divide by but epsilon
    results = []
    for kind in (Adam, keras.optimizers.Adam):
        variable = keras.Variable(start)
        rate = keras.optimizers.schedules.PolynomialDecay(0.1, 4)
        optimizer = kind(rate, *betas)
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        results.append([variable.numpy(), *(each.numpy() for each in optimizer.variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert np.abs(results[0][0] - start).max() > 0.1
