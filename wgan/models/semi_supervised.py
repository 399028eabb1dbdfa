"""Semi-supervised training (Odena 2016, "Semi-Supervised Learning with Generative Adversarial Networks")."""

import tensorflow as tf

from wgan.models import losses, randomness, replicas
from wgan.models.gan import GAN, scale
from wgan.models.randomness import Purpose


class SemiSupervisedGAN(GAN):
    """A GAN whose discriminator also says which class an image is, samples being a class of their own.

    Beside it trains a classifier of the same form on the same labelled images without a generator: what the
    samples are worth to the classification is the difference of the two.
    """

    def compile(self, generator_optimizer, critic_optimizer, **kwargs):
        """As `GAN.compile`; the classifier gets an optimizer like the discriminator's."""
        self.classifier_optimizer = type(critic_optimizer).from_config(critic_optimizer.get_config())
        super().compile(generator_optimizer, critic_optimizer, **kwargs)
        self.classifier_optimizer.build(self.classifier.trainable_variables)

    def make_further_networks(self, latents):
        """The classifier too."""
        super().make_further_networks(latents)
        self.classifier = type(self.critic).from_config(self.critic.get_config())
        self.classifier(self.generator(latents))

    @property
    def optimizers(self):
        """All optimizers, in a fixed order."""
        return [*super().optimizers, self.classifier_optimizer]

    def train_step(self, data):
        """One epoch, as in `GAN`; `data` is its number; uint8 images [critic_steps, batch, height, width, channels]; as
        many images that have labels; and those labels, int32 [critic_steps, batch]."""
        logs = super().train_step(data)
        epoch, _, labelled_batches, label_batches = data
        for step in range(self.critic_steps):
            self.update_classifier(
                scale(labelled_batches[step]),
                label_batches[step],
                self._stream(epoch, Purpose.CLASSIFIER_DROPOUT, step),
            )
        return logs

    def critic_loss(self, reals, fakes, epsilon, dropout_seed, labelled_images, labels):
        """The discriminator's loss: validity and class, each the mean of its real and its generated half.

        As in `GAN`, but that `labels`, int32 [batch], are those of further images, uint8 [batch, height, width,
        channels].
        """
        seeds = [randomness.substream(dropout_seed, 16 * place) for place in (1, 2, 3)]  # its layers take the next few
        # Apart, since batch normalisation would let the discriminator see whether the batch is mixed. What names real
        # images later is normalised as real images are: samples do not count.
        real_logits, _ = self.critic(reals, dropout_seed=seeds[0], training=True)
        fake_logits, fake_classes = self.critic(fakes, dropout_seed=seeds[1], training=True, track=False)
        _, real_classes = self.critic(scale(labelled_images), dropout_seed=seeds[2], training=True)
        generated = tf.fill(tf.shape(labels), self.critic.num_classes)
        class_loss = (losses.class_loss(real_classes, labels) + losses.class_loss(fake_classes, generated)) / 2
        loss = self.objective.critic_loss(real_logits, fake_logits) + class_loss
        return loss, {
            "critic_loss": loss,
            "class_loss": class_loss,
            **self.objective.figures(real_logits, fake_logits),
            "accuracy_real": losses.accuracy(real_classes, labels),
            "accuracy_fake": losses.accuracy(fake_classes, generated),
        }

    def critic_logits(self, images, dropout_seed=None):
        """What the generator climbs: the validity alone."""
        return self.critic(images, dropout_seed=dropout_seed, training=True, track=False)[0]

    @tf.function
    @replicas.on_each
    def update_classifier(self, images, labels, dropout_seed):
        """One step of the classifier alone, on images [batch, height, width, channels] and labels int32 [batch]."""
        images, labels = replicas.rows(images), replicas.rows(labels)
        with tf.GradientTape() as tape:
            _, classes = self.classifier(images, dropout_seed=replicas.seed(dropout_seed), training=True)
            loss = self.classifier_optimizer.scale_loss(replicas.part(losses.class_loss(classes, labels)))
        variables = self.classifier.trainable_variables
        gradients = [
            tf.zeros_like(variable) if gradient is None else gradient  # the validity head has no part in it
            for gradient, variable in zip(tape.gradient(loss, variables), variables)
        ]
        self.classifier_optimizer.apply(gradients, variables)
