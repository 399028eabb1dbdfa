"""Measures the samples of a trained generator: FID, KID, precision, recall, density, coverage, and copies.

python evaluate.py --checkpoint_dir checkpoints
"""

import functools

from wgan.common import cli
from wgan.evaluation.evaluate import ReportRequest, evaluate


def define_flags():
    """Which generator, against what, and how."""
    return cli.FlagGroups(
        "Measures the samples of a trained generator against the real images of its run, beside yardsticks. Writes "
        "evaluation.json, and nearest.png with the samples that come nearest to training images.",
        ReportRequest,
    )


def main(argv):
    """Prints the report; returns the exit status."""
    evaluate(**define_flags().parse(argv))
    return 0


command = functools.partial(cli.run, main)
