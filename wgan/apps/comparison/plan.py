"""What is compared, on which images, and for how long: the flags of compare.py, and the runs that follow from them."""

import dataclasses
import json
import math
import os
import pathlib
import re
from typing import NamedTuple

from wgan import data
from wgan.apps import train
from wgan.apps.comparison.runs import PlannedRun
from wgan.common import options
from wgan.common.errors import UserError, readable
from wgan.common.messages import did_you_mean, listed, one_line
from wgan.common.options import option
from wgan.config import TrainingConfig
from wgan.data import labels
from wgan.recipes import DEFAULT, RECIPES
from wgan.runs.run_folder import RunFolder

PAGE_FILE, REPORT_FILE = "index.html", "comparison.json"
MAX_UPDATES_A_SECOND = 1000  # what a run with a limit of time is given as --epochs, so that its time ends first
COMMON = "common"
EXAMPLE = '{"common": {"flips": "off"}, "default": {}, "slow": {"learning_rate": 2e-4, "critic_learning_rate": 1e-4}}'
# Of each run its own.
DECIDED = ("seed", "epochs", "checkpoint_dir", "sample_dir", "drive_dir", "fresh", "dry_run")
_FOR_ALL = ("dataset", "data_dir", "label", "image_size", "precision", "eval_every")  # flags that go on to train.py
_AS_IN_TRAIN = "As in train.py, for all."


class Budget(NamedTuple):
    """What every run may use: generator updates, or seconds of training; the other one is None."""

    epochs: int | None = None
    seconds: float | None = None

    def __str__(self):
        return f"{self.epochs:,} generator updates" if self.seconds is None else f"{self.seconds:g} seconds of training"

    @property
    def flag(self):
        """As it is given on the command line."""
        return f"--epochs {self.epochs}" if self.seconds is None else f"--seconds {self.seconds:g}"

    @property
    def max_epochs(self):
        """What a run gets as `--epochs`."""
        return self.epochs if self.seconds is None else min(math.ceil(self.seconds * MAX_UPDATES_A_SECOND), 10**9 - 1)

    def reaches(self, earlier):
        """Whether it is as much as an earlier budget, or more of the same kind."""
        return any(ours is not None and theirs is not None and ours >= theirs for ours, theirs in zip(self, earlier))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared, on what, for how long, and where the page goes."""

    recipes: str | None = option(None, "Comparison")
    """Names of recipes, separated by commas; the list is below. Give this, or --settings."""
    settings: str | None = option(
        None,
        "Comparison",
        help="A JSON file with names of settings and their flags of train.py, which go before those below; those under "
        f'"{COMMON}" are for all: {EXAMPLE}',
    )
    epochs: int | None = option(None, "Comparison", at_least=1, below=10**9)
    """Generator updates of every run. Give this, or --seconds."""
    seconds: float | None = option(None, "Comparison", above=0)
    """Seconds that every run trains, measurements not counted. Give this, or --epochs."""
    seeds: int = option(1, "Comparison", at_least=1)
    """Runs of each, with the seeds 0, 1 ..."""
    dataset: str = option("mnist", "Data", help=_AS_IN_TRAIN)
    data_dir: str | None = option(None, "Data", help=_AS_IN_TRAIN)
    label: str | None = option(None, "Data", help=_AS_IN_TRAIN)
    image_size: int = option(32, "Data", help=_AS_IN_TRAIN)
    precision: str = option("auto", "Speed", help=_AS_IN_TRAIN)
    eval_every: int = option(100, "Evaluation")
    """Updates between two measurements; the last one is measured too. 0: never."""
    output_dir: str = option("comparison", "Files", help=f"The runs' folders, and {PAGE_FILE}.")
    report_only: bool = option(False, "Files")
    """Train nothing; write the page on what there is."""

    @property
    def budget(self):
        return Budget(self.epochs, self.seconds)

    @property
    def folder(self):
        return pathlib.Path(os.path.expanduser(self.output_dir))

    def plan(self):
        """All `PlannedRun`s, in the order in which they are made: each setting with seed 0, then each with seed 1 ...

        Raises:
            UserError: a value out of its bounds or that a recipe cannot have, or data that is not there.
        """
        options.check(self)
        if (self.recipes is None) == (self.settings is None):
            raise UserError("give --recipes, names separated by commas, or --settings, a file; exactly one of them")
        compared = named_recipes(self.recipes) if self.settings is None else read_settings(self.settings)
        if (self.epochs is None) == (self.seconds is None):
            raise UserError(
                "give --epochs (generator updates of every run) or --seconds (training time of every run), "
                "exactly one of them"
            )
        if self.seconds is not None and os.name != "posix":
            raise UserError("--seconds stops runs by a signal that this system does not have; give --epochs")
        planned = [self._run(setting, seed) for seed in range(self.seeds) for setting in compared]
        conditional = next((run.setting for run in planned if run.config.recipe_spec.is_conditional), None)
        if conditional and any(run.config.label != labels.ALL for run in planned):
            raise UserError(f"{conditional} learns all classes, and others here learn one of them: give --label all")
        return planned

    def _run(self, setting, seed):
        folder, epochs = self.folder / setting.name / f"seed_{seed}", self.budget.max_epochs
        common = {name: getattr(self, name) for name in _FOR_ALL if getattr(self, name) is not None}
        flags = {**common, **setting.flags}  # without those that are not given, which a recipe may have defaults for
        values = {
            "sample_every": max(1, flags["eval_every"] or epochs),
            **flags,
            "seed": seed,
            "epochs": epochs,
            "checkpoint_dir": str(folder / "checkpoints"),
            "sample_dir": str(folder / "samples"),
        }
        try:
            config = TrainingConfig.of_recipe(values.pop("recipe", DEFAULT), **values)
            if config.recipe_spec.is_1d:
                raise UserError("it makes numbers on a line, and images are compared here: leave it out")
            if self.seconds is not None and config.decay_epochs:
                raise UserError("decay_epochs is a number of epochs, which --seconds leaves open: give --epochs")
            config.check()
            label = data.check(config.dataset, config.data_dir, config.label, config.split)
        except UserError as error:
            raise UserError(f"{setting.name}: {error}") from error
        config = dataclasses.replace(config, label=label)  # as train.py stores it
        return PlannedRun(setting.name, setting.summary, seed, config, folder, self.seconds)

    def check_continues(self, planned):
        """Raises UserError where the folder holds a comparison that this one cannot go on with."""
        earlier, reported = _stored(self.folder / REPORT_FILE)
        if earlier is None and (self.folder / PAGE_FILE).exists():
            raise UserError(f"{self.folder / PAGE_FILE} is of something else; choose another --output_dir")
        if earlier is not None and not self.budget.reaches(earlier):
            raise UserError(
                f"{self.folder} holds a comparison with {earlier.flag}, which {self.budget.flag} cannot go on with: "
                "give the same or more of it, or choose another --output_dir"
            )
        if self.report_only:
            self._check_reported(planned, earlier, reported)
        for run in planned:
            if earlier is None and run.config.dataset in ("folder", "records"):
                data.folder.check_apart(os.path.expanduser(run.config.data_dir), [("--output_dir", self.folder)])
            stored = RunFolder(run.config).stored_run("restore it, or choose another --output_dir")
            if stored and (differences := run.config.settled_by(stored["config"]).differences(stored["config"])):
                raise UserError(
                    f"{run.folder} holds a run with other settings: {'; '.join(differences)}. Repeat those settings, "
                    "or choose another --output_dir"
                )

    def _check_reported(self, planned, earlier, reported):
        if earlier is None:
            raise UserError(f"{self.folder} holds no comparison to report on; give its --output_dir")
        missing = sorted(reported - {run.setting for run in planned})
        told = earlier.flag if earlier != self.budget else missing and f"{listed(missing)} too"
        if told:
            raise UserError(
                f"{self.folder} holds a comparison with {told}: repeat its flags, with --report_only in addition"
            )


class Setting(NamedTuple):
    """One of what is compared: its name, what it is in words, and its flags of train.py with their values."""

    name: str
    summary: str
    flags: dict


def named_recipes(text):
    """The recipes in a text such as `wgan_gp,dcgan` as `Setting`s; raises UserError for one that does not exist."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names or [""]:
        if names.count(name) > 1:
            raise UserError(f"--recipes names {one_line(name)} twice; for several runs of each give --seeds")
        if name not in RECIPES:
            known = ", ".join(name for name, recipe in RECIPES.items() if not recipe.is_1d)
            raise UserError(f"--recipes names {one_line(name)!r}{did_you_mean(name, RECIPES)}; choose from {known}")
    return [Setting(name, RECIPES[name].summary, {"recipe": name}) for name in names]


