"""Weights files from anywhere: whether one can be read, and loading it. Needs no TensorFlow."""

from collections import Counter

import h5py
import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.runs import files

# With what h5py and Keras answer files that are damaged or meant for another network.
UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError, MemoryError)


def check_readable(path):
    """Raises UserError for a damaged file: one of this project by its checksum, another where HDF5 finds the damage."""
    sealed = files.is_sealed(path)
    try:
        if sealed is False:
            raise ValueError("its bytes do not match their checksum")
        with h5py.File(path, "r") as file:
            if sealed is None and {"epoch", "fid"} & set(file.attrs):  # which only this project's files have
                raise ValueError("its checksum is cut off")
    except UNREADABLE as error:
        raise UserError(
            f"{path} is not an HDF5 weights file, or is damaged ({one_line(error, longest=120)})"
        ) from error


def load(network, path, owner):
    """Loads a file into a Keras model that has its variables.

    Keras opens no link to another file. It passes over what a file holds beyond the network, so that a critic for
    larger images would be taken for a smaller one: that is why kernels are compared first.

    Raises:
        UserError: the weights do not fit `owner`, as in "this run's generator", are damaged, or are not finite.
    """
    try:
        held = _kernels_in(path)
        needed = Counter(tuple(variable.shape) for variable in network.variables if len(variable.shape) > 1)
        if held != needed:
            raise ValueError(
                f"kernels that are missing: {_shapes(needed - held)}; kernels that are too many: "
                f"{_shapes(held - needed)} (other colours, classes, --image_size, --latent_dim or --network?)"
            )
        try:
            network.load_weights(path)
        except ValueError as error:  # other layers with the same kernels
            advice = "another --network, --generator_norm or --critic_norm?"
            raise ValueError(f"{one_line(error, longest=80)} ({advice})") from error
        if not all(np.isfinite(variable.numpy()).all() for variable in network.variables):
            raise ValueError("not all of its numbers are finite")
    except UNREADABLE as error:
        raise UserError(f"{path} does not fit {owner}: {one_line(error)}") from error


def _kernels_in(path):
    """How many kernels of which shape there are of a weights file, the optimizers' apart."""
    kernels = Counter()

    def count(name, item):
        if isinstance(item, h5py.Dataset) and len(item.shape) > 1 and "optimizer" not in name and name != "history":
            kernels[item.shape] += 1

    with h5py.File(path, "r") as file:
        file.visititems(count)
    return kernels


def _shapes(kernels):
    return ", ".join(" x ".join(map(str, shape)) for shape in kernels) or "none"
