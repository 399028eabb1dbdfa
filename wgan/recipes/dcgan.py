"""The convolutional GAN with cross-entropy, to compare with the perceptrons of the same article."""

from wgan.recipes.recipe import PROBABILITY_FIGURES, SETTINGS_OF_WASSERSTEIN_GANS, Parts, Recipe


def parts(config, channels):
    """Networks of the article (not those of Radford et al. 2016, which the name comes from)."""
    from wgan.models import objectives
    from wgan.models.constraints import NoConstraint
    from wgan.models.gan import GAN
    from wgan.models.networks import dcgan
    return Parts(dcgan.Generator(config.latent_dim, channels, config.image_size), dcgan.Discriminator(),
                 objectives.CROSS_ENTROPY, NoConstraint(), GAN)


RECIPES = (
    # Schedule as in gan_mlp, so that only the networks differ.
    Recipe("dcgan", "Convolutions with cross-entropy, trained as gan_mlp is.", parts,
           defaults=dict(dataset="mnist", image_size=28, epochs=9_380, batch_size=128, critic_steps=1,
                         learning_rate=3e-4, beta_1=0.5, beta_2=0.999, ema_decay=0.0, flips="off", sample_every=50),
           unused=(*SETTINGS_OF_WASSERSTEIN_GANS,
                   "labels_per_class"),
           figures=PROBABILITY_FIGURES),
)
