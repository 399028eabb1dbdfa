"""What the two networks are after, as functions of the critic's logits.

D is the critic, G the generator, x real images, z latents. The gradient penalty is that of Gulrajani et al.
(2017), "Improved Training of Wasserstein GANs".
"""

import collections.abc
import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Objective:
    """A game of two networks.

    Attributes:
        critic_loss: real_logits [batch], fake_logits [batch] to a scalar.
        generator_loss: fake_logits [batch] to a scalar.
        figures: real_logits [batch], fake_logits [batch] to what the history keeps: a dictionary of scalars.
    """

    critic_loss: collections.abc.Callable
    generator_loss: collections.abc.Callable
    figures: collections.abc.Callable


def wasserstein_estimate(real_logits, fake_logits):
    """mean D(x) - mean D(G(z)): the critic's estimate of the Wasserstein distance, up to a scale.

    The critic makes it large; it falls when the generator improves (equation 2 of the paper).

    Args:
        real_logits, fake_logits: float [batch].
    """
    return tf.reduce_mean(real_logits) - tf.reduce_mean(fake_logits)


def wasserstein_critic_loss(real_logits, fake_logits):
    """mean D(G(z)) - mean D(x), for logits of shape [batch]."""
    return -wasserstein_estimate(real_logits, fake_logits)


def wasserstein_generator_loss(fake_logits):
    """-mean D(G(z)), for logits of shape [batch]."""
    return -tf.reduce_mean(fake_logits)


def wasserstein_figures(real_logits, fake_logits):
    """The estimate and its two parts."""
    return {"wasserstein_estimate": wasserstein_estimate(real_logits, fake_logits),
            "critic_real": tf.reduce_mean(real_logits), "critic_fake": tf.reduce_mean(fake_logits)}


WASSERSTEIN = Objective(wasserstein_critic_loss, wasserstein_generator_loss, wasserstein_figures)


def drift(logits):
    """mean D^2, which keeps the scores near zero: no other part of the loss sees a constant added to all of them.

    Karras et al. (2018), "Progressive Growing of GANs", appendix A.1, take it over the real images.
    """
    return tf.reduce_mean(tf.square(logits))


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


def gradient_penalty(norms, one_sided=False):
    """mean (|grad D| - 1)^2 over per-image gradient norms [batch] (equation 3, without lambda).

    One-sided: mean max(0, |grad D| - 1)^2.
    """
    excess = norms - 1.0
    return tf.reduce_mean(tf.square(tf.maximum(excess, 0.0) if one_sided else excess))
