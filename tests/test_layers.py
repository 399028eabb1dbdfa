import numpy as np
import tensorflow as tf

from wgan.layers import StatelessDropout

SEED = tf.constant([3, 4], tf.int64)


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
