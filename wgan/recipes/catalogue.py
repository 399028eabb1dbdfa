"""The project's recipes. What "the article" is, and what is different from it, is in docs/recipes.md."""

from wgan.recipes.recipe import IMAGE_MEASURES, Recipe

# What the articles' GANs before Wasserstein's share, and the schedule of two of them.
OF_ARTICLES = dict(dataset="mnist", critic_steps=1, beta_1=0.5, beta_2=0.999, ema_decay=0.0, flips="off")
TWENTY_PASSES = dict(image_size=28, epochs=9_380, batch_size=128, learning_rate=3e-4, sample_every=50)
# One critic update on 64 images takes about the time of two on 32.
ONE_UPDATE = dict(batch_size=64, critic_steps=1, learning_rate=5e-4, critic_learning_rate=1e-3)

RECIPES = (
    # Quality depends on the number of generator updates, and hardly on the images in a critic's update as long as those
    # are not fewer than 32: docs/results.md. The larger learning rate is the generator's alone, since the critic has
    # five updates for one of the generator's.
    Recipe(
        "wgan_gp",
        "WGAN-GP (Gulrajani et al. 2017), with settings chosen by comparing samples.",
        networks="convolutional",
        loss="wasserstein",
        constraint="gradient_penalty",
        defaults=dict(critic_learning_rate=4e-4),
        dataset_defaults={"digits": dict(epochs=300)},  # 1,797 images of 8 x 8 pixels, enlarged
    ),
    # Of horses and ships one critic update gives better samples for the time than two or five, where the critic has the
    # larger learning rate. But it keeps the critic so far from its best that its estimate says nothing, and frogs come
    # out worse: docs/results.md.
    Recipe(
        "wgan_gp_fast",
        "wgan_gp with 1 critic update of 64 images: of horses better samples for the time, of frogs worse ones.",
        networks="convolutional",
        loss="wasserstein",
        constraint="gradient_penalty",
        defaults=dict(ONE_UPDATE, eval_every=2000, sample_every=10),
        dataset_defaults={"digits": dict(epochs=300)},
    ),
    Recipe(
        "wgan_gp_conditional",
        "One wgan_gp for all classes, which draws the class that it is asked for: see generate.py --label.",
        networks="convolutional",
        loss="wasserstein",
        constraint="gradient_penalty",
        gan="conditional",
        defaults=dict(critic_learning_rate=4e-4, label="all"),
        dataset_defaults={"digits": dict(epochs=300)},
        grid_shape=(10, 10),  # classes at most, and samples of each
    ),
    # The code of the article as written: the critic ends in tanh; the norm is taken of the whole batch's gradient at
    # once; losses are summed over the batch, with the penalty added to each image's; real images are scored down and
    # samples up, while the history has the paper's sign.
    Recipe(
        "wgan_gp_article",
        "The article that this project comes from, its slips included: tanh after the critic, "
        "one gradient norm for the whole batch, sums for means.",
        networks="bounded_convolutional",
        loss="reversed_wasserstein_sum",
        constraint="whole_batch_penalty",
        defaults=dict(
            batch_size=256,
            learning_rate=2e-4,
            beta_1=0.9,
            beta_2=0.999,
            ema_decay=0.0,
            flips="off",
            critic_dropout=0.3,
            sample_every=10,
        ),
    ),
    Recipe(
        "wgan_gp_paper",
        "The same networks trained as Algorithm 1 of the paper says: Adam 1e-4, betas (0, .9), "
        "batches of 64, no dropout.",
        networks="convolutional",
        loss="wasserstein",
        constraint="gradient_penalty",
        defaults=dict(
            batch_size=64, learning_rate=1e-4, beta_1=0.0, beta_2=0.9, critic_dropout=0.0, ema_decay=0.0, flips="off"
        ),
    ),
    # The predecessor: weights within bounds keep the critic's slopes within some bound, whatever it is.
    Recipe(
        "wgan_clip",
        "WGAN (Arjovsky et al. 2017): the critic's weights are clipped in place of a penalty; RMSprop 5e-5.",
        networks="convolutional",
        loss="wasserstein",
        constraint="clipping",
        defaults=dict(
            batch_size=256, optimizer="rmsprop", learning_rate=5e-5, ema_decay=0.0, flips="off", critic_dropout=0.3
        ),
    ),
    # The article scales its images to [0, 1] although its generator ends in tanh; here all images are in [-1, 1].
    # Its 10 passes over MNIST's 60,000 training images in batches of 32 are 18,750 updates.
    Recipe(
        "lsgan_mlp",
        "Perceptrons with the least-squares loss (Mao et al. 2017) behind a sigmoid.",
        networks="mlp",
        network_options=dict(widths=(256, 512)),
        loss="least_squares",
        defaults=dict(OF_ARTICLES, epochs=18_750, batch_size=32, learning_rate=2e-4, sample_every=100),
        grid_shape=(2, 5),
    ),
    # Batch, latents, betas and passes are not in the article: 128, 100, (.5, .999), and 20 over 60,000 images.
    Recipe(
        "gan_mlp",
        "Perceptrons with cross-entropy (Goodfellow et al. 2014, non-saturating).",
        networks="mlp",
        network_options=dict(widths=(256, 256)),
        loss="cross_entropy",
        defaults=dict(OF_ARTICLES, **TWENTY_PASSES),
    ),
    # The article's networks, not those of Radford et al. (2016), whose name it uses. Schedule as in gan_mlp, so that
    # only the networks differ.
    Recipe(
        "dcgan",
        "Convolutions with cross-entropy, trained as gan_mlp is.",
        networks="dcgan",
        loss="cross_entropy",
        defaults=dict(OF_ARTICLES, **TWENTY_PASSES),
    ),
    # The article's 50 passes over MNIST's 60,000 training images in batches of 64 are 46,875 updates. It updates the
    # generator first, which differs in the first update only. Labelled images are left as they are, so that flips or
    # augmentation would give samples away.
    Recipe(
        "sgan",
        "Semi-supervised: the discriminator learns the classes too (Odena 2016); see --labels_per_class.",
        networks="sgan",
        loss="cross_entropy_mean",
        gan="semi_supervised",
        defaults=dict(OF_ARTICLES, epochs=46_875, batch_size=64, learning_rate=2e-4, sample_every=400),
        refused=("flips", "augment"),
        grid_shape=(5, 5),
        measures=(*IMAGE_MEASURES[:5], "heldout_accuracy", "heldout_accuracy_alone"),
    ),
    # The article has hidden layers of 6, and momentum .6 with a learning rate of .01 for both networks. So the samples
    # gather on one point that wanders about: standard deviation .01 to .24, and a distance of .7 to 1.6, at every
    # thousandth of the 10,000 updates. Adam for both alike swings as well (.16 to 1.0). What helps is a discriminator
    # that keeps up, and so tells the generator where mass is missing: wider layers, ten times the generator's learning
    # rate, no memory in Adam's mean of gradients; and an average of the generator, since it circles around its goal.
    # The initialisation is Keras's (Glorot's), the decay the article's.
    Recipe(
        "gaussian_1d",
        "Numbers on a line: uniform noise becomes a normal distribution, whose distance is known.",
        networks="gaussian",
        loss="cross_entropy",
        is_1d=True,
        defaults=dict(
            dataset="gaussian",
            epochs=10_000,
            batch_size=200,
            critic_steps=2,
            latent_dim=1,
            learning_rate=3e-4,
            critic_learning_rate=3e-3,
            beta_1=0.0,
            beta_2=0.99,
            step_decay=0.95,
            step_epochs=2_500,
            ema_decay=0.999,
            flips="off",
            sample_every=50,
            eval_every=100,
        ),
        refused=("data_dir", "image_size", "holdout", "flips", "augment"),
        measures=("mean", "std", "wasserstein_distance"),
    ),
)
