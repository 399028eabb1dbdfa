"""Which recipes are compared, on what, and for how long: read from the flags and checked."""

import dataclasses
import json
import math
import os
import pathlib

from wgan import data
from wgan.apps.comparison import runs
from wgan.apps.comparison.runs import Run
from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.config import TrainingConfig
from wgan.recipes import RECIPES

REPORT_FILE = "comparison.json"
MOST_UPDATES_A_SECOND = 1000  # what a run with a limit of time is given as --epochs, so that its time ends first
REMEDY = "Repeat those settings, or choose another --output_dir"


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
            raise UserError("give --epochs (generator updates of every run) or --seconds (training time of every run), "
                            "exactly one of them")
        if self.seconds is None:
            return
        if not (0 < self.seconds < math.inf):
            raise UserError(f"--seconds is {self.seconds:g}; it must be more than 0")
        if os.name != "posix":
            raise UserError("--seconds stops runs by a signal that this system does not have; give --epochs")

    def most_epochs(self):
        """What a run gets as `--epochs`."""
        return self.epochs if self.seconds is None else min(math.ceil(self.seconds * MOST_UPDATES_A_SECOND), 10**9 - 1)


def read_recipes(text):
    """The names in a text such as `wgan_gp,dcgan`, in its order.

    Raises:
        UserError: there are none, one is unknown, given twice, or makes no images.
    """
    choice = f"choose from {', '.join(name for name, recipe in RECIPES.items() if not recipe.is_1d)}"
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if not names:
        raise UserError(f"--recipes is missing: {choice}, separated by commas")
    for place, name in enumerate(names):
        if name not in RECIPES:
            raise UserError(f'no recipe is called "{one_line(name)}"{did_you_mean(name, RECIPES)}: {choice}')
        if RECIPES[name].is_1d:
            raise UserError(f"{name} makes numbers on a line, and images are compared here: leave it out of --recipes")
        if name in names[:place]:
            raise UserError(f"--recipes has {name} twice; remove one of them")
    return names


def plan(names, seeds, budget, output_dir, eval_every, dataset="mnist", image_size=32, **settings):
    """All runs, in the order in which they are made: every recipe with seed 0, then every recipe with seed 1 ...

    Args:
        names: what `read_recipes` gave.
        seeds: how many.
        budget: a `Budget`.
        output_dir: the folder of the comparison.
        eval_every: updates between two measurements, and between two grids of samples.
        dataset, image_size: for all recipes, whatever theirs are.
        settings: what else all have in common, by the names of `TrainingConfig`'s fields.

    Raises:
        UserError: a value out of its bounds or that a recipe cannot have, or data that is not there.
    """
    budget.check()
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}; it must be at least 1")
    epochs, planned = budget.most_epochs(), []
    for seed in range(seeds):
        for name in names:
            folder = pathlib.Path(output_dir).expanduser() / name / f"seed_{seed}"
            config = TrainingConfig.of_recipe(
                name, **settings, dataset=dataset, image_size=image_size, seed=seed, epochs=epochs,
                eval_every=eval_every, sample_every=max(1, eval_every or epochs),
                checkpoint_dir=str(folder / "checkpoints"), sample_dir=str(folder / "samples"))
            planned.append(Run(name, seed, runs.checked(name, config), folder, budget.seconds))
    return planned


def check_continues(planned, budget, output_dir):
    """Raises UserError where the folder holds a comparison that this one cannot go on with."""
    place = pathlib.Path(output_dir).expanduser()
    stored, data_dir = _stored_budget(place / REPORT_FILE), planned[0].config.data_dir  # the same for all
    if stored is None and planned[0].config.dataset == "folder":
        data.folder.check_apart(os.path.expanduser(data_dir), [("--output_dir", place)])
    if stored is not None and stored != budget and not _is_more(budget, stored):
        raise UserError(f"{output_dir} holds a comparison with {stored.flag}, which {budget.flag} cannot go on with: "
                        "give the same or more of it, or choose another --output_dir")
    runs.check_settings_unchanged(planned, REMEDY)


def _is_more(budget, stored):
    return (budget.epochs or 0) > (stored.epochs or math.inf) or (budget.seconds or 0) > (stored.seconds or math.inf)


def _stored_budget(path):
    """That of the comparison in the folder; None where there is none."""
    try:
        return Budget(**json.loads(path.read_text(encoding="utf-8"))["budget"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is of another comparison, or damaged ({type(error).__name__}); choose another "
                        "--output_dir, or remove it") from error


def note_unmeasured(planned, budget):
    """Says before hours have gone by that there will be no figures; a line, or None."""
    every = planned[0].config.eval_every
    if not every:
        return "note: nothing is measured, since --eval_every is 0"
    if budget.seconds is not None:
        return (f"note: runs that do not reach {every} updates in {budget.seconds:g} s are not measured; see "
                "--eval_every")
    return None
