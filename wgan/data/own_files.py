"""How to recognise what this program has written, so that it never trains on it."""

import os
import re

from PIL import ExifTags

RUN_MARK = ".run_id"  # a file in both folders of every run
SOFTWARE = "wgan-gp-cifar10"  # in the metadata of the images and animations that people look at
_GRIDS = re.compile(r"[0-9]{5,}-[0-9]{5,}")


def is_run_folder(path):
    """Whether a folder is one that a run writes to, or holds 500 of its grids."""
    return is_marked(path) or (is_named_for_grids(path) and is_marked(os.path.dirname(os.path.abspath(path))))


def is_marked(path):
    """Whether a folder is one of the two that a run writes to."""
    return os.path.exists(os.path.join(path, RUN_MARK))


def is_named_for_grids(path):
    """Whether a folder's name is like those of the folders of 500 grids: "00001-00500"."""
    return bool(_GRIDS.fullmatch(os.path.basename(os.path.abspath(path))))


def is_own_image(image):
    """Whether this program has drawn an open `PIL.Image.Image`, by its metadata: a PNG's, a GIF's or a WebP's."""
    if image.format == "WEBP":  # others would be decoded to look for Exif data
        return image.getexif().get(ExifTags.Base.Software) == SOFTWARE
    return image.info.get("Software") == SOFTWARE or image.info.get("comment") == SOFTWARE.encode()
