"""For messages about a folder that is not the one that was meant: which runs are near. Needs no TensorFlow."""

import pathlib

from wgan.common.messages import listed
from wgan.runs.run_folder import CONFIG_FILE, REALS_FILE, RUN_ID_FILE

MAX_LEVELS = 3  # a run of a comparison is in RECIPE/SEED/checkpoints


def advice_on_runs(folder, flag):
    """How to name a run with `flag`, where a folder holds none: the end of a message; empty where nothing is near."""
    below = _folders_with(folder, CONFIG_FILE)
    if below:
        return f"the folders of runs in it are {_shown(below, folder)}: name one of them, as in {flag} {below[0]}"
    if any(pathlib.Path(folder, name).exists() for name in (REALS_FILE, RUN_ID_FILE)):
        return f"it holds the grids of a run: give the run's checkpoint folder with {flag}"
    return ""


def advice_on_grids(folder):
    """As `advice_on_runs`, for a folder that holds no grids, and `--sample_dir`."""
    below = _folders_with(folder, REALS_FILE)
    if below:
        return (
            f"the folders with grids in it are {_shown(below, folder)}: name one of them, as in --sample_dir {below[0]}"
        )
    if pathlib.Path(folder, CONFIG_FILE).exists():
        return "it holds the weights of a run: give the run's folder of grids with --sample_dir"
    return ""


def _folders_with(folder, name):
    """The folders below one that hold a file, those of the first level that has any."""
    for level in range(1, MAX_LEVELS + 1):
        found = sorted(path.parent for path in pathlib.Path(folder).glob("*/" * level + name))
        if found:
            return found
    return []


def _shown(folders, parent):
    return listed([path.relative_to(parent) for path in folders], most=10)
