"""The settings of a run that takes moments, one that has just begun, and whether two runs came to the same end."""

import dataclasses
import errno
import os
import pathlib

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHORT = dict(
    dataset="digits", label="3", epochs=2, batch_size=4, critic_steps=1, latent_dim=8, eval_every=0, precision="float32"
)


def settings(folder, **changes):
    """The fields of the `TrainingConfig` of a short run whose files lie in `folder`."""
    return {**SHORT, "checkpoint_dir": f"{folder}/checkpoints", "sample_dir": f"{folder}/samples", **changes}


def elsewhere(config, folder, **changes):
    """The configuration of a run with the same settings, whose files lie in `folder`."""
    places = {name: f"{folder}/{name}" for name in ("checkpoint_dir", "sample_dir")}
    return dataclasses.replace(config, **{**places, **changes})


def failing_disk(monkeypatch, fails, number=errno.EIO):
    """No file gets its name where `fails(path)` says so."""
    replace = os.replace

    def replace_or_fail(source, target):
        if fails(pathlib.Path(target)):
            raise OSError(number, os.strerror(number), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_or_fail)


def flags(fields):
    """The flags of `train.py` that give such fields."""
    return [f"--{name}={value}" for name, value in fields.items()]


def write_no_curves(history_array, path, columns):
    """A file in the place of the curves, whose drawing takes half the time of a short run."""
    from wgan.runs import files

    files.write_text(path, "curves")


def begin(config, image_set=None):
    """Leaves what a run has written when it begins, on the images that its configuration names or on others."""
    from wgan import data
    from wgan.runs.run_folder import RunFolder

    image_set = image_set or data.load_for_run(config)
    folder = RunFolder(config)
    folder.make()
    folder.write_config(config, image_set, data.fingerprint(image_set.images), {"epoch": 0})
    return folder


def write_untrained(config):
    """Leaves what a run of all its epochs has written, without training; the checkpoint folder.

    Both generators draw contrasts, and differ.
    """
    from wgan import data
    from wgan.runs import checkpoints
    from wgan.runs.history import COLUMNS, History
    from wgan.training import loop

    image_set = data.load_for_run(config)
    gan = loop.build_gan(config, 1, image_set.class_counts)
    rng = np.random.default_rng(0)
    for variable in (*gan.generator.variables, *gan.averaged_generator.variables):
        # Factors near 1.5 make contrasts; all but kernels get values as if they had been trained.
        factor, shift = (1.6, 0.0) if "kernel" in variable.name else (1.0, 0.1)
        variable.assign(
            variable * factor * rng.uniform(0.8, 1.2, variable.shape) + shift * rng.uniform(0, 1, variable.shape)
        )
    run = begin(config, image_set)
    checkpoints.write_checkpoint(run.checkpoint_dir, gan, History(np.zeros((config.epochs, len(COLUMNS)))))
    return run.checkpoint_dir


def arrays_in(path):
    """All arrays of an HDF5 file by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def state_in(folder):
    """All arrays of the newest training state in a folder, but for the seconds that its epochs took."""
    from wgan.runs import checkpoints
    from wgan.runs.history import COLUMNS

    found = arrays_in(checkpoints.newest_state(folder).path)
    found["history"] = np.delete(found["history"], COLUMNS.index("seconds"), axis=1)
    return found


def assert_same_arrays(first, second):
    """Two dictionaries of arrays are the same to the bit."""
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def assert_same_state(one, other):
    """Two configurations' runs have come to the same bits."""
    assert_same_arrays(state_in(one.checkpoint_dir), state_in(other.checkpoint_dir))
