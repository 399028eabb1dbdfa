"""The smallest GAN: one uniform number in, one number out, whose distribution is to become a normal one."""

from wgan.recipes.recipe import PROBABILITY_FIGURES, SETTINGS_OF_WASSERSTEIN_GANS, Parts, Recipe


def parts(config, channels):
    """Generator 1-16-16-1, tanh throughout, times 5; discriminator 1-16-16-1, tanh."""
    from wgan.models import objectives
    from wgan.models.constraints import NoConstraint
    from wgan.models.gan import GAN
    from wgan.models.networks import gaussian
    return Parts(gaussian.Generator(config.latent_dim), gaussian.Discriminator(), objectives.CROSS_ENTROPY,
                 NoConstraint(), GAN)


# The article has hidden layers of 6, and momentum .6 with a learning rate of .01 for both networks. So the samples
# gather on one point that wanders about: deviation .01 to .24, and a distance of .7 to 1.6, at every thousandth of the
# 10,000 updates. Adam for both alike swings as well (.16 to 1.0). What helps is a discriminator that keeps up, and so
# tells the generator where mass is missing: wider layers, ten times the generator's learning rate, no memory in Adam's
# mean of gradients; and an average of the generator, since it circles around its goal. The initialisation is Keras's
# (Glorot's), the decay the article's.
RECIPES = (
    Recipe("gaussian_1d", "Numbers on a line: uniform noise becomes a normal distribution, whose distance is known.",
           parts,
           defaults=dict(dataset="gaussian", epochs=10_000, batch_size=200, critic_steps=2, latent_dim=1,
                         learning_rate=3e-4, critic_learning_rate=3e-3, beta_1=0.0, beta_2=0.99, step_decay=0.95,
                         step_epochs=2_500, ema_decay=0.999, flips="off", sample_every=50, eval_every=100),
           unused=(*SETTINGS_OF_WASSERSTEIN_GANS,
                   "labels_per_class", "data_dir", "image_size", "holdout", "flips", "augment"),
           figures=PROBABILITY_FIGURES, measures=("mean", "deviation", "wasserstein_distance"), makes_points=True),
)
