"""Flips and differentiable augmentation, against what they are to be, image by image."""

import numpy as np
import pytest
import tensorflow as tf

from wgan import config
from wgan.models import augmentation

IMAGES = np.random.default_rng(0).uniform(-1, 1, [64, 16, 16, 3]).astype("float32")
SEED = tf.constant([3, 5], tf.int64)


def draw(value, count):
    return tf.fill([count, 1, 1, 1], np.float32(value))


def test_about_half_of_the_images_are_mirrored_and_the_others_left_alone():
    flipped = augmentation.flip(tf.constant(IMAGES), SEED).numpy()
    mirrored = [np.array_equal(after, before[:, ::-1]) for after, before in zip(flipped, IMAGES)]
    same = [np.array_equal(after, before) for after, before in zip(flipped, IMAGES)]
    assert all(one != other for one, other in zip(mirrored, same))
    assert 16 < sum(mirrored) < 48


def test_colours_in_the_middle_of_their_ranges_stay_and_the_ends_are_the_papers():
    images = tf.constant(IMAGES[:2], tf.float32)
    middle = augmentation.change_colors(images, draw(0.5, 2), draw(0.5, 2), draw(0.5, 2)).numpy()
    np.testing.assert_allclose(middle, IMAGES[:2], atol=1e-6)
    brighter = augmentation.change_colors(images, draw(1, 2), draw(0.5, 2), draw(0.5, 2)).numpy()
    np.testing.assert_allclose(brighter, IMAGES[:2] + 0.5, atol=1e-6)
    grey = augmentation.change_colors(images, draw(0.5, 2), draw(0, 2), draw(0.5, 2)).numpy()
    np.testing.assert_allclose(grey, np.repeat(IMAGES[:2].mean(3, keepdims=True), 3, axis=3), atol=1e-6)
    flat = augmentation.change_colors(images, draw(0.5, 2), draw(0.5, 2), draw(0, 2)).numpy()
    for image, before in zip(flat, IMAGES):
        np.testing.assert_allclose(image, before.mean() + (before - before.mean()) / 2, atol=1e-5)


@pytest.mark.parametrize("down, right", [(0, 0), (0.5, 0.5), (0.99, 0.2), (0.3, 0.99)])
def test_translation_moves_whole_pixels_and_lets_grey_in(down, right):
    moved = augmentation.translate(tf.constant(IMAGES[:1]), tf.constant([down]), tf.constant([right]))[0].numpy()
    by_rows, by_columns = int(down * 5) - 2, int(right * 5) - 2  # an eighth of 16 pixels is 2
    expected = np.zeros_like(moved)
    for row in range(16):
        for column in range(16):
            if 0 <= row - by_rows < 16 and 0 <= column - by_columns < 16:
                expected[row, column] = IMAGES[0, row - by_rows, column - by_columns]
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_cutout_greys_a_square_of_half_the_side_and_less_at_the_border():
    cut = augmentation.cut_out(tf.ones([1, 16, 16, 3]), draw(0.5, 1), draw(0, 1))[0].numpy()
    expected = np.ones([16, 16, 3])
    expected[4:12, :4] = 0
    np.testing.assert_array_equal(cut, expected)


@pytest.mark.parametrize("changes", [("color",), ("translation",), ("cutout",), config.CHANGES])
def test_each_image_gets_changes_of_its_own_that_repeat_with_the_seed(changes):
    same = tf.constant(np.repeat(IMAGES[:1], 8, axis=0))
    changed = augmentation.augment(same, changes, SEED).numpy()
    assert len(np.unique(changed, axis=0)) > 4
    np.testing.assert_array_equal(changed, augmentation.augment(same, changes, SEED).numpy())
    other = augmentation.augment(same, changes, tf.constant([3, 6], tf.int64)).numpy()
    assert np.abs(other - changed).max() > 0.1


def test_gradients_come_back_through_all_changes(float64):
    images = tf.constant(IMAGES[:4])
    direction = tf.constant(np.random.default_rng(1).normal(size=images.shape).astype("float32"))
    weights = tf.constant(np.random.default_rng(2).normal(size=images.shape).astype("float32"))
    value = lambda given: tf.reduce_sum(weights * augmentation.augment(given, config.CHANGES, SEED))
    with tf.GradientTape() as tape:
        tape.watch(images)
        result = value(images)
    slope = float(tf.reduce_sum(tape.gradient(result, images) * direction))
    assert float(value(images + direction) - result) == pytest.approx(slope, rel=1e-3)  # the changes are linear


def test_single_channel_images_keep_their_saturation():
    images = tf.constant(IMAGES[:4, :, :, :1])
    changed = augmentation.change_colors(images, draw(0.5, 4), draw(0.9, 4), draw(0.5, 4)).numpy()
    np.testing.assert_allclose(changed, images.numpy(), atol=1e-6)
