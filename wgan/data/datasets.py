"""Choosing a data set, and loading it for a run.

`check` answers quickly and without TensorFlow or Keras; `load` does the reading.
"""

import dataclasses
import os

from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.data import labels
from wgan.data.cifar10 import CIFAR10
from wgan.data.digits import DIGITS
from wgan.data.folder import FOLDER
from wgan.data.gaussian import GAUSSIAN
from wgan.data.imageset import keep_labels, set_aside
from wgan.data.mnist import FASHION_MNIST, MNIST
from wgan.data.record_set import RECORDS

_DATASETS = {dataset.name: dataset for dataset in (CIFAR10, MNIST, FASHION_MNIST, DIGITS, FOLDER, RECORDS, GAUSSIAN)}
DATASET_NAMES = tuple(_DATASETS)
SPLITS = ("all", "train", "test")


def check(dataset, data_dir, label, split):
    """Checks the choice of data before anything large is read.

    Args:
        dataset: one of `DATASET_NAMES`.
        data_dir: where the user's files are (str or path), or None for the data set's own source.
        label: None, "0".."9" (for folder: the place of a class folder, unless folders are called by other numbers),
            a class name, or "all". None means "horse" for cifar10 and "all" elsewhere.
        split: "all" (train and test images together), "train" or "test".

    Returns:
        The canonical label: a class name, or "all". Given back to `check` or `load` it means the same.

    Raises:
        UserError: an unknown name, a missing path or file, or a split the data set does not have.
    """
    chosen, path = _choose(dataset, data_dir, split)
    return chosen.check(path, label, split)


def load(dataset, data_dir, label, split, image_size=32):
    """Loads the images of one class, or of all classes.

    Args:
        dataset, data_dir, label, split: as in `check`.
        image_size: pixels a side to bring the images to.

    Returns:
        An ImageSet; its images are uint8 [N, image_size, image_size, C], C-contiguous, with C 3 for colour, 1 for grey.

    Raises:
        UserError: what `check` raises, a failed download, or files that are damaged or not the data set's.
    """
    class_name = check(dataset, data_dir, label, split)
    chosen, path = _choose(dataset, data_dir, split)
    try:
        images = chosen.load(path, class_name, split, image_size)
    except MemoryError as error:
        remedy = "one class with --label" if class_name == labels.ALL else "a smaller --image_size, or fewer images"
        raise UserError(f"{dataset} {class_name} does not fit in memory: choose {remedy}") from error
    if not len(images.images):
        raise UserError(f"{images.name} has no images: choose another --label, or mend the files")
    return images


def load_for_run(config):
    """The `ImageSet` of a run's `TrainingConfig`; UserError as `load`.

    In `heldout` is what `--holdout` sets aside. With `--split train` it is the test images, where there are any.
    """
    return keep_labels(_with_heldout(config), config.labels_per_class)


def _with_heldout(config):
    image_set = load(config.dataset, config.data_dir, config.label, config.split, config.image_size)
    if config.holdout:
        return set_aside(image_set, config.holdout)
    if config.split != "train" or not config.eval_every:
        return image_set
    try:
        test = load(config.dataset, config.data_dir, config.label, "test", config.image_size)
    except UserError as error:
        notice = f"the critic is not watched on held-out images: {error}"
        return dataclasses.replace(image_set, notices=(*image_set.notices, notice))
    return dataclasses.replace(image_set, heldout=test.images, heldout_labels=test.labels)


def class_names(dataset, data_dir, split="all"):
    """The names of a data set's classes, in the order of their numbers; UserError where there are none."""
    check(dataset, data_dir, None, split)
    chosen, path = _choose(dataset, data_dir, split)
    names = chosen.class_names_in(path)
    if not names:
        raise UserError(f"{dataset} has no classes, so there is no generator per class; leave --label each out")
    return names


def similar_class(dataset, data_dir, label, split="all"):
    """A class other than `label`, by whose distance from it to judge that of samples; None where there is none."""
    chosen, path = _choose(dataset, data_dir, split)
    return chosen.similar(chosen.check(path, label, split), path)


def _choose(dataset, data_dir, split):
    """A `Dataset` and the path of its files, None or with a leading ~ as the home folder; UserError where they are
    wrong whatever the data set."""
    for kind, name, names in (("data set", dataset, DATASET_NAMES), ("split", split, SPLITS)):
        if name not in names:
            raise UserError(
                f"no {kind} is called {one_line(name)!r}{did_you_mean(name, names)}: choose one of {', '.join(names)}"
            )
    if split != "all" and not _DATASETS[dataset].has_splits:
        raise UserError(
            f"{dataset} has no train and test split, so split {split!r} cannot be used: use split 'all', "
            "and --holdout to set images aside"
        )
    path = None if data_dir is None else os.path.expanduser(os.fspath(data_dir))
    if path is not None and not os.path.exists(path):
        raise UserError(
            f"--data_dir {one_line(data_dir) or '(empty)'} does not exist or cannot be "
            f"reached: correct the path{'' if dataset in ('folder', 'records') else ', or leave --data_dir out'}"
        )
    return _DATASETS[dataset], path
