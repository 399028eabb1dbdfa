"""Weights for people, and the one file from which a run continues.

`training_state.weights.h5` is Keras's own weights format (networks and both optimizers) with the epoch
and the history beside them. The state before it is kept until the next one has been written and read back.
All files end in a checksum of their bytes, which is compared before anything in them is believed.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
import shutil

import h5py
import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.runs import files, weights_files
from wgan.runs.history import History

GENERATOR_FILE = "generator.weights.h5"
AVERAGED_FILE = "generator_ema.weights.h5"
CRITIC_FILE = "critic.weights.h5"
STATE_FILE = "training_state.weights.h5"
PREVIOUS_STATE_FILE = "training_state.previous.weights.h5"
BEST_FILE = "generator_best.weights.h5"
STATE_FILES = (STATE_FILE, PREVIOUS_STATE_FILE)
FILES = (GENERATOR_FILE, AVERAGED_FILE, CRITIC_FILE, *STATE_FILES, BEST_FILE)


@dataclasses.dataclass(frozen=True)
class State:
    """A state file that is whole."""

    path: pathlib.Path
    epoch: int  # how many its run had behind it
    history: History  # of these epochs
    attempt: int = 0  # how often the run had gone back because its numbers went wrong


def take_snapshot(gan):
    """Copies all that training changes, in a few milliseconds: a list of numpy arrays."""
    return [variable.numpy() for variable in _state_variables(gan)]


def is_finite(snapshot):
    """Whether no number in a snapshot is infinite or not a number."""
    return all(np.isfinite(array).all() for array in snapshot)


def write_checkpoint(folder, gan, history):
    """Writes the state and the weights of a GAN between two epochs; `history` has a row for each epoch behind it.

    Raises:
        OSError: the disk fails.
    """
    folder, epoch = pathlib.Path(folder), len(history.rows)
    is_first = not (folder / STATE_FILE).exists()
    if is_first:  # weights without a state would look like somebody else's
        _write_state(folder, gan, history)
    networks = {AVERAGED_FILE: gan.averaged_generator, GENERATOR_FILE: gan.generator, CRITIC_FILE: gan.critic}
    for name, network in networks.items():
        if network:
            _write(network, folder / name, epoch=epoch)
    if not is_first:  # once the state says that a run is finished, the weights are there
        _write_state(folder, gan, history)


@contextlib.contextmanager
def state_copied(source, folder):
    """Copies a state file, as it is now, to another folder once the block has ended well.

    Raises:
        OSError: a disk fails, or what was written cannot be read back.
    """
    path = pathlib.Path(folder, STATE_FILE)
    with files.atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
        yield
        _keep_previous(path, temporary)


def write_best(folder, network, epoch, fid):
    """Writes the sampling generator with the lowest FID so far, with epoch and FID as attributes of the file."""
    _write(network, pathlib.Path(folder, BEST_FILE), epoch=epoch, fid=fid)


def best_fid(folder, history):
    """The FID that `write_best` noted, infinite where there is no whole file, or one of an epoch after the history's
    last; where the disk fails, the lowest in the history."""
    path = pathlib.Path(folder, BEST_FILE)
    try:
        if files.is_sealed(path):
            with h5py.File(path, "r") as file:
                return float(file.attrs["fid"]) if file.attrs["epoch"] <= len(history.rows) else math.inf
    except OSError as error:
        if not isinstance(error, FileNotFoundError) or not os.path.exists(folder):  # it may be back in a moment
            return np.nanmin([math.inf, *history.column("fid")])
    return math.inf


def newest_state(folder):
    """The newest `State` that is whole, or None where the folder has no state; UserError where all are damaged."""
    present = [path for name in STATE_FILES if (path := pathlib.Path(folder, name)).exists()]
    for path in present:
        if state := _read_state(path):
            return state
    if present:
        raise UserError(
            f"{' and '.join(map(str, present))} cannot be read or are damaged; restore a copy, "
            "or start over with --fresh"
        )
    return None


def restore(gan, state):
    """Puts a `State` into the GAN in training; UserError where it does not fit."""
    try:
        weights_files.load(gan, state.path, "this version's networks")
    except UserError as error:
        raise UserError(
            f"{error}; continue the run with the version that began it, or start over with --fresh"
        ) from error
    gan.attempt.assign(state.attempt)


def put_back(gan, snapshot):
    """Sets the GAN's variables to what `take_snapshot` gave."""
    for variable, value in zip(_state_variables(gan), snapshot, strict=True):
        variable.assign(value)


def _write(network, path, history=None, **attributes):
    """Writes the variables of a network, or those and the history of a GAN, which is its state."""
    with files.atomic_path(path) as temporary, _understood(path, temporary):
        network.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(attributes)
            if history is not None:
                file.create_dataset("history", data=history.to_array())
        files.seal(temporary)
        if history is not None:
            _keep_previous(path, temporary)


def _write_state(folder, gan, history):
    _write(gan, folder / STATE_FILE, history, epoch=len(history.rows), attempt=int(gan.attempt.numpy()))


def _keep_previous(path, temporary):
    """Makes a folder's state the previous one, once the file that is to replace it has been read back."""
    files.flush_to_disk(temporary)
    if _read_state(temporary) is None:
        raise OSError(f"{temporary} could not be read back after it was written")
    if path.exists() and _read_state(path) is not None:  # a damaged one must not replace a good one
        os.replace(path, path.with_name(PREVIOUS_STATE_FILE))


@contextlib.contextmanager
def _understood(path, temporary):
    """Gives the system's own words for what has failed: those of h5py are RuntimeErrors at times, of many lines.

    Keras leaves a file open that it cannot finish: its bytes would go on taking room on a full disk, and the HDF5
    library would crash at the end of the program.
    """
    try:
        yield
    except BaseException as error:
        for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # another thread may close its own meanwhile
                if h5py.h5f.get_name(identifier) == os.fsencode(temporary):
                    h5py.File(identifier).close()
        if number := getattr(error, "errno", None):
            raise OSError(number, os.strerror(number), str(path)) from error
        if isinstance(error, (RuntimeError, OSError)):
            raise OSError(f"{path}: {one_line(error)}") from error
        raise


def _read_state(path):
    """The `State` in a file, or None where it is damaged."""
    try:
        if not files.is_sealed(path):
            return None
        with h5py.File(path, "r") as file:
            return State(path, int(file.attrs["epoch"]), History(file["history"][:]), int(file.attrs["attempt"]))
    except weights_files.UNREADABLE:
        return None


def _state_variables(gan):
    """All variables that training changes, in a fixed order."""
    return [*gan.variables, *(variable for optimizer in gan.optimizers for variable in optimizer.variables)]
