"""The training as an animation: which grids are shown, how a frame looks, and writing them all.

A grid is read when the writer of the file asks for its frame; see `wgan.images.animation_formats`.
"""

import dataclasses
import io
import math
import os
import pathlib
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from wgan.common import options
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.common.options import option
from wgan.images.animation_formats import GIF_MAX_FPS, WRITERS, Frame, check_memory
from wgan.images.grids import BACKGROUND
from wgan.runs.files import atomic_path
from wgan.runs.neighbouring_runs import advice_on_grids
from wgan.runs.sample_files import list_samples

# Pixels; the default enlargement comes as near to it as a whole number can. Larger squares make a GIF much larger, and
# the others hardly.
_TARGET_WIDTH = {".gif": 400, ".webp": 512, ".mp4": 512}
_MAX_GRID_PIXELS = 4096 * 4096  # larger than any grid of ours; a small file may unpack to gigabytes
MAX_SIDE = 8192  # pixels of an enlarged grid; players, and the formats, stop not far beyond
_FPS_RANGE = (0.1, 60)


@dataclasses.dataclass(frozen=True)
class AnimationOptions:
    """How an animation looks."""

    max_frames: int = option(120, "Animation", at_least=1)
    """At most so many grids are shown, more of the early epochs."""
    fps: float = option(20.0, "Animation")
    """Frames a second, 0.1 to 60 (a .gif: to 50)."""
    hold: float = option(3.0, "Animation", at_least=0, at_most=600)  # the GIF's field ends at 655
    """Seconds for which the last frame is shown; never less than another frame."""
    scale: int = option(0, "Animation", at_least=0)
    """Enlargement, a whole number; 0: to about 512 pixels in width, of a .gif 400."""

    def check(self, output):
        """Raises UserError for values that make no sense, NaN among them, or cannot be had in the file `output`."""
        suffix = output.suffix.lower()
        if suffix not in WRITERS:
            raise UserError(f"cannot write {output}: the name must end in {', '.join(WRITERS)}")
        if output.is_dir():
            raise UserError(f"cannot write {output}: it is a folder")
        options.check(self)
        check_fps(suffix, self.fps)


class Summary(NamedTuple):
    """What `write_animation` has written."""

    path: pathlib.Path
    frames: int
    first_epoch: int
    last_epoch: int
    skipped: int  # grids that were chosen and could not be used
    size: int  # bytes


