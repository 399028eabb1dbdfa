"""Draws samples from a trained generator: a grid, single images, arrays, or a walk through its latents.

python generate.py --weights checkpoints/generator_ema.weights.h5 --num 64 --seed 1 --out samples.png
"""

import dataclasses
import functools
import itertools
import math
import os
import pathlib
import re

import numpy as np

from wgan.common import cli, startup
from wgan.common.errors import UserError
from wgan.images import animation, animation_formats, grids
from wgan.runs import files, trained

MAX_BYTES = 2**30  # of the images in one file, which are all in memory at once
MAX_SAMPLES = 10**6
MAX_FRAMES = 10**5
GAP = 2  # pixels between the samples of a grid
_SINGLE_NAME = re.compile(r"[0-9]{6,}\.png")


@dataclasses.dataclass(frozen=True)
class SampleRequest:
    """What is to be drawn; `check` says whether it makes sense.

    Attributes:
        out: a .png, an .npz, a folder, or a film's file: see the help.
        num: number of samples, or of walks side by side.
        columns: samples in a row of a grid; 0 for about the square root.
        seed: of the latents.
        truncation: where the latents' normal distribution is cut off, or None.
        batch_size: samples drawn at a time.
        interpolate: number of latents that a film walks through, or None for no film.
        frames: from one latent to the next.
        fps: frames a second.
    """

    out: str
    num: int = 64
    columns: int = 0
    seed: int = 0
    truncation: float | None = None
    batch_size: int = 64
    interpolate: int | None = None
    frames: int = 30
    fps: float = 20.0

    @property
    def path(self):
        return pathlib.Path(os.path.expanduser(self.out))

    @property
    def kind(self):
        """`folder`, or a suffix."""
        return "folder" if self.out.endswith(("/", os.sep)) or self.path.is_dir() else self.path.suffix.lower()

    @property
    def grid_columns(self):
        """Samples in a row: as asked for, or near the square root."""
        return min(self.num, self.columns or math.ceil(math.sqrt(self.num)))

    def check(self, image_size, channels, latent_dim):
        """Raises UserError for the first value that cannot be had with this generator's images."""
        self._check_numbers()
        self._check_kind()
        self._check_size(image_size, channels, latent_dim)
        if self.kind == "folder" and self.path.is_dir() and any(map(_SINGLE_NAME.fullmatch, os.listdir(self.path))):
            raise UserError(f"--out {self.path} holds samples already; choose another folder, or remove them")
        files.check_writable(self.path if self.kind == "folder" else self.path.parent, f"--out {self.path}")

    def _check_numbers(self):
        for name, least, most in (
            ("num", 1, MAX_SAMPLES),
            ("columns", 0, MAX_SAMPLES),
            ("seed", 0, 2**31 - 1),
            ("batch_size", 1, 2**16),
            ("frames", 1, MAX_FRAMES),
        ):
            if not least <= getattr(self, name) <= most:
                raise UserError(f"--{name} is {getattr(self, name)}; it must be from {least} to {most}")
        if self.truncation is not None and not 0 < self.truncation < math.inf:
            raise UserError(f"--truncation is {self.truncation:g}; it must be a number above 0")
        if self.interpolate is not None and not 2 <= self.interpolate <= MAX_FRAMES // self.frames:
            raise UserError(
                f"--interpolate is {self.interpolate}; it must be at least 2, and times --frames at most {MAX_FRAMES}"
            )

    def _check_kind(self):
        films = animation_formats.WRITERS
        if self.kind not in ("folder", ".png", ".npz", *films):
            raise UserError(
                f"--out {self.path}: give a .png, an .npz, a folder (ending in /), or with --interpolate "
                f"a {', '.join(films)}"
            )
        if self.interpolate is None and self.kind in films:
            raise UserError(f"--out {self.path} is a film, which needs --interpolate")
        if self.interpolate is not None:
            if self.kind not in films:
                raise UserError(f"--interpolate makes a film: --out must end in {', '.join(films)}")
            animation.check_fps(self.kind, self.fps)
            if self.kind == ".mp4":
                animation_formats.check_ffmpeg()

    def _check_size(self, image_size, channels, latent_dim):
        """A grid, arrays, and the latents of a walk are in memory at once; single images are not."""
        side, columns = image_size + GAP, self.grid_columns
        width, height = columns * side + GAP, -(-self.num // columns) * side + GAP
        if self.interpolate:
            self._check_film(width, height)
        size = {"folder": 0, ".npz": self.num * image_size**2}.get(self.kind, width * height) * channels
        size += 4 * latent_dim * self.num * (self.interpolate or 0)
        if size > MAX_BYTES:
            raise UserError(
                f"--num {self.num} would take {size / 1e9:.1f} GB in one file; a folder (--out NAME/) takes any number"
            )

    def _check_film(self, width, height):
        if max(width, height) > animation.MAX_SIDE:
            raise UserError(
                f"--num {self.num} would make frames of {width}x{height} pixels, more than {animation.MAX_SIDE} a side"
            )
        scale = _film_scale(self.kind, width, height)
        animation_formats.check_memory(self.kind, self.interpolate * self.frames, scale * height, scale * width)


def generate(weights, out, **options):
    """Draws samples and writes them; a file that is there already is replaced once the new one is complete.

    Args:
        weights: a run's folder, or a generator's file in it.
        out: what to write, text.
        options: the other fields of a `SampleRequest`.

    Returns:
        A line on what was written.

    Raises:
        UserError: for all that the user can mend.
        OSError: `out` cannot be written.
    """
    if not out:
        raise UserError("--out is empty; give a value or leave the flag out")
    request, source = SampleRequest(out, **options), trained.locate(weights)
    request.check(source.config.image_size, source.channels, source.config.latent_dim)

    startup.import_tensorflow()
    from wgan.apps.image_sampler import ImageSampler

    sampler = ImageSampler(source.load(), request.batch_size)
    request.path.parent.mkdir(parents=True, exist_ok=True)
    write = {"folder": _write_folder, ".png": _write_grid, ".npz": _write_arrays}.get(request.kind, _write_film)
    return f"wrote {request.path}: {write(request, sampler)} of seed {request.seed}, generator {source}"


def _latents(request, sampler):
    return sampler.latents(request.seed, 0, request.num, request.truncation)


def _write_folder(request, sampler):
    """One file per sample, numbered from 1, drawn and forgotten batch by batch."""
    request.path.mkdir(exist_ok=True)
    for start in range(0, request.num, request.batch_size):
        count = min(request.batch_size, request.num - start)
        drawn = sampler(sampler.latents(request.seed, start, count, request.truncation))
        for number, image in enumerate(drawn, start=start + 1):
            grids.save_png(request.path / f"{number:06d}.png", image, is_marked=False)  # may be trained on
    return f"{request.num} samples"


def _write_grid(request, sampler):
    drawn = sampler(_latents(request, sampler))
    grids.save_png(request.path, grids.image_grid(drawn, request.grid_columns, GAP))
    return f"{request.num} samples"


def _write_arrays(request, sampler):
    latents = _latents(request, sampler)
    # Given a name, numpy would change one that ends in .NPZ.
    with files.atomic_path(request.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=sampler(latents), latents=latents)
    return f"{request.num} samples"


def _write_film(request, sampler):
    with files.atomic_path(request.path) as temporary:
        animation_formats.WRITERS[request.kind](temporary, _frames(request, sampler), request.fps, hold=0)
    return f"{request.interpolate * request.frames} frames through {request.interpolate} latents"


def _frames(request, sampler):
    """Yields the film's frames; as many samples as fit into a batch are drawn at once.

    Walk w of n passes through the seed's latents w, w + n, w + 2n ...
    """
    from wgan.apps.image_sampler import closed_walk

    stations = sampler.latents(request.seed, 0, request.interpolate * request.num, request.truncation)
    walk = closed_walk(stations.reshape(request.interpolate, request.num, -1), request.frames)
    while latents := list(itertools.islice(walk, max(1, request.batch_size // request.num))):
        drawn = sampler(np.concatenate(latents))
        for samples in drawn.reshape(len(latents), request.num, *drawn.shape[1:]):
            yield _frame(request.kind, grids.image_grid(samples, request.grid_columns, GAP if request.num > 1 else 0))


def _film_scale(kind, width, height):
    """The enlargement of a film's grids, of this size in pixels."""
    return min(animation.usual_scale(width, kind), animation.MAX_SIDE // max(width, height))


def _frame(kind, grid):
    """A frame of a grid alone, uint8 [h, w, 1 or 3], without the strip that bears an epoch."""
    scale = _film_scale(kind, grid.shape[1], grid.shape[0])
    rgb = np.broadcast_to(grid, (*grid.shape[:2], 3))
    return animation_formats.Frame(np.ascontiguousarray(rgb), np.zeros((0, scale * grid.shape[1]), np.uint8), scale)


def define_flags():
    """Which generator, which samples, and where they go."""
    groups = cli.FlagGroups(
        "Draws samples from a trained generator. The same seed gives the same samples, however many are asked for."
    )
    groups.define("Files", "weights", str, "checkpoints", trained.WEIGHTS_HELP)
    groups.define(
        "Files",
        "out",
        str,
        "samples.png",
        "A .png for one grid; a folder (ends in / or is there) for "
        "single images 000001.png ...; an .npz for the arrays images (uint8 [N, H, W, C]) and latents "
        "(float32 [N, D]); with --interpolate a .gif, .webp or .mp4 (needs: pip install imageio-ffmpeg).",
    )
    groups.define("Samples", "num", int, 64, "How many samples, or how many walks side by side.")
    groups.define("Samples", "columns", int, 0, "Samples in a row of the grid; 0: as many as there are rows.")
    groups.define("Samples", "seed", int, 0, "Of the latents.")
    groups.define(
        "Samples",
        "truncation",
        float,
        None,
        "Draw the latents from a normal distribution cut off at plus "
        "and minus this, such as 1: fewer odd samples, less variety. Default: not cut off.",
    )
    groups.define(
        "Samples",
        "batch_size",
        int,
        64,
        "Samples drawn at a time: less takes less memory. Another "
        "number may change a sample by one of 256 grey levels.",
    )
    groups.define(
        "Walk",
        "interpolate",
        int,
        None,
        "A film that walks through this many latents, at least 2, on "
        "arcs, and back to the first. It begins with the grid of the same seed.",
    )
    groups.define("Walk", "frames", int, 30, "From one latent to the next.")
    groups.define("Walk", "fps", float, 20.0, "Frames a second, 0.1 to 60 (a .gif: to 50).")
    return groups


def main(argv):
    """Writes the samples, with one line about them; returns the exit status."""
    print(generate(**define_flags().parse(argv)))
    return 0


command = functools.partial(cli.run, main)