def read_settings(path):
    """The `Setting`s in a JSON file such as `EXAMPLE`; the flags in "common" go to all, and their own go before them.

    Raises:
        UserError: there is no such file, or a flag does not exist, has no such value, or is not for a setting.
    """
    try:
        with readable(path):
            text = pathlib.Path(os.path.expanduser(path)).read_text(encoding="utf-8")
        found = json.loads(text, object_pairs_hook=_without_repetition)
        if not isinstance(found, dict) or not all(isinstance(flags, dict) for flags in found.values()):
            raise ValueError("it is no dictionary of dictionaries")
        common = found.pop(COMMON, {})
        all_flags = {name: {**common, **flags} for name, flags in found.items()}
        if not found:
            raise ValueError("it names none")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} holds no settings ({error}); it should be such as {EXAMPLE}") from error
    return [_setting(path, name, found[name], flags) for name, flags in all_flags.items()]


def _without_repetition(pairs):
    """The dictionary of a JSON object; ValueError where a name is there twice, of which JSON keeps the last."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"it has {one_line(name)!r} twice")
    return dict(pairs)


def _setting(path, name, own, flags):
    if not re.fullmatch("[a-z0-9_][a-z0-9_-]{0,99}", name):  # not all disks tell capitals from small letters
        raise UserError(
            f'{path}: "{one_line(name)}" cannot name a folder everywhere; use up to 100 of a-z, 0-9, - and _'
        )
    try:
        given = train.read_flags([name, *(f"--{flag}={value}" for flag, value in flags.items() if value is not None)])
        for flag in DECIDED:
            if flag in given:
                raise UserError(f"{flag} is not for a file of settings: each run has its own; remove it")
    except UserError as error:
        raise UserError(f"{path}, {name}: {error}") from error
    return Setting(name, " ".join(f"--{flag} {value}" for flag, value in own.items()) or "nothing of its own", given)


def _stored(path):
    """The budget of the comparison in the folder, None where there is none, and the names of its settings."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Budget(**stored["budget"]), {setting.get("name") for setting in stored["results"]} - {None}
    except FileNotFoundError:
        return None, set()
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is of another comparison, or damaged ({type(error).__name__}); choose another "
            "--output_dir, or remove it"
        ) from error
