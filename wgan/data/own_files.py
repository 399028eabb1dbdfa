"""How to recognise what this program has written, so that it never trains on it."""

import os

RUN_MARK = ".run_id"  # a file in both folders of every run
SOFTWARE = "wgan-gp-cifar10"  # in the metadata `Software` of the pictures that people look at


def is_run_folder(path):
    """Whether a folder is one that a run writes to."""
    return os.path.exists(os.path.join(path, RUN_MARK))


def is_own_picture(image):
    """Whether this program has drawn an open `PIL.Image.Image`, by its metadata."""
    return image.info.get("Software") == SOFTWARE
