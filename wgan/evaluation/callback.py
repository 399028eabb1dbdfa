"""Quality during training: every few epochs, on the same latents, without touching the training."""

import sys

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wgan.evaluation import features
from wgan.evaluation.evaluator import BATCH, MAX_REALS, Evaluator, Sampler, subset_indices
from wgan.images import distribution
from wgan.models import randomness
from wgan.models.gan import scale
from wgan.models.randomness import Purpose
from wgan.runs import checkpoints


def evaluation(config, image_set, history, saver):
    """The callback that measures what a recipe makes; arguments as in `Evaluation`."""
    if config.recipe_spec.is_1d:
        return PointEvaluation(config)
    kind = ClassEvaluation if config.recipe_spec.wants_labels else Evaluation
    return kind(config, image_set, history, saver)


class PointEvaluation(keras.callbacks.Callback):
    """Adds the distribution of 10,000 points to an epoch's figures: mean, std, distance to the target."""

    def __init__(self, config):
        super().__init__()
        self._config = config

    def on_train_begin(self, logs=None):
        stream = randomness.stream(self._config.seed, 0, Purpose.EVALUATION_LATENTS)
        latents = randomness.latents(distribution.POINTS, self.model.generator, stream)
        self._draw = tf.function(lambda: self.model.sampling_generator(latents, training=False))

    def on_epoch_end(self, epoch, logs):
        if is_due(epoch + 1, self._config):
            logs.update(distribution.figures(self._draw().numpy()))


class Evaluation(keras.callbacks.Callback):
    """Adds FID, KID, precision and recall to an epoch's figures, and keeps the best generator.

    Where images are held out it also asks whether the critic memorises (Gulrajani et al. 2017, section 5):
    its Wasserstein estimate on held-out images falls behind the one on training images.

    What it needs of the real images is computed before the first epoch, so that less is left to do after the last.
    """

    def __init__(self, config, image_set, history, saver):
        """
        Args:
            config: a `TrainingConfig`.
            image_set: the run's images.
            history: of the epochs before; it knows the lowest FID so far.
            saver: a `files.TolerantSaver`.
        """
        super().__init__()
        self._config, self._history, self._saver = config, history, saver
        self._reals = _at_most(MAX_REALS, image_set.images)
        self._heldout = None if image_set.heldout is None else _at_most(MAX_REALS, image_set.heldout)

    def on_train_begin(self, logs=None):
        self._lowest_fid = np.nanmin([np.inf, *self._history.column("fid")])  # of what has been saved
        self._sample = Sampler(self.model.sampling_generator, len(self._reals), self._config.seed)
        self._mean_logit = _MeanLogit(self.model)
        if self._config.eval_every:
            _say(f"computing the features of {len(self._reals):,} real images")
            self._evaluator = Evaluator(features.own(), self._reals)
            self._evaluator.prepare()

    def on_epoch_end(self, epoch, logs):
        if is_due(epoch + 1, self._config):
            self._measure(epoch + 1, logs)

    def _measure(self, number, logs):
        _say(f"measuring {len(self._reals):,} samples after epoch {number}")
        samples = self._sample()
        logs.update(self._evaluator.figures(samples))
        logs.update(self._critic_estimates(samples))
        if logs["fid"] < self._lowest_fid:
            self._save_best(number, logs["fid"])

    def _save_best(self, number, fid):
        network = self.model.sampling_generator
        if checkpoints.is_finite([variable.numpy() for variable in network.variables]) and self._saver.save(
            "the best generator", checkpoints.write_best, self._config.checkpoint_dir, network, number, fid
        ):
            self._lowest_fid = fid

    def _critic_estimates(self, samples):
        """mean D(x) - mean D(G(z)) for training and for held-out images x, dropout off, in the history's sign."""
        if self._heldout is None or "heldout_estimate" not in self._config.recipe_spec.measures:
            return {}
        sign, fakes = self.model.objective.real_sign, self._mean_logit(samples)
        return {
            "training_estimate": sign * (self._mean_logit(self._reals) - fakes),
            "heldout_estimate": sign * (self._mean_logit(self._heldout) - fakes),
        }


class ClassEvaluation(Evaluation):
    """Adds how many held-out images the discriminator names rightly, and how many the classifier alone does."""

    def __init__(self, config, image_set, history, saver):
        super().__init__(config, image_set, history, saver)
        self._labels = image_set.heldout_labels
        self._all_heldout = image_set.heldout

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._guess = {
            "heldout_accuracy": _guesser(self.model.critic),
            "heldout_accuracy_alone": _guesser(self.model.classifier),
        }

    def _measure(self, number, logs):
        super()._measure(number, logs)
        if self._all_heldout is None:
            return
        for name, guess in self._guess.items():
            parts = [guess(self._all_heldout[start : start + BATCH]) for start in range(0, len(self._labels), BATCH)]
            logs[name] = float(np.mean(np.concatenate(parts) == self._labels))


def _say(line):
    """Says at once what takes seconds."""
    tqdm.write(line)  # which does not cut through a progress bar
    sys.stdout.flush()


def _guesser(network):
    """The most probable class of each image; that of samples is none of theirs."""
    logits = tf.function(lambda images: network(scale(images))[1][:, :-1], reduce_retracing=True)
    return lambda images: np.argmax(logits(tf.convert_to_tensor(images)).numpy(), axis=1)


def is_due(number, config):
    """Whether epoch `number` is one to measure."""
    every = config.eval_every
    return bool(every) and (number % every == 0 or number == config.epochs)


def _at_most(count, images):
    return images if len(images) <= count else images[subset_indices(len(images), count)]


class _MeanLogit:
    """The critic's mean score of images, uint8 [N, size, size, channels]."""

    def __init__(self, gan):
        self._sum = tf.function(lambda images: tf.reduce_sum(gan.critic(scale(images))), reduce_retracing=True)

    def __call__(self, images):
        sums = [
            float(self._sum(tf.convert_to_tensor(images[start : start + BATCH])))
            for start in range(0, len(images), BATCH)
        ]
        return sum(sums) / len(images)
