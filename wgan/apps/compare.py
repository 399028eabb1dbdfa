"""Trains several recipes or settings on the same budget, and writes a page that shows what each comes to.

python compare.py --recipes wgan_gp,wgan_clip,dcgan --dataset mnist --epochs 500
"""

import functools
import pathlib
import shlex
import sys

from wgan.apps.comparison import page, plan, runs
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.config import TrainingConfig, value_type
from wgan.recipes import RECIPES

COMMON = {"dataset": "mnist", "data_dir": None, "label": None, "image_size": 32, "precision": "auto"}


def define_flags():
    """What is compared, on what, for how long, and where the page goes."""
    groups = cli.FlagGroups(
        "Trains several recipes or settings with the same budget, one run after another, and "
        "writes index.html with their figures, curves and samples. The same command continues "
        "where the last one stopped."
    )
    groups.define(
        "Comparison",
        "recipes",
        str,
        None,
        "Their names, separated by commas; the list is below. Give this, or --settings.",
    )
    groups.define(
        "Comparison",
        "settings",
        str,
        None,
        "A JSON file with names of settings and their flags of "
        f'train.py, which go before those below; those under "{plan.COMMON}" are for all: {plan.EXAMPLE}',
    )
    groups.define("Comparison", "epochs", int, None, "Generator updates of every run. Give this, or --seconds.")
    groups.define(
        "Comparison",
        "seconds",
        float,
        None,
        "Seconds of training of every run, measurements not counted. Give this, or --epochs.",
    )
    groups.define("Comparison", "seeds", int, 1, "Runs of each, with the seeds 0, 1 ...")
    for name, default in COMMON.items():
        field = TrainingConfig.__dataclass_fields__[name]
        groups.define(
            "Data" if field.metadata["group"] == "Data" else "Speed",
            name,
            value_type(field),
            default,
            "As in train.py, for all.",
        )
    groups.define(
        "Evaluation",
        "eval_every",
        int,
        100,
        "Updates between two measurements; the last of --epochs is measured too. 0: never.",
    )
    groups.define("Files", "output_dir", str, "comparison", f"The runs' folders, and {page.PAGE_FILE}.")
    groups.define("Files", "report_only", bool, False, "Train nothing; write the page on what there is.")
    groups.explain("Recipes", [(name, recipe.summary) for name, recipe in RECIPES.items() if not recipe.is_1d])
    return groups


def main(argv):
    """Trains, and rewrites the page after every run; returns the exit status."""
    flags = define_flags().parse(argv)
    budget, output_dir = plan.Budget(flags["epochs"], flags["seconds"]), flags["output_dir"]
    if (flags["recipes"] is None) == (flags["settings"] is None):
        raise UserError("give --recipes, names separated by commas, or --settings, a file; exactly one of them")
    compared = plan.settings(flags["settings"]) if flags["recipes"] is None else plan.recipes(flags["recipes"])
    common = {name: flags[name] for name in (*COMMON, "eval_every")}
    planned = plan.plan(compared, common, flags["seeds"], budget, output_dir)
    plan.check_continues(planned, budget, output_dir)

    command_line = ["python", *argv] if argv[0].endswith(".py") else argv

    def publish(failures):
        return page.publish(planned, failures, budget, shlex.join(command_line), output_dir)

    found = publish({})  # a page is there from the beginning, and the budget is written down
    if flags["report_only"]:
        show(found, output_dir)
        return 0
    note = plan.note_unmeasured(planned, budget)
    if note:
        print(note, file=sys.stderr)
    return runs.run_all(planned, lambda failures: show(publish(failures), output_dir))


def show(found, output_dir):
    """Prints a line for each recipe or setting, what is to be noted, and where the page is."""
    for setting in found["results"]:
        figures = ", ".join(
            f"{name} {page.spread_in_words(setting[name.lower()])}" for name in ("FID", "KID", "precision", "recall")
        )
        print(f"{setting['name']}: {figures} ({len(setting['seeds'])} of {setting['planned']} seeds)")
    for note in found["notes"]:
        print(f"note: {note}", file=sys.stderr)
    print(f"wrote {pathlib.Path(output_dir, page.PAGE_FILE)}", flush=True)


command = functools.partial(cli.run, main)
