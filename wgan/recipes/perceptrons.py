"""GANs of fully connected networks: with the least-squares loss, and with cross-entropy."""

from wgan.recipes.recipe import PROBABILITY_FIGURES, SETTINGS_OF_WASSERSTEIN_GANS, Parts, Recipe

UNUSED = (*SETTINGS_OF_WASSERSTEIN_GANS, "labels_per_class")


def least_squares(config, channels):
    """Generator 100-256-512-1024, discriminator 1024-512-256-1 (for 32x32 grey images)."""
    from wgan.models import objectives
    from wgan.models.constraints import NoConstraint
    from wgan.models.gan import GAN
    from wgan.models.networks import perceptrons
    shape = (config.image_size, config.image_size, channels)
    return Parts(perceptrons.Generator(config.latent_dim, shape, widths=(256, 512)),
                 perceptrons.Discriminator(shape, widths=(512, 256)), objectives.LEAST_SQUARES, NoConstraint(), GAN)


def cross_entropy(config, channels):
    """Generator z-256-256-784, discriminator 784-256-256-1 (for 28x28 grey images)."""
    from wgan.models import objectives
    from wgan.models.constraints import NoConstraint
    from wgan.models.gan import GAN
    from wgan.models.networks import perceptrons
    shape = (config.image_size, config.image_size, channels)
    return Parts(perceptrons.Generator(config.latent_dim, shape, widths=(256, 256)),
                 perceptrons.Discriminator(shape, widths=(256, 256)), objectives.CROSS_ENTROPY, NoConstraint(), GAN)


RECIPES = (
    # The article scales its images to [0, 1] although its generator ends in tanh; here all images are in [-1, 1].
    # Its 10 passes over MNIST's 60,000 training images in batches of 32 are 18,750 updates.
    Recipe("lsgan_mlp", "Perceptrons with the least-squares loss (Mao et al. 2017) behind a sigmoid.", least_squares,
           defaults=dict(dataset="mnist", epochs=18_750, batch_size=32, critic_steps=1, learning_rate=2e-4, beta_1=0.5,
                         beta_2=0.999, ema_decay=0.0, flips="off", sample_every=100),
           unused=UNUSED, figures=PROBABILITY_FIGURES, sheet=(2, 5)),
    # Batch, latents, betas and passes are not in the article: 128, 100, (.5, .999), and 20 over 60,000 images.
    Recipe("gan_mlp", "Perceptrons with cross-entropy (Goodfellow et al. 2014, non-saturating).", cross_entropy,
           defaults=dict(dataset="mnist", image_size=28, epochs=9_380, batch_size=128, critic_steps=1,
                         learning_rate=3e-4, beta_1=0.5, beta_2=0.999, ema_decay=0.0, flips="off", sample_every=50),
           unused=UNUSED, figures=PROBABILITY_FIGURES),
)
