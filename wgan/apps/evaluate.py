"""Measures the samples of a trained generator: FID, KID, precision, recall, density, coverage, and copies.

python evaluate.py --checkpoint_dir checkpoints
"""

import dataclasses
import functools

from wgan.common import cli
from wgan.common.options import option
from wgan.evaluation.evaluate import FEATURES, evaluate


@dataclasses.dataclass(frozen=True)
class Flags:
    """Which generator, against what, and how."""

    checkpoint_dir: str = option("checkpoints", "Files")
    """The run."""
    weights: str | None = option(None, "Files")
    """Which of the generator's files in it. Default: generator_ema.weights.h5, or generator.weights.h5 where the run
    kept no average."""
    data_dir: str | None = option(None, "Files")
    """Where its images are now. Default: where they were in training, or where they were moved to together with the
    run."""
    other_images: bool = option(False, "Files")
    """Measure against other images where those of the run are not found; the report says so."""
    output_dir: str | None = option(None, "Files")
    """Where the report goes. Default: the run's folder."""
    features: str = option("own", "Metrics", choices=FEATURES)
    """own works offline on 32x32 images; inception downloads Keras's InceptionV3, for figures nearer to papers'."""
    samples: int = option(6000, "Metrics")
    """Number of samples, and of real images at most: compare only figures from the same numbers."""
    seed: int | None = option(None, "Metrics")
    """Of the latents. Default: another seed than training measures itself with, so that the best of its many
    measurements is not flattered."""
    yardsticks: bool = option(True, "Metrics")
    """Show the same figures for two halves of the real images, another class, and noise."""


def define_flags():
    return cli.FlagGroups(
        "Measures the samples of a trained generator against the real images of its run, beside yardsticks. Writes "
        "evaluation.json, and nearest.png with the samples that come nearest to training images.",
        Flags,
    )


def main(argv):
    """Prints the report; returns the exit status."""
    evaluate(**define_flags().parse(argv))
    return 0


command = functools.partial(cli.run, main)
