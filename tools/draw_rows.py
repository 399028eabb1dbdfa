"""Draws a comparison's rows of samples under one another, such as docs/images/compare_mnist.png.

python tools/draw_rows.py --comparison comparison --out docs/images/compare_mnist.png
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from draw_stages import enlarged
from PIL import Image, ImageDraw, ImageFont

from wgan.apps.comparison.row import REALS_FILE, ROW_FILE
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.images import grids

FONT, GAP = ImageFont.load_default(18), 12  # pixels


def define_flags():
    """Which comparison, and where the image goes."""
    groups = cli.FlagGroups("Draws a comparison's rows of samples under one another, real images last.")
    groups.define("Files", "comparison", str, "comparison", "The --output_dir of compare.py.")
    groups.define("Files", "out", str, "docs/images/compare_mnist.png", "The PNG file to write.")
    return groups


def main(argv):
    """Writes the image; returns the exit status."""
    flags = define_flags().parse(argv)
    folder = pathlib.Path(flags["comparison"])
    if not (folder / "comparison.json").exists():
        raise UserError(f"{folder} holds no comparison; give the --output_dir of compare.py with --comparison")
    results = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["results"]
    files = {each["name"]: folder / each["name"] / "seed_0" / ROW_FILE for each in results}
    files["real images"] = next(iter(files.values())).with_name(REALS_FILE)
    images = {name: enlarged(file) for name, file in files.items() if file.exists()}  # of runs that have come so far
    grids.save_png(flags["out"], below_one_another(images))
    print(f"wrote {flags['out']}")
    return 0


def below_one_another(images):
    """The images, each to the right of its name: uint8 [height, width, 3]."""
    left = round(max(map(FONT.getlength, images))) + 2 * GAP
    size = left + max(image.width for image in images.values()), sum(image.height for image in images.values())
    canvas, top = Image.new("RGB", size, "white"), 0
    pen = ImageDraw.Draw(canvas)
    for name, image in images.items():
        pen.text((left - GAP, top + image.height // 2), name, fill="black", font=FONT, anchor="rm")
        canvas.paste(image, (left, top))
        top += image.height
    return np.asarray(canvas)


if __name__ == "__main__":
    cli.run(main)
