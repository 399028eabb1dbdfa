"""Draws docs/images/horses.png: a run's grids at a few epochs beside its real images.

python tools/draw_stages.py --sample_dir samples --epochs 20,300,800
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wgan.common import cli
from wgan.common.errors import UserError
from wgan.images import animation, grids
from wgan.runs import sample_files
from wgan.runs.run_folder import REALS_FILE

ENLARGED, TITLE_HEIGHT, GAP = 2, 24, 12  # times; pixels


def define_flags():
    """Which run, and which of its epochs."""
    groups = cli.FlagGroups("Draws grids of a run at a few epochs beside its real images.")
    groups.define("Files", "sample_dir", str, "samples", "The run's grids, in any layout.")
    groups.define("Files", "out", str, "docs/images/horses.png", "The PNG file to write.")
    groups.define("Grids", "epochs", str, "20,300,800", "Whose grids, separated by commas.")
    groups.define("Grids", "reals", str, "real horses", "The title of the real images.")
    return groups


def main(argv):
    """Writes the image; returns the exit status."""
    flags = define_flags().parse(argv)
    folder = pathlib.Path(flags["sample_dir"])
    if not all(epoch.strip().isdecimal() for epoch in flags["epochs"].split(",")):
        raise UserError(f"--epochs is {flags['epochs']!r}; give numbers separated by commas, such as 20,300")
    epochs, places = [int(epoch) for epoch in flags["epochs"].split(",")], dict(sample_files.list_samples(folder))
    missing = [epoch for epoch in epochs if epoch not in places]
    if missing:
        raise UserError(f"{folder} has no grid of epoch {missing[0]}; --epochs has to name grids that are there")
    shown = {f"{epoch:,} epochs": places[epoch] for epoch in epochs} | {flags["reals"]: folder / REALS_FILE}
    grids.save_png(flags["out"], side_by_side({title: enlarged(where) for title, where in shown.items()}))
    print(f"wrote {flags['out']}")
    return 0


def enlarged(where):
    """A grid with its pixels kept square and sharp."""
    return Image.fromarray(animation.read_grid(where).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1))


def side_by_side(images):
    """The images from left to right, each under its title: uint8 [height, width, 3]."""
    width = sum(image.width + GAP for image in images.values()) - GAP
    canvas = Image.new("RGB", (width, TITLE_HEIGHT + max(image.height for image in images.values())), "white")
    pen, left = ImageDraw.Draw(canvas), 0
    for title, image in images.items():
        pen.text((left + 4, 2), title, fill="black", font=ImageFont.load_default(15))
        canvas.paste(image, (left, TITLE_HEIGHT))
        left += image.width + GAP
    return np.asarray(canvas)


if __name__ == "__main__":
    cli.run(main)
