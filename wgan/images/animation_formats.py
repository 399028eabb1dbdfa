"""Animations as GIF and WebP, which Pillow writes, and as MP4, for which imageio passes the frames on to ffmpeg.

Pillow holds all frames of an animation in memory: `check_memory` refuses what would be too much.
"""

import itertools
import math
from dataclasses import dataclass

import imageio.v2
import numpy as np
from PIL import ExifTags, Image

from wgan.common.errors import UserError
from wgan.data.own_files import SOFTWARE

GIF_MAX_FPS = 50  # delays are whole hundredths of a second, and browsers slow down a delay of one
_MAX_BYTES = 2**30  # of frames in memory
_BYTES_OF_A_PIXEL = {".gif": 1, ".webp": 4, ".mp4": 0}  # as Pillow holds it; a video's frames are not kept
_GRID_COLOURS = 239  # of the GIF's 256; one more means "as before", and 16 are greys for the text with its soft edges
_GREYS = np.repeat(np.arange(16, dtype=np.uint8)[:, None] * 17, 3, axis=1)
_PALETTE_PIXELS = 20_000  # about as many pixels of an animation are looked at to choose its colours
_TOLERANCE = 3  # of 256 levels: a pixel keeps its colour while that is not further off; Pillow's choice is not nearer


@dataclass(frozen=True)
class Frame:
    """A grid that is still small, and what stands above it."""

    grid: np.ndarray  # uint8 [h, w, 3]
    strip: np.ndarray  # uint8 [s, w * scale], grey
    scale: int  # by which whole number the grid is enlarged, every pixel to a square of its colour

    def rgb(self):
        """The frame as it is shown, uint8 [s + h * scale, w * scale, 3]."""
        return np.concatenate([np.repeat(self.strip[:, :, None], 3, axis=2), self.enlarge(self.grid)])

    def enlarge(self, pixels):
        """`pixels` [h, w, ...] at `scale` times their size, without blur."""
        return pixels.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


def check_memory(suffix, frames, height, width):
    """Raises UserError where so many frames of this size in pixels are too many for a file with this suffix."""
    size = frames * height * width * _BYTES_OF_A_PIXEL[suffix]
    if size > _MAX_BYTES:
        raise UserError(
            f"{frames} frames of {width}x{height} pixels would take {size / 1e9:.1f} GB of memory for a "
            f"{suffix}: make fewer or smaller ones, or an .mp4, which takes any number"
        )


def write_gif(path, frames, fps, hold):
    """Writes a GIF that loops forever, with one palette for all frames; pixels that hardly change are not repeated.

    Args:
        path: the file.
        frames: iterable of Frame, all of one size; where there are none, nothing is written.
        fps: frames a second, at most GIF_MAX_FPS; kept on average where 100 / fps is not a whole number.
        hold: seconds for which the last frame is shown.
    """
    frames = list(frames)
    durations = [10 * hundredths for hundredths in _durations(len(frames), fps, hold, 100)]
    options = {"disposal": 1, "optimize": True, "comment": SOFTWARE}
    _save(path, _images(frames), format="GIF", duration=durations, **options)


def write_webp(path, frames, fps, hold):
    """Writes a lossless WebP that loops forever; arguments as for `write_gif`."""
    images = [Image.fromarray(frame.rgb()) for frame in frames]
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    # The slower methods save a quarter, at 20 times the time.
    options = {"exif": exif, "lossless": True, "method": 0}
    _save(path, iter(images), format="WEBP", duration=_durations(len(images), fps, hold, 1000), **options)


def _save(path, images, **options):
    """Writes an iterator of Pillow's images as an animation, if there are any."""
    first = next(images, None)
    if first:
        first.save(path, save_all=True, append_images=images, loop=0, **options)


def _durations(count, fps, hold, units):
    """Of each frame in 1/units s: the differences of rounded times, so that no error adds up."""
    times = [round(number * units / fps) for number in range(count)]
    return [*(after - before for before, after in itertools.pairwise(times)), round(units * max(hold, 1 / fps))]


def _images(frames):
    """Yields a GIF's frames as Pillow's images, all with the same palette; the grids are reduced while small."""
    if not frames:
        return
    colours = _animation_colours(frames)
    text = len(colours)
    colours = np.concatenate([colours, _GREYS])
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.tobytes())
    shown = None
    for frame in frames:
        grid = np.asarray(Image.fromarray(frame.grid).quantize(palette=palette, dither=Image.Dither.NONE))
        if shown is not None:
            error = abs(colours[shown].astype(np.int16) - frame.grid).max(axis=2)
            grid = np.where(error <= _TOLERANCE, shown, grid)
        shown = grid
        strip = text + (frame.strip.astype(np.uint16) + 8) // 17  # the nearest of the greys
        image = Image.fromarray(np.concatenate([strip.astype(np.uint8), frame.enlarge(grid)]))
        image.putpalette(colours.tobytes())
        yield image


def _animation_colours(frames):
    """Up to 239 colours, chosen for an animation's grids alone: uint8 [n, 3]."""
    height, width = frames[0].grid.shape[:2]
    step = max(1, math.isqrt(len(frames) * height * width // _PALETTE_PIXELS))
    starts = (number % min(step, height, width) for number in range(len(frames)))
    some = [frame.grid[start::step, start::step].reshape(1, -1, 3) for start, frame in zip(starts, frames)]
    pixels = Image.fromarray(np.concatenate(some, axis=1))
    chosen = pixels.quantize(_GRID_COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)
    count = int(np.asarray(chosen).max()) + 1  # few colours leave the rest of the palette empty
    return np.array(chosen.getpalette()[: 3 * count], np.uint8).reshape(count, 3)


def write_mp4(path, frames, fps, hold):
    """Writes an H.264 video that common players and browsers show; arguments as for `write_gif`.

    A video has no loop and no long frames: the last frame is repeated for as long as it is held.

    Raises:
        UserError: imageio-ffmpeg is missing.
        OSError: ffmpeg failed.
    """
    check_ffmpeg()
    # Below quality 9 of 10 the squares' edges blur. yuv420p is what browsers play.
    options = {"codec": "libx264", "quality": 9, "pixelformat": "yuv420p", "macro_block_size": 1}
    with imageio.v2.get_writer(path, format="FFMPEG", mode="I", fps=fps, **options) as video:
        pixels = None
        for frame in frames:
            pixels = frame.rgb()
            height, width = pixels.shape[:2]
            # yuv420p has one colour for 2x2 pixels: an odd side gets one more row or column.
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            video.append_data(pixels)  # type: ignore[attr-defined]
        for _ in range(round(hold * fps) - 1 if pixels is not None else 0):
            video.append_data(pixels)  # type: ignore[attr-defined]


def check_ffmpeg():
    """Raises UserError where imageio-ffmpeg is missing, without which there is no .mp4."""
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: the package came without ffmpeg for this system
        raise UserError("an .mp4 needs ffmpeg: pip install imageio-ffmpeg (or write a .gif)") from None


WRITERS = {".gif": write_gif, ".webp": write_webp, ".mp4": write_mp4}
