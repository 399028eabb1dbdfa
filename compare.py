"""Trains several recipes on the same images with the same budget, and writes a page that shows what each comes to.

    python compare.py --recipes wgan_gp,wgan_clip,dcgan --dataset mnist --epochs 500
"""

import pathlib
import shlex
import sys

from wgan.apps.comparison import page, runs
from wgan.apps.comparison.plan import Budget, check_continues, note_unmeasured, plan, read_recipes
from wgan.common import cli
from wgan.config import TrainingConfig, value_type
from wgan.recipes import RECIPES

TRAIN = pathlib.Path(__file__).resolve().with_name("train.py")
COMMON = {"dataset": "mnist", "data_dir": None, "label": None, "image_size": 32, "precision": "auto"}


def define_flags():
    """Which recipes, on what, for how long, and where the page goes."""
    groups = cli.FlagGroups("Trains several recipes on the same images with the same budget, one run after another, "
                            "and writes index.html with their figures, curves and samples. The same command "
                            "continues where the last one stopped.")
    groups.define("Comparison", "recipes", str, None, "Their names, separated by commas; the list is below.")
    groups.define("Comparison", "epochs", int, None, "Generator updates of every run. Give this, or --seconds.")
    groups.define("Comparison", "seconds", float, None, "Seconds of training of every run, measurements not "
                  "counted. Give this, or --epochs.")
    groups.define("Comparison", "seeds", int, 1, "Runs per recipe, with the seeds 0, 1 ...")
    for name, default in COMMON.items():
        field = TrainingConfig.__dataclass_fields__[name]
        groups.define("Data" if field.metadata["group"] == "Data" else "Speed", name, value_type(field), default,
                      "As in train.py, for all recipes.")
    groups.define("Evaluation", "eval_every", int, 100, "Updates between two measurements; the last of --epochs is "
                  "measured too. 0: never.")
    groups.define("Files", "output_dir", str, "comparison", f"The runs' folders, and {page.PAGE_FILE}.")
    groups.explain("Recipes", [(name, recipe.summary) for name, recipe in RECIPES.items() if not recipe.is_1d])
    return groups


def main(argv):
    """Trains, and rewrites the page after every run; returns the exit status."""
    flags = define_flags().parse(argv)
    budget, output_dir = Budget(flags["epochs"], flags["seconds"]), flags["output_dir"]
    planned = plan(read_recipes(flags["recipes"]), flags["seeds"], budget, output_dir, flags["eval_every"],
                   **{name: flags[name] for name in COMMON})
    check_continues(planned, budget, output_dir)
    note = note_unmeasured(planned, budget)
    if note:
        print(note, file=sys.stderr)
    command = shlex.join(["python", *argv])

    def publish(failures):
        return page.publish(planned, TRAIN, failures, budget, command, output_dir)
    publish({})  # a page is there from the beginning, and the budget is written down
    return runs.run_all(planned, TRAIN, lambda failures: show(publish(failures), output_dir))


def show(found, output_dir):
    """Prints a line per recipe, what is to be noted, and where the page is."""
    for recipe in found["results"]:
        print(f"{recipe['recipe']}: FID {page.figure(recipe['fid'])} "
              f"({len(recipe['seeds'])} of {recipe['planned']} seeds)")
    for note in found["notes"]:
        print(f"note: {note}", file=sys.stderr)
    print(f"wrote {pathlib.Path(output_dir, page.PAGE_FILE)}", flush=True)


if __name__ == "__main__":
    cli.run(main, sys.argv)
