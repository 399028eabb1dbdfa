"""Turns the grids that training has written into an animation: training.gif, or a .webp or .mp4."""

import functools
import os
import sys

from tqdm import tqdm

from wgan.common import cli
from wgan.images.animation import write_animation


def define_flags():
    """Where from, where to, and how it looks."""
    groups = cli.FlagGroups("Turns the grids that training has written into an animation.")
    groups.define("Files", "sample_dir", str, "samples", "Folder with the grids (sample_00001.png ...).")
    groups.define("Files", "output", str, "training.gif", ".gif, .webp or .mp4 (needs: pip install imageio-ffmpeg).")
    groups.define("Film", "max_frames", int, 120, "At most so many grids are shown, more of the early epochs.")
    groups.define("Film", "fps", float, 20.0, "Frames a second, 0.1 to 60 (a .gif: to 50).")
    groups.define("Film", "hold", float, 3.0, "Seconds for which the last frame is shown.")
    groups.define("Film", "scale", int, 0, "Enlargement, a whole number; 0: to about 512 pixels a row, of a .gif 400.")
    return groups


def main(argv):
    """Writes the animation, with one line about it; returns the exit status."""
    # disable=None: no bar where standard error is not a terminal.
    progress = functools.partial(tqdm, desc="frames", disable=None, file=sys.stderr)

    def warn(line):
        tqdm.write(f"{os.path.basename(argv[0])}: {line}", file=sys.stderr)  # does not cut through the progress bar

    done = write_animation(**define_flags().parse(argv), progress=progress, warn=warn)
    print(
        f"wrote {done.path}: {done.frames} frames, epochs {done.first_epoch} to {done.last_epoch}, "
        f"{done.size / 1e6:.1f} MB"
    )
    return 0


command = functools.partial(cli.run, main)
