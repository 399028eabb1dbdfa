import keras
import numpy as np
import pytest
import tensorflow as tf

from wgan.models import randomness
from wgan.models.constraints import GradientPenalty, NoConstraint
from wgan.models.gan import GAN, averaging_decay, scale
from wgan.models.losses import LOSSES
from wgan.models.networks import Critic, Generator, perceptrons
from wgan.models.randomness import Purpose
from wgan.training.batches import epoch_batches
from wgan.training.loop import build_gan

IMAGES = np.random.default_rng(0).integers(0, 256, [40, 32, 32, 1], dtype=np.uint8)


def make_gan(seed=0, **settings):
    keras.utils.set_random_seed(seed)
    return compiled(GAN(Generator(latent_dim=8, channels=1), Critic(channels=1), seed=seed, **settings))


def make_toy_gan(seed=0, **settings):
    """One dense layer for each network."""
    keras.utils.set_random_seed(seed)
    shape = IMAGES.shape[1:]
    return compiled(
        GAN(perceptrons.Generator(8, shape, ()), perceptrons.Discriminator(shape, ()), seed=seed, **settings)
    )


def compiled(gan):
    gan.compile(keras.optimizers.Adam(2e-4, 0.5, 0.9), keras.optimizers.Adam(2e-4, 0.5, 0.9))
    return gan


def fit(gan):
    batches = epoch_batches(IMAGES, gan.seed, (5, 4), range(1, 2))
    gan.fit(batches, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0)


def values(variables):
    return [variable.numpy() for variable in variables]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_epoch_is_five_critic_updates_and_one_generator_update():
    gan = make_toy_gan()
    before = values(gan.trainable_variables)
    fit(gan)
    assert int(gan.critic_optimizer.iterations) == 5
    assert int(gan.generator_optimizer.iterations) == 1
    for earlier, variable in zip(before, gan.trainable_variables):
        if variable is not gan.critic.last.bias:  # D(x) - D(G(z)) does not see it
            assert np.abs(variable.numpy() - earlier).max() > 0, variable.path


def test_critic_updates_of_an_epoch_see_different_images(monkeypatch):
    gan, seen = make_toy_gan(), []
    original = gan.update_critic

    def recording(reals, fakes, epoch, step):
        seen.append(reals.numpy())
        return original(reals, fakes, epoch, step)

    monkeypatch.setattr(gan, "update_critic", recording)
    gan.compile(gan.generator_optimizer, gan.critic_optimizer, run_eagerly=True)
    fit(gan)
    assert len(seen) == 5
    assert len(np.unique(np.concatenate(seen), axis=0)) == 20


@pytest.mark.parametrize(
    "limit", [2**21, 0, None], ids=["together", "one by one", "of a generator without draw_batches"]
)
def test_fakes_of_an_epoch_are_those_of_single_calls(monkeypatch, limit):
    """And so are the moving statistics, which each of the updates' batches moves in its turn."""
    if limit is None:
        monkeypatch.setattr(Generator, "draw_batches", None)
    monkeypatch.setattr("wgan.models.networks.image_generator.MAX_PIXELS_AT_ONCE", limit)
    gan, alone = make_gan(), make_gan()
    batches = gan.draw_critic_fakes(4, 1)
    for step, fakes in enumerate(batches):
        seed = randomness.stream(0, 1, Purpose.CRITIC_LATENTS, step)
        np.testing.assert_allclose(
            fakes, alone.generator(randomness.latents(4, alone.generator, seed), training=True), atol=1e-5
        )
    for ours, theirs in zip(gan.generator.variables, alone.generator.variables):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert len(batches) == 5 and np.abs(batches[0] - batches[1]).max() > 0.01


