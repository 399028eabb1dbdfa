"""The losses of both networks, as functions of the critic's logits.

D is the critic, G the generator, x real images, z latents; "the paper" is Gulrajani et al. (2017), "Improved
Training of Wasserstein GANs".
"""

import collections.abc
import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Objective:
    """What two networks minimise, of real_logits and fake_logits [batch]."""

    critic_loss: collections.abc.Callable  # real_logits, fake_logits to a scalar
    generator_loss: collections.abc.Callable  # fake_logits to a scalar; of fake_logits, real_logits if is_relativistic
    figures: collections.abc.Callable  # real_logits, fake_logits to what the history keeps: a dictionary of scalars
    real_sign: int = 1  # where the critic scores real images above samples; -1 where it is the other way round
    is_relativistic: bool = False  # whether the generator's loss takes real images too


def wasserstein_estimate(real_logits, fake_logits):
    """mean D(x) - mean D(G(z)): the critic's estimate of the Wasserstein distance, up to a scale, from logits [batch].

    The critic makes it large; it falls when the generator improves (equation 2 of the paper).
    """
    return tf.reduce_mean(real_logits) - tf.reduce_mean(fake_logits)


def wasserstein_critic_loss(real_logits, fake_logits):
    """mean D(G(z)) - mean D(x), for logits of shape [batch]."""
    return -wasserstein_estimate(real_logits, fake_logits)


def wasserstein_generator_loss(fake_logits):
    """-mean D(G(z)), for logits of shape [batch]."""
    return -tf.reduce_mean(fake_logits)


def score_figures(real_logits, fake_logits):
    """mean D(x) and mean D(G(z))."""
    return {"critic_real": tf.reduce_mean(real_logits), "critic_fake": tf.reduce_mean(fake_logits)}


def wasserstein_figures(real_logits, fake_logits):
    """The estimate and its two parts."""
    estimate = wasserstein_estimate(real_logits, fake_logits)
    return {"wasserstein_estimate": estimate, **score_figures(real_logits, fake_logits)}


def reversed_wasserstein_figures(real_logits, fake_logits):
    """The estimate of a critic that scores real images down, and its two parts."""
    return {
        **wasserstein_figures(real_logits, fake_logits),
        "wasserstein_estimate": wasserstein_estimate(fake_logits, real_logits),
    }


def cross_entropy_with(logits, target):
    """-mean log D for the target 1 and -mean log(1 - D) for 0, with D = sigmoid(logits) and logits [batch].

    As softplus(-logits) and softplus(logits), whose gradient is one operation. TensorFlow's
    `sigmoid_cross_entropy_with_logits` has one of several parts, which are added up in an order that depends on which
    thread is first, and a run would not repeat to the bit.
    """
    return tf.reduce_mean(tf.nn.softplus(-logits if target else logits))


def cross_entropy_critic_loss(real_logits, fake_logits):
    """-mean log D(x) - mean log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1)."""
    return cross_entropy_with(real_logits, 1.0) + cross_entropy_with(fake_logits, 0.0)


def cross_entropy_generator_loss(fake_logits):
    """-mean log D(G(z)): the non-saturating form of the same paper's section 3."""
    return cross_entropy_with(fake_logits, 1.0)


def probability_figures(real_logits, fake_logits):
    """mean D(x) and mean D(G(z)), D being the probability of real."""
    return {
        "critic_real": tf.reduce_mean(tf.sigmoid(real_logits)),
        "critic_fake": tf.reduce_mean(tf.sigmoid(fake_logits)),
    }


def least_squares_critic_loss(real_logits, fake_logits):
    """mean (D(x) - 1)^2 / 2 + mean D(G(z))^2 / 2 (Mao et al. 2017, equation 9), here with D = sigmoid(logits).

    1/4 where the discriminator knows nothing and says 1/2.
    """
    reals, fakes = tf.sigmoid(real_logits), tf.sigmoid(fake_logits)
    return (tf.reduce_mean(tf.square(reals - 1.0)) + tf.reduce_mean(tf.square(fakes))) / 2


def least_squares_generator_loss(fake_logits):
    """mean (D(G(z)) - 1)^2, with D = sigmoid(logits)."""
    return tf.reduce_mean(tf.square(tf.sigmoid(fake_logits) - 1.0))


def hinge_critic_loss(real_logits, fake_logits):
    """mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))) (Lim and Ye 2017; Miyato et al. 2018, equation 16)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def relativistic_loss(logits, others):
    """mean softplus(-(D(a) - D(b))) over pairs of a real image and a sample, logits [batch] each.

    The critic's loss with a = x and b = G(z), the generator's with a = G(z) and b = x (Jolicoeur-Martineau 2018; Huang
    et al. 2024, equation 2). log 2 where the two cannot be told apart.
    """
    return tf.reduce_mean(tf.nn.softplus(others - logits))


LOSSES = {  # by the names that recipes use
    "wasserstein": Objective(wasserstein_critic_loss, wasserstein_generator_loss, wasserstein_figures),
    # Sums over the batch in place of means, and reals scored down: sum D(x) - sum D(G(z)), and sum D(G(z)).
    "reversed_wasserstein_sum": Objective(
        lambda real_logits, fake_logits: tf.reduce_sum(real_logits) - tf.reduce_sum(fake_logits),
        tf.reduce_sum,
        reversed_wasserstein_figures,
        real_sign=-1,
    ),
    "cross_entropy": Objective(cross_entropy_critic_loss, cross_entropy_generator_loss, probability_figures),
    "cross_entropy_mean": Objective(  # of the real and the generated half, where their sum is usual
        lambda real_logits, fake_logits: cross_entropy_critic_loss(real_logits, fake_logits) / 2,
        cross_entropy_generator_loss,
        probability_figures,
    ),
    "least_squares": Objective(least_squares_critic_loss, least_squares_generator_loss, probability_figures),
    "hinge": Objective(hinge_critic_loss, wasserstein_generator_loss, score_figures),
    "relativistic": Objective(relativistic_loss, relativistic_loss, score_figures, is_relativistic=True),
}


def class_loss(class_logits, labels):
    """-mean log p(label): class_logits [batch, classes], labels int32 [batch].

    The article this comes from applies the softmax twice; here it is applied once, within the cross-entropy.
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, class_logits))


def accuracy(class_logits, labels):
    """The share of class_logits [batch, classes] whose largest is at the label, int32 [batch]."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(class_logits, axis=1, output_type=tf.int32), labels), tf.float32))


def drift(logits):
    """mean D^2, which keeps the scores near zero: no other part of the loss sees a constant added to all of them.

    Karras et al. (2018), "Progressive Growing of GANs", appendix A.1, take it over the real images.
    """
    return tf.reduce_mean(tf.square(logits))
