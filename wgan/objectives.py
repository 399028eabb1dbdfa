"""The losses of WGAN-GP (Gulrajani et al. 2017, "Improved Training of Wasserstein GANs").

D is the critic, G the generator, x real images, z latents.
"""

import tensorflow as tf


def wasserstein_estimate(real_logits, fake_logits):
    """mean D(x) - mean D(G(z)): the critic's estimate of the Wasserstein distance, up to a scale.

    The critic makes it large; it falls when the generator improves (equation 2 of the paper).

    Args:
        real_logits, fake_logits: float [batch].
    """
    return tf.reduce_mean(real_logits) - tf.reduce_mean(fake_logits)


def generator_loss(fake_logits):
    """-mean D(G(z)), for logits of shape [batch]."""
    return -tf.reduce_mean(fake_logits)


def interpolate(reals, fakes, weights):
    """eps x + (1 - eps) G(z): a point on the line between each real image and its fake.

    Args:
        reals, fakes: float [batch, height, width, channels].
        weights: eps, float [batch, 1, 1, 1], one uniform draw from [0, 1) per image.
    """
    return fakes + weights * (reals - fakes)


def gradient_norms(gradients):
    """The Euclidean norm of each image's gradient: [batch, height, width, channels] to [batch].

    The root has an infinite slope at zero, which would turn into NaN; below 1e-15, far under what
    training can notice, the norm is held constant instead.
    """
    squares = tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])
    return tf.sqrt(tf.maximum(squares, 1e-30))


def gradient_penalty(norms):
    """mean (|grad D| - 1)^2 over per-image gradient norms [batch] (equation 3, without lambda)."""
    return tf.reduce_mean(tf.square(norms - 1.0))
