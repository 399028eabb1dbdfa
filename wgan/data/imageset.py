"""What every data set is loaded into, and what is done with it before a run."""

import dataclasses
import hashlib

import numpy as np
from PIL import Image

from wgan.common.errors import UserError
from wgan.data.records import Records

MIN_IMAGES_LEFT = 16
CHOICE_SEED = 0  # not the run's: runs with several seeds set the same images aside and learn from the same labels


@dataclasses.dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class ImageSet:
    """The images of one class, or of a whole data set."""

    images: np.ndarray | Records  # uint8 [N, size, size, C], C-contiguous; C is 1 (grey) or 3 (RGB)
    name: str  # what was loaded, for people: "cifar10 horse, train and test"
    class_name: str  # the canonical label: a class name, or "all"
    notices: tuple[str, ...] = ()  # lines the user should see, such as which broken images were skipped
    heldout: np.ndarray | None = None  # like `images`: those never trained on
    heldout_indices: tuple[int, ...] = ()  # where they stood among the images, if `--holdout` set them aside
    labels: np.ndarray | None = None  # int32 [N], indices into `label_names`; None where there are no classes
    label_names: tuple[str, ...] = ()
    heldout_labels: np.ndarray | None = None  # like `labels`, of `heldout`

    @property
    def class_counts(self):
        """How many images each class has, in the order of `label_names`; empty where there are no classes."""
        if self.labels is None:
            return ()
        return tuple(np.bincount(self.labels[self.labels >= 0], minlength=len(self.label_names)).tolist())


def fingerprint(images):
    """SHA-256 (hex) of an array's shape and bytes: equal exactly when two runs have the same images, or labels.

    `Records` have one of their own, for which they are not read. None where there is no array.
    """
    if images is None:
        return None
    if isinstance(images, Records):
        return images.sha256()
    digest = hashlib.sha256(" ".join(map(str, images.shape)).encode("ascii") + b"\n")
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def resize(images, size, resample):
    """Resizes uint8 [N, height, width] (grey) or [N, height, width, 3] to squares of `size` pixels a side.

    `resample` is one of `PIL.Image.Resampling`. Returns uint8 [N, size, size, 1 or 3], C-contiguous.
    """
    resized = np.empty((len(images), size, size, *images.shape[3:]), np.uint8)
    for row, image in zip(resized, images):
        row[...] = Image.fromarray(np.ascontiguousarray(image)).resize((size, size), resample)
    return resized if images.ndim == 4 else resized[..., None]


def set_aside(image_set, count):
    """Moves `count` images of an `ImageSet`, chosen at random but always the same, from `images` to `heldout`.

    UserError where hardly any image would be left to train on.
    """
    total = len(image_set.images)
    if total - count < MIN_IMAGES_LEFT:
        most = total - MIN_IMAGES_LEFT
        raise UserError(
            f"--holdout {count} leaves fewer than {MIN_IMAGES_LEFT} of the {total} images to train "
            f"on; {f'give at most {most}' if most > 0 else 'leave it out'}"
        )
    chosen = np.sort(np.random.default_rng(CHOICE_SEED).choice(total, count, replace=False))
    rest, labels, heldout = np.delete(np.arange(total), chosen), image_set.labels, image_set.images[chosen]
    return dataclasses.replace(
        image_set,
        images=_part(image_set.images, rest),
        heldout=heldout,
        labels=None if labels is None else labels[rest],
        heldout_labels=None if labels is None else labels[chosen],
        heldout_indices=tuple(map(int, chosen)),
        name=f"{image_set.name}, {count} set aside",
    )


def _part(images, rows):
    """Those rows, in ascending order; in a file they move up, since it may be larger than the memory."""
    if isinstance(images, Records):
        return images.part(rows)
    if not isinstance(images, np.memmap):
        return images[rows]
    for place, row in enumerate(rows):
        images[place] = images[row]
    return images[: len(rows)]


def keep_labels(image_set, per_class):
    """Hides all labels of an `ImageSet` but so many of each class, chosen at random but always the same.

    `per_class` is a number as text, or "all"; hidden labels become -1. Raises UserError where there are no labels, or a
    class has fewer.
    """
    if per_class == "all":
        return image_set
    if image_set.labels is None:
        raise UserError(f"--labels_per_class {per_class}: {image_set.name} has no labels; leave the flag out")
    rng = np.random.default_rng(CHOICE_SEED)
    kept = np.full_like(image_set.labels, -1)
    for number in np.unique(image_set.labels):
        places = np.flatnonzero(image_set.labels == number)
        if len(places) < int(per_class):
            raise UserError(
                f"--labels_per_class {per_class}: {image_set.name} has only {len(places)} images of "
                f"{image_set.label_names[number]}; choose a smaller number"
            )
        kept[rng.choice(places, int(per_class), replace=False)] = number
    return dataclasses.replace(image_set, labels=kept, name=f"{image_set.name}, {per_class} labels a class")
