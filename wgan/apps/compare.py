"""Trains several recipes or settings on the same budget, and writes a page that shows what each comes to.

python compare.py --recipes wgan_gp,wgan_clip,dcgan --dataset mnist --epochs 500
"""

import functools
import shlex

from wgan.apps.comparison import page, plan, runs
from wgan.common import cli, output
from wgan.recipes import RECIPES


def define_flags():
    """What is compared, on what, for how long, and where the page goes."""
    return cli.FlagGroups(
        "Trains several recipes or settings with the same budget, one run after another, and writes index.html with "
        "their figures, curves and samples. The same command continues where the last one stopped.",
        plan.Comparison,
        Recipes=[(name, recipe.summary) for name, recipe in RECIPES.items() if not recipe.is_1d],
    )


def main(argv):
    """Trains, and rewrites the page after every run; returns the exit status."""
    comparison = plan.Comparison(**define_flags().parse(argv))
    planned = comparison.plan()
    comparison.check_continues(planned)
    command = shlex.join(["python", *argv] if argv[0].endswith(".py") else argv)

    def publish(failures):
        return page.publish(planned, failures, comparison, command)

    found = publish({})  # a page is there from the beginning, and the budget is written down
    if comparison.report_only:
        show(found, comparison.folder)
        return 0
    return runs.run_all(planned, lambda failures: show(publish(failures), comparison.folder))


def show(found, folder):
    """Prints a line for each recipe or setting, what is to be noted, and where the page is."""
    for setting in found["results"]:
        figures = ", ".join(
            f"{name} {page.spread_in_words(setting[name.lower()])}" for name in ("FID", "KID", "precision", "recall")
        )
        print(f"{setting['name']}: {figures} ({len(setting['seeds'])} of {setting['planned']} seeds)")
    for note in found["notes"]:
        output.note(note)
    print(f"wrote {folder / plan.PAGE_FILE}", flush=True)


command = functools.partial(cli.run, main)
