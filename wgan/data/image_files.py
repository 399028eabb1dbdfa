"""One image file of any format and size as a small RGB square."""

import contextlib
import functools
import importlib
import logging
import re
import threading
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError, features

from wgan.data.own_files import is_own_image

MAX_PIXELS = 89_478_485  # where Pillow begins to warn
MAX_JPEG_PIXELS = 4 * MAX_PIXELS  # decoded at an eighth of its sides
_MANY_PIXELS = 16_000_000
_MAX_METADATA_BYTES = 2**26  # of a PNG, unpacked
_SPARE = 4  # times the final size: JPEG may be decoded smaller, while this much is left to antialias
_one_large_at_a_time = threading.Lock()
_one_changes_pillow = threading.Lock()

# Left out: EPS, which Pillow hands to another program, and formats it can name but not decode.
_LEFT_OUT = ("EPS", "BUFR", "GRIB", "HDF5", "MPEG", "PDF", "PALM")
# Formats with a signature, which a file without a telling suffix can be recognised by.
_SIGNED = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# Formats of several pages or frames. In others, such as the MPO of phones, what follows is of the same image.
_PAGED = ("TIFF", "GIF", "WEBP", "PNG")
# Images by their name, though Pillow needs an extra package for them: better named than passed over.
_ELSEWHERE = frozenset({".heic", ".heif", ".avif", ".jxl"})
_HEAD = 1024  # bytes that tell what a file is
_USUAL_MAXIMA = (1.0, 255.0, 65535.0)  # of fractions, bytes and 16 bits

