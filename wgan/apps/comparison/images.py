"""The images of a comparison: FID as curves, and rows of samples. No TensorFlow."""

import subprocess
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wgan.apps.comparison import row as row_script
from wgan.apps.comparison import runs
from wgan.common.messages import one_line
from wgan.common.plotting import Figure, ticker, usual_style
from wgan.data.own_files import SOFTWARE
from wgan.images import grids
from wgan.runs import files, trained

CURVES_FILE, ROWS_FILE, REALS_FILE, ROW_FILE = "curves.png", "samples.png", "reals.png", "row.png"
MARKERS = "osD^vPX*<>"
MIN_SIDE = 64  # pixels of a sample
FONT_SIZE = 18


@usual_style()
def draw_curves(results, path):
    """Draws FID over generator updates and over training time, a line per setting.

    With several seeds the line is their mean at the updates that all of them have been measured at, and thin lines
    are the seeds. Uses matplotlib without its global state, as `wgan.images.curves` does.

    Args:
        results: what `wgan.apps.comparison.results.results` gave.
        path: a PNG file; complete or not at all.
    """
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    rows = [row for setting in results for run in setting["runs"] for row in run["measurements"]]
    longest = max((row["training_seconds"] for row in rows), default=0)
    unit, name = (3600, "hours") if longest > 7200 else (60, "minutes") if longest > 120 else (1, "seconds")
    for number, setting in enumerate(results):
        style = {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)], "markersize": 5}
        for panel, key, scale in ((axes[0], "epoch", 1), (axes[1], "training_seconds", unit)):
            _draw_setting(panel, setting, key, scale, style)
    axes[0].set(xlabel="generator updates", ylabel="FID (lower is better)", title="over updates")
    axes[1].set(xlabel=f"{name} of training", title="over time")
    _scale(axes, rows)
    handles, labels = axes[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": SOFTWARE})


def _draw_setting(axes, setting, key, scale, style):
    """The seeds' lines and their mean; `key` says which of a measurement's numbers is on the x-axis."""
    seeds = [{row["epoch"]: row for row in run["measurements"]} for run in setting["runs"] if run["measurements"]]
    common = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if len(seeds) > 1:
        for rows in seeds:
            axes.plot(
                [row[key] / scale for row in rows.values()],
                [row["fid"] for row in rows.values()],
                **{**style, "markersize": 2},
                linewidth=0.7,
                alpha=0.5,
            )
    if common:
        axes.plot(
            [np.mean([rows[epoch][key] for rows in seeds]) / scale for epoch in common],
            [np.mean([rows[epoch]["fid"] for rows in seeds]) for epoch in common],
            **style,
            linewidth=1.6,
            label=setting["name"],
        )


def _scale(axes, rows):
    """Axes that show small and large figures alike: FID falls by orders of magnitude."""
    heights = [row["fid"] for row in rows]
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.set_xlim(left=0)
        if not rows:
            panel.text(0.5, 0.5, "nothing measured yet", transform=panel.transAxes, ha="center", color="gray")
    axes[0].xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if rows and 0 < 4 * min(heights) < max(heights):
        axes[0].set_yscale("log")  # of both
        axes[0].yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))  # 2, 5, 10 in place of powers of ten
        axes[0].yaxis.set_minor_formatter(ticker.NullFormatter())


def make_rows(planned, output_dir):
    """Draws the rows of samples that are missing or older than their run's weights, each in a process of its own.

    Args:
        planned: all `Run`s; the rows are those of seed 0.
        output_dir: the folder of the comparison, a `pathlib.Path`.

    Returns:
        A list of notes on rows that could not be drawn.
    """
    notes = []
    for run in planned:
        path, weights = run.folder / ROW_FILE, trained.usual_weights(run.config.checkpoint_dir)
        if run.seed == 0 and _is_outdated(path, weights):
            words = [run.config.checkpoint_dir, path, output_dir / REALS_FILE]
            answer = subprocess.run(
                [sys.executable, "-m", row_script.__name__, *map(str, words)],
                env=runs.environment(),
                text=True,
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
            if answer.returncode:
                last_line = answer.stderr.strip().rpartition("\n")[2]
                notes.append(f"no new samples of {run}: {one_line(last_line)}")
    return notes


def _is_outdated(path, weights):
    return weights.exists() and not (path.exists() and path.stat().st_mtime >= weights.stat().st_mtime)


def draw_all_rows(planned, output_dir):
    """Puts the rows that there are one below the other, names at their left, real images below.

    Returns:
        Whether there is any row; without one no file is written.
    """
    paths = {run.setting: run.folder / ROW_FILE for run in planned if run.seed == 0}
    paths["real images"] = output_dir / REALS_FILE
    rows = {name: _enlarged(path) for name, path in paths.items() if path.exists()}
    if rows.keys() <= {"real images"}:
        return False
    font = ImageFont.load_default(FONT_SIZE)
    left = 16 + max(round(font.getlength(name)) for name in rows)
    whole = Image.new(
        "RGB", (left + max(row.width for row in rows.values()), sum(row.height for row in rows.values())), "white"
    )
    pen, top = ImageDraw.Draw(whole), 0
    for name, image in rows.items():
        pen.text((left - 8, top + image.height // 2), name, fill="black", font=font, anchor="rm")
        whole.paste(image, (left, top))
        top += image.height
    grids.save_png(output_dir / ROWS_FILE, np.asarray(whole))
    return True


def _enlarged(path):
    """A row in RGB, enlarged by a whole number so that pixels stay square and sharp."""
    with Image.open(path) as image:
        factor = max(1, round(MIN_SIDE * row_script.COLUMNS / image.width))
        return image.convert("RGB").resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
