"""Turns the grids that training has written into an animation: training.gif, or a .webp or .mp4."""

import dataclasses
import functools
import os
import sys

from tqdm import tqdm

from wgan.common import cli
from wgan.common.options import option
from wgan.images.animation import AnimationOptions, write_animation


@dataclasses.dataclass(frozen=True)
class Places:
    """Where the grids are, and where the animation goes."""

    sample_dir: str = option("samples", "Files")
    """Folder with the grids (sample_00001.png ...)."""
    output: str = option("training.gif", "Files")
    """File to write; .gif, .webp or .mp4 (needs: pip install imageio-ffmpeg)."""


def define_flags():
    """Where from, where to, and how it looks."""
    return cli.FlagGroups("Turns the grids that training has written into an animation.", Places, AnimationOptions)


def main(argv):
    """Writes the animation, with one line about it; returns the exit status."""
    # disable=None: no bar where standard error is not a terminal.
    progress = functools.partial(tqdm, desc="frames", disable=None, file=sys.stderr)

    def warn(line):
        tqdm.write(f"{os.path.basename(argv[0])}: {line}", file=sys.stderr)  # does not cut through the progress bar

    done = write_animation(**define_flags().parse(argv), progress=progress, warn=warn)
    print(
        f"wrote {done.path}: {done.frames} frame{'s' * (done.frames > 1)}, "
        f"epochs {done.first_epoch} to {done.last_epoch}, {done.size / 1e6:.1f} MB"
    )
    return 0


command = functools.partial(cli.run, main)
