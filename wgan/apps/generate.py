"""From a trained generator's weights to samples in files. TensorFlow is imported once everything else is in order."""

import dataclasses
import math
import os
import pathlib
import re

import numpy as np

from wgan.common import startup
from wgan.common.errors import UserError
from wgan.images import animation, animation_formats, grids
from wgan.runs import files, trained

MOST_BYTES = 2**30  # of the pictures in one file, which are all in memory at once
MOST_SAMPLES = 10**6
MOST_FRAMES = 10**5
GAP = 2  # pixels between the samples of a grid
_SINGLE_NAME = re.compile(r"[0-9]{6,}\.png")


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to be drawn; `check` says whether it makes sense. Fields as the arguments of `generate`."""

    out: pathlib.Path
    kind: str  # folder, .png, .npz, or a film's suffix
    num: int
    columns: int
    seed: int
    truncation: float | None
    batch_size: int
    interpolate: int | None
    frames: int
    fps: float

    def check(self, config, channels):
        """Raises UserError for the first wish that cannot be fulfilled with this run's pictures."""
        self._check_numbers()
        self._check_kind()
        self._check_size(config, channels)
        _check_place(self.out, self.kind)

    def _check_numbers(self):
        for name, least, most in (("num", 1, MOST_SAMPLES), ("columns", 0, MOST_SAMPLES), ("seed", 0, 2**31 - 1),
                                  ("batch_size", 1, 2**16), ("frames", 1, MOST_FRAMES)):
            if not least <= getattr(self, name) <= most:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be from {least} to {most}")
        if self.truncation is not None and not 0 < self.truncation < math.inf:
            raise UserError(f"--truncation is {self.truncation:g}; it must be a number above 0")
        if self.interpolate is not None and not 2 <= self.interpolate <= MOST_FRAMES // self.frames:
            raise UserError(f"--interpolate is {self.interpolate}; it must be at least 2, and times --frames at most "
                            f"{MOST_FRAMES}")

    def _check_kind(self):
        films = animation_formats.WRITERS
        if self.kind not in ("folder", ".png", ".npz", *films):
            raise UserError(f"--out {self.out}: give a .png, an .npz, a folder (ending in /), or with --interpolate "
                            f"a {', '.join(films)}")
        if self.interpolate is None and self.kind in films:
            raise UserError(f"--out {self.out} is a film, which wants --interpolate")
        if self.interpolate is not None:
            if self.kind not in films:
                raise UserError(f"--interpolate makes a film: --out must end in {', '.join(films)}")
            animation.check_fps(self.kind, self.fps)
            if self.kind == ".mp4":
                animation_formats.check_ffmpeg()

    def _check_size(self, config, channels):
        """A grid, arrays, and the latents of a walk are in memory at once; single pictures are not."""
        side, columns = config.image_size + GAP, self.grid_columns
        width, height = columns * side + GAP, -(-self.num // columns) * side + GAP
        if self.interpolate:
            self._check_film(width, height)
        size = {"folder": 0, ".npz": self.num * config.image_size**2}.get(self.kind, width * height) * channels
        size += 4 * config.latent_dim * self.num * (self.interpolate or 0)
        if size > MOST_BYTES:
            raise UserError(f"--num {self.num} would take {size / 1e9:.1f} GB in one file; a folder (--out NAME/) "
                            "takes any number")

    def _check_film(self, width, height):
        if max(width, height) > animation.MAX_SIDE:
            raise UserError(f"--num {self.num} would make frames of {width}x{height} pixels, more than "
                            f"{animation.MAX_SIDE} a side")
        scale = _film_scale(self.kind, width, height)
        animation_formats.check_memory(self.kind, self.interpolate * self.frames, scale * height, scale * width)

    @property
    def grid_columns(self):
        """Samples in a row: as asked for, or near the square root."""
        return min(self.num, self.columns or math.ceil(math.sqrt(self.num)))


def generate(weights, out, num=64, columns=0, seed=0, truncation=None, batch_size=64, interpolate=None, frames=30,
             fps=20.0):
    """Draws samples and writes them; a file that is there already is replaced once the new one is complete.

    Args:
        weights: a run's folder, or a generator's file in it.
        out: a .png, an .npz, a folder, or a film's file: see `generate.py`'s help.
        num: number of samples, or of walks side by side.
        columns: samples in a row of a grid; 0 for about the square root.
        seed: of the latents.
        truncation: where the latents' normal distribution is cut off, or None.
        batch_size: samples drawn at a time.
        interpolate: number of latents that a film walks through, or None for no film.
        frames: from one latent to the next.
        fps: frames a second.

    Returns:
        A line on what was written.

    Raises:
        UserError: for all that the user can mend.
        OSError: `out` cannot be written.
    """
    if not out:
        raise UserError("--out is empty; give a value or leave the flag out")
    path = pathlib.Path(os.path.expanduser(out))
    kind = "folder" if out.endswith(("/", os.sep)) or path.is_dir() else path.suffix.lower()
    wish = Wish(path, kind, num, columns, seed, truncation, batch_size, interpolate, frames, fps)
    source = trained.locate(weights)
    wish.check(source.config, source.channels)

    startup.import_tensorflow()
    from wgan.apps import sampling
    pictures = sampling.Pictures(source.load(), batch_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    write = {"folder": _write_folder, ".png": _write_grid, ".npz": _write_arrays}.get(kind, _write_film)
    return f"wrote {path}: {write(wish, pictures)} of seed {seed}, generator {source}"


def _check_place(path, kind):
    """Raises UserError where `path` could not be written, or holds what it would mix with."""
    if kind == "folder" and path.is_dir() and any(_SINGLE_NAME.fullmatch(entry.name) for entry in path.iterdir()):
        raise UserError(f"--out {path} holds samples already; choose another folder, or remove them")
    files.check_writable(path if kind == "folder" else path.parent, f"--out {path}")


def _latents(wish, pictures, first, count):
    return pictures.latents(wish.seed, first, count, wish.truncation)


def _write_folder(wish, pictures):
    """One file per sample, numbered from 1, drawn and forgotten batch by batch."""
    wish.out.mkdir(exist_ok=True)
    for start in range(0, wish.num, wish.batch_size):
        latents = _latents(wish, pictures, start, min(wish.batch_size, wish.num - start))
        for number, picture in enumerate(pictures(latents), start=start + 1):
            grids.save_png(wish.out / f"{number:06d}.png", picture, is_marked=False)  # may be trained on
    return f"{wish.num} samples"


def _write_grid(wish, pictures):
    drawn = pictures(_latents(wish, pictures, 0, wish.num))
    grids.save_png(wish.out, grids.image_grid(drawn, wish.grid_columns, GAP))
    return f"{wish.num} samples"


def _write_arrays(wish, pictures):
    latents = _latents(wish, pictures, 0, wish.num)
    with files.atomic_path(wish.out) as temporary:
        with open(temporary, "wb") as file:  # given a name, numpy would change one that ends in .NPZ
            np.savez_compressed(file, images=pictures(latents), latents=latents)
    return f"{wish.num} samples"


def _write_film(wish, pictures):
    with files.atomic_path(wish.out) as temporary:
        animation_formats.WRITERS[wish.kind](temporary, _frames(wish, pictures), wish.fps, hold=0)
    return f"{wish.interpolate * wish.frames} frames through {wish.interpolate} latents"


def _frames(wish, pictures):
    """Yields the film's frames; as many samples as fit into a batch are drawn at once."""
    for latents in _in_batches(_walk(wish, pictures), max(1, wish.batch_size // wish.num)):
        drawn = pictures(np.concatenate(latents))
        for samples in drawn.reshape(len(latents), wish.num, *drawn.shape[1:]):
            yield _frame(wish.kind, grids.image_grid(samples, wish.grid_columns, GAP if wish.num > 1 else 0))


def _walk(wish, pictures):
    """Latents [num, latent_dim] for each frame. Walk w of n passes through the seed's latents w, w + n, w + 2n ..."""
    from wgan.apps import sampling
    stations = _latents(wish, pictures, 0, wish.interpolate * wish.num)
    return sampling.closed_walk(stations.reshape(wish.interpolate, wish.num, -1), wish.frames)


def _in_batches(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _film_scale(kind, width, height):
    """The enlargement of a film's grids, of this size in pixels."""
    return min(animation.usual_scale(width, kind), animation.MAX_SIDE // max(width, height))


def _frame(kind, grid):
    """A frame of a grid alone, uint8 [h, w, 1 or 3], without the strip that bears an epoch."""
    scale = _film_scale(kind, grid.shape[1], grid.shape[0])
    rgb = np.broadcast_to(grid, (*grid.shape[:2], 3))
    return animation_formats.Frame(np.ascontiguousarray(rgb), np.zeros((0, scale * grid.shape[1]), np.uint8), scale)
