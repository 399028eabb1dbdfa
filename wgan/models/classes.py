"""Generators for images of several classes: their input is a list of latents and labels, int32 [batch]."""

import tensorflow as tf


def knows_classes(generator):
    """Whether a generator is asked for a class, of its `num_classes`."""
    return getattr(generator, "num_classes", 0) > 0


def with_labels(latents, labels=None):
    """The generator's input: latents, with labels where these are not None."""
    return latents if labels is None else [latents, labels]


def without_labels(inputs):
    """Latents, and the labels that they came with or None."""
    return inputs if isinstance(inputs, (list, tuple)) else (inputs, None)


def class_weights(labels, num_classes, dtype):
    """What layers take in place of labels: each image's share of each class, `dtype` [batch, num_classes].

    `labels` are int32 [batch], or such shares, for an image between classes.
    """
    labels = tf.one_hot(tf.cast(labels, tf.int32), num_classes) if len(labels.shape) == 1 else labels
    return tf.cast(labels, dtype)
