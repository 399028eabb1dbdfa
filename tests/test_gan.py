import keras
import numpy as np
import pytest
import tensorflow as tf

from wgan.batches import epoch_batches
from wgan.gan import WGANGP, scale
from wgan.networks import Critic, Generator

IMAGES = np.random.default_rng(0).integers(0, 256, [40, 32, 32, 1], dtype=np.uint8)


def make_gan(seed=0):
    keras.utils.set_random_seed(seed)
    gan = WGANGP(Generator(latent_dim=8, channels=1), Critic(channels=1), seed=seed)
    gan.compile(keras.optimizers.Adam(2e-4, 0.5, 0.9), keras.optimizers.Adam(2e-4, 0.5, 0.9))
    return gan


def fit(gan, first_epoch=1, last_epoch=1):
    batches = epoch_batches(IMAGES, gan.seed, 5, 4, first_epoch, last_epoch)
    return gan.fit(batches, initial_epoch=first_epoch - 1, epochs=last_epoch, steps_per_epoch=1, shuffle=False,
                   verbose=0).history


def values(variables):
    return [variable.numpy() for variable in variables]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_epoch_is_five_critic_updates_and_one_generator_update():
    gan = make_gan()
    before = values(gan.trainable_variables)
    fit(gan)
    assert int(gan.critic_optimizer.iterations) == 5
    assert int(gan.generator_optimizer.iterations) == 1
    for earlier, variable in zip(before, gan.trainable_variables):
        if variable is not gan.critic.dense.bias:  # D(x) - D(G(z)) does not see it
            assert np.abs(variable.numpy() - earlier).max() > 0, variable.path


def test_critic_updates_of_an_epoch_see_different_images(monkeypatch):
    gan, seen = make_gan(), []
    original = gan.update_critic

    def recording(reals, epoch, step):
        seen.append(reals.numpy())
        return original(reals, epoch, step)

    monkeypatch.setattr(gan, "update_critic", recording)
    gan.compile(gan.generator_optimizer, gan.critic_optimizer, run_eagerly=True)
    fit(gan)
    assert len(seen) == 5
    assert len(np.unique(np.concatenate(seen), axis=0)) == 20


def test_each_update_moves_its_own_network_only():
    gan, epoch = make_gan(), tf.constant(1, tf.int64)
    generator, critic = values(gan.generator.trainable_variables), values(gan.critic.variables)
    gan.update_generator(4, epoch)
    assert_same(critic, values(gan.critic.variables))
    assert np.abs(gan.generator.dense.kernel.numpy() - generator[0]).max() > 0

    generator = values(gan.generator.trainable_variables)
    gan.update_critic(scale(tf.constant(IMAGES[:4])), epoch, 0)
    assert_same(generator, values(gan.generator.trainable_variables))
    assert np.abs(gan.critic.conv_1.kernel.numpy() - critic[0]).max() > 0


def test_critic_learns_to_tell_reals_from_fakes():
    gan, epoch = make_gan(), tf.constant(1, tf.int64)
    update = tf.function(lambda reals: gan.update_critic(reals, epoch, 0)["wasserstein_estimate"])
    estimates = [float(update(scale(tf.constant(IMAGES[:16])))) for _ in range(30)]
    assert estimates[-1] > estimates[0] + 1


def test_same_seed_gives_the_same_bits_and_another_seed_does_not():
    one, same, other = make_gan(seed=1), make_gan(seed=1), make_gan(seed=2)
    for gan in (one, same, other):
        fit(gan, 1, 2)
    assert_same(values(one.variables), values(same.variables))
    assert np.abs(one.generator.dense.kernel.numpy() - other.generator.dense.kernel.numpy()).max() > 1e-3


def test_logs_fit_together():
    logs = {name: value[0] for name, value in fit(make_gan()).items()}
    assert logs["wasserstein_estimate"] == pytest.approx(logs["critic_real"] - logs["critic_fake"], abs=1e-4)
    assert logs["critic_loss"] == pytest.approx(
        -logs["wasserstein_estimate"] + 10 * logs["gradient_penalty"], abs=1e-4)
    assert logs["gradient_norm"] > 0


def test_scale_covers_minus_one_to_one():
    np.testing.assert_allclose(scale(tf.constant([0, 255], tf.uint8)).numpy(), [-1, 1], atol=1e-7)
