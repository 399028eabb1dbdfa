"""What every data set is loaded into."""

import dataclasses
import hashlib

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class ImageSet:
    """The images of one class, or of a whole data set.

    Attributes:
        images: uint8 [N, size, size, C], C-contiguous; C is 1 (grey) or 3 (RGB).
        name: what was loaded, for people: "cifar10 horse, train and test".
        class_name: the canonical label: a class name, or "all".
        notices: lines the user should see, such as which broken pictures were skipped.
        heldout: like `images`: those never trained on, or None.
        heldout_indices: where they stood among the images, if `--holdout` set them aside.
        labels: int32 [N], the class of each image as an index into `label_names`; None where there are no classes.
        label_names: names of the classes that `labels` may name.
        heldout_labels: like `labels`, of `heldout`.
    """

    images: np.ndarray
    name: str
    class_name: str
    notices: tuple[str, ...] = ()
    heldout: np.ndarray | None = None
    heldout_indices: tuple[int, ...] = ()
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    heldout_labels: np.ndarray | None = None


def fingerprint(images):
    """SHA-256 (hex) of an array's shape and bytes: equal exactly when two runs have the same images.

    Args:
        images: an array of any shape.
    """
    digest = hashlib.sha256(" ".join(map(str, images.shape)).encode("ascii") + b"\n")
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()
