"""Measures the samples of a trained generator: FID, KID, precision, recall, density, coverage, and copies.

python evaluate.py --checkpoint_dir checkpoints
"""

import functools

from wgan.common import cli
from wgan.evaluation.evaluate import FEATURES, evaluate


def define_flags():
    """Which generator, against what, and how."""
    groups = cli.FlagGroups(
        "Measures the samples of a trained generator against the real images of its run, beside "
        "yardsticks. Writes evaluation.json, and nearest.png with the samples that come nearest "
        "to training images."
    )
    groups.define("Files", "checkpoint_dir", str, "checkpoints", "The run.")
    groups.define(
        "Files",
        "weights",
        str,
        None,
        "Which of the generator's files in it. Default: "
        "generator_ema.weights.h5, or generator.weights.h5 where the run kept no average.",
    )
    groups.define(
        "Files",
        "data_dir",
        str,
        None,
        "Where its images are now. Default: where they were in training, "
        "or where they were moved to together with the run.",
    )
    groups.define(
        "Files",
        "other_images",
        bool,
        False,
        "Measure against other images where those of the run are not found; the report says so.",
    )
    groups.define("Files", "output_dir", str, None, "Where the report goes. Default: the run's folder.")
    groups.define(
        "Metrics",
        "features",
        str,
        "own",
        f"One of {', '.join(FEATURES)}. own works offline on 32x32 "
        "images; inception downloads Keras's InceptionV3, for figures nearer to those of papers.",
    )
    groups.define(
        "Metrics",
        "samples",
        int,
        6000,
        "Number of samples, and of real images at most: compare only figures from the same numbers.",
    )
    groups.define(
        "Metrics",
        "seed",
        int,
        None,
        "Of the latents. Default: others than training measures itself by, so "
        "that the best of many measurements is not flattered.",
    )
    groups.define(
        "Metrics",
        "yardsticks",
        bool,
        True,
        "Show the same figures for two halves of the real images, another class, and noise.",
    )
    return groups


def main(argv):
    """Prints the report; returns the exit status."""
    evaluate(**define_flags().parse(argv))
    return 0


command = functools.partial(cli.run, main)