_TOO_LARGE = f"more than {MAX_PIXELS // 10**6} million pixels (a JPEG: {MAX_JPEG_PIXELS // 10**6}); make them smaller"
_DAMAGED = "cut off or damaged; copy them again"
_IN_SPITE = "whatever the name says"
_NEEDS = "for which Pillow needs a package: pip install"
# What a file that is not read begins with, Pillow's name of the format where it could be, and the reason.
_BEGINNINGS = (
    (rb"....ftyp(....)*avi[fs]", "AVIF", "AVIF, for which Pillow must be newer: pip install --upgrade pillow"),
    (rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "HEIF", f"HEIC, {_NEEDS} pillow-heif"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JXL", f"JPEG XL, {_NEEDS} pillow-jxl-plugin"),
    (rb"%PDF|%!PS|\xc5\xd0\xd3\xc6", None, "for printing (PDF or PostScript); convert them to PNG"),
    (rb"version https://git-lfs", None, "stand-ins of Git LFS; fetch the images with: git lfs pull"),
    (rb"(?i)[^\0]*<(!doctype html|html|head|body)\b", None, f"web pages, {_IN_SPITE}; download the images anew"),
    (rb"[\t\n\r\x1b\x20-\xff]+\Z", None, f"text, {_IN_SPITE}; put the images in their place"),
    (rb"", None, f"in no format that is read, {_IN_SPITE}; convert them to PNG or JPEG"),
)


class NotRead(Exception):
    """An image that is left out. The message is the reason with the remedy, the same for all images of a kind."""


class ReadImage(NamedTuple):
    """What `read` gives."""

    pixels: np.ndarray  # uint8 [size, size, 3]; a grey image has three equal channels
    levels: tuple[float, float] | None  # the smallest and the largest of values of more than 8 bits
    is_fractions: bool  # whether those are floating-point numbers
    has_more: bool  # whether the file has further pages or frames, which are not read


@functools.cache
def suffixes():
    """The file suffixes (".png") of every format that is read here, in lower case."""
    formats()
    registered = Image.registered_extensions()
    return _ELSEWHERE | {suffix for suffix, name in registered.items() if name not in _LEFT_OUT}


@functools.cache
def formats():
    """The names of the formats that are read here."""
    Image.init()
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_jxl")  # registers itself
    return tuple(name for name in Image.OPEN if name not in _LEFT_OUT)


@contextlib.contextmanager
def usual_pillow():
    """Which images are broken does not depend on what the calling program has set in Pillow.

    Its remarks about large images and odd tags stay off the terminal: nobody can act on them. Of several threads that
    load images one does so at a time: else the last to leave would restore what another one had set.
    """
    # Pillow refuses twice as many pixels; `read` has a limit of its own.
    settings = (
        (Image, "MAX_IMAGE_PIXELS", MAX_JPEG_PIXELS // 2),
        (ImageFile, "LOAD_TRUNCATED_IMAGES", False),
        (PngImagePlugin, "MAX_TEXT_CHUNK", _MAX_METADATA_BYTES),
        (PngImagePlugin, "MAX_TEXT_MEMORY", _MAX_METADATA_BYTES),
    )
    logger = logging.getLogger("PIL")
    with _one_changes_pillow, warnings.catch_warnings(), contextlib.ExitStack() as restored:
        warnings.simplefilter("ignore")
        restored.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL + 1)
        for module, name, value in settings:
            restored.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield


def looks_like_an_image(path):
    """Whether a file begins like one of the common image formats. Nearly every error counts as no."""
    try:
        with Image.open(path, formats=[name for name in _SIGNED if name in formats()]):
            return True
    except Image.DecompressionBombError:  # it is one, of any size
        return True
    except Exception:  # whatever is wrong with it, it is not an image
        return False


def is_own(path):
    """Whether this program has drawn the image in a file. Any error counts as no."""
    try:
        with Image.open(path, formats=formats()) as image:
            return is_own_image(image)
    except Exception:  # `read` will say what is wrong with it
        return False


def read(path, size, levels=None):
    """Reads the first frame of an image file, upright, cut to its central square and resized; within `usual_pillow`.

    `size` is in pixels a side; `levels` are the values of more than 8 bits that become 0 and 255 (see `full_scale`), by
    default the image's own. Returns a `ReadImage`, what is transparent on white, or raises NotRead, whatever is wrong.
    """
    try:
        return _read(path, size, levels)
    except NotRead:
        raise
    except Exception as error:  # Pillow and its codecs raise many kinds for a broken file
        raise NotRead(_reason(path, error)) from error


def full_scale(levels):
    """The values that become 0 and 255: where the largest is more than half of 1, 255 or 65535, that one is meant.

    So the scale of images that use all of their bits does not depend on the set; of 12 bits in a 16-bit file it is
    the largest value that counts, and the image is not nearly black. Only where values are negative, or more than
    any of these, does the smallest become 0.
    """
    low, high = levels
    if low < 0 or high > _USUAL_MAXIMA[-1]:
        return low, high
    return 0.0, next((usual for usual in _USUAL_MAXIMA if usual / 2 < high <= usual), high)


def _read(path, size, levels):
    with Image.open(path, formats=formats()) as image:
        if is_own_image(image):
            raise NotRead("drawn by this program, which does not train on what it has made")
        pixels = image.width * image.height
        if not 0 < pixels <= (MAX_JPEG_PIXELS if image.format in ("JPEG", "MPO") else MAX_PIXELS):
            raise NotRead(_TOO_LARGE)
        has_more = _has_more(image)
        with _one_large_at_a_time if pixels > _MANY_PIXELS else contextlib.nullcontext():
            image.draft(None, (_SPARE * size, _SPARE * size))
            image.load()
            flat, own_levels = _plain(image, levels)
            upright = _upright(_on_white(_central_square(flat, size)), image)
            return ReadImage(np.asarray(upright), own_levels, image.mode.startswith("F"), has_more)


def _has_more(image):
    try:
        return image.format in _PAGED and bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second page does not cost the first
        return True


def _reason(path, error):
    """Why a file could not be read, and the remedy, for all files of its kind."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError as failure:
        return f"{failure.strerror or failure}; check their permissions"
    if not head:
        return "empty; copy them again"
    is_signed = any(Image.OPEN[name][1](head) for name in _SIGNED if name in formats())
    if isinstance(error, UnidentifiedImageError) and not is_signed:
        found = (each for each in _BEGINNINGS if re.match(each[0], head, re.DOTALL))
        _, name, reason = next(found)
        is_known = name in formats() and (name != "AVIF" or features.check("avif"))  # Pillow names it in any case
        return _DAMAGED if is_known else reason
    if isinstance(error, Image.DecompressionBombError):
        return _TOO_LARGE
    if isinstance(error, MemoryError):
        return "too large for the memory; make them smaller"
    return _DAMAGED


def _plain(image, levels):
    """The image as L, RGB or RGBA, the modes in which resizing and compositing are exact; and `ReadImage.levels`."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if values.dtype.kind == "f":
            values = np.nan_to_num(values, posinf=0, neginf=0)
        own = float(values.min()), float(values.max())
        return Image.fromarray(_as_bytes(values, levels or own)), own
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA"), None
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), None


def _as_bytes(values, levels):
    """Values of more than 8 bits scaled to 0..255; Pillow's own conversion would cut them off."""
    low, top = full_scale(levels)
    scaled = (values - np.float32(low)) * np.float32(255 / ((top - low) or 1))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _central_square(image, size):
    """The central square, resized. Cut out first, so that nothing beyond it bleeds in; where half a pixel is left over
    on both sides, `fit` leaves out the halves, so that an image and its mirror image are treated alike."""
    left, top = (image.width - min(image.size)) // 2, (image.height - min(image.size)) // 2
    central = image.crop((left, top, image.width - left, image.height - top))
    return ImageOps.fit(central, (size, size), Image.Resampling.LANCZOS)


def _on_white(image):
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image.info = {}  # of which nothing is needed any more
    return image.convert("RGB")


def _upright(small, image):
    """Turned as the EXIF data of the loaded image say; damaged ones are no reason to lose it."""
    with contextlib.suppress(Exception):
        small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
        return ImageOps.exif_transpose(small)
    return small
