"""What is compared, on which images, and for how long: read from the flags and checked."""

import dataclasses
import json
import math
import os
import pathlib
import re
from typing import NamedTuple

from wgan import data
from wgan.apps import train
from wgan.apps.comparison.runs import Run
from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.config import TrainingConfig
from wgan.recipes import DEFAULT, RECIPES
from wgan.runs.run_folder import RunFolder, differences_from

REPORT_FILE = "comparison.json"
MAX_UPDATES_A_SECOND = 1000  # what a run with a limit of time is given as --epochs, so that its time ends first
COMMON = "common"
EXAMPLE = '{"common": {"flips": "off"}, "usual": {}, "slow": {"learning_rate": 2e-4, "beta_1": 0.5}}'
DECIDED = ("seed", "epochs", "checkpoint_dir", "sample_dir", "fresh", "dry_run")  # by the flags of the comparison


class Setting(NamedTuple):
    """One of what is compared: its name, what it is in words, and its flags of train.py with their values."""

    name: str
    summary: str
    flags: dict


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every run may use: generator updates, or seconds of training; the other one is None."""

    epochs: int | None = None
    seconds: float | None = None

    def __str__(self):
        return f"{self.epochs:,} generator updates" if self.seconds is None else f"{self.seconds:g} seconds of training"

    @property
    def flag(self):
        """As it is given on the command line."""
        return f"--epochs {self.epochs}" if self.seconds is None else f"--seconds {self.seconds:g}"

    def check(self):
        """Raises UserError where it is none, both, out of its bounds, or cannot be kept on this system."""
        if (self.epochs is None) == (self.seconds is None):
            raise UserError(
                "give --epochs (generator updates of every run) or --seconds (training time of every run), "
                "exactly one of them"
            )
        if self.seconds is None:
            return
        if not (0 < self.seconds < math.inf):
            raise UserError(f"--seconds is {self.seconds:g}; it must be more than 0")
        if os.name != "posix":
            raise UserError("--seconds stops runs by a signal that this system does not have; give --epochs")

    def max_epochs(self):
        """What a run gets as `--epochs`."""
        return self.epochs if self.seconds is None else min(math.ceil(self.seconds * MAX_UPDATES_A_SECOND), 10**9 - 1)


def recipes(text):
    """The recipes in a text such as `wgan_gp,dcgan` as `Setting`s; raises UserError for one that cannot be compared."""
    choice = f"choose from {', '.join(name for name, recipe in RECIPES.items() if not recipe.is_1d)}"
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"--recipes is empty: {choice}, separated by commas")
    for place, name in enumerate(names):
        if name not in RECIPES:
            raise UserError(f'no recipe is called "{one_line(name)}"{did_you_mean(name, RECIPES)}: {choice}')
        if name in names[:place]:
            raise UserError(f"--recipes has {name} twice; remove one of them")
    return [Setting(name, RECIPES[name].summary, {"recipe": name}) for name in names]


def settings(path):
    """Reads a JSON file such as `EXAMPLE`: names of settings and their flags of train.py; those in "common" go to all.

    Returns:
        A list of `Setting`s.

    Raises:
        UserError: there is no such file, or a flag does not exist, has no such value, or is not for a setting.
    """
    try:
        found = json.loads(pathlib.Path(path).expanduser().read_text(encoding="utf-8"))
        common = found.pop(COMMON, {})
        all_flags = {name: {**common, **flags} for name, flags in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} holds no settings, such as {EXAMPLE} ({error})") from error
    if not found:
        raise UserError(f"{path} holds no settings, such as {EXAMPLE}")
    return [_setting(path, name, found[name], flags) for name, flags in all_flags.items()]


def _setting(path, name, own, flags):
    if not re.fullmatch("[a-z0-9_][a-z0-9_-]{0,99}", name):  # not all disks tell capitals from small letters
        raise UserError(
            f'{path}: "{one_line(name)}" cannot name a folder everywhere; use up to 100 of a-z, 0-9, - and _'
        )
    try:
        given = train.read_flags([name, *(f"--{flag}={value}" for flag, value in flags.items() if value is not None)])
    except UserError as error:
        raise UserError(f"{path}, {name}: {error}") from error
    decided = [flag for flag in DECIDED if flag in given]
    if decided:
        raise UserError(f"{path}, {name}: {decided[0]} follows from this command's own flags; remove it")
    return Setting(name, " ".join(f"--{flag} {value}" for flag, value in own.items()) or "nothing of its own", given)


def plan(compared, common, seeds, budget, output_dir):
    """All `Run`s, in the order in which they are made: each setting with seed 0, then each with seed 1 ...

    Args:
        compared: a list of `Setting`s.
        common: flags of train.py that all have and a setting's own go before, with `eval_every` among them.
        seeds: how many.
        budget: a `Budget`.
        output_dir: the folder of the comparison.

    Raises:
        UserError: a value out of its bounds or that a recipe cannot have, or data that is not there.
    """
    budget.check()
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}; it must be at least 1")
    return [
        _run(setting, {**common, **setting.flags, "seed": seed}, budget, pathlib.Path(output_dir).expanduser())
        for seed in range(seeds)
        for setting in compared
    ]


def _run(setting, values, budget, output_dir):
    folder, epochs = output_dir / setting.name / f"seed_{values['seed']}", budget.max_epochs()
    values = {
        "sample_every": max(1, values["eval_every"] or epochs),
        **values,
        "epochs": epochs,
        "checkpoint_dir": str(folder / "checkpoints"),
        "sample_dir": str(folder / "samples"),
    }
    try:
        config = TrainingConfig.of_recipe(values.pop("recipe", DEFAULT), **values)
        if config.recipe_spec.is_1d:
            raise UserError("it makes numbers on a line, and images are compared here: leave it out")
        config.check()
        label = data.check(config.dataset, config.data_dir, config.label, config.split)
    except UserError as error:
        raise UserError(f"{setting.name}: {error}") from error
    config = dataclasses.replace(config, label=label)  # as train.py stores it
    return Run(setting.name, setting.summary, values["seed"], config, folder, budget.seconds)


def check_continues(planned, budget, output_dir):
    """Raises UserError where the folder holds a comparison that this one cannot go on with."""
    place = pathlib.Path(output_dir).expanduser()
    stored = _stored_budget(place / REPORT_FILE)
    for run in planned:
        if stored is None and run.config.dataset == "folder":
            data.folder.check_apart(os.path.expanduser(run.config.data_dir), [("--output_dir", place)])
    if stored is not None and stored != budget and not _is_more(budget, stored):
        raise UserError(
            f"{output_dir} holds a comparison with {stored.flag}, which {budget.flag} cannot go on with: "
            "give the same or more of it, or choose another --output_dir"
        )
    for run in planned:
        of_run = RunFolder(run.config).stored_run("restore it, or choose another --output_dir")
        differences = of_run and differences_from(run.config.settled_by(of_run["config"]), of_run)
        if differences:
            raise UserError(
                f"{run.folder} holds a run with other settings: {'; '.join(differences)}. Repeat those "
                "settings, or choose another --output_dir"
            )


def _is_more(budget, stored):
    return (budget.epochs or 0) > (stored.epochs or math.inf) or (budget.seconds or 0) > (stored.seconds or math.inf)


def _stored_budget(path):
    """That of the comparison in the folder; None where there is none."""
    try:
        return Budget(**json.loads(path.read_text(encoding="utf-8"))["budget"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is of another comparison, or damaged ({type(error).__name__}); choose another "
            "--output_dir, or remove it"
        ) from error


def note_unmeasured(planned, budget):
    """Says before hours have gone by which figures there will not be; a line, or None."""
    never = {run.setting: None for run in planned if not run.config.eval_every}
    if never:
        return f"note: nothing is measured of {', '.join(never)}, since eval_every is 0"
    if budget.seconds is not None:
        return (
            f"note: runs that do not reach {max(run.config.eval_every for run in planned)} updates in "
            f"{budget.seconds:g} s are not measured; see --eval_every"
        )
    return None
