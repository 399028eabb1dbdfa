"""What came after WGAN-GP, on its networks, so that only the idea differs."""

from wgan.recipes.catalogue import SIZES
from wgan.recipes.recipe import Recipe

# One critic update on 64 images takes about the time of two on 32.
ONE_UPDATE = dict(batch_size=64, critic_steps=1)

RECIPES = (
    Recipe(
        "sngan",
        "Hinge loss, each kernel of the critic divided by its largest singular value (Miyato et al. 2018).",
        networks="convolutional",
        loss="hinge",
        image_sizes=SIZES,
        defaults=dict(ONE_UPDATE, critic_norm="spectral"),
    ),
    Recipe(
        "r1gan",
        "Cross-entropy, with a penalty on the critic's slope at real images (Mescheder et al. 2018).",
        networks="convolutional",
        loss="cross_entropy",
        constraint="r1",
        image_sizes=SIZES,
        defaults=dict(ONE_UPDATE, gradient_penalty_weight=1.0),
    ),
    Recipe(
        "r3gan",
        "Real images and samples scored in pairs, with the penalty at both (Huang et al. 2024).",
        networks="convolutional",
        loss="relativistic",
        constraint="r1_r2",
        image_sizes=SIZES,
        defaults=dict(ONE_UPDATE, gradient_penalty_weight=0.5),
        refused=("generator_batch_size",),
    ),
)
