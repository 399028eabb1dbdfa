"""What a recipe is: a GAN as a declaration, whose parts are named here and found by name in `wgan.models`."""

import dataclasses

from wgan.common.errors import UserError

# By the name of a part: the settings that it reads and that have no effect without it,
SETTINGS = {
    "convolutional": ("network", "generator_norm", "critic_norm", "critic_dropout"),
    "bounded_convolutional": ("generator_norm", "critic_norm", "critic_dropout"),
    "wasserstein": ("drift_weight",),
    "relativistic": ("drift_weight",),
    "gradient_penalty": ("gradient_penalty_weight", "penalty"),
    "whole_batch_penalty": ("gradient_penalty_weight",),
    "clipping": ("clip_bound",),
    "r1": ("gradient_penalty_weight",),
    "r1_r2": ("gradient_penalty_weight",),
    "semi_supervised": ("labels_per_class",),
}
# and the columns of history.csv that it fills, beside those that every recipe fills.
FIGURES = {
    "wasserstein": ("wasserstein_estimate",),
    "reversed_wasserstein_sum": ("wasserstein_estimate",),
    "gradient_penalty": ("gradient_penalty", "gradient_norm"),
    "whole_batch_penalty": ("gradient_penalty", "gradient_norm"),
    "r1": ("gradient_penalty", "gradient_norm"),
    "r1_r2": ("gradient_penalty", "gradient_norm"),
    "conditional": ("class_loss", "accuracy_real", "accuracy_fake"),
    "semi_supervised": ("class_loss", "accuracy_real", "accuracy_fake"),
}
IMAGE_SIZES = dict.fromkeys(("convolutional", "bounded_convolutional"), (32, 64, 128))  # others draw 28 pixels too
COMMON_FIGURES = ("critic_loss", "critic_real", "critic_fake", "generator_loss")
IMAGE_MEASURES = ("fid", "kid", "kid_error", "precision", "recall", "training_estimate", "heldout_estimate")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One GAN. A declaration does not import TensorFlow, since the help lists them all."""

    name: str  # what `--recipe` is given
    summary: str  # a line for the help
    networks: str  # of `wgan.models.networks.NETWORKS`
    loss: str  # of `wgan.models.losses.LOSSES`
    constraint: str = "none"  # of `wgan.models.constraints.CONSTRAINTS`
    gan: str = "plain"  # of `wgan.training.loop.GANS`
    # Further arguments of the function that makes the networks.
    network_options: dict = dataclasses.field(default_factory=dict)
    # Settings that belong to the recipe, in place of `TrainingConfig`'s; flags override them.
    defaults: dict = dataclasses.field(default_factory=dict)
    # By the name of a data set, settings that are better for it; they go before `defaults`.
    dataset_defaults: dict[str, dict] = dataclasses.field(default_factory=dict)
    refused: tuple[str, ...] = ()  # settings that would do harm or nothing, beside those of parts that it does not have
    measures: tuple[str, ...] = IMAGE_MEASURES  # the history's columns that are filled at every measurement
    grid_shape: tuple[int, int] = (4, 4)  # rows and columns of the grids of samples
    is_1d: bool = False  # whether it makes numbers on a line in place of images

    def __post_init__(self):
        """Raises ValueError for parts that do not go together."""
        if self.is_conditional and self.loss == "relativistic":
            raise ValueError(f"{self.name}: the pairs of a relativistic loss would be of different classes")
        if self.gan == "semi_supervised" and (self.constraint in FIGURES or self.loss in SETTINGS):
            raise ValueError(f"{self.name}: the semi-supervised GAN's loss has no penalty and no drift")

    @property
    def is_conditional(self):
        """Whether its generator draws the class that it is asked for."""
        return self.gan == "conditional"

    @property
    def wants_labels(self):
        """Whether its images must have labels."""
        return self.gan in ("conditional", "semi_supervised")

    @property
    def image_sizes(self):
        """Pixels a side that its networks can draw."""
        return IMAGE_SIZES.get(self.networks, (28, 32, 64, 128))

    @property
    def figures(self):
        """The history's columns that are filled every epoch."""
        return COMMON_FIGURES + self._of_parts(FIGURES)

    @property
    def unused(self):
        """The settings that this recipe refuses."""
        used = self._of_parts(SETTINGS)
        unused = dict.fromkeys(name for names in SETTINGS.values() for name in names if name not in used)
        pairs = ("generator_batch_size",) if self.loss == "relativistic" else ()  # as many samples as real images
        return *unused, *pairs, *self.refused

    def _of_parts(self, table):
        parts = self.networks, self.loss, self.constraint, self.gan
        return tuple(name for part in parts for name in table.get(part, ()))

    def check(self, config, usual):
        """Raises UserError where a `TrainingConfig` has settings that make no sense with this recipe; `usual` is the
        one with its defaults for the data set and nothing else."""
        for name in self.unused:
            if getattr(config, name) != getattr(usual, name):
                raise UserError(f"--recipe {self.name} takes no --{name}; leave it out")
        if self.is_conditional and str(config.label).strip().casefold() != "all":
            raise UserError(
                f"--recipe {self.name} learns all classes with one generator, so that --label can only be all; leave "
                "it out, or take wgan_gp for one class"
            )
        if not self.is_1d and config.image_size not in self.image_sizes:
            raise UserError(
                f"--recipe {self.name} draws images of {' or '.join(map(str, self.image_sizes))} pixels a "
                f"side, not {config.image_size}; choose another --image_size"
            )
        if self.is_1d and config.dataset != "gaussian":
            raise UserError(
                f"--recipe {self.name} makes numbers on a line: its --dataset is gaussian; leave --dataset out"
            )
        if not self.is_1d and config.dataset == "gaussian":
            raise UserError(
                f"--recipe {self.name} makes images, and gaussian has none; choose another --dataset, or "
                "--recipe gaussian_1d"
            )
