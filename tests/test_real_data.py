"""Twenty epochs on real horses, through the scripts, as a user would run them."""

import csv
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import short_runs
from PIL import Image

from wgan.images import grids
from wgan.runs import sample_files

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = os.environ.get("WGAN_TEST_DATA")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="WGAN_TEST_DATA names no folder with the official CIFAR-10 files"),
]

DRAW = """
import sys, numpy as np, tensorflow as tf
from wgan.models import randomness
from wgan.models.networks import Generator
generator = Generator()
latents = randomness.normal([16, 100], randomness.stream(0, 0, randomness.Purpose.PREVIEW_LATENTS))
generator(latents)
generator.load_weights(sys.argv[1] + "/generator_ema.weights.h5")
np.save(sys.argv[2], generator(latents).numpy())
"""


def script(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("horses")
    places = {"checkpoint_dir": folder / "checkpoints", "sample_dir": folder / "samples"}
    settings = {"label": 7, "epochs": 20, "data_dir": DATA, "precision": "float32", **places}
    answer = script("train.py", *short_runs.flags(settings))
    assert answer.returncode == 0, answer.stderr
    assert "cifar10 horse" in answer.stdout and "6000 images" in answer.stdout
    return folder


def test_the_wasserstein_estimate_rises_while_the_critic_learns_then_turns(run):
    with open(run / "checkpoints/history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    estimates = np.array([float(row["wasserstein_estimate"]) for row in rows])
    norms = np.array([float(row["gradient_norm"]) for row in rows])
    assert len(rows) == 20
    assert 0 < estimates[0] < 2  # the critic knows nothing yet
    assert estimates.max() > 5  # it tells noise from horses
    assert estimates[-1] < estimates.max()  # and the generator has begun to follow
    assert norms[0] < 0.5 and 0.7 < norms[-1] < 2  # the penalty has pulled the slope towards 1


def test_a_new_process_draws_the_same_samples_from_the_weights(run, tmp_path):
    answer = script("-c", DRAW, run / "checkpoints", tmp_path / "drawn.npy")
    assert answer.returncode == 0, answer.stderr
    grid = grids.image_grid(grids.to_uint8(np.load(tmp_path / "drawn.npy")), columns=4)
    with Image.open(sample_files.sample_path(run / "samples", 20)) as saved:
        difference = np.abs(np.asarray(saved).astype(int) - grid)
    assert difference.max() <= 1


def test_the_grids_become_a_gif(run):
    answer = script("export_gif.py", "--sample_dir", run / "samples", "--output", run / "training.gif")
    assert answer.returncode == 0, answer.stderr
    assert "20 frames, epochs 1 to 20" in answer.stdout
