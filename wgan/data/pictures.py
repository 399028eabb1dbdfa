"""One picture file of any format and size as a small RGB square."""

import contextlib
import functools
import threading

import numpy as np
from PIL import Image

MOST_PIXELS = 89_478_485  # Pillow's own limit, kept here in case another library has lifted it
_MANY_PIXELS = 16_000_000
_SPARE = 4  # times the final size: JPEG may be decoded smaller, while this much is left to antialias
_one_large_at_a_time = threading.Lock()

# Left out: EPS, which Pillow hands to another program, and formats it can name but not decode.
_LEFT_OUT = frozenset({"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "PDF", "PALM"})
# Formats with a signature, which a file without a telling suffix can be recognised by.
_SIGNED = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# Pictures by their name, though Pillow needs an extra package for them: better named than passed over.
_ELSEWHERE = frozenset({".heic", ".heif", ".avif", ".jxl"})

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@functools.cache
def suffixes():
    """The file suffixes (".png") of every format that is read here, in lower case."""
    registered = Image.registered_extensions()
    return _ELSEWHERE | {suffix for suffix, name in registered.items() if name not in _LEFT_OUT}


@functools.cache
def _formats():
    """The names of the formats that are read here."""
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _LEFT_OUT)


def is_signed_picture(path):
    """Whether a file begins like one of the common picture formats. Any error counts as no."""
    try:
        with Image.open(path, formats=[name for name in _SIGNED if name in _formats()]):
            return True
    except Exception:  # whatever is wrong with it, it is no picture
        return False


def read(path, size):
    """Reads the first frame of a picture, upright, cut to its central square and resized.

    Args:
        path: a picture file.
        size: pixels a side of the result.

    Returns:
        uint8 [size, size, 3]; a grey picture has three equal channels. What is transparent lies on white.

    Raises:
        Exception: of many kinds, whenever the file is broken, or larger than `MOST_PIXELS`.
    """
    with Image.open(path, formats=_formats()) as image:
        pixels = image.width * image.height
        if not 0 < pixels <= MOST_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels")
        with _one_large_at_a_time if pixels > _MANY_PIXELS else contextlib.nullcontext():
            image.draft(None, (_SPARE * size, _SPARE * size))
            image.load()
            small = _central_square(_plain(image), size)
            return np.asarray(_turned(_on_white(small), _orientation(image)))


def _plain(image):
    """The picture as L, RGB or RGBA: the modes in which resizing and compositing are exact."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_as_bytes(np.asarray(image)))
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def _as_bytes(values):
    """Grey values of more than 8 bits scaled to 0..255; Pillow's own conversion would cut them off.

    Whole numbers count as 16 bits, which is what PNG, TIFF and PGM hold; fractions as 0..1, 0..255 or
    0..65535, whichever holds them. Values beyond are stretched from the darkest to the brightest.
    """
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = 0.0, float(values.max())
    tops = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    top = next((top for top in tops if high <= top), high)
    if values.min() < 0 or high > tops[-1]:
        low, top = float(values.min()), high
    scaled = (values - np.float32(low)) * np.float32(255 / ((top - low) or 1))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _central_square(image, size):
    """The central square, resized.

    An odd rest leaves half a pixel over on both sides: the crop keeps it, the box of the resizing does
    not, so the square is exactly central and a picture and its mirror image are treated alike.
    """
    side = min(image.size)
    over_x, over_y = (image.width - side) % 2, (image.height - side) % 2
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side + over_x, top + side + over_y))
    box = (over_x / 2, over_y / 2, side + over_x / 2, side + over_y / 2)
    return image.resize((size, size), Image.Resampling.LANCZOS, box=box)


def _on_white(image):
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _orientation(image):
    """The EXIF orientation; 1 (upright) where the tags are missing or unreadable.

    Asked after loading, since Pillow turns TIFF files itself while it loads them.
    """
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged tags are no reason to lose the picture
        return 1


def _turned(image, orientation):
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)
