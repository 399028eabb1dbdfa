"""The project's own feature network: a small classifier of CIFAR-10, whose last hidden layer the metrics look at."""

import json
import pathlib

import keras
import tensorflow as tf
from keras import layers

from wgan.common.errors import UserError
from wgan.models.layers import BatchNormalization
from wgan.runs import weights_files

FEATURES = 256
IMAGE_SIZE = 32
WEIGHTS = pathlib.Path(__file__).with_name("feature_network.weights.h5")
PROVENANCE = pathlib.Path(__file__).with_name("feature_network.json")


class FeatureNetwork(keras.Model):
    """A 2x2 convolution, three blocks of two 3x3 convolutions and a pooling each, a mean over places, ten classes.

    The arrangement follows the one with which Jordan (2024, "94% on CIFAR-10 in 3.29 Seconds on a Single
    GPU") reaches a given accuracy with the least arithmetic, with three quarters of its weights. It computes in
    float32 whatever the networks in training do, so that its figures mean the same in every run.
    """

    def __init__(self, classes=10, **kwargs):
        """Args: classes: number of logits."""
        super().__init__(dtype="float32", **kwargs)
        self.stem = _convolution(24, kernel_size=2, padding="valid")
        self.stem_norm = BatchNormalization(dtype="float32")
        self.blocks = [Block(filters) for filters in (64, 192, FEATURES)]
        self.head = layers.Dense(classes, dtype="float32")

    def call(self, images, training=False):
        """Images, float [batch, 32, 32, 3] in [-1, 1], to logits [batch, classes]."""
        return self.head(self.features(images, training=training))

    def features(self, images, training=False):
        """Images as in `call`, or larger or smaller ones, to features, float32 [batch, 256].

        Outside of training they are the mean over an image and its mirror image: what is seen from the other
        side is the same thing, and the classes are told apart better.
        """
        if training:
            return self.one_view(images, training=True)
        return (self.one_view(images) + self.one_view(images[:, :, ::-1])) / 2

    def one_view(self, images, training=False):
        """The features of the images as they are; arguments and result as in `features`."""
        x = tf.nn.silu(self.stem_norm(self.stem(images), training=training))
        for block in self.blocks:
            x = block(x, training=training)
        return tf.reduce_mean(x, axis=[1, 2])


class Block(layers.Layer):
    """Two 3x3 convolutions with normalisation; the image is halved after the first."""

    def __init__(self, filters, **kwargs):
        """Args: filters: channels of the output."""
        super().__init__(dtype="float32", **kwargs)
        self.conv_1 = _convolution(filters)
        self.pool = layers.MaxPooling2D(dtype="float32")
        self.norm_1 = BatchNormalization(dtype="float32")
        self.conv_2 = _convolution(filters)
        self.norm_2 = BatchNormalization(dtype="float32")

    def call(self, x, training=False):
        """[batch, height, width, channels] to [batch, height // 2, width // 2, filters]."""
        x = tf.nn.silu(self.norm_1(self.pool(self.conv_1(x)), training=training))
        return tf.nn.silu(self.norm_2(self.conv_2(x), training=training))


def _convolution(filters, kernel_size=3, padding="same"):
    return layers.Conv2D(filters, kernel_size, padding=padding, use_bias=False, dtype="float32")


def load_feature_network():
    """The trained network that comes with the package; UserError where its file is damaged."""
    network = FeatureNetwork()
    network(tf.zeros([1, IMAGE_SIZE, IMAGE_SIZE, 3]))
    try:
        weights_files.check_readable(WEIGHTS)
        weights_files.load(network, WEIGHTS, "the network of features")
    except UserError as error:
        raise UserError(f"{WEIGHTS} is damaged; install the package again") from error
    return network


def provenance():
    """How that network was made, and what it scores: a dictionary; UserError where its file is damaged."""
    try:
        made = json.loads(PROVENANCE.read_text(encoding="utf-8"))
        f"{made['trained_on']} {made['test_accuracy']:.1%}"  # used later
        return made
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{PROVENANCE} is damaged; install the package again") from error
