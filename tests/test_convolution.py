"""Convolutions whose kernel's gradient is a convolution, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from wgan.models import convolution, precision


@pytest.fixture
def units(monkeypatch):
    """As on a processor with matrix units."""
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: True)


def derivatives(convolve, images, kernel):
    """The kernel's gradients of the results' sum of squares, and of the norm of the images' gradient."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([images, kernel])
        loss = tf.reduce_sum(convolve(images, kernel) ** 2)
        norm = tf.reduce_sum(tape.gradient(loss, images) ** 2)
    return tape.gradient(loss, kernel), tape.gradient(norm, kernel)


@pytest.mark.parametrize("height, width, taps, strides", [(4, 4, 5, 1), (4, 4, 3, 1), (8, 8, 5, 2), (7, 6, 3, 2)])
def test_kernels_get_the_gradients_of_tensorflow(monkeypatch, height, width, taps, strides):
    monkeypatch.setattr(convolution, "applies", lambda images, strides: True)
    rng = np.random.default_rng(5)
    images, kernel = (tf.constant(rng.normal(size=size)) for size in ([3, height, width, 2], [taps, taps, 2, 4]))
    found = derivatives(lambda x, w: convolution.conv2d(x, w, strides), images, kernel)
    expected = derivatives(lambda x, w: tf.nn.conv2d(x, w, strides, "SAME"), images, kernel)
    for ours, exact in zip(found, expected):
        np.testing.assert_allclose(ours.numpy(), exact.numpy(), rtol=1e-9, atol=1e-9)


def test_where_it_applies(units, monkeypatch):
    assert convolution.applies(tf.zeros([1, 4, 4, 3], tf.bfloat16), strides=1)
    assert convolution.applies(tf.zeros([1, 8, 8, 3], tf.bfloat16), strides=2)
    assert not convolution.applies(tf.zeros([1, 8, 4, 3], tf.bfloat16), strides=1)
    assert not convolution.applies(tf.zeros([1, 4, 4, 3]), strides=1)
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: False)
    assert not convolution.applies(tf.zeros([1, 4, 4, 3], tf.bfloat16), strides=1)


def test_networks_with_an_open_batch_are_left_to_tensorflow(units):
    found = []
    tf.function(lambda x: found.append(convolution.applies(x, 1))).get_concrete_function(
        tf.TensorSpec([None, 4, 4, 3], tf.bfloat16)
    )
    assert found == [False]
