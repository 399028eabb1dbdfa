"""Wasserstein GANs on the networks of the main job: with a gradient penalty in three forms, and with clipping."""

from wgan.recipes.recipe import PENALTY_FIGURES, SETTINGS_OF_A_PENALTY, WASSERSTEIN_FIGURES, Parts, Recipe

SIZES = (32, 64, 128)
# What recipes with the paper's penalty share.
WITH_PENALTY = dict(unused=("clip_bound", "labels_per_class"), figures=WASSERSTEIN_FIGURES + PENALTY_FIGURES,
                    image_sizes=SIZES)


def with_penalty(config, channels):
    """The penalty of each image's own gradient, means over the batch, a critic without bounds."""
    from wgan.models import networks, objectives
    from wgan.models.constraints import GradientPenalty
    from wgan.models.gan import GAN
    penalty = GradientPenalty(config.gradient_penalty_weight, one_sided=config.penalty == "one_sided")
    return Parts(*networks.build(config, channels), objectives.WASSERSTEIN, penalty, GAN)


def as_in_the_article(config, channels):
    """The article's code as written.

    Its critic ends in tanh; the norm is taken of the whole batch's gradient at once; losses are summed over the
    batch, with the penalty added to each image's; real images are scored down and samples up. The history has the
    paper's sign.
    """
    from wgan.models import networks, objectives
    from wgan.models.constraints import WholeBatchPenalty
    from wgan.models.gan import GAN
    generator = networks.build_generator(config, channels)
    critic = networks.plain.Critic(channels, config.image_size, config.critic_dropout, config.critic_norm, bounded=True)
    return Parts(generator, critic, objectives.REVERSED_SUMMED_WASSERSTEIN,
                 WholeBatchPenalty(config.gradient_penalty_weight), GAN)


def with_clipping(config, channels):
    """The predecessor: weights within bounds keep the critic's slopes within some bound, whatever it is."""
    from wgan.models import networks, objectives
    from wgan.models.constraints import Clipping
    from wgan.models.gan import GAN
    return Parts(*networks.build(config, channels), objectives.WASSERSTEIN, Clipping(config.clip_bound), GAN)


RECIPES = (
    Recipe("wgan_gp", "WGAN-GP (Gulrajani et al. 2017), its settings chosen from single runs.", with_penalty,
           on_processors="wgan_gp_fast", **WITH_PENALTY),
    # A learning rate of 1e-3 takes a fifth off the FID with 2 critic updates, and nothing with 5: docs/results.md.
    Recipe("wgan_gp_fast", "wgan_gp with batches of 64, 2 critic updates and Adam 1e-3: better samples for the time "
           "spent on a processor.", with_penalty,
           defaults=dict(batch_size=64, critic_steps=2, learning_rate=1e-3, eval_every=2000, sample_every=10),
           **WITH_PENALTY),
    Recipe("wgan_gp_article", "The article that this project comes from, its slips included: tanh after the critic, "
           "one gradient norm for the whole batch, sums for means.", as_in_the_article,
           defaults=dict(learning_rate=2e-4, beta_1=0.9, beta_2=0.999, ema_decay=0.0, flips="off", critic_dropout=0.3,
                         sample_every=10),
           unused=("clip_bound", "labels_per_class", "penalty", "network"),
           figures=WASSERSTEIN_FIGURES + PENALTY_FIGURES, image_sizes=SIZES),
    Recipe("wgan_gp_paper", "The same networks trained as Algorithm 1 of the paper says: Adam 1e-4, betas (0, .9), "
           "batches of 64, no dropout.", with_penalty,
           defaults=dict(learning_rate=1e-4, beta_1=0.0, beta_2=0.9, batch_size=64, critic_dropout=0.0, ema_decay=0.0,
                         flips="off"),
           **WITH_PENALTY),
    Recipe("wgan_clip", "WGAN (Arjovsky et al. 2017): the critic's weights are clipped in place of a penalty; "
           "RMSprop 5e-5.", with_clipping,
           defaults=dict(optimizer="rmsprop", learning_rate=5e-5, ema_decay=0.0, flips="off", critic_dropout=0.3),
           unused=(*SETTINGS_OF_A_PENALTY, "labels_per_class"), image_sizes=SIZES),
)
