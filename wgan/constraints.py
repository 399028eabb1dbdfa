"""What keeps a critic from growing without bound: a gradient penalty, clipped weights, or nothing.

Each has `term(critic, reals, fakes, weights)`, which the critic's loss gets in addition, with the figures it
adds to the history; and `after_update(critic)`, which is called once the critic has moved.
"""

import tensorflow as tf

from wgan import objectives

# Slopes of a few thousandths and less would lose digits on their way through float16 layers.
FLOAT16_SLOPE_SCALE = 256.0


class NoConstraint:
    """The critic may do as it likes, as in the GANs before Wasserstein's."""

    def term(self, critic, reals, fakes, weights):
        """Nothing to add."""
        return 0.0, {}

    def after_update(self, critic):
        """Nothing to do."""
        return  # AutoGraph cannot read a body that is a docstring alone


class GradientPenalty(NoConstraint):
    """lambda (|grad D| - 1)^2 on points between reals and fakes (Gulrajani et al. 2017, equation 3)."""

    def __init__(self, weight: float = 10.0, one_sided: bool = False):
        """
        Args:
            weight: lambda.
            one_sided: let slopes below one be (the end of the paper's section 4).
        """
        self.weight = weight
        self.one_sided = one_sided

    def term(self, critic, reals, fakes, weights):
        """
        Args:
            critic: images to logits [batch].
            reals, fakes: float32 [batch, height, width, channels].
            weights: of the interpolates, [batch, 1, 1, 1].

        Returns:
            lambda times the penalty, and the figures `gradient_penalty` and `gradient_norm`.
        """
        norms = self.norms(critic_gradients(critic, objectives.interpolate(reals, fakes, weights)))
        penalty = objectives.gradient_penalty(norms, self.one_sided)
        return self.weight * penalty, {"gradient_penalty": penalty, "gradient_norm": tf.reduce_mean(norms)}

    def norms(self, gradients):
        """The norms that are held near one: each image's own, [batch]."""
        return objectives.gradient_norms(gradients)


class WholeBatchPenalty(GradientPenalty):
    """One norm of the whole batch's gradient, and the penalty added to every image's loss, losses being summed.

    No paper's: it is what an often copied piece of code does, kept to be compared with.
    """

    def term(self, critic, reals, fakes, weights):
        """As in `GradientPenalty`, times the number of images."""
        term, figures = super().term(critic, reals, fakes, weights)
        return reals.shape[0] * term, figures

    def norms(self, gradients):
        """The one norm, [1]."""
        return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(gradients)), 1e-30))[None]


class Clipping(NoConstraint):
    """Weights within [-bound, bound] after every update (Arjovsky et al. 2017, Algorithm 1, line 7)."""

    def __init__(self, bound: float):
        """Args: bound: c in the paper, above 0."""
        self.bound = bound

    def after_update(self, critic):
        """Clips all of the critic's weights, biases among them."""
        for variable in critic.trainable_variables:
            variable.assign(tf.clip_by_value(variable, -self.bound, self.bound))


def critic_gradients(critic, images):
    """The critic's gradient with respect to each image, dropout off; same shape as the images.

    The logit of an image depends on that image alone, so the gradient of their sum holds the gradient of each.
    """
    scale = FLOAT16_SLOPE_SCALE if critic.compute_dtype == "float16" else 1.0
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = critic(images)
    slopes = tf.fill(tf.shape(logits), tf.constant(scale, logits.dtype))
    return tape.gradient(logits, images, output_gradients=slopes) / scale
