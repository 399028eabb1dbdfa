"""Animations written frame by frame, as GIF, WebP or MP4.

The frames come from an iterator and are forgotten once they are encoded: while one is being written,
at most the next is in memory. For MP4, imageio passes each frame on to ffmpeg. For GIF and WebP its
writer (and Pillow's, on which it rests) collects all frames and encodes them at the end, which for ten
thousand frames takes gigabytes. Here imageio encodes each frame as a picture of its own, and the small
containers in which both formats keep a row of such pictures are written around them. Little is lost:
between two grids nearly every pixel changes, so there is hardly anything to share.
"""

import math
import struct
from dataclasses import dataclass

import imageio.v2
import imageio.v3
import numpy as np
from PIL import Image

from wgan.errors import UserError

GIF_MAX_FPS = 50  # delays are whole hundredths of a second, and browsers slow down a delay of one
_GRID_COLOURS = 240  # of the GIF's 256; the other 16 are greys for the text with its soft edges
_GREYS = np.arange(16, dtype=np.uint8) * 17
_PALETTE_PIXELS = 4096  # about as many of a grid's pixels are looked at to choose its colours


@dataclass(frozen=True)
class Frame:
    """A grid that is still small, and what stands above it.

    Attributes:
        grid: uint8 [h, w, 3].
        strip: uint8 [s, w * scale], grey.
        scale: by which whole number the grid is enlarged, every pixel to a square of its colour.
    """

    grid: np.ndarray
    strip: np.ndarray
    scale: int

    def rgb(self):
        """The frame as it is shown, uint8 [s + h * scale, w * scale, 3]."""
        return np.concatenate([np.repeat(self.strip[:, :, None], 3, axis=2), self.enlarge(self.grid)])

    def enlarge(self, pixels):
        """`pixels` [h, w, ...] at `scale` times their size, without blur."""
        return pixels.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


def indexed(frame):
    """Reduces a frame to at most 256 colours, chosen for this frame alone and without dithering.

    The grid is reduced while it is small: that is many times faster than after the enlargement.

    Returns:
        (uint8 [H, W] colour numbers, bytes: up to 256 colours, RGB).
    """
    height, width = frame.grid.shape[:2]
    step = max(1, math.isqrt(height * width // _PALETTE_PIXELS))
    some_pixels = Image.fromarray(np.ascontiguousarray(frame.grid[::step, ::step]))
    chosen = some_pixels.quantize(_GRID_COLOURS, method=Image.Quantize.MEDIANCUT)
    count = chosen.getextrema()[1] + 1  # a grid of few colours leaves the rest of its palette empty
    colours = bytes(chosen.getpalette()[:3 * count]) + np.repeat(_GREYS, 3).tobytes()
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    grid = np.asarray(Image.fromarray(frame.grid).quantize(palette=palette, dither=Image.Dither.NONE))
    strip = count + (frame.strip.astype(np.uint16) + 8) // 17  # the nearest of the greys
    return np.concatenate([strip.astype(np.uint8), frame.enlarge(grid)]), colours


def write_gif(path, frames, fps, hold):
    """Writes a GIF that loops forever, each frame with a palette of its own.

    Args:
        path: the file.
        frames: iterable of Frame, all of one size.
        fps: frames a second, at most GIF_MAX_FPS; kept on average where 100 / fps is no whole number.
        hold: seconds for which the last frame is shown.
    """
    with open(path, "wb") as file:
        delay_at = None
        for number, frame in enumerate(frames):
            pixels, colours = indexed(frame)
            table, picture = _gif_parts(imageio.v3.imwrite(
                "<bytes>", pixels, extension=".gif", palette=colours, interlace=False))
            if number == 0:
                height, width = pixels.shape
                # Screen size, no common palette; then the extension that makes players loop forever.
                file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0, 0))
            # Control block: leave the frame standing, its delay, no transparency.
            delay_at = file.tell() + 4
            file.write(struct.pack("<4BHBB", 0x21, 0xF9, 4, 0x04, _delay(number, fps, 100), 0, 0))
            file.write(picture[:9] + bytes([0x80 | _table_bits(table)]) + table + picture[10:])
        if delay_at is not None:
            file.write(b"\x3b")
            file.seek(delay_at)
            file.write(struct.pack("<H", round(100 * max(hold, 1 / fps))))


