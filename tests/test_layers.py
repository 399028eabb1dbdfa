"""Each layer against the plain form that it stands for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from wgan.layers import BatchNormalization, StatelessDropout, UpsampleConv2D, leaky_relu

SEED = tf.constant([3, 4], tf.int64)


def plain_upsample_conv(transposed, filters, kernel):
    """Keras's own layers with the same kernel."""
    kind = layers.Conv2DTranspose if transposed else layers.Conv2D
    plain = keras.Sequential([layers.UpSampling2D(2, interpolation="nearest"),
                              kind(filters, 5, padding="same", use_bias=False)])
    return plain, lambda: plain.layers[-1].kernel.assign(kernel)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("height, width, channels, filters", [(4, 4, 3, 5), (1, 2, 1, 1), (3, 7, 2, 3)])
def test_upsample_conv_is_upsampling_then_convolution(float64, transposed, height, width, channels, filters):
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.normal(size=[2, height, width, channels]))
    fast = UpsampleConv2D(filters, transposed=transposed)
    fast(inputs)
    plain, copy_kernel = plain_upsample_conv(transposed, filters, fast.kernel)
    plain(inputs)
    copy_kernel()

    def derivatives(layer, kernel):
        """Output, first derivatives, and a second one through the norm of the input's gradient."""
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = layer(inputs)
                scalar = tf.reduce_sum(tf.sin(outputs))
            slope = inner.gradient(scalar, inputs)
            norm = tf.reduce_sum(slope ** 2)
        return outputs, slope, *outer.gradient(scalar, [kernel]), *outer.gradient(norm, [inputs, kernel])

    results = zip(derivatives(fast, fast.kernel), derivatives(plain, plain.layers[-1].kernel), strict=True)
    for ours, theirs in results:
        assert ours.dtype == "float64"
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)


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
