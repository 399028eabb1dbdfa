"""The yardstick itself: the arithmetic it counts, and that every contestant trains."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import arithmetic, contestants
from wgan.models.networks import Critic, Generator

IMAGES = np.random.default_rng(0).integers(0, 256, [16, 32, 32, 3], dtype=np.uint8)


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
def test_counted_multiplications_and_winograd_shares_are_those_of_the_layers(image_size):
    """Each kernel value is used once per output pixel; in an upsampled convolution 36 stand for 100."""
    critic, generator = Critic(image_size=image_size), Generator(image_size=image_size)
    critic(generator(tf.zeros([1, 100])))
    *halving, scores = arithmetic.critic_layers(image_size)
    first, *growing, last = arithmetic.generator_layers(image_size)
    values = lambda layer: int(np.prod(layer.kernel.shape))
    share = lambda counted: counted.multiplications * counted.share if counted.share < 1 else 0

    side, channels = image_size, 3
    layers = [critic.conv_1, critic.conv_2, critic.conv_3, *critic.further_convs, critic.conv_4]
    for layer, counted in zip(layers, halving, strict=True):
        assert winograd_products(layer, tf.zeros([64, side, side, channels])) == share(counted)
        side, channels = side // layer.strides[0], layer.filters
        assert counted.multiplications == side**2 * values(layer)
    assert scores.multiplications == values(critic.dense)

    side, channels = 4, 128
    layers = [*generator.further_convs, generator.conv_2, generator.conv_3, generator.conv_4]
    for layer, counted in zip(layers, growing, strict=True):
        assert winograd_products(layer, tf.zeros([64, side, side, channels])) == share(counted)
        assert counted.multiplications == side**2 * 36 * values(layer) // 25
        side, channels = 2 * side, layer.filters
    assert first.multiplications == values(generator.dense)
    assert last.multiplications == side**2 * values(generator.conv_5)


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