def test_each_update_moves_its_own_network_only():
    gan, epoch = make_gan(), tf.constant(1, tf.int64)
    generator, critic = values(gan.generator.trainable_variables), values(gan.critic.variables)
    gan.update_generator(4, epoch)
    assert_same(critic, values(gan.critic.variables))
    assert np.abs(gan.generator.dense.kernel.numpy() - generator[0]).max() > 0

    generator = values(gan.generator.trainable_variables)
    gan.update_critic(scale(tf.constant(IMAGES[:4])), gan.draw_critic_fakes(4, epoch)[0], epoch, 0)
    assert_same(generator, values(gan.generator.trainable_variables))
    assert np.abs(gan.critic.conv_1.kernel.numpy() - critic[0]).max() > 0


def test_scale_covers_minus_one_to_one():
    np.testing.assert_allclose(scale(tf.constant([0, 255], tf.uint8)).numpy(), [-1, 1], atol=1e-7)


def test_averaged_generator_follows_the_formula_of_the_moving_average(eagerly):
    gan = make_gan(ema_decay=0.9, critic_steps=1)
    weights = [place for place, variable in enumerate(gan.generator.variables) if variable.trainable]
    assert len(weights) == len(gan.generator.variables) - 8  # four normalisations

    def of(network):
        return [network.variables[place].numpy() for place in weights]

    expected, decays, norm_mean, norm_variance = of(gan.generator), [], np.zeros(2048), np.ones(2048)
    for epoch in range(1, 4):
        gan.train_step((tf.constant(epoch, tf.int64), tf.constant(IMAGES[None, :4])))
        decay = min(0.9, (1 + epoch) / (10 + epoch))
        expected = [
            decay * average + (1 - decay) * now for average, now in zip(expected, of(gan.generator), strict=True)
        ]
        latents = randomness.latents(4, gan.generator, randomness.stream(0, epoch, Purpose.STATISTICS_LATENTS))
        activations = latents.numpy() @ gan.averaged_generator.dense.kernel.numpy()
        norm_mean = decay * norm_mean + (1 - decay) * activations.mean(axis=0)
        norm_variance = decay * norm_variance + (1 - decay) * activations.var(axis=0)
        decays.append(decay)
    assert decays == sorted(decays) and decays[0] < 0.2
    for average, value in zip(of(gan.averaged_generator), expected, strict=True):
        np.testing.assert_allclose(average, value, rtol=1e-5, atol=1e-6)
    norm = gan.averaged_generator.norm_1
    np.testing.assert_allclose(norm.moving_mean.numpy(), norm_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), norm_variance, rtol=1e-4, atol=1e-6)
    assert gan.sampling_generator is gan.averaged_generator
    assert not gan.averaged_generator.trainable_variables


@pytest.mark.parametrize("network", ["plain", pytest.param("resnet", marks=pytest.mark.slow)])
def test_each_layer_of_the_average_is_normalised_by_what_it_sees(network, tiny, eagerly):
    gan, rng = build_gan(tiny(network=network), 1), np.random.default_rng(0)
    for variable in gan.generator.trainable_variables:
        variable.assign(variable * rng.choice([-2, 2], variable.shape))
    latents = tf.constant(rng.normal(size=[8, 8]), tf.float32)
    for _ in range(25):
        gan.update_average(0.5, latents)
    by_the_batch = gan.averaged_generator(latents, training=True).numpy()
    by_moving_statistics = gan.averaged_generator(latents, training=False).numpy()
    assert by_the_batch.std() > 0.1
    np.testing.assert_allclose(by_moving_statistics, by_the_batch, atol=1e-3)


@keras.saving.register_keras_serializable(package="test")
class GeneratorOfKerasLayers(keras.Model):
    latent_dim = 3

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(momentum=0.5)
        self.dense = keras.layers.Dense(4)

    def call(self, latents, training=False):
        return self.dense(self.norm(latents, training=training))


