"""What a recipe is: a GAN as a declaration, from which the one engine trains it."""

import collections.abc
import dataclasses

from wgan.common.errors import UserError

SETTINGS_OF_A_PENALTY = ("gradient_penalty_weight", "penalty")
SETTINGS_OF_PLAIN_NETWORKS = ("network", "generator_norm", "critic_norm", "critic_dropout")
SETTINGS_OF_WASSERSTEIN_GANS = (*SETTINGS_OF_A_PENALTY, *SETTINGS_OF_PLAIN_NETWORKS, "clip_bound", "drift_weight")

WASSERSTEIN_FIGURES = ("wasserstein_estimate", "critic_loss", "critic_real", "critic_fake", "generator_loss")
PENALTY_FIGURES = ("gradient_penalty", "gradient_norm")
PROBABILITY_FIGURES = ("critic_loss", "critic_real", "critic_fake", "generator_loss")
IMAGE_MEASURES = ("fid", "kid", "kid_error", "precision", "recall", "training_estimate", "heldout_estimate")


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the engine puts together.

    Attributes:
        generator: latents [batch, latent_dim] to what is to be made.
        critic: that to logits [batch].
        objective: of `wgan.models.objectives`.
        constraint: of `wgan.models.constraints`.
        kind: `wgan.models.gan.GAN` or a subclass of it.
    """

    generator: collections.abc.Callable
    critic: collections.abc.Callable
    objective: object
    constraint: object
    kind: type


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One GAN. Importing a declaration must not import TensorFlow: the help lists them all.

    Attributes:
        name: what `--recipe` is given.
        summary: a line for the help.
        parts: a `TrainingConfig` and the number of the images' channels to `Parts`; may import TensorFlow.
        defaults: settings that belong to the recipe, in place of `TrainingConfig`'s; flags override them.
        unused: settings that this recipe has no use for, and refuses.
        figures: the history's columns that it fills each epoch.
        measures: those that it fills now and then.
        sheet: rows and columns of the pictures of samples.
        image_sizes: pixels a side that its networks can draw.
        most_classes: how many classes it learns at most; 0 where it has no use for labels.
        makes_points: whether it makes numbers on a line in place of images.
        on_processors: the recipe that is better for the time spent where there is no GPU; empty where none is.
    """

    name: str
    summary: str
    parts: collections.abc.Callable
    defaults: dict = dataclasses.field(default_factory=dict)
    unused: tuple[str, ...] = ()
    figures: tuple[str, ...] = WASSERSTEIN_FIGURES
    measures: tuple[str, ...] = IMAGE_MEASURES
    sheet: tuple[int, int] = (4, 4)
    image_sizes: tuple[int, ...] = (28, 32, 64, 128)
    most_classes: int = 0
    makes_points: bool = False
    on_processors: str = ""

    @property
    def wants_labels(self):
        """Whether its images must have labels."""
        return self.most_classes > 0

    def check(self, config, usual):
        """Raises UserError where settings make no sense with this recipe.

        Args:
            config: the `TrainingConfig`.
            usual: the one with this recipe's defaults and nothing else.
        """
        for name in self.unused:
            if getattr(config, name) != getattr(usual, name):
                raise UserError(f"--{name} does nothing in --recipe {self.name}; leave it out")
        if not self.makes_points and config.image_size not in self.image_sizes:
            raise UserError(f"--recipe {self.name} draws images of {' or '.join(map(str, self.image_sizes))} pixels a "
                            f"side, not {config.image_size}; choose another --image_size")
        if self.makes_points and config.dataset != "gaussian":
            raise UserError(f"--recipe {self.name} makes numbers on a line: its --dataset is gaussian; leave "
                            "--dataset out")
        if not self.makes_points and config.dataset == "gaussian":
            raise UserError(f"--recipe {self.name} makes images, and gaussian has none; choose another --dataset, or "
                            "--recipe gaussian_1d")
