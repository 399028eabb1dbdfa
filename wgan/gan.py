"""WGAN-GP training: Algorithm 1 of Gulrajani et al. (2017), one `train_step` per generator update."""

import keras
import tensorflow as tf

from wgan import objectives, randomness
from wgan.randomness import Purpose

# Slopes of a few thousandths and less would lose digits on their way through float16 layers.
FLOAT16_SLOPE_SCALE = 256.0


class WGANGP(keras.Model):
    """A generator and a critic, trained by `fit` on what `wgan.batches.epoch_batches` gives.

    Every random number follows from `seed` and the epoch, so that training can stop and go on anywhere.
    """

    def __init__(self, generator, critic, seed=0, critic_steps=5, gradient_penalty_weight=10.0, **kwargs):
        """
        Args:
            generator: latents [batch, latent_dim] to images in [-1, 1].
            critic: images to logits [batch].
            seed: of every random number in training.
            critic_steps: critic updates per generator update (n_critic in the paper).
            gradient_penalty_weight: lambda in the paper.
        """
        super().__init__(**kwargs)
        self.generator = generator
        self.critic = critic
        self.seed = seed
        self.critic_steps = critic_steps
        self.gradient_penalty_weight = gradient_penalty_weight
        self.attempt = tf.Variable(0, dtype=tf.int64, trainable=False)  # of the random numbers: see `stream`
        self._slope_scale = FLOAT16_SLOPE_SCALE if critic.compute_dtype == "float16" else 1.0

    def compile(self, generator_optimizer, critic_optimizer, **kwargs):
        """Makes all variables and sets the two optimizers; further arguments as in `keras.Model.compile`."""
        kwargs.setdefault("jit_compile", False)  # XLA makes these convolutions slower on a processor
        super().compile(optimizer=None, **kwargs)
        self(tf.zeros([1, self.generator.latent_dim]))
        self.generator_optimizer = generator_optimizer
        self.critic_optimizer = critic_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        critic_optimizer.build(self.critic.trainable_variables)

    def call(self, latents, training=False):
        """Latents [batch, latent_dim] to logits [batch], through both networks."""
        return self.critic(self.generator(latents, training=training))

    def train_step(self, data):
        """One epoch: `critic_steps` critic updates, each on its own batch, then one generator update.

        Args:
            data: the epoch's number, int64 [], and uint8 images
                [critic_steps, batch, height, width, channels].

        Returns:
            The history's figures, float32 scalars; those of the critic are means over its updates.
        """
        epoch, real_batches = data
        batch_size = real_batches.shape[1]
        critic_logs = [self.update_critic(scale(real_batches[step]), epoch, tf.constant(step, tf.int64))
                       for step in range(self.critic_steps)]
        logs = {name: tf.reduce_mean([log[name] for log in critic_logs]) for name in critic_logs[0]}
        logs["generator_loss"] = self.update_generator(batch_size, epoch)
        return logs

    @tf.function  # so that the epoch's graph is traced once for all its critic updates
    def update_critic(self, reals, epoch, step):
        """One pass of the paper's inner loop (lines 3 to 9) on reals [batch, height, width, channels]."""
        batch_size = reals.shape[0]
        fakes = self.draw_fakes(batch_size, self._stream(epoch, Purpose.CRITIC_LATENTS, step))
        weights = randomness.uniform([batch_size, 1, 1, 1], self._stream(epoch, Purpose.INTERPOLATION, step))
        dropout_seed = self._stream(epoch, Purpose.CRITIC_DROPOUT, step)

        with tf.GradientTape() as tape:
            loss, logs = self.critic_loss(reals, fakes, weights, dropout_seed)
            loss = self.critic_optimizer.scale_loss(loss)  # unchanged, but in float16
        gradients = tape.gradient(loss, self.critic.trainable_variables)
        self.critic_optimizer.apply(gradients, self.critic.trainable_variables)
        return logs

    def critic_loss(self, reals, fakes, weights, dropout_seed):
        """mean D(G(z)) - mean D(x) + lambda * penalty, and the figures of the history.

        Args:
            reals, fakes: [batch, height, width, channels].
            weights: of the interpolates, [batch, 1, 1, 1].
            dropout_seed: int64 [2].
        """
        logits = self.critic(tf.concat([reals, fakes], axis=0), dropout_seed=dropout_seed)
        real_logits, fake_logits = tf.split(logits, 2)
        estimate = objectives.wasserstein_estimate(real_logits, fake_logits)

        norms = objectives.gradient_norms(self.critic_gradients(objectives.interpolate(reals, fakes, weights)))
        penalty = objectives.gradient_penalty(norms)
        loss = -estimate + self.gradient_penalty_weight * penalty
        return loss, {"wasserstein_estimate": estimate, "gradient_penalty": penalty,
                      "gradient_norm": tf.reduce_mean(norms), "critic_loss": loss,
                      "critic_real": tf.reduce_mean(real_logits), "critic_fake": tf.reduce_mean(fake_logits)}

    def critic_gradients(self, interpolates):
        """The critic's gradient with respect to each image, dropout off; same shape as the images.

        The logit of an image depends on that image alone, so the gradient of their sum holds the
        gradient of each.
        """
        with tf.GradientTape() as tape:
            tape.watch(interpolates)
            logits = self.critic(interpolates)
        slopes = tf.fill(tf.shape(logits), tf.constant(self._slope_scale, logits.dtype))
        return tape.gradient(logits, interpolates, output_gradients=slopes) / self._slope_scale

    def update_generator(self, batch_size, epoch):
        """The paper's lines 11 and 12; gives the generator's loss, float32 []."""
        with tf.GradientTape() as tape:
            fakes = self.draw_fakes(batch_size, self._stream(epoch, Purpose.GENERATOR_LATENTS))
            logits = self.critic(fakes, dropout_seed=self._stream(epoch, Purpose.GENERATOR_DROPOUT))
            loss = objectives.generator_loss(logits)
            scaled_loss = self.generator_optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.generator.trainable_variables)
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return loss

    def draw_fakes(self, batch_size, seed):
        """Images [batch_size, height, width, channels] from fresh latents, batch statistics in use."""
        return self.generator(randomness.normal([batch_size, self.generator.latent_dim], seed), training=True)

    def _stream(self, epoch, purpose, step=0):
        return randomness.stream(self.seed, epoch, purpose, step, self.attempt)


def scale(images):
    """uint8 images to float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0
