"""Draws docs/images/horses.png: a run's grids at a few epochs beside its real images.

    python docs/stages.py --sample_dir samples --epochs 20,300,800
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from wgan import cli, images  # noqa: E402
from wgan.errors import UserError  # noqa: E402
from wgan.run_folder import REALS_FILE  # noqa: E402

ENLARGED, TITLE_HEIGHT, GAP = 2, 24, 12  # times; pixels


def define_flags():
    """Which run, and which of its epochs."""
    groups = cli.FlagGroups("Draws grids of a run at a few epochs beside its real images.")
    groups.define("Files", "sample_dir", str, "samples", "The run's grids, as single files.")
    groups.define("Files", "out", str, "docs/images/horses.png", "The picture.")
    groups.define("Picture", "epochs", str, "20,300,800", "Whose grids, separated by commas.")
    groups.define("Picture", "reals", str, "real horses", "The title of the real images.")
    return groups


def main(argv):
    """Writes the picture; returns the exit status."""
    flags = define_flags().parse(argv)
    folder = pathlib.Path(flags["sample_dir"])
    if not all(epoch.strip().isdecimal() for epoch in flags["epochs"].split(",")):
        raise UserError(f"--epochs is {flags['epochs']!r}; give numbers separated by commas, such as 20,300")
    paths = {f"{int(epoch):,} epochs": images.sample_path(folder, int(epoch)) for epoch in flags["epochs"].split(",")}
    paths[flags["reals"]] = folder / REALS_FILE
    missing = [str(path) for path in paths.values() if not path.exists()]
    if missing:
        raise UserError(f"there is no {missing[0]}; --epochs has to name grids that are in --sample_dir")
    side_by_side({title: enlarged(path) for title, path in paths.items()}).save(flags["out"])
    print(f"wrote {flags['out']}")
    return 0


def enlarged(path):
    """A grid with its pixels kept square and sharp."""
    with Image.open(path) as grid:
        return grid.convert("RGB").resize((grid.width * ENLARGED, grid.height * ENLARGED), Image.Resampling.NEAREST)


def side_by_side(pictures):
    """The pictures from left to right, each under its title."""
    width = sum(picture.width + GAP for picture in pictures.values()) - GAP
    canvas = Image.new("RGB", (width, TITLE_HEIGHT + max(picture.height for picture in pictures.values())), "white")
    pen, left = ImageDraw.Draw(canvas), 0
    for title, picture in pictures.items():
        pen.text((left + 4, 2), title, fill="black", font=ImageFont.load_default(15))
        canvas.paste(picture, (left, TITLE_HEIGHT))
        left += picture.width + GAP
    return canvas


if __name__ == "__main__":
    cli.run(main, sys.argv)
