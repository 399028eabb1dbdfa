"""Quality during training: every few epochs, on the same latents, without touching the training."""

import sys

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from wgan.evaluation import features
from wgan.evaluation.evaluator import MAX_REALS, Evaluator, Sampler, at_most, in_batches
from wgan.images import distribution
from wgan.models import randomness
from wgan.models.gan import scale
from wgan.models.randomness import Purpose
from wgan.runs import checkpoints


def evaluation(config, image_set, history, saver):
    """The callback that measures what a recipe makes; arguments as in `Evaluation`."""
    if config.recipe_spec.is_1d:
        return PointEvaluation(config)
    kind = ClassEvaluation if config.recipe_spec.gan == "semi_supervised" else Evaluation
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
        """Args: a `TrainingConfig`; the run's `ImageSet`; the `History` of the epochs before; a
        `files.TolerantSaver`."""
        super().__init__()
        self._config, self._history, self._saver = config, history, saver
        self._reals = self._arrays(image_set.images, image_set.labels)
        heldout, labels = image_set.heldout, image_set.heldout_labels
        self._heldout = None if heldout is None else self._arrays(heldout, labels)

    def _arrays(self, images, labels):
        """Some of the images, and with classes their labels."""
        arrays = [images, labels] if self._config.recipe_spec.is_conditional else [images]
        return [at_most(MAX_REALS, array) for array in arrays]

    def on_train_begin(self, logs=None):
        self._lowest_fid = checkpoints.best_fid(self._config.checkpoint_dir, self._history)
        images, *labels = self._reals  # samples are of the same classes
        self._sample = Sampler(self.model.sampling_generator, len(images), self._config.seed, *labels)
        self._scores = scores(self.model)
        if self._config.eval_every:
            _say(f"computing the features of {len(images):,} real images")
            self._evaluator = Evaluator(features.own(), images)

    def on_epoch_end(self, epoch, logs):
        if is_due(epoch + 1, self._config):
            self._measure(epoch + 1, logs)

    def _measure(self, number, logs):
        _, *labels = self._reals
        _say(f"measuring {len(self._reals[0]):,} samples after epoch {number}")
        samples = self._sample()
        logs.update(self._evaluator.figures(samples))
        if self._heldout is not None and "heldout_estimate" in self._config.recipe_spec.measures:
            sign = self.model.objective.real_sign
            logs.update(critic_estimates(self._scores, sign, (samples, *labels), self._reals, self._heldout))
        if logs["fid"] < self._lowest_fid:
            self._save_best(number, logs["fid"])

    def _save_best(self, number, fid):
        network = self.model.sampling_generator
        if checkpoints.is_finite([variable.numpy() for variable in network.variables]) and self._saver.save(
            "the best generator", checkpoints.write_best, self._config.checkpoint_dir, network, number, fid
        ):
            self._lowest_fid = fid


class ClassEvaluation(Evaluation):
    """Adds how many held-out images the discriminator names rightly, and how many the classifier alone does."""

    def __init__(self, config, image_set, history, saver):
        super().__init__(config, image_set, history, saver)
        self._labels, self._all_heldout = image_set.heldout_labels, image_set.heldout

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        networks = {"heldout_accuracy": self.model.critic, "heldout_accuracy_alone": self.model.classifier}
        self._guess = {name: _guesser(network) for name, network in networks.items()}

    def _measure(self, number, logs):
        super()._measure(number, logs)
        if self._all_heldout is not None:
            for name, guess in self._guess.items():
                logs[name] = float(np.mean(np.concatenate(in_batches(guess, self._all_heldout)) == self._labels))


def critic_estimates(score, sign, samples, reals, heldout):
    """mean D(x) - mean D(G(z)) for training and for held-out images x, in the history's sign.

    With classes, D may differ by a number from class to class. So samples are weighted to be of the same classes as x,
    of which those without samples are left out.

    `score` is what `scores` gave, and `samples`, `reals` and `heldout` are the arrays that it takes; `sign` is 1 for a
    critic that scores real images up, -1 for one that scores them down.
    """
    of_samples = score(*samples)

    def estimate(images, labels=None):
        shares_classes = labels is not None and np.isin(labels, samples[1]).any()
        kept, weights = _weights_of_same_classes(labels, samples[1]) if shares_classes else (None, None)
        of_images = score(images) if labels is None else score(images, labels)
        return float(sign * (np.average(of_images, weights=kept) - np.average(of_samples, weights=weights)))

    return {"training_estimate": estimate(*reals), "heldout_estimate": estimate(*heldout)}


def _weights_of_same_classes(labels, drawn):
    """Weights of images with these labels, and of samples of the classes `drawn`, with which both are of the same."""
    count = max(labels.max(), drawn.max()) + 1
    of_images, of_samples = (np.bincount(each, minlength=count) for each in (labels, drawn))
    return (of_samples > 0)[labels], (of_images / np.maximum(of_samples, 1))[drawn]


def scores(gan):
    """A function from images, uint8 [N, size, size, channels], and with classes their labels to the critic's scores,
    float64 [N], dropout off."""
    score = tf.function(lambda images, *labels: gan.critic_logits(scale(images), *labels), reduce_retracing=True)
    return lambda *arrays: np.concatenate(in_batches(score, *arrays)).astype(float)


def _guesser(network):
    """The most probable class of each image of a batch; that of samples is none of theirs."""
    return tf.function(lambda images: tf.argmax(network(scale(images))[1][:, :-1], axis=1), reduce_retracing=True)


def _say(line):
    """Says at once what takes seconds."""
    tqdm.write(line)  # which does not cut through a progress bar
    sys.stdout.flush()


def is_due(number, config):
    """Whether epoch `number` is one to measure."""
    every = config.eval_every
    return bool(every) and (number % every == 0 or number == config.epochs)
