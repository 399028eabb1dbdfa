"""How to recognise what this program has written, so that it never trains on it."""

import os

from PIL import ExifTags

RUN_ID_FILE = ".run_id"  # a file in both folders of every run
SOFTWARE = "wgan-gp-cifar10"  # in the metadata of the images and animations that people look at


def is_run_folder(path):
    """Whether a folder is one of the two that a run writes to."""
    return os.path.exists(os.path.join(path, RUN_ID_FILE))


def is_own_image(image):
    """Whether this program has drawn an open `PIL.Image.Image`, by its metadata: a PNG's, a GIF's or a WebP's."""
    if image.format == "WEBP":  # others would be decoded to look for Exif data
        return image.getexif().get(ExifTags.Base.Software) == SOFTWARE
    return image.info.get("Software") == SOFTWARE or image.info.get("comment") == SOFTWARE.encode()
