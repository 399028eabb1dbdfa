"""What keeps a critic from growing without bound: a gradient penalty, clipped weights, or nothing.

Each has `term(critic, reals, fakes, epsilon)`, which the critic's loss gets in addition, with the figures it
adds to the history; and `after_update(critic)`, which is called once the critic has moved.
"""

import tensorflow as tf

# Slopes of a few thousandths and less would lose digits on their way through float16 layers.
FLOAT16_SLOPE_SCALE = 256.0


class NoConstraint:
    """The critic may do as it likes, as in the GANs before Wasserstein's."""

    def term(self, critic, reals, fakes, epsilon):
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
            one_sided: do not penalise slopes below one (the end of the paper's section 4).
        """
        self.weight = weight
        self.one_sided = one_sided

    def term(self, critic, reals, fakes, epsilon):
        """
        Args:
            critic: images to logits [batch].
            reals, fakes: float32 [batch, height, width, channels].
            epsilon: where each image's interpolate lies, float32 [batch, 1, 1, 1] from [0, 1).

        Returns:
            lambda times the penalty, and the figures `gradient_penalty` and `gradient_norm`.
        """
        norms = self.norms(critic_gradients(critic, interpolate(reals, fakes, epsilon)))
        penalty = gradient_penalty(norms, self.one_sided)
        return self.weight * penalty, {"gradient_penalty": penalty, "gradient_norm": tf.reduce_mean(norms)}

    def norms(self, gradients):
        """The norms that are held near one: each image's own, [batch]."""
        return gradient_norms(gradients)


class WholeBatchPenalty(GradientPenalty):
    """One norm of the whole batch's gradient, and the penalty added to every image's loss, losses being summed.

    No paper's: it is what an often copied piece of code does, kept to be compared with.
    """

    def term(self, critic, reals, fakes, epsilon):
        """As in `GradientPenalty`, times the number of images."""
        term, figures = super().term(critic, reals, fakes, epsilon)
        return reals.shape[0] * term, figures

    def norms(self, gradients):
        """The one norm, [1]."""
        return _root(tf.reduce_sum(tf.square(gradients)))[None]


class ZeroCentredPenalty(NoConstraint):
    """gamma / 2 |grad D|^2 on real images: R1 (Mescheder et al. 2018, equation 9); on samples too: R1 + R2."""

    def __init__(self, weight: float, on_samples: bool):
        """Args: weight: gamma; on_samples: penalise the slopes at the samples too."""
        self.weight = weight
        self.on_samples = on_samples

    def term(self, critic, reals, fakes, epsilon):
        """As in `GradientPenalty`; the figure `gradient_penalty` is without gamma / 2."""
        images = tf.concat([reals, fakes], axis=0) if self.on_samples else reals
        gradients = critic_gradients(critic, images)
        penalty = (2 if self.on_samples else 1) * tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]))
        figures = {"gradient_penalty": penalty, "gradient_norm": tf.reduce_mean(gradient_norms(gradients))}
        return self.weight / 2 * penalty, figures


class Clipping(NoConstraint):
    """Weights within [-bound, bound] after every update (Arjovsky et al. 2017, Algorithm 1, line 7)."""

    def __init__(self, bound: float):
        """Args: bound: c in the paper, above 0."""
        self.bound = bound

    def after_update(self, critic):
        """Clips all of the critic's weights, biases among them."""
        for variable in critic.trainable_variables:
            variable.assign(tf.clip_by_value(variable, -self.bound, self.bound))


CONSTRAINTS = {  # by the names that recipes use, from a `TrainingConfig`
    "none": lambda config: NoConstraint(),
    "gradient_penalty": lambda config: GradientPenalty(config.gradient_penalty_weight, config.penalty == "one_sided"),
    "whole_batch_penalty": lambda config: WholeBatchPenalty(config.gradient_penalty_weight),
    "r1": lambda config: ZeroCentredPenalty(config.gradient_penalty_weight, on_samples=False),
    "r1_r2": lambda config: ZeroCentredPenalty(config.gradient_penalty_weight, on_samples=True),
    "clipping": lambda config: Clipping(config.clip_bound),
}


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


def interpolate(reals, fakes, epsilon):
    """eps x + (1 - eps) G(z): a point on the line between each real image and its fake.

    Both are float [batch, height, width, channels]; `epsilon` is [batch, 1, 1, 1], a draw from [0, 1) for each image.
    """
    return fakes + epsilon * (reals - fakes)


def gradient_norms(gradients):
    """The Euclidean norm of each image's gradient: [batch, height, width, channels] to [batch]."""
    return _root(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]))


def gradient_penalty(norms, one_sided=False):
    """mean (|grad D| - 1)^2 over per-image gradient norms [batch] (equation 3, without lambda).

    One-sided: mean max(0, |grad D| - 1)^2.
    """
    excess = norms - 1.0
    return tf.reduce_mean(tf.square(tf.maximum(excess, 0.0) if one_sided else excess))


def _root(squares):
    """The square root, constant below 1e-15, far under what training can notice: at zero its slope would become NaN."""
    return tf.sqrt(tf.maximum(squares, 1e-30))
