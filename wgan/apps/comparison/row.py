"""A row of samples of one run, and one of real images: drawn by a process of its own, for TensorFlow would keep a GPU's
memory from the runs.

    python -m wgan.apps.comparison.row CHECKPOINT_DIR ROW.png REALS.png
"""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

from wgan.apps import library
from wgan.apps.comparison.runs import environment
from wgan.common import cli, startup
from wgan.common.messages import one_line
from wgan.images import grids
from wgan.runs import run_images, trained

ROW_FILE, REALS_FILE = "row.png", "reals.png"
COLUMNS = 12
MIN_SIDE = 64  # pixels of a sample on the page


def draw_outdated(planned):
    """Draws the rows of samples of seed 0 that are missing or older than their run's weights; gives a list of notes on
    those that could not be drawn."""
    notes = []
    for run in planned:
        path, weights = run.folder / ROW_FILE, trained.usual_weights(run.config.checkpoint_dir)
        of_row, of_weights = (each.stat().st_mtime if each.exists() else 0 for each in (path, weights))
        if run.seed == 0 and of_row < of_weights:
            words = [run.config.checkpoint_dir, path, path.with_name(REALS_FILE)]
            answer = subprocess.run(
                [sys.executable, "-m", "wgan.apps.comparison.row", *map(str, words)],
                env=environment(),
                text=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
            if answer.returncode:
                last_line = answer.stderr.strip().rpartition("\n")[2]
                notes.append(f"no new samples of {run}: {one_line(last_line)}")
    return notes


def rows_for_page(planned, output_dir):
    """The rows that there are, real images last: dictionaries with `name`, `file` (for a link) and `width`, which is a
    multiple of the image's, so that pixels stay square and sharp."""
    paths = {
        run.setting: run.folder / ROW_FILE for run in planned if run.seed == 0 and (run.folder / ROW_FILE).exists()
    }
    reals = [path.with_name(REALS_FILE) for path in paths.values() if path.with_name(REALS_FILE).exists()]
    if reals:
        paths["real images"] = reals[0]
    rows = []
    for name, path in paths.items():
        with Image.open(path) as image:
            width = image.width * max(1, round(MIN_SIDE * COLUMNS / image.width))
        rows.append({"name": name, "file": path.relative_to(output_dir).as_posix(), "width": width})
    return rows


def main(argv):
    """Writes the first samples of seed 0, and some real images of the run where that file is not there yet."""
    checkpoint_dir, row_path, reals_path = map(pathlib.Path, argv[1:])
    startup.import_tensorflow()
    if not reals_path.exists():
        config, stored = trained.read_run(checkpoint_dir)
        reals = run_images.load(config, stored, checkpoint_dir)[1].images
        chosen = np.random.default_rng(0).choice(len(reals), COLUMNS, replace=len(reals) < COLUMNS)
        grids.save_png(reals_path, grids.image_grid(reals[chosen], COLUMNS))
    samples = library.draw_samples(library.load_generator(checkpoint_dir), COLUMNS)
    grids.save_png(row_path, grids.image_grid(samples, COLUMNS))
    return 0


if __name__ == "__main__":
    cli.run(main)
