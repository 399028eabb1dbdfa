"""The data sets to train on: square images as uint8 arrays. Bad input is raised as `wgan.common.errors.UserError`."""

from wgan.data.datasets import DATASET_NAMES, check, class_names, load, load_for_run, similar_class
from wgan.data.imageset import ImageSet, fingerprint

__all__ = ["DATASET_NAMES", "ImageSet", "check", "class_names", "fingerprint", "load", "load_for_run", "similar_class"]
