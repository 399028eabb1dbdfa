"""For messages about a folder that is not the one that was meant: which runs are near. Needs no TensorFlow."""

import pathlib

from wgan.common.messages import listed
from wgan.runs.run_folder import CONFIG_FILE, REALS_FILE, RUN_ID_FILE

MAX_LEVELS = 3  # a run of a comparison is in RECIPE/SEED/checkpoints


def advice_on_runs(folder, flag):
    """How to name a run with `flag`, where a folder holds none: the end of a message; empty where nothing is near."""
    if below := _folders_in(folder, CONFIG_FILE, "of runs", flag):
        return below
    is_near = any(pathlib.Path(folder, name).exists() for name in (REALS_FILE, RUN_ID_FILE))
    return f"it holds the grids of a run: give the run's checkpoint folder with {flag}" if is_near else ""


def advice_on_grids(folder):
    """As `advice_on_runs`, for a folder that holds no grids, and `--sample_dir`."""
    if below := _folders_in(folder, REALS_FILE, "with grids", "--sample_dir"):
        return below
    is_near = pathlib.Path(folder, CONFIG_FILE).exists()
    return "it holds the weights of a run: give the run's folder of grids with --sample_dir" if is_near else ""


def _folders_in(folder, name, what, flag):
    """A phrase on the folders below one that hold a file, those of the first level that has any; "" without."""
    for level in range(1, MAX_LEVELS + 1):
        if found := sorted(path.parent for path in pathlib.Path(folder).glob("*/" * level + name)):
            shown = listed([path.relative_to(folder) for path in found], most=10)
            return f"the folders {what} in it are {shown}: name one of them, as in {flag} {found[0]}"
    return ""
