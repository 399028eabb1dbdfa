"""A run's trained generator: which file holds it, what network it is, and loading it, which needs TensorFlow."""

import math
import os
import pathlib
from typing import NamedTuple

import h5py

from wgan.common import startup
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.config import TrainingConfig
from wgan.runs import checkpoints, neighbouring_runs, weights_files
from wgan.runs.run_folder import CONFIG_FILE, RunFolder, with_places

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
        """What `class_names` says of its run."""
        return class_names(self.config, self.images)

    def load(self):
        """The generator; UserError where its weights do not fit, or it draws no images of the run's size."""
        startup.import_tensorflow()

        from wgan.models import surroundings

        with surroundings.usual():
            generator = load_generator(self.config, self.images, self.path)
            drawn = tuple(_draw_one(generator, self.config.latent_dim).shape[1:])
        if drawn != (self.config.image_size, self.config.image_size, self.channels):
            raise UserError(
                f"{self.path} draws no images of {self.config.image_size} pixels a side; its samples have "
                f"the shape {list(drawn)}"
            )
        return generator

    def __str__(self):
        return f"{self.path}, epoch {self.noted['epoch']:.0f}" if "epoch" in self.noted else str(self.path)


def locate(place):
    """The `Trained` that the flag `--weights` names: a run's folder, or a generator's weights file in it.

    Raises:
        UserError: there is no such place, no run on images, or no readable weights file.
    """
    place = pathlib.Path(os.path.expanduser(place))
    if not place.exists():
        raise UserError(f"there is no {place}; --weights is a run's folder or a generator's weights file in it")
    folder, name = (place, None) if place.is_dir() else (place.parent, place.name)
    config, images = read_run(folder, "--weights")
    check_draws_images(folder, config)
    path, noted = find_weights(folder, name)
    return Trained(config, images, path, noted)


def read_run(checkpoint_dir, flag="--checkpoint_dir"):
    """What a run stored about itself: its `TrainingConfig`, with absolute paths, and a dictionary on its images.

    Args:
        checkpoint_dir: the run's folder, a `pathlib.Path`.
        flag: by which it was named, for the message where it holds none.

    Raises:
        UserError: there is no run, or its description is damaged.
    """
    stored = RunFolder(TrainingConfig(checkpoint_dir=str(checkpoint_dir))).stored_run("restore it")
    if stored is None:
        advice = neighbouring_runs.advice_on_runs(checkpoint_dir, flag) or f"give a run's folder with {flag}"
        raise UserError(f"{checkpoint_dir} holds no run (no {CONFIG_FILE}); {advice}")
    return with_places(TrainingConfig.from_json(stored["config"]), stored), stored["images"]


def check_draws_images(checkpoint_dir, config):
    """Raises UserError for a run that has no images."""
    if config.recipe_spec.is_1d:
        raise UserError(
            f"{checkpoint_dir} holds a run on numbers, not on images; its history.csv has their mean, "
            "standard deviation and distance to the target, and its --sample_dir shows their distribution"
        )


def usual_weights(checkpoint_dir):
    """The path of a run's averaged generator, or of the generator where it keeps no average."""
    averaged = pathlib.Path(checkpoint_dir, checkpoints.AVERAGED_FILE)
    return averaged if averaged.exists() else averaged.with_name(checkpoints.GENERATOR_FILE)


def find_weights(checkpoint_dir, name=None):
    """Finds a generator's file in a run's folder, a `pathlib.Path`.

    Args:
        checkpoint_dir: the folder.
        name: of the file in it, or None: the averaged generator, where there is one.

    Returns:
        Its path, and what is noted in it: {"epoch": ..., "fid": ...} as far as they are.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    path = checkpoint_dir / name if name else usual_weights(checkpoint_dir)
    if not path.is_file():
        there = sorted(entry.name for entry in checkpoint_dir.glob("generator*.h5"))
        if not there:
            raise UserError(
                f"the run in {checkpoint_dir} has no weights: they come with its first checkpoint, at the "
                "latest when it ends or is stopped; wait for that, or continue it with train.py"
            )
        raise UserError(f"there is no {path}; --weights may be {' or '.join(there)}")
    weights_files.check_readable(path)
    try:
        with h5py.File(path, "r") as file:
            noted = {key: float(file.attrs[key]) for key in ("epoch", "fid") if key in file.attrs}
        if not all(map(math.isfinite, noted.values())):
            raise ValueError("its attributes are not finite")
        return path, noted
    except weights_files.UNREADABLE as error:
        raise UserError(f"{path} is damaged ({one_line(error, longest=120)})") from error


def load_generator(config, images, path):
    """The run's generator with the weights in a file, in float32 on any machine; UserError where they do not fit.

    `config` and `images` are what `read_run` gave.
    """
    from wgan.models import networks, surroundings

    with surroundings.usual():
        generator, _ = networks.build(config, images["shape"][-1], len(class_names(config, images)))
        _draw_one(generator, config.latent_dim)  # which makes the variables
    weights_files.load(generator, path, "the run's generator")
    return generator


def _draw_one(generator, latent_dim):
    import tensorflow as tf

    from wgan.models.classes import knows_classes, with_labels

    labels = tf.zeros([1], tf.int32) if knows_classes(generator) else None
    return generator(with_labels(tf.zeros([1, latent_dim]), labels), training=False)


def class_names(config, images):
    """The names of the classes that a run's generator is asked for, in the order of their numbers; empty where it is
    not. `config` and `images` are what `read_run` gave."""
    return tuple(images.get("classes", ())) if config.recipe_spec.is_conditional else ()
