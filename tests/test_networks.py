import numpy as np
import pytest
import tensorflow as tf

from wgan.models import networks
from wgan.models.networks import Critic, Generator, resnet


def test_parameter_counts_are_those_of_the_article():
    generator, critic = Generator(), Critic()
    generator(tf.zeros([1, 100]))
    critic(tf.zeros([1, 32, 32, 3]))
    dense, convolutions = 100 * 2048, 25 * (128 * 128 + 128 * 64 + 64 * 32 + 32 * 3)
    normalised = 2048 + 128 + 64 + 32
    count = lambda variables: sum(int(np.prod(variable.shape)) for variable in variables)
    assert count(generator.trainable_variables) == dense + convolutions + 2 * normalised
    assert count(generator.non_trainable_variables) == 2 * normalised
    kernels, biases = 25 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 128), 32 + 64 + 128 + 128
    assert count(critic.trainable_variables) == kernels + biases + 4 * 4 * 128 + 1
    assert critic.non_trainable_variables == []


def test_moving_statistics_have_the_momenta_of_the_article():
    generator = Generator(latent_dim=4)
    generator(tf.random.normal([6, 4], seed=3), training=True)
    norms = generator.norm_1, generator.norm_2, generator.norm_3, generator.norm_4
    for norm, momentum in zip(norms, (0.8, 0.99, 0.8, 0.99), strict=True):
        assert norm.momentum == momentum
        assert np.abs(norm.moving_mean.numpy()).max() > 0
        moved = norm.moving_variance.numpy()  # starts at 1, takes (1 - momentum) of the batch's variance
        assert np.all(moved >= momentum - 1e-6)


def test_critic_scores_each_image_alone_and_without_bound():
    critic = Critic()
    images = tf.random.uniform([6, 32, 32, 3], -1, 1, seed=4)
    logits = critic(images).numpy()
    assert logits.shape == (6,)
    np.testing.assert_allclose(critic(images[2:3]).numpy(), logits[2:3], rtol=1e-4, atol=1e-6)
    critic.dense.kernel.assign(critic.dense.kernel * 1e4)
    np.testing.assert_allclose(critic(images).numpy(), logits * 1e4, rtol=1e-3, atol=1e-2)
    assert np.abs(critic(images).numpy()).max() > 10


def test_critic_dropout_follows_its_seed_and_is_off_without_one():
    critic = Critic(channels=1, dropout=0.3)
    images = tf.random.uniform([4, 32, 32, 1], -1, 1, seed=5)
    with_seed = lambda number: critic(images, dropout_seed=tf.constant([number, 0], tf.int64)).numpy()
    np.testing.assert_array_equal(with_seed(1), with_seed(1))
    assert np.abs(with_seed(1) - with_seed(2)).max() > 0
    np.testing.assert_array_equal(critic(images).numpy(), critic(images).numpy())


@pytest.mark.parametrize("image_size, doublings", [(32, 3), (64, 4), (128, 5)])
def test_larger_images_have_one_more_block_per_doubling(image_size, doublings):
    generator, critic = Generator(latent_dim=4, image_size=image_size), Critic(image_size=image_size)
    images = generator(tf.zeros([2, 4]))
    assert images.shape == (2, image_size, image_size, 3)
    assert critic(images).shape == (2,)
    assert critic.dense.kernel.shape == (4 * 4 * 128, 1)
    assert sum("upsample_conv2d" in layer.name for layer in generator.layers) == doublings


def test_what_networks_cannot_be_made_of_is_refused():
    with pytest.raises(ValueError, match="image_size is 48"):
        Critic(image_size=48)
    with pytest.raises(ValueError, match="'bacth'; choose one of batch, layer, none"):
        Generator(norm="bacth")


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_generators_norms(norm):
    generator = Generator(latent_dim=4, norm=norm)
    latents = tf.random.normal([6, 4], seed=1)
    alone, together = generator(latents[:1], training=True).numpy(), generator(latents, training=True).numpy()
    same = np.allclose(alone, together[:1], atol=1e-5)
    assert same == (norm != "batch")  # only batch normalisation mixes the images of a batch, and in training alone
    np.testing.assert_allclose(generator(latents)[:1], generator(latents[:1]), atol=1e-5)


def test_layer_norm_in_the_critic_leaves_images_apart_and_takes_their_scale_away():
    critic = Critic(norm="layer")
    images = tf.random.normal([4, 32, 32, 3], seed=1)
    np.testing.assert_allclose(critic(images)[:1].numpy(), critic(images[:1]).numpy(), atol=1e-5)
    assert sum("gamma" in variable.path for variable in critic.variables) == 3


@pytest.mark.parametrize("image_size, channels", [(32, 3), (64, 1)])
def test_residual_networks_fit_together(image_size, channels):
    generator = resnet.Generator(latent_dim=4, channels=channels, image_size=image_size)
    critic = resnet.Critic(channels=channels, image_size=image_size)
    images = generator(tf.random.normal([2, 4], seed=1))
    assert images.shape == (2, image_size, image_size, channels)
    assert critic(images).shape == (2,)


def test_residual_networks_have_as_many_parameters_as_the_papers():
    """The table of the appendix, counted by hand; batch normalisation's two moving statistics included."""
    generator, critic = resnet.Generator(latent_dim=128), resnet.Critic()
    generator(tf.zeros([1, 128])), critic(tf.zeros([1, 32, 32, 3]))
    conv, point, norm = 128 * 128 * 9 + 128, 128 * 128 + 128, 4 * 128
    assert generator.count_params() == 129 * 2048 + 3 * (2 * conv + point + 2 * norm) + norm + 128 * 27 + 3
    first = 3 * 128 * 9 + 128 + conv + 3 * 128 + 128
    assert critic.count_params() == first + 2 * conv + point + 2 * 2 * conv + 129


def test_a_halving_block_is_the_plain_form():
    """Convolution, then pooling, on both ways; the block takes the short way's convolution after the pooling."""
    block = resnet.ResidualBlock("down")
    x = tf.random.normal([2, 8, 8, 128], seed=1)
    got = block(x)
    long = block.conv_2(tf.nn.relu(block.conv_1(tf.nn.relu(x))))
    expected = tf.nn.avg_pool2d(long, 2, 2, "VALID") + tf.nn.avg_pool2d(block.shortcut(x), 2, 2, "VALID")
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-4)


def test_networks_come_from_the_settings(tiny):
    generator, critic = networks.build(tiny(network="resnet", critic_norm="layer"), channels=1)
    assert isinstance(generator, resnet.Generator) and critic.norm == "layer"
    generator, critic = networks.build(tiny(generator_norm="none", critic_dropout=0.0), channels=1)
    assert isinstance(generator, Generator) and generator.norm == "none" and critic.dropout.rate == 0
