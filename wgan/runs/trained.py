"""A run's trained generator: which file holds it, what network it is, and loading it, which needs TensorFlow."""

import os
import pathlib
from typing import NamedTuple

import h5py

from wgan.common import startup
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.runs import checkpoints, neighbouring_runs, weights_files
from wgan.runs.run_folder import CONFIG_FILE, RunFolder

WEIGHTS_HELP = (
    "A run's folder, or a generator's weights file in it. In a folder it is generator_ema.weights.h5, or "
    "generator.weights.h5 where the run kept no average."
)  # of the flag that `locate` reads


class Trained(NamedTuple):
    """A generator's file, and what its run says of it."""

    config: TrainingConfig
    images: dict  # what the run stored about its images
    path: pathlib.Path
    noted: dict  # epoch and FID, as floats, where the file has them

    @property
    def channels(self):
        """Of the images, 1 or 3."""
        return self.images["shape"][-1]

    @property
    def class_names(self):
        """Of the classes that the generator is asked for, in the order of their numbers; empty where it is not."""
        return tuple(self.images.get("classes", ())) if self.config.recipe_spec.is_conditional else ()

    def load(self):
        """The generator, in float32 on any machine; UserError where its weights do not fit the run's network."""
        startup.import_tensorflow()

        import tensorflow as tf

        from wgan.models import networks, surroundings
        from wgan.models.classes import with_labels

        with surroundings.usual():
            generator, _ = networks.build(self.config, self.channels, len(self.class_names))
            labels = tf.zeros([1], tf.int32) if self.class_names else None
            generator(with_labels(tf.zeros([1, self.config.latent_dim]), labels))  # which makes its variables
        weights_files.load(generator, self.path, "the run's generator")
        return generator

    def __str__(self):
        return f"{self.path}, epoch {self.noted['epoch']:.0f}" if "epoch" in self.noted else str(self.path)


def locate(place, flag="--weights"):
    """The `Trained` that `flag` names: a run's folder, or a generator's weights file in it.

    Raises:
        UserError: there is no such place, no run on images, or no readable weights file.
    """
    place = pathlib.Path(os.path.expanduser(place))
    if not place.exists():
        raise UserError(f"there is no {place}; {flag} is a run's folder or a generator's weights file in it")
    folder, name = (place, None) if place.is_dir() else (place.parent, place.name)
    return of_run(folder, name, flag)


def of_run(folder, name=None, flag="--checkpoint_dir"):
    """The `Trained` in a run's folder, a `pathlib.Path` that `flag` has named.

    Without the weights file's name it is the averaged generator, where there is one. Raises UserError where there is no
    run on images, no such file, or a damaged one.
    """
    config, images = read_run(folder, flag)
    if config.recipe_spec.is_1d:
        raise UserError(
            f"{folder} holds a run on numbers, not on images; its history.csv has their mean, "
            "standard deviation and distance to the target, and its --sample_dir shows their distribution"
        )
    path = folder / name if name else usual_weights(folder)
    if not path.is_file():
        there = sorted(entry.name for entry in folder.glob("generator*.h5"))
        if not there:
            raise UserError(
                f"the run in {folder} has no weights: they come with its first checkpoint, at the "
                "latest when it ends or is stopped; wait for that, or continue it with train.py"
            )
        raise UserError(f"there is no {path}; --weights may be {' or '.join(there)}")
    weights_files.check_readable(path)
    with h5py.File(path, "r") as file:
        noted = {key: float(file.attrs[key]) for key in ("epoch", "fid") if key in file.attrs}
    return Trained(config, images, path, noted)


def read_run(checkpoint_dir, flag="--checkpoint_dir"):
    """What a run stored about itself: its `TrainingConfig` and a dictionary on its images.

    Raises UserError where the folder, a `pathlib.Path` that `flag` has named, holds no run, or a damaged description.
    """
    stored = RunFolder(TrainingConfig(checkpoint_dir=str(checkpoint_dir))).stored_run("restore it")
    if stored is None:
        advice = neighbouring_runs.advice_on_runs(checkpoint_dir, flag) or f"give a run's folder with {flag}"
        raise UserError(f"{checkpoint_dir} holds no run (no {CONFIG_FILE}); {advice}")
    return stored["config"], stored["images"]


def usual_weights(checkpoint_dir):
    """The path of a run's averaged generator, or of the generator where it keeps no average."""
    averaged = pathlib.Path(checkpoint_dir, checkpoints.AVERAGED_FILE)
    return averaged if averaged.exists() else averaged.with_name(checkpoints.GENERATOR_FILE)
