"""The yardstick itself: the arithmetic it counts, and that every contestant trains."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import arithmetic, contestants
from wgan.models.networks import Critic, Generator

IMAGES = np.random.default_rng(0).integers(0, 256, [16, 32, 32, 3], dtype=np.uint8)


@pytest.mark.parametrize("image_size", [32, 64])
def test_counted_multiplications_are_those_of_the_networks(image_size):
    """Each kernel value is used once per output pixel; in an upsampled convolution 36 stand for 100."""
    critic = Critic(image_size=image_size)
    critic(tf.zeros([1, image_size, image_size, 3]))
    side, expected = image_size, []
    for layer in [critic.conv_1, critic.conv_2, critic.conv_3, *critic.further_convs, critic.conv_4]:
        side //= layer.strides[0]
        expected.append(side**2 * int(np.prod(layer.kernel.shape)))
    expected.append(int(np.prod(critic.dense.kernel.shape)))
    assert [layer.multiplications for layer in arithmetic.critic_layers(image_size)] == expected

    generator = Generator(image_size=image_size)
    generator(tf.zeros([1, 100]))
    side, expected = 4, [int(np.prod(generator.dense.kernel.shape))]
    for layer in [*generator.further_convs, generator.conv_2, generator.conv_3, generator.conv_4]:
        expected.append(side**2 * 36 * int(np.prod(layer.kernel.shape)) // 25)
        side *= 2
    expected.append(side**2 * int(np.prod(generator.conv_5.kernel.shape)))
    assert [layer.multiplications for layer in arithmetic.generator_layers(image_size)] == expected


def winograd_products(layer, inputs):
    """Multiplications for one image in a layer's Winograd convolution; 0 where it has none. Inputs: 64 images."""
    graph = tf.function(layer).get_concrete_function(inputs).graph
    products = [
        operation
        for operation in graph.get_operations()
        if operation.type == "BatchMatMulV2" and operation.outputs[0].shape.rank == 5
    ]
    return sum(int(np.prod(product.outputs[0].shape)) * product.inputs[0].shape[-1] for product in products) / 64


@pytest.mark.parametrize("image_size", [32, 64])
def test_winograd_shares_are_those_of_the_layers(image_size):
    critic, generator = Critic(image_size=image_size), Generator(image_size=image_size)
    images = generator(tf.zeros([1, 100]))
    critic(images)
    side, channels = image_size, 3
    for layer, counted in zip(
        [critic.conv_1, critic.conv_2, critic.conv_3, *critic.further_convs, critic.conv_4],
        arithmetic.critic_layers(image_size),
    ):
        products = winograd_products(layer, tf.zeros([64, side, side, channels]))
        assert products == (counted.multiplications * counted.share if counted.share < 1 else 0)
        side, channels = side // layer.strides[0], layer.filters
    side, channels = 4, 128
    for layer, counted in zip(
        [*generator.further_convs, generator.conv_2, generator.conv_3, generator.conv_4],
        arithmetic.generator_layers(image_size)[1:],
    ):
        products = winograd_products(layer, tf.zeros([64, side, side, channels]))
        assert products == (counted.multiplications * counted.share if counted.share < 1 else 0)
        side, channels = 2 * side, layer.filters


def test_arithmetic_of_an_epoch_is_proportional_to_the_batch_and_nearly_to_the_critic_steps():
    assert arithmetic.epoch_flops(batch_size=256) == pytest.approx(566e9, rel=0.001)
    assert arithmetic.epoch_flops(batch_size=256, winograd=True) == pytest.approx(270e9, rel=0.01)
    assert arithmetic.epoch_flops(batch_size=16) * 2 == arithmetic.epoch_flops()
    one, two, three = (arithmetic.epoch_flops(critic_steps=steps) for steps in (1, 2, 3))
    assert two - one == three - two > 0


@pytest.mark.parametrize("name", ["ours", *(pytest.param(name, marks=pytest.mark.slow) for name in ("keras", "torch"))])
def test_every_contestant_trains(name):
    if name == "torch" and importlib.util.find_spec(name) is None:
        pytest.skip("PyTorch is not installed (pip install -e '.[torch]')")
    epochs = getattr(contestants, name)(IMAGES, "float32", batch_size=2)
    next(epochs)
    next(epochs)
    epochs.close()
