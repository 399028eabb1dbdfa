"""Weights for people, and the one file from which a run continues.

`training_state.weights.h5` is Keras's own weights format (networks and both optimizers) with the epoch
and the history beside them. The state before it is kept until the next one has been written and read back.
All files end in a checksum of their bytes, which is compared before anything in them is believed.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil

import h5py
import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.runs import files, weights_files
from wgan.runs.history import COLUMNS, History

GENERATOR_FILE = "generator.weights.h5"
AVERAGED_FILE = "generator_ema.weights.h5"
CRITIC_FILE = "critic.weights.h5"
STATE_FILE = "training_state.weights.h5"
PREVIOUS_STATE_FILE = "training_state.previous.weights.h5"
BEST_FILE = "generator_best.weights.h5"
FILES = (GENERATOR_FILE, AVERAGED_FILE, CRITIC_FILE, STATE_FILE, PREVIOUS_STATE_FILE, BEST_FILE)


@dataclasses.dataclass(frozen=True)
class State:
    """A state file that is whole.

    Attributes:
        path: where it is.
        epoch: how many epochs its run had behind it.
        history: their figures.
        attempt: how often the run had gone back because its numbers went wrong; see `wgan.models.randomness.stream`.
    """

    path: pathlib.Path
    epoch: int
    history: History
    attempt: int = 0


def take_snapshot(gan):
    """Copies all that training changes, in a few milliseconds: a list of numpy arrays."""
    return [variable.numpy() for variable in _state_variables(gan)]


def is_finite(snapshot):
    """Whether no number in a snapshot is infinite or not a number."""
    return all(np.isfinite(array).all() for array in snapshot)


def write_checkpoint(folder, gan, history):
    """Writes the state and the weights of a GAN between two epochs.

    Args:
        folder: where to.
        gan: the GAN in training.
        history: its `History`, with a row for each epoch behind it.

    Raises:
        OSError: the disk fails.
    """
    folder, epoch = pathlib.Path(folder), len(history.rows)
    is_first = not (folder / STATE_FILE).exists()
    if is_first:  # weights without a state would look like somebody else's
        _write_state(folder, gan, history)
    if gan.averaged_generator:
        _write_weights(gan.averaged_generator, folder / AVERAGED_FILE, epoch=epoch)
    _write_weights(gan.generator, folder / GENERATOR_FILE, epoch=epoch)
    _write_weights(gan.critic, folder / CRITIC_FILE, epoch=epoch)
    if not is_first:  # once the state says that a run is finished, the weights are there
        _write_state(folder, gan, history)


def copy_state(source, folder):
    """Copies a state file to another folder, whose own state becomes the previous one.

    Args:
        source: the file; nobody changes it meanwhile.
        folder: where to.

    Raises:
        OSError: a disk fails, or what was written cannot be read back.
    """
    folder = pathlib.Path(folder)
    with files.atomic_path(folder / STATE_FILE) as temporary:
        shutil.copyfile(source, temporary)
        files.flush_to_disk(temporary)
        _keep_previous(folder, temporary)


def write_best(folder, network, epoch, fid):
    """Writes the sampling generator with the lowest FID so far, with epoch and FID as attributes of the file.

    Args:
        folder: where to.
        network: the generator.
        epoch, fid: when it was measured, and what was found.

    Raises:
        OSError: the disk fails.
    """
    _write_weights(network, pathlib.Path(folder, BEST_FILE), epoch=epoch, fid=fid)


def newest_state(folder):
    """Finds the newest state that is whole.

    Returns:
        A `State`, or None where the folder has no state at all.

    Raises:
        UserError: there are states, but none can be read.
    """
    paths = [pathlib.Path(folder, name) for name in (STATE_FILE, PREVIOUS_STATE_FILE)]
    present = [path for path in paths if path.exists()]
    for path in present:
        found = _read_state(path)
        if found is not None:
            return found
    if present:
        raise UserError(
            f"{' and '.join(map(str, present))} cannot be read or are damaged; restore a copy, "
            "or start over with --fresh"
        )
    return None


def restore(gan, state):
    """Puts a state that `newest_state` found into the GAN in training."""
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


def _write_weights(network, path, **attributes):
    with _whole_file(path) as temporary:
        network.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(attributes)
        files.seal(temporary)


def _write_state(folder, gan, history):
    with _whole_file(folder / STATE_FILE) as temporary:
        gan.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            dataset = file.create_dataset("history", data=history.to_array())
            dataset.attrs["columns"] = np.bytes_(",".join(COLUMNS))
            file.attrs.update(epoch=len(history.rows), attempt=int(gan.attempt))
        files.seal(temporary)
        files.flush_to_disk(temporary)
        _keep_previous(folder, temporary)


def _keep_previous(folder, temporary):
    """Makes the folder's state the previous one, once the file that is to replace it has been read back."""
    state, previous = folder / STATE_FILE, folder / PREVIOUS_STATE_FILE
    if _read_state(temporary) is None:
        raise OSError(f"{temporary} could not be read back after it was written")
    if state.exists() and _read_state(state) is not None:  # a damaged one must not replace a good one
        os.replace(state, previous)


@contextlib.contextmanager
def _whole_file(path):
    """`files.atomic_path` for a file that Keras writes, with the system's own words for what has failed: those of h5py
    are RuntimeErrors at times, and have buffers and addresses on many lines."""
    with files.atomic_path(path) as temporary:
        try:
            with _closed_after_errors(temporary):
                yield temporary
        except (RuntimeError, OSError) as error:
            number = getattr(error, "errno", None)
            if number:
                raise OSError(number, os.strerror(number), str(path)) from error
            raise OSError(f"{path}: {one_line(error)}") from error


@contextlib.contextmanager
def _closed_after_errors(path):
    """Closes an HDF5 file that Keras leaves open where it cannot finish it: its bytes would go on taking room on a full
    disk, and the library would print tracebacks and crash at the end of the program."""
    try:
        yield
    except BaseException:
        for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # another thread may close its own meanwhile
                if h5py.h5f.get_name(identifier) == os.fsencode(path):
                    h5py.File(identifier).close()
        raise


def _read_state(path):
    """The `State` in a file, or None where it is damaged."""
    try:
        if not files.is_sealed(path):
            return None
        weights_files.check_readable(path)
        with h5py.File(path, "r") as file:
            return State(path, int(file.attrs["epoch"]), _read_history(file["history"]), int(file.attrs["attempt"]))
    except (UserError, *weights_files.UNREADABLE):
        return None


def _read_history(dataset):
    """By the columns' names; states of earlier versions have none."""
    names = dataset.attrs.get("columns")
    return History(dataset[:]) if names is None else History.from_array(dataset[:], names.decode().split(","))


def _state_variables(gan):
    """All variables that training changes, in a fixed order."""
    return [*gan.variables, *(variable for optimizer in gan.optimizers for variable in optimizer.variables)]
