"""Training of a generator against a critic: Algorithm 1 of Gulrajani et al. (2017), one `train_step` per generator
update. The losses and the constraint say which GAN it is."""

import collections.abc
import functools
import typing

import keras
import tensorflow as tf

from wgan.common.errors import UserError
from wgan.models import randomness, replicas
from wgan.models.augmentation import augment, flip
from wgan.models.constraints import GradientPenalty, NoConstraint
from wgan.models.layers import batch_norm_momentum, shared_kernels
from wgan.models.losses import LOSSES, Objective, drift
from wgan.models.randomness import Purpose

MAX_STATISTICS_LATENTS = 32  # in an epoch; few are enough, since statistics are averaged over many epochs


class GAN(keras.Model):
    """A generator and a critic, trained by `fit` on what `wgan.training.batches.epoch_batches` gives.

    Every random number follows from `seed` and the epoch, so that training can stop and go on anywhere.
    """

    def __init__(
        self,
        generator: keras.Model,
        critic: keras.Model,
        objective: Objective = LOSSES["wasserstein"],
        constraint: NoConstraint | None = None,
        *,
        seed: int = 0,
        critic_steps: int = 5,
        generator_batch_size: int | None = None,
        drift_weight: float = 0.0,
        ema_decay: float = 0.0,
        flips: bool = False,
        augmentation: collections.abc.Sequence[str] = (),
        **kwargs,
    ):
        """
        Args:
            generator: latents [batch, latent_dim] to images in [-1, 1].
            critic: images to logits [batch].
            objective: an `Objective`.
            constraint: of `wgan.models.constraints`; None is a gradient penalty with the paper's weight, 10.
            seed: of every random number in training.
            critic_steps: critic updates per generator update (n_critic in the paper).
            generator_batch_size: samples in the generator's update; None: as many as real images in the critic's.
            drift_weight: of `losses.drift` over the real images.
            ema_decay: the most that the averaged generator keeps of itself in an epoch; 0: there is no such generator.
            flips: mirror half of the real images.
            augmentation: which of `wgan.config.CHANGES`.
        """
        super().__init__(**kwargs)
        self.generator = generator
        self.critic = critic
        self.objective = objective
        self.constraint = constraint or GradientPenalty()
        self.seed = seed
        self.critic_steps = critic_steps
        self.generator_batch_size = generator_batch_size
        self.drift_weight = drift_weight
        self.ema_decay = ema_decay
        self.flips = flips
        self.augmentation = tuple(augmentation)
        self.attempt = tf.Variable(0, dtype=tf.int64, trainable=False)  # of the random numbers: see `stream`
        self.averaged_generator: typing.Any = None  # until `compile`

    @property
    def sampling_generator(self):
        """The generator whose samples are shown and measured: the averaged one where there is one."""
        return self.averaged_generator or self.generator

    def compile(self, generator_optimizer, critic_optimizer, **kwargs):
        """Makes all variables and sets the two optimizers; further arguments as in `keras.Model.compile`."""
        kwargs.setdefault("jit_compile", False)  # XLA makes these convolutions slower on a processor
        super().compile(optimizer=None, **kwargs)
        inputs = self.generator_inputs(1, tf.zeros([2], tf.int64))
        self.call(inputs)
        if not self.built:  # compiled for the first time
            self.make_further_networks(inputs)  # last, so that the others' initial weights are the same without them
        self(inputs)
        self.generator_optimizer = generator_optimizer
        self.critic_optimizer = critic_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        critic_optimizer.build(self.critic.trainable_variables)

    def make_further_networks(self, inputs):
        """What is trained beside generator and critic, with its variables; the generator's input for one image."""
        if self.ema_decay:
            self.averaged_generator = type(self.generator).from_config(self.generator.get_config())
            self.averaged_generator(inputs)
            for variable in self.averaged_generator.variables:  # not its layers: frozen ones may keep their statistics
                variable.trainable = False
            self.start_average()

    @property
    def optimizers(self):
        """All optimizers, in a fixed order."""
        return [self.generator_optimizer, self.critic_optimizer]

    def call(self, inputs, training=False):
        """The generator's input to what the critic makes of its images."""
        return self.critic(self.generator(inputs, training=training))

    def train_step(self, data):
        """One epoch: `critic_steps` critic updates, each on its own batch, then one generator update.

        Args:
            data: the epoch's number, int64 []; uint8 images [critic_steps, batch, height, width, channels]; and
                what else `critic_loss` wants for each of the updates, [critic_steps, batch, ...].

        Returns:
            The history's figures, float32 scalars; those of the critic are means over its updates.
        """
        epoch, real_batches, *further = data
        if real_batches.shape[0] not in (None, self.critic_steps):
            raise UserError(f"an epoch has {real_batches.shape[0]} batches, for {self.critic_steps} critic_steps")
        critic_logs = [
            self.update_critic(
                scale(real_batches[step]), fakes, epoch, tf.constant(step, tf.int64), *(each[step] for each in further)
            )
            for step, fakes in enumerate(self.draw_critic_fakes(real_batches.shape[1], epoch, *further))
        ]
        logs = {name: tf.reduce_mean([log[name] for log in critic_logs]) for name in critic_logs[0]}
        batch_size = self.generator_batch_size or real_batches.shape[1]
        reals = [scale(real_batches[-1])] if self.objective.is_relativistic else []
        logs["generator_loss"] = self.update_generator(batch_size, epoch, *reals)
        if self.averaged_generator:
            count = min(batch_size, MAX_STATISTICS_LATENTS)
            inputs = self.generator_inputs(count, self._stream(epoch, Purpose.STATISTICS_LATENTS))
            self.update_average(averaging_decay(self.ema_decay, epoch), inputs)
        return logs

    @tf.function  # so that the epoch's graph is traced once for all its critic updates
    @replicas.mean_of_each
    def update_critic(self, reals, fakes, epoch, step, *further):
        """One pass of the paper's inner loop (lines 3 to 9) on reals and fakes [batch, height, width, channels].

        `further` is for GANs whose critic learns more: `critic_loss` gets it, [batch, ...] each.
        """
        stream = functools.partial(self._stream, epoch, step=step)
        epsilon = randomness.uniform([reals.shape[0], *[1] * (reals.shape.rank - 1)], stream(Purpose.INTERPOLATION))
        reals = self._mirrored(reals, epoch, step)
        # The fakes are this replica's already.
        reals, epsilon, *further = map(replicas.rows, (reals, epsilon, *further))  # type: ignore[assignment]
        if self.augmentation:
            seed = replicas.seed(stream(Purpose.CRITIC_AUGMENTATION))
            reals, fakes = tf.split(augment(tf.concat([reals, fakes], axis=0), self.augmentation, seed), 2)

        with tf.GradientTape() as tape, shared_kernels():
            dropout_seed = replicas.seed(stream(Purpose.CRITIC_DROPOUT))
            loss, logs = self.critic_loss(reals, fakes, epsilon, dropout_seed, *further)
            loss = self.critic_optimizer.scale_loss(replicas.part(loss))  # unchanged, but in float16
        gradients = tape.gradient(loss, self.critic.trainable_variables)
        self.critic_optimizer.apply(gradients, self.critic.trainable_variables)
        self.constraint.after_update(self.critic)
        return logs

    def critic_loss(self, reals, fakes, epsilon, dropout_seed):
        """The objective's loss and the constraint's term, with the figures of the history.

        For WGAN-GP: mean D(G(z)) - mean D(x) + lambda * penalty.

        Args:
            reals, fakes: [batch, height, width, channels].
            epsilon: where each image's interpolate lies, float32 [batch, 1, 1, 1] from [0, 1).
            dropout_seed: int64 [2].
        """
        logits = self.critic(tf.concat([reals, fakes], axis=0), dropout_seed=dropout_seed, training=True)
        real_logits, fake_logits = tf.split(logits, 2)
        return self.adversarial_loss(real_logits, fake_logits, self.critic, reals, fakes, epsilon)

    def adversarial_loss(self, real_logits, fake_logits, critic, reals, fakes, epsilon):
        """As `critic_loss`, of logits [batch] that `critic` gave the images; the constraint asks it for more."""
        term, figures = self.constraint.term(critic, reals, fakes, epsilon)
        loss = self.objective.critic_loss(real_logits, fake_logits) + term
        if self.drift_weight:
            loss += self.drift_weight * drift(real_logits)
        return loss, {"critic_loss": loss, **self.objective.figures(real_logits, fake_logits), **figures}

    @replicas.mean_of_each
    def update_generator(self, batch_size, epoch, *reals):
        """The paper's lines 11 and 12; gives the generator's loss, float32 [].

        A relativistic loss pairs the samples with as many real images, `reals` [batch, height, width, channels]: those
        of the critic's last update.
        """
        mirrored = [replicas.rows(self._mirrored(images, epoch, self.critic_steps - 1)) for images in reals]
        real_logits = [self.critic_logits(*self._seen_by_critic(images, epoch, place=1)) for images in mirrored]
        with tf.GradientTape() as tape:
            inputs = _rows(self.generator_inputs(batch_size, self._stream(epoch, Purpose.GENERATOR_LATENTS)))
            fakes, dropout_seed = self._seen_by_critic(self.generator(inputs, training=True), epoch)
            loss = self.generator_loss(fakes, inputs, dropout_seed, *real_logits)
            scaled_loss = self.generator_optimizer.scale_loss(replicas.part(loss))
        gradients = tape.gradient(scaled_loss, self.generator.trainable_variables)
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return loss

    def _seen_by_critic(self, images, epoch, place=0):
        """Images, augmented as in the critic's updates, and a seed for its dropout; each place has its own numbers."""
        if self.augmentation:
            seed = replicas.seed(self._stream(epoch, Purpose.GENERATOR_AUGMENTATION, place))
            images = augment(images, self.augmentation, seed)
        return images, replicas.seed(self._stream(epoch, Purpose.GENERATOR_DROPOUT, place))

    def generator_loss(self, fakes, inputs, dropout_seed, *real_logits):
        """The objective's loss; for WGAN-GP -mean D(G(z)).

        Args:
            fakes: [batch, height, width, channels], drawn from `inputs`.
            dropout_seed: int64 [2].
            real_logits: [batch], where the objective takes them.
        """
        return self.objective.generator_loss(self.critic_logits(fakes, dropout_seed=dropout_seed), *real_logits)

    def critic_logits(self, images, dropout_seed=None):
        """The logits [batch] that the generator climbs; without a seed there is no dropout."""
        return self.critic(images, dropout_seed=dropout_seed)

    def _mirrored(self, reals, epoch, step):
        return flip(reals, self._stream(epoch, Purpose.FLIPS, step)) if self.flips else reals

    @replicas.on_each
    def draw_critic_fakes(self, batch_size, epoch, *further):
        """The fakes of all critic updates, [batch_size, height, width, channels] each: the generator does not move
        until they are over. Each of several replicas draws its rows.

        `further` is what comes with the real images, as in `train_step`.
        """
        inputs = []
        for step in range(self.critic_steps):
            seed = self._stream(epoch, Purpose.CRITIC_LATENTS, step)
            inputs.append(_rows(self.generator_inputs(batch_size, seed, *(each[step] for each in further))))
        if getattr(self.generator, "draw_batches", None) is None:
            return [self.generator(each, training=True) for each in inputs]
        return self.generator.draw_batches(tf.nest.map_structure(lambda *each: tf.stack(each), *inputs))

    def generator_inputs(self, count, seed, *further):
        """The generator's input for `count` images: latents. `further` comes with as many real images, for GANs whose
        samples are to be like those."""
        return randomness.latents(count, self.generator, seed)

    def start_average(self):
        """Makes the averaged generator the same as the generator."""
        self.averaged_generator.set_weights(self.generator.get_weights())

    @replicas.on_each
    def update_average(self, decay, inputs):
        """average = decay * average + (1 - decay) * generator, for the weights.

        Averaged weights have other activations than the weights that they are the average of, so that an average of
        the generator's moving statistics would not fit them (Izmailov et al. 2018, section 3.2). The average's moving
        statistics are therefore averaged, by the same formula, over its own activations for `inputs`;
        Keras's own layers do so by their own momenta.
        """
        for average, variable in zip(self.averaged_generator.variables, self.generator.variables, strict=True):
            if variable.trainable:
                average.assign(decay * average + (1.0 - decay) * variable)
        if self.generator.non_trainable_variables:
            with batch_norm_momentum(decay):
                self.averaged_generator(inputs, training=True)

    def _stream(self, epoch, purpose, step=0):
        return randomness.stream(self.seed, epoch, purpose, step, self.attempt)


def _rows(inputs):
    """This replica's part of a network's input."""
    return tf.nest.map_structure(replicas.rows, inputs)


def averaging_decay(limit, epoch):
    """How much the averaged generator keeps of itself: min(limit, (1 + epoch) / (10 + epoch)).

    A window of about a ninth of the run so far, so that early samples are not those of a network long gone.
    """
    epoch = tf.cast(epoch, tf.float32)
    return tf.minimum(limit, (1.0 + epoch) / (10.0 + epoch))


def scale(images):
    """uint8 images to float32 in [-1, 1]; numbers that are no images (float32) as they are."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0 if images.dtype == tf.uint8 else images
