"""The data sets to train on: square images as uint8 arrays.

`check` answers quickly and without TensorFlow or Keras; `load` does the reading. Everything the user
can mend is raised as `wgan.common.errors.UserError`.
"""

import contextlib
import dataclasses
import os
import types

from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.data import cifar10, digits, folder, gaussian, labels, mnist
from wgan.data.imageset import ImageSet, fingerprint, keep_labels, set_aside

__all__ = [
    "DATASET_NAMES",
    "SPLITS",
    "ImageSet",
    "check",
    "class_names",
    "fingerprint",
    "load",
    "load_for_run",
    "similar_class",
]

# Each source has check(data_dir, label, split) -> canonical label; and, where class_name is that canonical label,
# load(data_dir, class_name, split, size) -> ImageSet; and CLASS_NAMES or class_names_in(data_dir) -> all class names.
# Those that read files have holds(path) too: whether they are there.
_SOURCES = types.MappingProxyType(
    {
        "cifar10": cifar10,
        "mnist": mnist.MNIST,
        "fashion_mnist": mnist.FASHION_MNIST,
        "digits": digits,
        "folder": folder,
        "gaussian": gaussian,
    }
)

_KINDS_OF_FILES = types.MappingProxyType(
    {
        "cifar10": ("CIFAR-10's files", "--dataset cifar10"),
        "mnist": ("IDX files", "--dataset mnist or fashion_mnist"),
        "folder": ("images", "--dataset folder"),
    }
)

DATASET_NAMES = tuple(_SOURCES)
SPLITS = ("all", "train", "test")
_WITHOUT_SPLITS = ("digits", "folder", "gaussian")


def check(dataset, data_dir, label, split):
    """Checks the choice of data before anything large is read.

    Args:
        dataset: one of `DATASET_NAMES`.
        data_dir: where the user's files are (str or path), or None for the data set's own source.
        label: None, "0".."9" (for folder: the number of a class folder), a class name, or "all".
            None means "horse" for cifar10 and "all" elsewhere.
        split: "all" (train and test images together), "train" or "test".

    Returns:
        The canonical label: a class name, or "all". Given back to `check` or `load` it means the same.

    Raises:
        UserError: an unknown name, a missing path or file, or a split the data set does not have.
    """
    source = _source(dataset, data_dir, split)
    with _naming_the_right_data_set(dataset, data_dir):
        return source.check(_path(data_dir), label, split)


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
    source, class_name = _source(dataset, data_dir, split), check(dataset, data_dir, label, split)
    try:
        images = source.load(_path(data_dir), class_name, split, image_size)
    except MemoryError as error:
        remedy = "one class with --label" if class_name == labels.ALL else "a smaller --image_size, or fewer images"
        raise UserError(f"{dataset} {class_name} does not fit in memory: choose {remedy}") from error
    if not len(images.images):
        raise UserError(f"{images.name} has no images: choose another --label, or mend the files")
    return images


def load_for_run(config):
    """The images of a run: those it trains on, and in `heldout` those it never sees.

    The latter are what `--holdout` sets aside; with `--split train` they are the test images.

    Args:
        config: a `wgan.config.TrainingConfig`.

    Raises:
        UserError: as `load`; missing test images are a notice only.
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


def class_names(dataset, data_dir):
    """The names of a data set's classes, in the order of their numbers.

    Raises:
        UserError: as `check`, or it has no classes.
    """
    source = _source(dataset, data_dir, "all")
    with _naming_the_right_data_set(dataset, data_dir):
        source.check(_path(data_dir), None, "all")
        names = _class_names(source, data_dir)
        if not names:
            raise UserError(f"{dataset} has no classes, so there is no generator per class; leave --label each out")
    if any(name.casefold() == labels.ALL for name in names):
        raise UserError(
            f"--data_dir {one_line(data_dir)} has a class folder called {labels.ALL!r}, which stands for "
            "all classes: rename it"
        )
    return names


def similar_class(dataset, data_dir, label):
    """A class other than `label`, by whose distance from it to judge that of samples; None where there is none."""
    source = _source(dataset, data_dir, "all")
    class_name = source.check(_path(data_dir), label, "all")
    if dataset == "cifar10":
        return cifar10.LOOKALIKES.get(class_name)
    return labels.following(class_name, _class_names(source, data_dir))


def _class_names(source, data_dir):
    return source.CLASS_NAMES if hasattr(source, "CLASS_NAMES") else source.class_names_in(_path(data_dir))


def _source(dataset, data_dir, split):
    """The source of a data set, once the arguments that all sources share are right."""
    if dataset not in DATASET_NAMES:
        raise UserError(
            f"no data set is called {one_line(dataset)!r}{did_you_mean(dataset, DATASET_NAMES)}: "
            f"choose one of {', '.join(DATASET_NAMES)}"
        )
    if split not in SPLITS:
        raise UserError(
            f"no split is called {one_line(split)!r}{did_you_mean(split, SPLITS)}: choose one of {', '.join(SPLITS)}"
        )
    if split != "all" and dataset in _WITHOUT_SPLITS:
        raise UserError(f"{dataset} has no train and test split, so split {split!r} cannot be used: use split 'all'")
    if data_dir is not None and not os.path.exists(_path(data_dir)):
        raise UserError(
            f"--data_dir {one_line(data_dir) or '(empty)'} does not exist or cannot be "
            f"reached: correct the path{'' if dataset == 'folder' else ', or leave --data_dir out'}"
        )
    return _SOURCES[dataset]


@contextlib.contextmanager
def _naming_the_right_data_set(dataset, data_dir):
    """Where the block raises UserError and `data_dir` holds another data set's files, raises one that says so."""
    try:
        yield
    except UserError as error:
        others = [] if _holds(dataset, data_dir) else [name for name in _KINDS_OF_FILES if _holds(name, data_dir)]
        if dataset not in ("digits", "gaussian") and others:
            held, flag = _KINDS_OF_FILES[others[0]]
            raise UserError(
                f"--data_dir {one_line(data_dir)} holds {held}, which are for {flag}, and nothing for "
                f"--dataset {dataset}: change one of the two"
            ) from error
        raise


def _holds(dataset, data_dir):
    if data_dir is None or not hasattr(_SOURCES[dataset], "holds"):
        return False
    try:
        return _SOURCES[dataset].holds(_path(data_dir))
    except (UserError, OSError):
        return False


def _path(data_dir):
    """The path as text, with a leading ~ as the home folder; None stays None."""
    return None if data_dir is None else os.path.expanduser(os.fspath(data_dir))
