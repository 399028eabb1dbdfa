"""The semi-supervised GAN: a discriminator that also learns the classes, from few labels or from many."""

from wgan.recipes.recipe import IMAGE_MEASURES, PROBABILITY_FIGURES, SETTINGS_OF_WASSERSTEIN_GANS, Parts, Recipe

MOST_CLASSES = 10  # outputs of the class head, one more apart
ACCURACIES = ("class_loss", "accuracy_real", "accuracy_fake")


def parts(config, channels):
    """One network for all classes; the class heads have one output more than there are labels, for samples."""
    from wgan.models import objectives
    from wgan.models.constraints import NoConstraint
    from wgan.models.networks import sgan
    from wgan.models.semi_supervised import SemiSupervisedGAN
    return Parts(sgan.Generator(config.latent_dim, channels, config.image_size), sgan.Discriminator(MOST_CLASSES),
                 objectives.CROSS_ENTROPY_MEAN, NoConstraint(), SemiSupervisedGAN)


RECIPES = (
    # The article's 50 passes over MNIST's 60,000 training images in batches of 64 are 46,875 updates. It updates the
    # generator first, which differs in the first update only.
    Recipe("sgan", "Semi-supervised: the discriminator learns the classes too (Odena 2016); see --labels_per_class.",
           parts,
           defaults=dict(dataset="mnist", epochs=46_875, batch_size=64, critic_steps=1, learning_rate=2e-4, beta_1=0.5,
                         beta_2=0.999, ema_decay=0.0, flips="off", sample_every=400),
           unused=(*SETTINGS_OF_WASSERSTEIN_GANS, "flips",
                   "augment"),  # where labelled images are left as they are, these would give samples away
           figures=PROBABILITY_FIGURES + ACCURACIES,
           measures=IMAGE_MEASURES[:5] + ("heldout_accuracy", "heldout_accuracy_alone"), sheet=(5, 5),
           most_classes=MOST_CLASSES),
)
