"""Trains every recipe for a few epochs in two checkouts of the project, and compares all weights bit by bit.

    python tools/compare_checkouts.py ../before . --epochs 3

A change that only moves or renames code must leave every bit as it was.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wgan.recipes import RECIPES


def train(checkout, recipe, epochs, folder):
    """Trains a recipe on the digits (on its own data set where it makes no images); the path of its state."""
    data = [] if RECIPES[recipe].is_1d else ["--dataset=digits"]
    subprocess.run(
        [
            sys.executable,
            "train.py",
            f"--recipe={recipe}",
            *data,
            f"--epochs={epochs}",
            "--seed=0",
            "--eval_every=0",
            f"--checkpoint_dir={folder / 'checkpoints'}",
            f"--sample_dir={folder / 'samples'}",
        ],
        cwd=checkout,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder / "checkpoints" / "training_state.weights.h5"


def arrays_in(path):
    """All data sets of an HDF5 file by name, but for the history, whose times always differ."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    found.pop("history")
    return found


def differing(first, second):
    """Names of the arrays that are not the same in both files."""
    one, other = arrays_in(first), arrays_in(second)
    return sorted(
        name
        for name in one.keys() | other.keys()
        if name not in one or name not in other or not np.array_equal(one[name], other[name], equal_nan=True)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--recipes", default=",".join(RECIPES), help="names, separated by commas")
    flags = parser.parse_args()
    status = 0
    for recipe in flags.recipes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            states = [
                train(checkout.resolve(), recipe, flags.epochs, pathlib.Path(folder, name))
                for checkout, name in ((flags.before, "before"), (flags.after, "after"))
            ]
            names = differing(*states)
        found = f"{len(names)} arrays differ, such as {names[0]}" if names else "the same bits"
        print(f"{recipe}: {found}", flush=True)
        status = status or bool(names)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