def test_the_average_of_keras_s_own_batch_normalisation_has_statistics_too():
    gan = GAN(
        GeneratorOfKerasLayers(), keras.Sequential([keras.layers.Dense(1), keras.layers.Flatten()]), ema_decay=0.9
    )
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    latents = np.random.default_rng(0).normal(5, 2, [64, 3]).astype(np.float32)
    for _ in range(30):
        gan.update_average(0.9, tf.constant(latents))
    np.testing.assert_allclose(gan.averaged_generator.norm.moving_mean.numpy(), latents.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(gan.averaged_generator.norm.moving_variance.numpy(), latents.var(axis=0), rtol=1e-4)
    assert len(gan.trainable_variables) == 6 and not gan.averaged_generator.trainable_variables


def test_averaging_forgets_no_faster_than_its_limit():
    decays = [float(averaging_decay(0.99, epoch)) for epoch in (1, 80, 891, 10**6)]
    np.testing.assert_allclose(decays, [2 / 11, 81 / 90, 0.99, 0.99], rtol=1e-6)


def test_averaging_leaves_the_training_alone(eagerly):
    with_average, without = make_gan(ema_decay=0.99, critic_steps=1), make_gan(critic_steps=1)
    np.testing.assert_array_equal(train_a_little(with_average), train_a_little(without))


def train_a_little(gan):
    for epoch in range(1, 3):
        logs = gan.train_step((tf.constant(epoch, tf.int64), tf.constant(IMAGES[None, :4])))
    assert np.isfinite([float(value) for value in logs.values()]).all()
    return np.concatenate([value.ravel() for value in values(gan.trainable_variables)])


@pytest.mark.parametrize(
    "settings",
    [
        dict(flips=True),
        dict(augmentation=("color", "translation", "cutout")),
        dict(drift_weight=0.5),
        dict(generator_batch_size=8),
        dict(constraint=GradientPenalty(10.0, one_sided=True)),
    ],
)
def test_every_lever_changes_the_training_and_keeps_its_numbers_finite(eagerly, settings):
    changed, plain = make_toy_gan(critic_steps=1, **settings), make_toy_gan(critic_steps=1)
    for gan in (changed, plain):
        gan.critic.last.kernel.assign(gan.critic.last.kernel / 2)  # slopes below 1, which a one-sided penalty lets be
    assert np.abs(train_a_little(changed) - train_a_little(plain)).max() > 1e-6


def test_augmentation_is_part_of_the_generators_step():
    """The critic's score of the changed samples is what the generator climbs."""
    gan, epoch, seen = make_gan(augmentation=("cutout",)), tf.constant(1, tf.int64), []
    original = gan.critic.call
    gan.critic.call = lambda images, **kwargs: seen.append(images) or original(images, **kwargs)
    gan.update_generator(4, epoch)
    grey = [(image == 0).mean() for image in seen[0].numpy()]
    assert min(grey) > 0.05  # a cut square, or a part of it


def test_a_relativistic_loss_pairs_samples_with_the_real_images_of_the_critics_last_update(eagerly):
    gan = make_toy_gan(objective=LOSSES["relativistic"], constraint=NoConstraint(), critic_steps=2, flips=True)
    seen, original = [], gan.critic.call
    gan.critic.call = lambda images, **kwargs: seen.append(images) or original(images, **kwargs)
    logs = gan.train_step((tf.constant(1, tf.int64), tf.constant(IMAGES[:8].reshape(2, 4, 32, 32, 1))))
    _, of_critic, reals, fakes = seen
    np.testing.assert_array_equal(reals, of_critic[:4])
    differences = (original(fakes) - original(reals)).numpy()
    assert float(logs["generator_loss"]) == pytest.approx(np.log1p(np.exp(-differences)).mean(), rel=1e-5)


def test_drift_is_the_mean_square_of_the_real_scores():
    gan, plain = make_gan(drift_weight=0.5), make_gan()
    for one in (gan, plain):
        one.critic.dense.bias.assign([3.0])
    reals, fakes = scale(tf.constant(IMAGES[:4])), -0.5 * scale(tf.constant(IMAGES[4:8]))
    weights = tf.fill([4, 1, 1, 1], 0.5)
    losses = [float(one.critic_loss(reals, fakes, weights, None)[0]) for one in (gan, plain)]
    assert losses[0] - losses[1] == pytest.approx(0.5 * np.mean(gan.critic(reals).numpy() ** 2), rel=1e-3)
