import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from wgan.models import randomness
from wgan.models.randomness import Purpose

DRAWS = {
    "uniform": randomness.uniform,
    "normal": randomness.normal,
    "happens": lambda shape, seed: tf.cast(randomness.happens(0.3, shape, seed), tf.float32),
}


def seed(epoch=1, purpose=Purpose.SHUFFLE, step=0, attempt=0):
    return randomness.stream(5, epoch, purpose, step, attempt)


@pytest.mark.parametrize("name", DRAWS)
def test_draws_do_not_depend_on_the_compiler(name):
    draw = lambda: DRAWS[name]([7, 100], seed())
    compiled = tf.function(draw, jit_compile=True)().numpy()
    np.testing.assert_allclose(draw().numpy(), compiled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, distribution", [("uniform", "uniform"), ("normal", "norm")])
def test_draws_have_their_distribution(name, distribution):
    draws = DRAWS[name]([100_000], seed()).numpy()
    assert draws.dtype == np.float32
    assert scipy.stats.kstest(draws.astype(np.float64), distribution).pvalue > 0.001


def test_uniform_draws_stay_below_one_and_events_have_their_probability():
    draws = randomness.uniform([1_000_000], seed()).numpy()
    assert draws.min() >= 0 and draws.max() < 1
    assert randomness.happens(0.3, [1_000_000], seed()).numpy().mean() == pytest.approx(0.3, abs=0.002)
    assert randomness.happens(1.0, [1000], seed()).numpy().all()


def test_every_epoch_purpose_step_and_attempt_has_a_stream_of_its_own():
    seeds = {
        tuple(seed(epoch, purpose, step, attempt).numpy())
        for epoch in (0, 1, 2, 1_000_000)
        for purpose in Purpose
        for step in (0, 1, 255)
        for attempt in (0, 1, 3)
    }
    assert len(seeds) == 4 * len(Purpose) * 3 * 3
    first, second = (randomness.normal([10_000], seed(epoch)).numpy() for epoch in (1, 2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_every_replica_has_a_stream_of_its_own_and_the_first_that_of_one_device():
    streams = [randomness.of_replica(seed(1), tf.constant(number)) for number in (0, 1, 2)]
    np.testing.assert_array_equal(streams[0], seed(1))
    first, second, third = (randomness.normal([10_000], each).numpy() for each in streams)
    for one, other in ((first, second), (first, third), (second, third)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
