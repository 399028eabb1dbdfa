"""Networks for images of several classes: a generator is told which class to draw, a critic which one it sees.

Their input is then a list: latents or images, and labels int32 [batch].
"""

import keras
import tensorflow as tf

from wgan.models.layers import normalized


def knows_classes(generator):
    """Whether a generator is asked for a class, of its `num_classes`."""
    return getattr(generator, "num_classes", 0) > 0


def with_labels(inputs, labels=None):
    """The input of a network: latents or images, with their labels where these are not None."""
    return inputs if labels is None else [inputs, labels]


def without_labels(inputs):
    """Latents or images, and the labels that they came with or None."""
    return inputs if isinstance(inputs, (list, tuple)) else (inputs, None)


def of_classes(network, labels):
    """A network that is given these labels with every call; without labels the network itself."""
    if labels is None:
        return network

    def call(inputs, **options):
        return network([inputs, labels], **options)

    call.compute_dtype = network.compute_dtype  # type: ignore[attr-defined]  # which constraints read
    return call


def class_weights(labels, num_classes, dtype):
    """What layers take in place of labels: each image's share of each class, `dtype` [batch, num_classes].

    `labels` are int32 [batch], or such shares, for an image between classes.
    """
    labels = tf.one_hot(tf.cast(labels, tf.int32), num_classes) if len(labels.shape) == 1 else labels
    return tf.cast(labels, dtype)


class ClassProjection(keras.layers.Layer):
    """<embed(y), phi>: what a critic's score gains from the class (Miyato and Koyama 2018, equation 3)."""

    def __init__(self, num_classes, norm="none", **kwargs):
        """Args: num_classes: how many classes there are; norm: "spectral" normalises the embedding, as their section 5
        does."""
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.norm = norm

    def build(self, features_shape, labels_shape):
        embedding = keras.layers.Dense(features_shape[-1], use_bias=False, dtype=self.dtype_policy, name="embedding")
        self.embedding = normalized(embedding, self.norm)
        self.embedding.build((None, self.num_classes))

    def call(self, features, labels):
        """phi, [batch, features], and y, int32 [batch], to [batch]."""
        weights = class_weights(labels, self.num_classes, features.dtype)
        return tf.reduce_sum(self.embedding(weights) * features, axis=1)
