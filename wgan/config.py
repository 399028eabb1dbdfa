"""Everything that decides a run's result, in one frozen dataclass.

Each field is declared once, with its default, bounds and help; the command line's flags, the JSON that
is stored with a run, and the check of a resumed run against it are all made from these declarations.
"""

import dataclasses
import numbers
import os
import re

from wgan.common import options
from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.common.options import option, value_type
from wgan.data import DATASET_NAMES, labels
from wgan.recipes import DEFAULT, RECIPES

CHANGES = ("color", "translation", "cutout")  # that `wgan.models.augmentation` makes
_FOLLOWS = {"critic_learning_rate": "learning_rate", "generator_batch_size": "batch_size"}  # where they are not given
# Settings that have an effect only with a certain value of another.
_ONLY_WITH = (
    ("momentum", "optimizer", "sgd"),
    ("beta_1", "optimizer", "adam"),
    ("beta_2", "optimizer", "adam"),
    ("critic_dropout", "network", "plain"),
)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One training run. `check()` says whether its values make sense; nothing else may be assumed."""

    recipe: str = option(DEFAULT, "Recipe", choices=RECIPES)
    """Which GAN; the list is below. A recipe has its own data set and settings; flags override them."""

    label: str | None = option(None, "Data")
    """What to train on: a class number, a class name (horse), all for one GAN on every class, or each for one after
    another. Default: horse with cifar10, all elsewhere and in wgan_gp_conditional."""
    dataset: str = option("cifar10", "Data", choices=DATASET_NAMES)
    """digits needs no download, and wgan_gp trains on it for 300 epochs; folder is your own images in --data_dir,
    records are what make_records.py has made of them; gaussian is gaussian_1d's."""
    data_dir: str | None = option(None, "Data", decides_result=False)
    """Where the data already is: the official cifar-10-python.tar.gz or its unpacked folder, MNIST's IDX files, or your
    images. Default: Keras's verified download."""
    split: str = option("all", "Data", choices=("all", "train"))
    """all takes training and test images together; train leaves the test images out."""

    holdout: int = option(0, "Data", at_least=0)
    """Images set aside, to see whether the critic memorises the others. With --split train the test images serve for
    that."""
    image_size: int = option(32, "Data", choices=(28, 32, 64, 128))
    """Pixels a side. In wgan_gp each doubling adds a block to both networks, and there is no 28."""
    labels_per_class: str = option("all", "Data")
    """How many images of each class sgan may see with their label: a number, or all."""

    epochs: int = option(12000, "Training", at_least=1, below=10**9, decides_result=False)
    """Total number of epochs, earlier parts of the run counted in. An epoch is --critic_steps critic updates and one
    generator update."""
    batch_size: int = option(32, "Training", at_least=2, below=2**16)
    """Images per update."""
    critic_steps: int = option(5, "Training", at_least=1, below=256)
    """Critic updates per generator update."""
    generator_batch_size: int | None = option(None, "Training", at_least=2, below=2**16)
    """Samples in the generator's update. Default: --batch_size."""
    optimizer: str = option("adam", "Training", choices=("adam", "rmsprop", "sgd"))
    """For both networks."""
    learning_rate: float = option(1e-3, "Training", above=0, below=1)
    """Of the generator, and of the critic where it has none of its own."""
    critic_learning_rate: float | None = option(None, "Training", above=0, below=1)
    """The critic's own (Heusel et al. 2017). Default: 4e-4 in wgan_gp and wgan_gp_conditional, 1e-3 in
    wgan_gp_fast, sngan, r1gan and r3gan, 3e-3 in gaussian_1d, whatever --learning_rate is; in other recipes
    --learning_rate."""
    decay_epochs: int = option(0, "Training", at_least=0, below=10**9)
    """Learning rates fall in a straight line to zero at this epoch, which --epochs may not exceed; stop earlier by
    --epochs and go on with the same value. 0: they stay."""
    step_decay: float = option(1.0, "Training", above=0, at_most=1)
    """What learning rates are multiplied by every --step_epochs."""
    step_epochs: int = option(0, "Training", at_least=0, below=10**9)
    """Epochs between two such steps; 0: none."""
    beta_1: float = option(0.0, "Training", at_least=0, below=1)
    """Adam's decay of the mean of the gradients."""
    beta_2: float = option(0.9, "Training", at_least=0, below=1)
    """Adam's decay of the mean of their squares."""
    momentum: float = option(0.0, "Training", at_least=0, below=1)
    """Of sgd."""
    ema_decay: float = option(0.999, "Training", at_least=0, below=1)
    """Share of itself that the averaged generator, which makes grids, metrics and samples, keeps in each epoch; less
    early in a run. 0: no average."""

    flips: str = option("auto", "Images seen", choices=("auto", "on", "off"))
    """Mirror half of the real images. auto: those of cifar10 only, since many other things, such as digits, are not the
    same in a mirror."""
    augment: str = option("none", "Images seen")
    """What to change at random in all that the critic sees, so that few images last longer: color, translation and
    cutout, separated by commas (Zhao et al. 2020), or none."""

    network: str = option("plain", "Networks", choices=("plain", "resnet"))
    """resnet: residual blocks (Gulrajani et al. 2017, appendix), several times the work, for a GPU."""
    latent_dim: int = option(100, "Networks", at_least=1, below=2**16)
    """Length of the generator's input."""
    generator_norm: str = option("batch", "Networks", choices=("batch", "layer", "none"))
    """Normalisation in the generator."""
    critic_norm: str = option("none", "Networks", choices=("none", "layer", "spectral"))
    """Normalisation in the critic, in sngan spectral: of its kernels. Over a batch it would spoil the penalty."""
    critic_dropout: float = option(0.0, "Networks", at_least=0, below=1)
    """Share of the critic's second layer that is dropped; the residual critic has none."""

    gradient_penalty_weight: float = option(10.0, "Constraint", at_least=0)
    """Weight of the gradient penalty (lambda in the paper; gamma in r1gan and r3gan)."""
    penalty: str = option("two_sided", "Constraint", choices=("two_sided", "one_sided"))
    """one_sided does not penalise slopes below 1."""
    clip_bound: float = option(0.01, "Constraint", above=0)
    """Of the critic's weights, in wgan_clip."""
    drift_weight: float = option(0.0, "Constraint", at_least=0)
    """Weight of the squared scores of real images, which keeps them near zero (Karras et al. 2018 take 0.001)."""
    init_from: str | None = option(None, "Training")
    """Start from trained weights: a checkpoint folder, or its generator file with the critic's beside it."""

    precision: str = option("auto", "Speed", choices=("auto", "float32", "bfloat16", "float16"))
    """What the networks compute in; weights and losses are float32. auto: bfloat16 on processors that are
    faster with it, else float32; a continued run keeps it. float16: for GPUs without bfloat16 (Colab's T4)."""
    xla: str = option("auto", "Speed", choices=("auto", "on", "off"), decides_result=False)
    """Compile the epoch with XLA, which rounds differently. auto: on NVIDIA's GPUs, without --deterministic; on a
    processor it is many times slower."""

    distribute: str = option("none", "Speed", choices=("none", "mirrored", "multi_worker"), decides_result=False)
    """mirrored: all GPUs of this machine share each batch, and train as one does, but for rounding. multi_worker: those
    of several machines, which TF_CONFIG names. See docs/scaling.md."""
    worker_timeout: float = option(5.0, "Speed", above=0, at_most=10_000, decides_result=False)
    """Minutes to wait at the start for the other machines of multi_worker."""

    eval_every: int = option(1000, "Evaluation", at_least=0, decides_result=False)
    """Epochs between two measurements of FID, KID, precision and recall; the last one is measured too. 0: never."""

    checkpoint_dir: str = option("checkpoints", "Files", decides_result=False)
    """Weights, training state, history and configuration."""
    sample_dir: str = option("samples", "Files", decides_result=False)
    """Grids of samples."""
    drive_dir: str | None = option(None, "Files", decides_result=False)
    """A folder on a slow or unreliable disk, such as a mounted Google Drive, for a copy of the run after each
    checkpoint. Where it holds a newer state than --checkpoint_dir, the run goes on from there."""
    samples_layout: str = option("flat", "Files", choices=("flat", "folders"), decides_result=False)
    """flat: one PNG per grid in --sample_dir; folders: in numbered folders of 500. export_gif.py reads both."""
    sample_every: int = option(1, "Files", decides_result=False, at_least=1)
    """Epochs between two grids."""
    checkpoint_minutes: float = option(2.0, "Files", at_least=0, decides_result=False)
    """Minutes between two checkpoints; 0: one after every epoch. The end of a run and Ctrl-C save too."""
    tensorboard: bool = option(False, "Files", decides_result=False)
    """Write curves, some grids and the settings for TensorBoard, into tensorboard in --checkpoint_dir."""

    seed: int = option(0, "Reproducibility", at_least=0, below=2**31)
    """The same seed on the same machine gives the same weights to the bit; on a GPU with --deterministic."""
    deterministic: bool = option(False, "Reproducibility")
    """Only kernels that repeat to the bit, and no XLA. --seed needs it on a GPU, where it makes epochs slower; on a
    processor it costs nothing measurable."""

    def __post_init__(self):
        """Takes a path or a number where a text is meant, as in `label=7`."""
        for name in [field.name for field in dataclasses.fields(self) if value_type(field) is str]:
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
            elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
                object.__setattr__(self, name, str(value))

    def check(self):
        """Raises UserError, naming the flag, for the first value that is of another type, out of its bounds, or
        contradicts another."""
        options.check(self)
        usual = self.usual
        if self.holdout and self.split == "train":
            raise UserError("--split train already holds the test images out; leave --holdout or --split away")
        if 0 < self.decay_epochs < self.epochs:
            raise UserError(
                f"--epochs is {self.epochs}, and at --decay_epochs {self.decay_epochs} the learning rate is zero, so "
                f"that nothing would change after it; give --epochs up to {self.decay_epochs}, or a larger "
                "--decay_epochs"
            )
        if self.deterministic and self.xla == "on":
            raise UserError(
                "--xla on and --deterministic exclude each other, since Keras then compiles nothing; leave one out"
            )
        for name, flag, needed in _ONLY_WITH:
            chosen = getattr(self, flag)
            if chosen != needed and getattr(self, name) != getattr(usual, name):
                raise UserError(f"--{name} is for --{flag} {needed}, not for {chosen}; leave it out")
        self._check_steps(usual.step_epochs)
        if not re.fullmatch("all|0*[1-9][0-9]*", self.labels_per_class):
            raise UserError(f"--labels_per_class is {self.labels_per_class!r}; it must be all, or a number from 1 on")
        for name in self.augmentation:
            if name not in CHANGES:
                known = ", ".join(CHANGES)
                wanted = f"none alone, or {known}" if name == "none" else f"none, or a list of {known}"
                raise UserError(f"--augment has {name!r}; it may be {wanted}, separated by commas")
        self.recipe_spec.check(self, usual)
        self.check_distribution()

    def check_distribution(self):
        """Raises UserError for what would be wrong in silence, or does not work, on several devices."""
        excluded = {
            "--precision float16: one device's overflow would spoil the weights of all": self.precision == "float16",
            "--xla on: it compiles an epoch for one device": self.xla == "on",
            f"--recipe {self.recipe}: its penalty takes one norm over the whole batch, "
            "of which each device has a part": self.recipe_spec.constraint == "whole_batch_penalty",
            "--label each: start a run for each class": self.distribute == "multi_worker"
            and labels.is_each(self.label),
        }
        for what, is_chosen in excluded.items():
            if is_chosen and self.distribute != "none":
                raise UserError(f"--distribute {self.distribute} excludes {what}; leave one out")

    def _check_steps(self, recipe_has_steps):
        """The settings that lower learning rates: some go together, and some exclude each other."""
        own = f"--recipe {self.recipe} has steps of its own, which --step_epochs 0 --step_decay 1 leaves out"
        if bool(self.step_epochs) != (self.step_decay != 1):
            advice = own if recipe_has_steps else "give both or neither"
            raise UserError(f"--step_decay and --step_epochs go together; {advice}")
        if self.step_epochs and self.decay_epochs:
            advice = own if recipe_has_steps else "choose one"
            raise UserError(f"--step_epochs and --decay_epochs are two ways to lower learning rates; {advice}")

    @classmethod
    def of_recipe(cls, name, **values):
        """The configuration of a recipe: `values` go before its settings for the data set, those before its settings
        for all, those before the usual ones.

        Raises:
            UserError: there is no such recipe, or no setting of that name.
        """
        options.check(cls(recipe=name))
        recipe = RECIPES[name]
        dataset = {**recipe.defaults, **values}.get("dataset", cls.dataset)
        options.check(cls(recipe=name, dataset=dataset))
        settings = {**recipe.defaults, **recipe.dataset_defaults.get(dataset, {}), **values, "recipe": name}
        known = [field.name for field in dataclasses.fields(cls)]
        for setting in settings:
            if setting not in known:
                of_recipe = "" if setting in values else f" among the defaults of recipe {name}"
                raise UserError(f"no setting is called {one_line(setting)!r}{did_you_mean(setting, known)}{of_recipe}")
        return cls(**settings)

    @property
    def usual(self):
        """The configuration of the same recipe on the same data set where nothing else is given."""
        return type(self).of_recipe(self.recipe, dataset=self.dataset)

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
            UserError: what `check` finds.
        """
        config = cls(**{field.name: stored[field.name] for field in dataclasses.fields(cls) if field.name in stored})
        config.check()
        return config

    def settled_by(self, earlier):
        """With the precision of an earlier run's configuration, which has settled it, where it was left to `auto`."""
        return dataclasses.replace(self, precision=earlier.precision) if self.precision == "auto" else self

    def to_json(self):
        """The fields as a dictionary of JSON values."""
        return dataclasses.asdict(self)

    def deciding(self):
        """The fields that decide the result, {name: value that takes effect}."""
        values = self.to_json()
        values |= {name: values[other] for name, other in _FOLLOWS.items() if values[name] is None}
        return {each.name: values[each.name] for each in dataclasses.fields(self) if each.metadata["decides_result"]}

    def differences(self, earlier):
        """Names the fields that decide the result and differ from those of an earlier configuration.

        The result is a list of sentences such as `batch_size was 256, now 64`, empty when the run can go on. A field
        that follows another is not named beside it.
        """
        then, now = earlier.deciding(), self.deciding()
        if _is_same_place(earlier.init_from, self.init_from):
            now["init_from"] = then["init_from"]
        changed = [name for name in now if then[name] != now[name] and getattr(earlier, name) != getattr(self, name)]
        return [f"{name} was {then[name]}, now {now[name]}" for name in changed]


def _is_same_place(stored, given):
    """Whether a path is the stored one, or its end: a relative path may lead from another folder by now."""
    if not stored or not given:
        return False
    stored, given = (os.path.normpath(os.path.expanduser(place)) for place in (stored, given))
    return os.path.abspath(stored) == os.path.abspath(given) or stored.endswith(os.sep + given)
