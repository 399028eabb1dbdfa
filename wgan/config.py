"""Everything that decides a run's result, in one frozen dataclass.

Each field is declared once, with its default, bounds and help; the command line's flags, the JSON that
is stored with a run, and the check of a resumed run against it are all made from these declarations.
"""

import dataclasses
import math
import operator
import typing

from wgan.common.errors import UserError
from wgan.data import DATASET_NAMES
from wgan.recipes import DEFAULT, RECIPES

CHANGES = ("color", "translation", "cutout")  # that `wgan.models.augmentation` makes

# By the name of a bound: what a number must be to it, as a function and in words.
_BOUNDS = {
    "at_least": (operator.ge, "at least"),
    "at_most": (operator.le, "at most"),
    "above": (operator.gt, "more than"),
    "below": (operator.lt, "less than"),
}


def option(default, group, help_text, *, decides_result, choices=None, **bounds):
    """A field of `TrainingConfig`.

    Args:
        default: value when nothing is given.
        group: the heading under which the help shows it.
        help_text: one or two sentences for the help.
        decides_result: whether another value gives another result, so that a resumed run must keep it.
        choices: the values allowed, or None.
        bounds: of a number: `at_least`, `at_most`, `above`, `below`.
    """
    metadata = dict(group=group, help=help_text, decides_result=decides_result, choices=choices, bounds=bounds)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One training run. `check()` says whether its values make sense; nothing else may be assumed."""

    recipe: str = option(
        DEFAULT,
        "Recipe",
        "Which GAN; the list is below. A recipe has its own data set and settings; flags override them.",
        decides_result=True,
        choices=RECIPES,
    )

    label: str | None = option(
        None,
        "Data",
        "What to train on: a class number, a class name (horse), all for one GAN on every class, or "
        "each for one after another. Default: horse with cifar10, all elsewhere.",
        decides_result=True,
    )
    dataset: str = option(
        "cifar10",
        "Data",
        "digits needs no download; folder is your own images in --data_dir; gaussian is gaussian_1d's.",
        decides_result=True,
        choices=DATASET_NAMES,
    )
    data_dir: str | None = option(
        None,
        "Data",
        "Where the data already is: the official cifar-10-python.tar.gz or its unpacked folder, "
        "MNIST's IDX files, or your images. Default: Keras's verified download.",
        decides_result=False,
    )
    split: str = option(
        "all",
        "Data",
        "all takes training and test images together; train leaves the test images out.",
        decides_result=True,
        choices=("all", "train"),
    )

    holdout: int = option(
        0,
        "Data",
        "Images set aside, to see whether the critic memorises the others. With --split train the test "
        "images serve for that.",
        decides_result=True,
        at_least=0,
    )
    image_size: int = option(
        32,
        "Data",
        "Pixels a side. In wgan_gp each doubling adds a block to both networks, and there is no 28.",
        decides_result=True,
        choices=(28, 32, 64, 128),
    )
    labels_per_class: str = option(
        "all",
        "Data",
        "How many images of each class sgan may see with their label: a number, or all.",
        decides_result=True,
    )

    epochs: int = option(
        12000,
        "Training",
        "Total number of epochs, earlier parts of the run counted in. An epoch is "
        "--critic_steps critic updates and one generator update.",
        decides_result=False,
        at_least=1,
        below=10**9,
    )
    batch_size: int = option(256, "Training", "Images per update.", decides_result=True, at_least=2, below=2**16)
    critic_steps: int = option(
        5, "Training", "Critic updates per generator update.", decides_result=True, at_least=1, below=256
    )
    generator_batch_size: int | None = option(
        None,
        "Training",
        "Samples in the generator's update. Default: --batch_size.",
        decides_result=True,
        at_least=2,
        below=2**16,
    )
    optimizer: str = option(
        "adam", "Training", "For both networks.", decides_result=True, choices=("adam", "rmsprop", "sgd")
    )
    learning_rate: float = option(4e-4, "Training", "For both networks.", decides_result=True, above=0, below=1)
    critic_learning_rate: float | None = option(
        None,
        "Training",
        "The critic's own (Heusel et al. 2017). Default: --learning_rate.",
        decides_result=True,
        above=0,
        below=1,
    )
    decay_epochs: int = option(
        0,
        "Training",
        "Learning rates fall in a straight line to zero at this epoch, which --epochs may not "
        "exceed; stop earlier by --epochs and go on with the same value. 0: they stay.",
        decides_result=True,
        at_least=0,
        below=10**9,
    )
    step_decay: float = option(
        1.0,
        "Training",
        "What learning rates are multiplied by every --step_epochs.",
        decides_result=True,
        above=0,
        at_most=1,
    )
    step_epochs: int = option(
        0, "Training", "Epochs between two such steps; 0: none.", decides_result=True, at_least=0, below=10**9
    )
    beta_1: float = option(
        0.0, "Training", "Adam's decay of the mean of the gradients.", decides_result=True, at_least=0, below=1
    )
    beta_2: float = option(
        0.9, "Training", "Adam's decay of the mean of their squares.", decides_result=True, at_least=0, below=1
    )
    momentum: float = option(0.0, "Training", "Of sgd.", decides_result=True, at_least=0, below=1)
    ema_decay: float = option(
        0.999,
        "Training",
        "Share of itself that the averaged generator, which makes grids, metrics and samples, keeps "
        "in each epoch; less early in a run. 0: no average.",
        decides_result=True,
        at_least=0,
        below=1,
    )

    flips: str = option(
        "auto",
        "Images seen",
        "Mirror half of the real images. auto: those of cifar10 only, since many other things, "
        "such as digits, are not the same in a mirror.",
        decides_result=True,
        choices=("auto", "on", "off"),
    )
    augment: str = option(
        "none",
        "Images seen",
        "What to change at random in all that the critic sees, so that few images last longer: "
        "color, translation and cutout, separated by commas (Zhao et al. 2020), or none.",
        decides_result=True,
    )

    network: str = option(
        "plain",
        "Networks",
        "resnet: residual blocks (Gulrajani et al. 2017, appendix), several times as much work, for a GPU.",
        decides_result=True,
        choices=("plain", "resnet"),
    )
    latent_dim: int = option(
        100, "Networks", "Length of the generator's input.", decides_result=True, at_least=1, below=2**16
    )
    generator_norm: str = option(
        "batch", "Networks", "Normalisation in the generator.", decides_result=True, choices=("batch", "layer", "none")
    )
    critic_norm: str = option(
        "none",
        "Networks",
        "Normalisation in the critic; over a batch it would spoil the penalty.",
        decides_result=True,
        choices=("none", "layer"),
    )
    critic_dropout: float = option(
        0.0,
        "Networks",
        "Share of the critic's second layer that is dropped; the residual critic has none.",
        decides_result=True,
        at_least=0,
        below=1,
    )

    gradient_penalty_weight: float = option(
        10.0,
        "Critic's constraint",
        "Weight of the gradient penalty (lambda in the paper).",
        decides_result=True,
        at_least=0,
    )
    penalty: str = option(
        "two_sided",
        "Critic's constraint",
        "one_sided does not penalise slopes below 1.",
        decides_result=True,
        choices=("two_sided", "one_sided"),
    )
    clip_bound: float = option(
        0.01, "Critic's constraint", "Of the critic's weights, in wgan_clip.", decides_result=True, above=0
    )
    drift_weight: float = option(
        0.0,
        "Critic's constraint",
        "Weight of the squared scores of real images, which keeps them near zero (Karras et al. 2018 take 0.001).",
        decides_result=True,
        at_least=0,
    )
    init_from: str | None = option(
        None,
        "Training",
        "Start from trained weights: a checkpoint folder, or its generator file with the critic's beside it.",
        decides_result=True,
    )

    precision: str = option(
        "auto",
        "Speed",
        "What the networks compute in; weights and losses are float32 in any case. auto "
        "takes bfloat16 where the processor or GPU has matrix units for it, else float32, and a continued "
        "run keeps what it began with. float16 is for GPUs without bfloat16, such as Colab's T4.",
        decides_result=True,
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    xla: str = option(
        "auto",
        "Speed",
        "Compile the epoch with XLA, which rounds differently. auto: on NVIDIA's GPUs, "
        "without --deterministic; on a processor it is many times slower.",
        decides_result=False,
        choices=("auto", "on", "off"),
    )

    eval_every: int = option(
        500,
        "Evaluation",
        "Epochs between two measurements of the samples' FID, KID, precision and recall; the last "
        "epoch is measured too. 0: never.",
        decides_result=False,
        at_least=0,
    )

    checkpoint_dir: str = option(
        "checkpoints", "Files", "Weights, training state, history and configuration.", decides_result=False
    )
    sample_dir: str = option("samples", "Files", "Grids of samples.", decides_result=False)
    drive_dir: str | None = option(
        None,
        "Files",
        "A folder on a slow or unreliable disk, such as a mounted Google Drive, that gets a copy of the "
        "run after each checkpoint. Where it holds a newer state than --checkpoint_dir, the run goes on from there.",
        decides_result=False,
    )
    samples_layout: str = option(
        "flat",
        "Files",
        "flat: one PNG per grid in --sample_dir; folders: the same in numbered folders of 500. "
        "export_gif.py reads both.",
        decides_result=False,
        choices=("flat", "folders"),
    )
    sample_every: int = option(1, "Files", "Epochs between two grids.", decides_result=False, at_least=1)
    checkpoint_minutes: float = option(
        2.0,
        "Files",
        "Minutes between two checkpoints; 0 saves after every epoch. The end of a run and Ctrl-C save too.",
        decides_result=False,
        at_least=0,
    )
    tensorboard: bool = option(
        False,
        "Files",
        "Write curves, some grids and the settings for TensorBoard, into tensorboard in --checkpoint_dir.",
        decides_result=False,
    )

    seed: int = option(
        0,
        "Reproducibility",
        "The same seed on the same machine gives the same weights to the bit (on a GPU with --deterministic).",
        decides_result=True,
        at_least=0,
        below=2**31,
    )
    deterministic: bool = option(
        False,
        "Reproducibility",
        "Use only kernels that repeat to the bit, and no XLA. On a GPU --seed needs it, and "
        "epochs get slower, by how much depends on the card; on a processor it costs nothing measurable "
        "(2.16 s an epoch with it, 2.19 s without).",
        decides_result=True,
    )

    def check(self):
        """Raises UserError, naming the flag, for the first value that is out of its bounds."""
        for field in dataclasses.fields(self):
            _check_value(field.name, getattr(self, field.name), field.metadata["choices"], field.metadata["bounds"])
        if self.holdout and self.split == "train":
            raise UserError("--split train already holds the test images out; leave --holdout or --split away")
        if self.decay_epochs and self.epochs > self.decay_epochs:
            raise UserError(
                f"--epochs is {self.epochs}, and at --decay_epochs {self.decay_epochs} the learning rate "
                f"is zero, so that nothing would change after it; give --epochs up to "
                f"{self.decay_epochs}, or a larger --decay_epochs"
            )
        if self.deterministic and self.xla == "on":
            raise UserError(
                "--xla on and --deterministic exclude each other, since Keras then compiles nothing; leave one out"
            )
        if self.momentum and self.optimizer != "sgd":
            raise UserError(f"--momentum is for --optimizer sgd, not for {self.optimizer}; leave it out")
        usual = type(self).of_recipe(self.recipe)
        for name in ("beta_1", "beta_2"):
            if self.optimizer != "adam" and getattr(self, name) != getattr(usual, name):
                raise UserError(f"--{name} is for --optimizer adam, not for {self.optimizer}; leave it out")
        if self.network == "resnet" and self.critic_dropout != usual.critic_dropout:
            raise UserError("--critic_dropout is for --network plain; leave it out")
        self._check_steps(usual)
        if self.labels_per_class != "all" and not (self.labels_per_class.isdecimal() and int(self.labels_per_class)):
            raise UserError(f"--labels_per_class is {self.labels_per_class!r}; it must be all, or a number from 1 on")
        unknown = [name for name in self.augmentation if name not in CHANGES]
        if unknown:
            raise UserError(
                f"--augment has {unknown[0]!r}; it may be none, or a list of {', '.join(CHANGES)}, separated by commas"
            )
        self.recipe_spec.check(self, usual)

    def _check_steps(self, usual):
        """Raises UserError where the settings that lower learning rates do not go together.

        Args:
            usual: the recipe's own settings, which the user may not have given.
        """
        without = f"; --recipe {self.recipe} has steps of its own, which --step_epochs 0 --step_decay 1 leaves out"
        if bool(self.step_epochs) != (self.step_decay != 1):
            raise UserError(
                "--step_decay and --step_epochs go together"
                f"{without if usual.step_epochs else '; give both or neither'}"
            )
        if self.step_epochs and self.decay_epochs:
            raise UserError(
                "--step_epochs and --decay_epochs are two ways to lower learning rates"
                f"{without if usual.step_epochs else '; choose one'}"
            )

    @classmethod
    def of_recipe(cls, name, **values):
        """The configuration of a recipe: `values` go before the recipe's settings, those before the usual ones.

        Raises:
            UserError: there is no such recipe.
        """
        if name not in RECIPES:
            raise UserError(f"--recipe is {name!r}; choose one of {', '.join(RECIPES)}")
        return cls(**{**RECIPES[name].defaults, **values, "recipe": name})

    @property
    def recipe_spec(self):
        """The `Recipe` that is named."""
        return RECIPES[self.recipe]

    @property
    def mirrors(self):
        """Whether half of the real images are mirrored."""
        return self.flips == "on" or (self.flips == "auto" and self.dataset == "cifar10")

    @property
    def augmentation(self):
        """The names in `augment`, a tuple of strings."""
        return () if self.augment == "none" else tuple(name.strip() for name in self.augment.split(","))

    @classmethod
    def from_json(cls, stored):
        """What `to_json` gave, as far as this version knows the fields; others keep their defaults.

        Raises:
            UserError: a value is of another type than its field, or out of its bounds.
        """
        values = {}
        if stored.get("samples_layout") == "film":  # of an earlier version
            stored = {**stored, "samples_layout": "folders"}
        for field in dataclasses.fields(cls):
            if field.name in stored:
                values[field.name] = _typed(field, stored[field.name])
        config = cls(**values)
        config.check()
        return config

    def settled_by(self, stored):
        """With what was left to `auto` as a stored run has settled it; `stored` as in `differences`."""
        if self.precision == "auto" and "precision" in stored:
            return dataclasses.replace(self, precision=stored["precision"])
        return self

    def to_json(self):
        """The fields as a dictionary of JSON values."""
        return dataclasses.asdict(self)

    def differences(self, stored):
        """Names the fields that decide the result and differ from a stored run's.

        Args:
            stored: what `to_json` gave when the run began. A field that it lacks came later and is
                compared by its default.

        Returns:
            A list of sentences such as `batch_size was 256, now 64`; empty when the run can go on.
        """
        found = []
        for field in dataclasses.fields(self):
            then, now = stored.get(field.name, field.default), getattr(self, field.name)
            if field.metadata["decides_result"] and then != now:
                found.append(f"{field.name} was {then}, now {now}")
        return found


def value_type(field):
    """The type that a field's value has when it is given: `str` for `str | None`."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not type(None)]
    return kinds[0] if kinds else field.type


def _typed(field, value):
    """A value from JSON, if it has its field's type."""
    kind = value_type(field)
    if value is None and field.default is None:
        return None
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool) != (kind is bool):
        raise UserError(f"the stored {field.name} is {str(value)[:60]!r}, which is no {kind.__name__}")
    try:
        return float(value) if kind is float else value
    except OverflowError:
        raise UserError(f"the stored {field.name} is too large") from None


def _check_value(name, value, choices, bounds):
    if value is None or isinstance(value, bool):
        return
    if choices and value not in choices:
        raise UserError(f"--{name} is {value!r}; choose one of {', '.join(map(str, choices))}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{name} is {value}; it must be a finite number")
    for kind, bound in bounds.items():
        is_within, words = _BOUNDS[kind]
        if not is_within(value, bound):
            raise UserError(f"--{name} is {value}; it must be {words} {bound}")
    if isinstance(value, str) and not value:
        raise UserError(f"--{name} is empty; give a value or leave the flag out")