def choose_frames(epochs, max_frames):
    """Picks the epochs to show, more densely at the start, where a training changes most.

    With n epochs and m frames (m < n), frame k = 0 .. m-1 shows the epoch at position (n - 1) * (k / (m - 1))**2,
    rounded down, but at least k: half of the frames fall into the first quarter of the training.

    Args:
        epochs: the epochs there are, distinct and ascending.
        max_frames: at least 1.

    Returns:
        A list of m distinct epochs, ascending, among them the first and the last (the last alone where m is 1); of
        all epochs when there are no more.
    """
    count = len(epochs)
    if count <= max_frames:
        return list(epochs)
    if max_frames == 1:
        return [epochs[-1]]
    intervals = max_frames - 1
    return [epochs[max(k, (count - 1) * k * k // intervals**2)] for k in range(max_frames)]


def read_grid(where):
    """A grid, a PNG's path or a `ZippedGrid`, as uint8 [H, W, 3]; a grey one becomes three equal channels.

    Raises:
        UserError: it cannot be read, is damaged, or is far larger than a grid.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is stricter
            with Image.open(io.BytesIO(where.read_bytes()), formats=["PNG"]) as image:
                if image.width * image.height > _MAX_GRID_PIXELS:
                    raise UserError(f"{image.width}x{image.height} pixels are too many for a grid")
                return np.asarray(image.convert("RGB"))
    except UserError:
        raise
    except UnidentifiedImageError as error:  # whose message is about an object in memory
        raise UserError("not a PNG") from error
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise UserError(f"not a readable PNG ({one_line(error)})") from error


def usual_scale(width, height, suffix):
    """The enlargement, a whole number, that brings a grid's width in pixels nearest to 512, in a .gif to 400, and keeps
    both sides within `MAX_SIDE`."""
    return max(1, min(round(_TARGET_WIDTH[suffix] / width), MAX_SIDE // max(width, height)))


class _Drawing:
    """Turns grids of one shape into frames of one size."""

    def __init__(self, shape, suffix, scale, samples):
        self.shape, self._scale = shape, scale or usual_scale(shape[1], shape[0], suffix)
        height, self._width = shape[0] * self._scale, shape[1] * self._scale
        if max(self._width, height) > MAX_SIDE:
            raise UserError(
                f"--scale {self._scale} would make frames of {self._width}x{height} pixels, more than {MAX_SIDE} a side"
            )
        self._font = ImageFont.load_default(max(12, self._width // 20))
        self._strip_height = 2 * math.ceil(0.8 * self._font.size)
        check_memory(suffix, len(samples), self._strip_height + height, self._width)

    def frame(self, grid, epoch):
        """A Frame with the epoch in a strip above the grid, which covers no image."""
        strip = Image.new("L", (self._width, self._strip_height), BACKGROUND)
        place = self._font.size // 2, self._strip_height / 2
        ImageDraw.Draw(strip).text(place, f"epoch {epoch}", fill=0, font=self._font, anchor="lm")
        return Frame(grid, np.asarray(strip), self._scale)


def _frames(samples, drawing_of, shown, warn):
    """Yields a Frame for each (epoch, where) that can be used and appends its epoch to `shown`."""
    drawing = None
    for epoch, where in samples:
        try:
            grid = read_grid(where)
            if drawing and drawing.shape != grid.shape:
                height, width, _ = drawing.shape
                raise UserError(f"{grid.shape[1]}x{grid.shape[0]} pixels, the first grid has {width}x{height}")
        except UserError as error:
            warn(f"skipped {where}: {error}")
            continue
        drawing = drawing or drawing_of(grid.shape)
        shown.append(epoch)
        yield drawing.frame(grid, epoch)


def check_fps(suffix, fps):
    """Raises UserError where a file with this suffix cannot show so many frames a second, or so few."""
    slowest, fastest = _FPS_RANGE[0], GIF_MAX_FPS if suffix == ".gif" else _FPS_RANGE[1]
    if not slowest <= fps <= fastest:
        raise UserError(f"--fps must be {slowest} to {fastest} for {suffix}, not {fps:g}")


def write_animation(sample_dir, output, progress=iter, warn=print, **looks):
    """Makes an animation, which loops forever, of the grids in a folder; a `Summary` of it.

    Args:
        sample_dir: the folder with the grids, in any layout.
        output: the file, complete or not written; its suffix (.gif, .webp, .mp4) decides the format.
        progress: called with the list of (epoch, where) to show, returns an iterable over it.
        warn: called with one line for each grid that is unreadable, or of another size than the first one shown.
        looks: the fields of an `AnimationOptions`.

    Raises:
        UserError: a bad argument, nothing to show, too many frames for the memory, or an extra package is missing.
        OSError: `output` cannot be written.
    """
    output, sample_dir = (pathlib.Path(os.path.expanduser(path)) for path in (output, sample_dir))
    wanted, suffix, shown = AnimationOptions(**looks), output.suffix.lower(), []
    wanted.check(output)
    samples = _samples(sample_dir, wanted.max_frames)
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(output) as temporary:
        temporary.touch()  # an unwritable folder is found out before the work, not after it
        drawing_of = lambda shape: _Drawing(shape, suffix, wanted.scale, samples)
        WRITERS[suffix](temporary, _frames(progress(samples), drawing_of, shown, warn), wanted.fps, wanted.hold)
        if not shown:
            raise UserError(f"none of the grids chosen in {sample_dir} can be read")
    return Summary(output, len(shown), shown[0], shown[-1], len(samples) - len(shown), output.stat().st_size)


def _samples(sample_dir, max_frames):
    """(epoch, where) of the grids to show; UserError where there are none."""
    places = dict(list_samples(sample_dir))
    if not places:
        advice = advice_on_grids(sample_dir)
        raise UserError(
            f"no grids (sample_00001.png ...) in {sample_dir}: "
            + (advice or "train first with `python train.py`, or name the folder with --sample_dir")
        )
    return [(epoch, places[epoch]) for epoch in choose_frames(list(places), max_frames)]
