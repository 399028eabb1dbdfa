"""One GAN for several classes, whose critic also names the class of an image (Odena et al. 2017, "Conditional Image
Synthesis with Auxiliary Classifier GANs", whose critic has a layer of its own for that)."""

import collections.abc

import tensorflow as tf

from wgan.models import losses, randomness
from wgan.models.gan import GAN


class ConditionalGAN(GAN):
    """A GAN whose generator draws the class that it is asked for.

    The generator takes a list of latents and labels, int32 [batch]. The critic gives an image a score for every class,
    [batch, num_classes]: D(x, y) is the score for class y, and the softmax over all of them is p(y | x).
    """

    def __init__(self, *args, class_frequencies: collections.abc.Sequence[float], **kwargs):
        """Args: as of `GAN`; class_frequencies: how often each class is to be drawn, up to a factor.

        Raises ValueError for a relativistic loss, whose pairs would be of different classes.
        """
        super().__init__(*args, **kwargs)
        if self.objective.is_relativistic:
            raise ValueError("a relativistic loss does not go with classes: its pairs would be of different ones")
        self.class_frequencies = class_frequencies

    def critic_loss(self, reals, fakes, epsilon, dropout_seed, labels):
        """As in `GAN`, for D(x, y), and -mean log p(y | x) of the real images.

        `labels` are those of the reals and, in the same order, of the fakes, int32 [batch].
        """
        scores = self.critic(tf.concat([reals, fakes], axis=0), dropout_seed=dropout_seed, training=True)
        of_reals, of_fakes = tf.split(scores, 2)
        real_logits, fake_logits = of_class(of_reals, labels), of_class(of_fakes, labels)
        critic = for_labels(self.critic, labels)
        loss, figures = self.adversarial_loss(real_logits, fake_logits, critic, reals, fakes, epsilon)
        class_loss = losses.class_loss(of_reals, labels)
        loss += class_loss
        return loss, {
            **figures,
            "critic_loss": loss,
            "class_loss": class_loss,
            "accuracy_real": losses.accuracy(of_reals, labels),
            "accuracy_fake": losses.accuracy(of_fakes, labels),
        }

    def generator_loss(self, fakes, inputs, dropout_seed):
        """As in `GAN`, for D(G(z, y), y), and -mean log p(y | G(z, y))."""
        _, labels = inputs
        scores = self.critic(fakes, dropout_seed=dropout_seed)
        return self.objective.generator_loss(of_class(scores, labels)) + losses.class_loss(scores, labels)

    def critic_logits(self, images, labels, dropout_seed=None):
        """D(x, y), [batch]."""
        return of_class(self.critic(images, dropout_seed=dropout_seed), labels)

    def generator_inputs(self, count, seed, labels=None):
        """Latents and labels, the same as those of the real images where these are given: the critic compares real
        images with samples of the same classes."""
        if labels is None:
            labels = randomness.labels(count, self.class_frequencies, randomness.substream(seed, 1))
        return [super().generator_inputs(count, seed), labels]


def of_class(scores, labels):
    """D(x, y), [batch], of the scores for every class, [batch, num_classes], and labels, int32 [batch]."""
    return tf.reduce_sum(tf.one_hot(labels, scores.shape[1], dtype=scores.dtype) * scores, axis=1)


def for_labels(critic, labels):
    """D(., y): the critic as a function from images, [batch, ...] or several such batches in one, to their scores for
    these labels."""

    def score(images):
        scores = critic(images)
        return of_class(scores, tf.tile(labels, [tf.shape(scores)[0] // tf.shape(labels)[0]]))

    score.compute_dtype = critic.compute_dtype  # type: ignore[attr-defined]  # which constraints read
    return score