def _table_bits(table):
    """The GIF's way to give a palette's length: 2**(bits + 1) colours."""
    return (len(table) // 3).bit_length() - 2


def _gif_parts(data):
    """Splits a GIF of one picture into its palette and the picture (descriptor and pixels)."""
    position = 13  # after the signature and the screen's description
    table = data[position:position + (6 << (data[10] & 7))]
    position += len(table)
    while data[position] == 0x21:  # extensions: a label, then blocks up to an empty one
        position += 2
        while data[position]:
            position += data[position] + 1
        position += 1
    return table, data[position:-1]


def write_webp(path, frames, fps, hold):
    """Writes a lossless WebP that loops forever; arguments as for `write_gif`."""
    with open(path, "wb") as file:
        duration_at = None
        for number, frame in enumerate(frames):
            pixels = frame.rgb()
            data = imageio.v3.imwrite("<bytes>", pixels, extension=".webp", lossless=True,
                                      method=0)  # the slower methods save a quarter, at 20 times the time
            size = _u24(pixels.shape[1] - 1) + _u24(pixels.shape[0] - 1)
            if number == 0:
                # The file's length is filled in at the end. 0x02: animated; ANIM: background, endless.
                file.write(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", b"\x02\0\0\0" + size))
                file.write(_chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0)))
            duration_at = file.tell() + 8 + 12
            # Position 0, 0; 0x02: the frame covers the one before. After data's head, its picture chunk.
            file.write(_chunk(b"ANMF", _u24(0) + _u24(0) + size + _u24(_delay(number, fps, 1000))
                              + b"\x02" + data[12:]))
        if duration_at is not None:
            length = file.tell()
            file.seek(duration_at)
            file.write(_u24(round(1000 * max(hold, 1 / fps))))
            file.seek(4)
            file.write(struct.pack("<I", length - 8))


def _chunk(name, payload):
    return name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


def _u24(number):
    return struct.pack("<I", number)[:3]


def _delay(number, fps, units):
    """Duration of a frame in 1/units s: the difference of two rounded times, so no error adds up."""
    return round((number + 1) * units / fps) - round(number * units / fps)


def write_mp4(path, frames, fps, hold):
    """Writes an H.264 video that common players and browsers show; arguments as for `write_gif`.

    A video has no loop and no long frames: the last frame is repeated for as long as it is held.

    Raises:
        UserError: imageio-ffmpeg is missing.
        OSError: ffmpeg failed.
    """
    check_ffmpeg()
    # Below quality 9 of 10 the squares' edges blur. yuv420p is what browsers play.
    with imageio.v2.get_writer(path, format="FFMPEG", mode="I", fps=fps, codec="libx264", quality=9,
                               pixelformat="yuv420p", macro_block_size=1) as video:
        pixels = None
        for frame in frames:
            pixels = frame.rgb()
            height, width = pixels.shape[:2]
            # yuv420p has one colour for 2x2 pixels: an odd side gets one more row or column.
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            video.append_data(pixels)
        for _ in range(round(hold * fps) - 1 if pixels is not None else 0):
            video.append_data(pixels)


def check_ffmpeg():
    """Raises UserError where imageio-ffmpeg is missing, without which there is no .mp4."""
    try:
        import imageio_ffmpeg
        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: the package came without ffmpeg for this system
        raise UserError("an .mp4 needs ffmpeg: pip install imageio-ffmpeg (or write a .gif)") from None


WRITERS = {".gif": write_gif, ".webp": write_webp, ".mp4": write_mp4}
