"""Draws samples from a trained generator: a grid, single pictures, arrays, or a walk through its latents.

    python generate.py --weights checkpoints/generator_ema.weights.h5 --num 64 --seed 1 --out samples.png
"""

import sys

from wgan.apps.generate import generate
from wgan.common import cli
from wgan.runs.trained import WEIGHTS_HELP


def define_flags():
    """Which generator, which samples, and where they go."""
    groups = cli.FlagGroups("Draws samples from a trained generator. The same seed gives the same samples, however "
                            "many are asked for.")
    groups.define("Files", "weights", str, "checkpoints", WEIGHTS_HELP)
    groups.define("Files", "out", str, "samples.png", "A .png for one grid; a folder (ends in / or is there) for "
                  "single pictures 000001.png ...; an .npz for the arrays images (uint8 [N, H, W, C]) and latents "
                  "(float32 [N, D]); with --interpolate a .gif, .webp or .mp4 (needs: pip install imageio-ffmpeg).")
    groups.define("Samples", "num", int, 64, "How many samples, or how many walks side by side.")
    groups.define("Samples", "columns", int, 0, "Samples in a row of the grid; 0: as many as there are rows.")
    groups.define("Samples", "seed", int, 0, "Of the latents.")
    groups.define("Samples", "truncation", float, None, "Draw the latents from a normal distribution cut off at plus "
                  "and minus this, such as 1: fewer odd samples, less variety. Default: not cut off.")
    groups.define("Samples", "batch_size", int, 64, "Samples drawn at a time: less takes less memory. Another "
                  "number may change a sample by one of 256 grey levels.")
    groups.define("Walk", "interpolate", int, None, "A film that walks through this many latents, at least 2, on "
                  "arcs, and back to the first. It begins with the grid of the same seed.")
    groups.define("Walk", "frames", int, 30, "From one latent to the next.")
    groups.define("Walk", "fps", float, 20.0, "Frames a second, 0.1 to 60 (a .gif: to 50).")
    return groups


def main(argv):
    """Writes the samples, with one line about them; returns the exit status."""
    print(generate(**define_flags().parse(argv)))
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
