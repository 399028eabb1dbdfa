"""Exports a trained generator for use without this project: SavedModel, ONNX, LiteRT, or a .keras file.

python export_model.py --weights checkpoints --format onnx --out generator.onnx
"""

import dataclasses
import functools
import importlib.util
import os
import pathlib

from wgan.common import cli, options, startup
from wgan.common.errors import UserError
from wgan.common.options import option
from wgan.runs import files, trained

SUFFIXES = {"saved_model": "", "onnx": ".onnx", "litert": ".tflite", "keras": ".keras"}
MAX_DIFFERENCE = 1e-3  # of a sample's value from the original's, an eighth of a grey level
_ONNX_PACKAGES = ("onnx", "onnxruntime", "tf2onnx")


@dataclasses.dataclass(frozen=True)
class Export:
    """Which generator, in which format, and where it goes."""

    weights: str = option("checkpoints", "Files", help=trained.WEIGHTS_HELP)
    format: str = option("saved_model", "Files", choices=SUFFIXES)
    """saved_model, a folder, and litert, a .tflite, are TensorFlow's; onnx needs: pip install onnx onnxruntime tf2onnx;
    keras is read where wgan.models.networks is imported."""
    out: str | None = option(None, "Files")
    """What to write. Default: generator_saved_model, generator.onnx, generator.tflite or generator.keras."""


def export_model(export):
    """Makes an `Export`: writes the generator, reads it back, and keeps the result only if samples agree.

    Returns a line on what was written, with the largest difference.

    Raises:
        UserError: for all that the user can mend, and where the export differs from the original.
        OSError: the file cannot be written.
    """
    options.check(export)
    out = _place(export.format, export.out)
    missing = [name for name in _ONNX_PACKAGES if export.format == "onnx" and importlib.util.find_spec(name) is None]
    if missing:  # LiteRT's is looked for in TensorFlow too, and so later
        raise UserError(f"--format onnx needs other packages: pip install {' '.join(missing)}")
    source = trained.locate(export.weights)

    startup.import_tensorflow()
    from wgan.apps import export_formats

    generator = source.load()
    out.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(out) as temporary:
        difference = export_formats.write(generator, export.format, temporary)
        if not difference <= MAX_DIFFERENCE:
            raise UserError(
                f"the {export.format} export differs from the original by {difference:.2g}, more than "
                f"{MAX_DIFFERENCE:g}, and was not kept; try another --format"
            )
    size = sum(path.stat().st_size for path in (out, *out.rglob("*")) if path.is_file())
    side, labels = source.config.image_size, " and labels [N]" if source.class_names else ""
    return (
        f"wrote {out} ({size / 1e6:.1f} MB) from {source}: latents [N, {generator.latent_dim}]{labels} to images "
        f"[N, {side}, {side}, {source.channels}]; "
        f"{export_formats.SAMPLES} samples differ from the original's by at most {difference:.2g}"
    )


def _place(format, out):
    """The path to write; raises UserError where its name does not fit, or something is in the way."""
    suffix = SUFFIXES[format]
    path = pathlib.Path(os.path.expanduser(out or f"generator{suffix or '_saved_model'}"))
    meant = [name for name, other in SUFFIXES.items() if other and other == path.suffix]
    if meant and not suffix:
        raise UserError(f"--out {path}: a {format} is a folder; choose another name, or give --format {meant[0]}")
    if suffix and path.suffix != suffix:
        raise UserError(f"--out {path}: the name of a file for --format {format} must end in {suffix}")
    if suffix and path.is_dir():
        raise UserError(f"--out {path} is a folder; choose another name")
    if not suffix and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"--out {path} is there already; choose another folder, or remove it")
    files.check_writable(path.parent, f"--out {path}")
    return path


def define_flags():
    return cli.FlagGroups(
        "Exports a trained generator: latents [N, D], and labels [N] where it draws several classes, to images [N, H, "
        "W, C] in [-1, 1], float32, N free. Reads the "
        f"result back and refuses it where a sample differs by more than {MAX_DIFFERENCE:g} from the original's.",
        Export,
    )


def main(argv):
    """Exports, with one line about it; returns the exit status."""
    print(export_model(Export(**define_flags().parse(argv))))
    return 0


command = functools.partial(cli.run, main)
