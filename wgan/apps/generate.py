"""Draws samples from a trained generator: a grid, single images, arrays, or a walk through its latents and classes.

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
from tqdm import tqdm

from wgan.apps.walks import closed_walk, line
from wgan.common import cli, options, startup
from wgan.common.errors import UserError
from wgan.common.options import option
from wgan.data import labels
from wgan.images import animation, animation_formats, grids
from wgan.runs import files, trained

MAX_BYTES = 2**30  # of the images in one file, which are all in memory at once
MAX_FRAMES = 10**5
GAP = 2  # pixels between the samples of a grid
_SINGLE_NAME = re.compile(r"[0-9]{6,}\.png")


@dataclasses.dataclass(frozen=True)
class SampleRequest:
    """What is to be drawn; `check` says whether it makes sense."""

    weights: str = option("checkpoints", "Files", help=trained.WEIGHTS_HELP)
    out: str = option("samples.png", "Files")
    """A .png for one grid; a folder (ends in / or is there) for single images 000001.png ...; an .npz for the arrays
    images (uint8 [N, H, W, C]) and latents (float32 [N, D]); with --interpolate a .gif, .webp or .mp4 (needs: pip
    install imageio-ffmpeg)."""
    num: int = option(64, "Samples", at_least=1, at_most=10**6)
    """How many samples, or how many walks side by side. Of each class, where --label names several."""
    label: str | None = option(None, "Samples")
    """Which class to draw, by name or number, where the run learned to draw classes (wgan_gp_conditional); several,
    separated by commas, or each for all of them: a row per class, from the same latents. Default: classes in turn."""
    columns: int = option(0, "Samples", at_least=0)
    """Samples in a row of the grid; 0: as many as there are rows. Of several classes, each has one row."""
    seed: int = option(0, "Samples", at_least=0, below=2**31)
    """Of the latents."""
    truncation: float | None = option(None, "Samples", above=0)
    """Draw the latents from a normal distribution cut off at plus and minus this, such as 1: fewer odd samples, less
    variety. Default: not cut off."""
    batch_size: int = option(64, "Samples", at_least=1, at_most=2**16)
    """Samples drawn at a time: less takes less memory. Another number may change a sample by one grey level of 256."""
    interpolate: int | None = option(None, "Walk", at_least=1)
    """An animation that walks through this many latents, at least 2, on arcs, and back to the first. It begins with the
    grid of the same seed. Where --label names several classes, it also goes from each to the next; with 1, the latents
    stay as they are."""
    frames: int = option(30, "Walk", at_least=1, at_most=MAX_FRAMES)
    """From one latent to the next."""
    fps: float = option(20.0, "Walk")
    """Frames a second, 0.1 to 60 (a .gif: to 50)."""

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

    def rows(self, class_names):
        """The labels of `num` samples each, int [num], one such row for every class where several are asked for.

        A generator without `class_names` has one row, None. Raises UserError for a class that it does not know.
        """
        if not class_names:
            if self.label is not None:
                raise UserError("--label is for a run of wgan_gp_conditional: this one's generator knows no classes")
            return [None]
        names = [self.label] if self.label is None or self.label in class_names else self.label.split(",")
        if labels.is_each(self.label):
            names = class_names
        try:
            chosen = [labels.resolve(name, class_names, "the generator") for name in names]
        except UserError as error:
            raise UserError(f"{error}; {labels.EACH} draws a row of every class") from error
        if len(chosen) > 1 and labels.ALL in chosen:
            raise UserError(f"--label {labels.ALL} stands alone; for a row of every class give {labels.EACH}")
        return [
            np.arange(self.num) % len(class_names) if name == labels.ALL else np.full(self.num, class_names.index(name))
            for name in chosen
        ]

    def stations(self, rows):
        """Through how many points an animation goes, each with its latents and its row of labels. It goes through every
        class as often, so that the way back to the first is one to another class too."""
        return -(-self.interpolate // len(rows)) * len(rows)

    def check(self, source):
        """Raises UserError for the first value that cannot be had with this `wgan.runs.trained.Trained`; the rows."""
        options.check(self)
        rows = self.rows(source.class_names)
        if self.columns and len(rows) > 1 and not self.interpolate:
            raise UserError("--label names several classes, each in a row of --num samples: leave --columns out")
        if self.interpolate and self.stations(rows) < 2:
            raise UserError("--interpolate is 1; it must be at least 2, or --label must name several classes")
        if self.interpolate and self.stations(rows) * self.frames > MAX_FRAMES:
            count = self.stations(rows) * self.frames
            raise UserError(f"--interpolate and --frames ask for {count} frames; choose fewer, {MAX_FRAMES} at most")
        self._check_kind()
        self._check_size(source, rows)
        if self.kind == "folder" and self.path.is_dir() and any(map(_SINGLE_NAME.fullmatch, os.listdir(self.path))):
            raise UserError(f"--out {self.path} holds samples already; choose another folder, or remove them")
        files.check_writable(self.path if self.kind == "folder" else self.path.parent, f"--out {self.path}")
        return rows

    def _check_kind(self):
        animations = ", ".join(animation_formats.WRITERS)
        is_animation = self.kind in animation_formats.WRITERS
        if not is_animation and self.kind not in WRITERS:
            raise UserError(
                f"--out {self.path}: give a .png, an .npz, a folder (ending in /), or with --interpolate a {animations}"
            )
        if is_animation and self.interpolate is None:
            raise UserError(f"--out {self.path} is an animation, which needs --interpolate")
        if not is_animation and self.interpolate is not None:
            raise UserError(f"--interpolate makes an animation: --out must end in {animations}")
        if not is_animation and (self.frames, self.fps) != (type(self).frames, type(self).fps):
            raise UserError("--frames and --fps are of an animation: give --interpolate, or leave them out")
        if is_animation:
            animation.check_fps(self.kind, self.fps)
        if self.kind == ".mp4":
            animation_formats.check_ffmpeg()

    def _check_size(self, source, rows):
        """A grid, arrays, and the latents of a walk are in memory at once; single images are not."""
        image_size, channels = source.config.image_size, source.channels
        num = self.num if self.interpolate else self.num * len(rows)
        side, columns = image_size + GAP, self.grid_columns if num == self.num else self.num
        width, height = columns * side + GAP, -(-num // columns) * side + GAP
        if self.interpolate:
            if max(width, height) > animation.MAX_SIDE:
                raise UserError(
                    f"--num {self.num} would make frames of {width}x{height} pixels, more than {animation.MAX_SIDE} "
                    "a side"
                )
            scale = animation.usual_scale(width, height, self.kind)
            animation_formats.check_memory(self.kind, self.stations(rows) * self.frames, scale * height, scale * width)
        size = {"folder": 0, ".npz": num * image_size**2}.get(self.kind, width * height) * channels
        size += 4 * source.config.latent_dim * num * (self.stations(rows) if self.interpolate else 0)
        if size > MAX_BYTES:
            raise UserError(
                f"--num {self.num} would take {size / 1e9:.1f} GB in one file; a folder (--out NAME/) takes any number"
            )


def generate(request):
    """Draws and writes what a `SampleRequest` asks for; a file that is there is replaced once the new one is complete.

    Returns a line on what was written. Raises UserError for all that the user can mend, and OSError where the output
    cannot be written.
    """
    source = trained.locate(request.weights)
    rows = request.check(source)

    startup.import_tensorflow()
    from wgan.apps.image_sampler import ImageSampler

    request.path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS.get(request.kind, _write_animation)(request, ImageSampler(source.load(), request.batch_size), rows)
    drawn = f"{request.num} samples" + (f" of each of {len(rows)} classes" if len(rows) > 1 else "")
    if request.interpolate:
        count = request.stations(rows)
        points = "latents" if len(rows) == 1 else "classes" if request.interpolate == 1 else "points"
        drawn = f"{count * request.frames} frames through {count} {points}"
    return f"wrote {request.path}: {drawn} of seed {request.seed}, generator {source}"


def _write_folder(request, sampler, rows):
    """One file per sample, numbered from 1 through all rows, drawn and forgotten batch by batch."""
    request.path.mkdir(exist_ok=True)
    batches = list(itertools.product(enumerate(rows), range(0, request.num, request.batch_size)))
    for (place, row), start in tqdm(batches, f"batches of {request.batch_size}", disable=None, delay=2):
        count = min(request.batch_size, request.num - start)
        latents = sampler.latents(request.seed, start, count, request.truncation)
        drawn = sampler(latents, None if row is None else row[start : start + count])
        for number, image in enumerate(drawn, start=place * request.num + start + 1):
            grids.save_png(request.path / f"{number:06d}.png", image, is_marked=False)  # may be trained on


def _write_grid(request, sampler, rows):
    latents = sampler.latents(request.seed, 0, request.num, request.truncation)
    drawn = np.concatenate([sampler(latents, row) for row in rows])
    grids.save_png(request.path, grids.image_grid(drawn, request.grid_columns if len(rows) == 1 else request.num, GAP))


def _write_arrays(request, sampler, rows):
    latents = sampler.latents(request.seed, 0, request.num, request.truncation)
    arrays = {"latents": np.tile(latents, (len(rows), 1))}
    if rows[0] is not None:
        arrays["labels"] = np.concatenate(rows).astype(np.int32)
    images = np.concatenate([sampler(latents, row) for row in rows])
    # Given a name, numpy would change one that ends in .NPZ.
    with files.atomic_path(request.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=images, **arrays)  # type: ignore[arg-type]


WRITERS = {"folder": _write_folder, ".png": _write_grid, ".npz": _write_arrays}  # of all but animations


def _write_animation(request, sampler, rows):
    with files.atomic_path(request.path) as temporary:
        animation_formats.WRITERS[request.kind](temporary, _frames(request, sampler, rows), request.fps, hold=0)


def _frames(request, sampler, rows):
    """Yields the animation's frames; as many samples as fit into a batch are drawn at once.

    Walk w of n passes through the seed's latents w, w + n, w + 2n ... and through the rows' classes in their turn.
    """
    count = request.stations(rows)
    latents = sampler.latents(request.seed, 0, request.interpolate * request.num, request.truncation)
    latents = np.resize(latents, (count, request.num, latents.shape[1]))
    walks = [closed_walk(latents, request.frames)]
    if rows[0] is not None:
        shares = [sampler.shares(rows[station % len(rows)]) for station in range(count)]
        walks.append(closed_walk(np.stack(shares), request.frames, line))
    walk = zip(*walks)
    while inputs := list(itertools.islice(walk, max(1, request.batch_size // request.num))):
        drawn = sampler(*map(np.concatenate, zip(*inputs)))
        for samples in drawn.reshape(len(inputs), request.num, *drawn.shape[1:]):
            yield _frame(request.kind, grids.image_grid(samples, request.grid_columns, GAP if request.num > 1 else 0))


def _frame(kind, grid):
    """A frame of a grid alone, uint8 [h, w, 1 or 3], without the strip that bears an epoch."""
    scale = animation.usual_scale(grid.shape[1], grid.shape[0], kind)
    rgb = np.broadcast_to(grid, (*grid.shape[:2], 3))
    return animation_formats.Frame(np.ascontiguousarray(rgb), np.zeros((0, scale * grid.shape[1]), np.uint8), scale)


def define_flags():
    """Which generator, which samples, and where they go."""
    return cli.FlagGroups(
        "Draws samples from a trained generator. The same seed gives the same samples, however many are asked for.",
        SampleRequest,
    )


def main(argv):
    """Writes the samples, with one line about them; returns the exit status."""
    print(generate(SampleRequest(**define_flags().parse(argv))))
    return 0


command = functools.partial(cli.run, main)
