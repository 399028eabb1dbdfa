"""The whole of the application as a handful of functions, for programs that use the package.

What a user can mend is raised as `UserError`, whose message is the line that the scripts print.
"""

import functools
import os
import typing

import numpy as np

from wgan import data
from wgan.common import startup
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.data import ImageSet
from wgan.runs import trained
from wgan.training import launch

if typing.TYPE_CHECKING:
    import keras


def train(config: TrainingConfig, fresh: bool = False) -> int:
    """Trains as `train.py` does: a run that `config.checkpoint_dir` holds is continued up to `config.epochs`.

    It has the signals SIGINT, SIGTERM and SIGHUP for its time, so that Ctrl-C saves; call it in the main thread.

    Args:
        config: the run, as `TrainingConfig.of_recipe(name, ...)`; the class alone leaves a recipe's own settings out.
        fresh: replace an earlier run in these folders.

    Returns:
        0, or 128 + the number of the signal that stopped the run.

    Raises:
        UserError: for all that `train.py` refuses.
    """
    return launch.launch(config, fresh=fresh)


def load_images(
    dataset: str,
    label: str | None = None,
    data_dir: str | os.PathLike | None = None,
    split: str = "all",
    image_size: int = 32,
) -> ImageSet:
    """Loads real images: `.images` is uint8 [N, image_size, image_size, 1 or 3].

    Args:
        dataset: cifar10, mnist, fashion_mnist, digits, folder, or records, of which `.images[...]` reads some.
        label: class number as text, class name or "all". Default: horse for cifar10, "all" elsewhere.
        data_dir: where the files are; None downloads what can be downloaded.
        split: "all", "train" or "test".
        image_size: pixels a side.

    Raises:
        UserError: no such data set, class or folder, a failed download, or damaged files.
    """
    return data.load(dataset, data_dir, label, split, image_size)


def load_generator(place: str | os.PathLike) -> "keras.Model":
    """Loads a trained generator: latents float32 [N, latent_dim] to images [N, size, size, 1 or 3] in [-1, 1].

    One of wgan_gp_conditional takes a list of latents and labels, int32 [N].

    Args:
        place: a run's checkpoint folder, whose averaged generator is taken where there is one; or a weights file
            in it.

    Raises:
        UserError: there is no run, or its weights are missing or damaged.
    """
    return trained.locate(place).load()


def draw_samples(
    generator: "keras.Model",
    count: int = 64,
    seed: int = 0,
    truncation: float | None = None,
    batch_size: int = 64,
    label: int | None = None,
) -> np.ndarray:
    """Draws the samples that `generate.py` draws with the same seed.

    Args:
        generator: as `load_generator` gives it.
        count: how many, at least 1. Sample i is the same whatever the count.
        seed: 0 to 2**31 - 1.
        truncation: latents within plus and minus this number only; None: all.
        batch_size: samples that the network sees at a time.
        label: the number of the class to draw, of a generator that knows classes; None: classes in turn.

    Returns:
        uint8 [count, size, size, 1 or 3].

    Raises:
        UserError: a number is out of its bounds.
    """
    if count < 1 or batch_size < 1 or not 0 <= seed < 2**31 or (truncation is not None and not truncation > 0):
        raise UserError(
            "count and batch_size must be at least 1, seed from 0 to 2**31 - 1, truncation above 0; they "
            f"are {count}, {batch_size}, {seed} and {truncation}"
        )
    num_classes = getattr(generator, "num_classes", 0)
    if label is not None and not (isinstance(label, (int, np.integer)) and 0 <= label < num_classes):
        known = f"knows the classes of number 0 to {num_classes - 1}" if num_classes else "knows no classes"
        raise UserError(f"label is {label!r}, and the generator {known}")
    startup.import_tensorflow()
    from wgan.apps import image_sampler

    sampler = image_sampler.ImageSampler(generator, batch_size, label)
    return sampler(sampler.latents(seed, 0, count, truncation))


def measure(reals: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """FID, KID with its standard error, precision and recall of samples against real images.

    By the project's own features: figures compare with each other and with `evaluate.py`'s, not with published
    ones (docs/evaluation.md).

    Args:
        reals, samples: uint8 [N, size, size, 1 or 3]; a few thousand each, or the figures say little.

    Returns:
        `fid`, `kid`, `kid_error`, `precision` and `recall`.

    Raises:
        UserError: these are not such arrays, or hold fewer than 4 images.
    """
    for images in (reals, samples):
        count, height, width, channels = images.shape if len(images.shape) == 4 else (0, 0, 0, 0)
        if images.dtype != np.uint8 or count < 4 or height != width or channels not in (1, 3):
            raise UserError(
                "measure wants uint8 images [N, size, size, 1 or 3], N at least 4, not "
                f"{images.dtype} {list(images.shape)}"
            )
    startup.import_tensorflow()
    from wgan.evaluation import evaluator
    from wgan.models import surroundings

    with surroundings.usual():
        return evaluator.Evaluator(_features(), reals).figures(samples)


@functools.cache
def _features():
    """Once for all measurements: TensorFlow warns of a program that makes the same function again and again."""
    from wgan.evaluation import features

    return features.own()
