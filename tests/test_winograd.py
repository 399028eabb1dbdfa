"""Winograd convolutions against their definition."""

import numpy as np
import pytest
import tensorflow as tf

from wgan.models import precision, winograd
from wgan.models.networks import plain


def convolution(images, kernel, split, join):
    """The same by TensorFlow's own operations."""
    phases = tf.nn.space_to_depth(images, split) if split > 1 else images
    found = tf.nn.conv2d(phases, kernel, 1, "SAME")
    return tf.nn.depth_to_space(found, join) if join > 1 else found


@pytest.mark.parametrize("side, taps", [(4, 3), (8, 3), (4, 5)])
@pytest.mark.parametrize("split, join", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 3e-5), ("bfloat16", 2**-8)])
def test_the_result_is_the_convolution(side, taps, split, join, dtype, tolerance):
    rng = np.random.default_rng(0)
    images = rng.normal(size=[3, side * split, side * split, 5])
    kernel = rng.normal(size=[taps, taps, 5 * split**2, 2 * join**2])
    if dtype == "bfloat16":  # whose rounding of the result is all that may be lost
        images, kernel = (np.asarray(tf.cast(tf.cast(each, dtype), "float64")) for each in (images, kernel))
    expected = convolution(tf.constant(images), tf.constant(kernel), split, join).numpy()
    transformed = winograd.transform_kernel(tf.constant(kernel, dtype))
    found = winograd.convolve(tf.constant(images, dtype), transformed, split, join)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(found, "float64").numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize("side, taps", [(4, 3), (8, 3), (4, 5)])
def test_rounding_errors_in_float32_are_those_that_are_stated(side, taps):
    rng = np.random.default_rng(1)
    images, slopes = rng.normal(size=[2, 32, side, side, 128])
    kernel = rng.normal(size=[taps, taps, 128, 128])

    def results(convolve, dtype):
        x, w = tf.constant(images, dtype), tf.constant(kernel, dtype)
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = convolve(x, w)
        return [y, *tape.gradient(y, [x, w], tf.constant(slopes, dtype))]

    exact = results(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), "float64")
    quick = results(lambda x, w: winograd.convolve(x, winograd.transform_kernel(w)), "float32")
    for found, expected in zip(quick, exact):
        np.testing.assert_allclose(
            found.numpy(), expected.numpy(), rtol=0, atol=1.5e-5 * np.abs(expected.numpy()).max()
        )


def test_where_it_applies(monkeypatch):
    assert winograd.applies(tf.zeros([64, 4, 4, 3]), taps=5)
    assert winograd.applies(tf.zeros([64, 16, 16, 3]), taps=3, split=2)
    assert not winograd.applies(tf.zeros([64, 16, 16, 3]), taps=3)
    assert not winograd.applies(tf.zeros([64, 8, 8, 3]), taps=5)
    assert not winograd.applies(tf.zeros([64, 4, 8, 3]), taps=3)
    assert not winograd.applies(tf.zeros([64, 9, 9, 3]), taps=3, split=2)
    assert not winograd.applies(tf.zeros([64, 4, 4, 3], tf.float16), taps=3)
    assert not winograd.applies(tf.zeros([31, 4, 4, 3]), taps=5)
    for units in (True, False):
        monkeypatch.setattr(precision, "has_bfloat16_units", lambda: units)
        assert winograd.applies(tf.zeros([64, 4, 4, 3], tf.bfloat16), taps=3) != units
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert not winograd.applies(tf.zeros([64, 4, 4, 3]), taps=5)


@pytest.mark.parametrize("batch", [64, None])
def test_networks_with_an_open_batch_stay_convolutions(batch):
    generator = plain.Generator()
    graph = tf.function(generator).get_concrete_function(tf.TensorSpec([batch, 100])).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("Conv2D") == (4 if batch is None else 2)
    assert ("BatchMatMulV2" in kinds) == (batch is not None)
