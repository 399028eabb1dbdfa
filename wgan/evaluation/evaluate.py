"""From a run's folder to a report on its samples. TensorFlow is imported once everything else is in order."""

import dataclasses
import json
import os
import pathlib

from wgan import data
from wgan.common import options, output, startup
from wgan.common.errors import UserError
from wgan.common.messages import listed
from wgan.common.options import option
from wgan.images import grids
from wgan.runs import files, run_images, trained
from wgan.runs.run_folder import PAIRS_FILE, REPORT_FILE

FEATURES = ("own", "inception")  # functions of `wgan.evaluation.features`
MIN_SAMPLES = 16


@dataclasses.dataclass(frozen=True)
class ReportRequest:
    """Which generator is to be measured, against what, and how."""

    checkpoint_dir: str = option("checkpoints", "Files")
    """The run."""
    weights: str | None = option(None, "Files")
    """Which of the generator's files in it. Default: generator_ema.weights.h5, or generator.weights.h5 where the run
    kept no average."""
    data_dir: str | None = option(None, "Files")
    """Where its images are now. Default: where they were in training, or where they were moved to together with the
    run."""
    other_images: bool = option(False, "Files")
    """Measure against other images where those of the run are not found; the report says so."""
    output_dir: str | None = option(None, "Files")
    """Where the report goes. Default: the run's folder."""
    features: str = option("own", "Metrics", choices=FEATURES)
    """own works offline on 32x32 images; inception downloads Keras's InceptionV3, for figures nearer to papers'."""
    samples: int | None = option(None, "Metrics", at_least=MIN_SAMPLES, at_most=10**6)
    """Number of samples, and of real images at most: compare only figures from the same numbers. Default: as many as
    there are images, at most 6000, as in training."""
    seed: int | None = option(None, "Metrics", at_least=0, below=2**31)
    """Of the latents. Default: another seed than training measures itself with, so that the best of its many
    measurements is not flattered."""
    yardsticks: bool = option(True, "Metrics")
    """Show the same figures for two halves of the real images, another class, and noise; --noyardsticks: do not."""


def evaluate(checkpoint_dir, weights=None, **more):
    """Measures one generator, prints the report and writes it; the arguments are the fields of a `ReportRequest`.

    Returns the report, as `evaluation.json` holds it. Raises UserError for all that the user can mend.
    """
    request = ReportRequest(checkpoint_dir, weights, **more)
    options.check(request)
    if weights and pathlib.PurePath(weights).name != weights:
        raise UserError(f"--weights is {weights}: give the name of a file alone, and its folder with --checkpoint_dir")
    checkpoint_dir = pathlib.Path(os.path.expanduser(checkpoint_dir))
    out = pathlib.Path(os.path.expanduser(request.output_dir or checkpoint_dir))
    files.check_writable(out, f"{'--output_dir' if request.output_dir else '--checkpoint_dir'} {out}")
    source = trained.of_run(checkpoint_dir, weights)
    config, image_set, is_same = run_images.load(
        source.config, source.images, checkpoint_dir, request.data_dir, request.other_images
    )
    if source.class_names and source.class_names != image_set.label_names:
        learned = listed(source.class_names)
        raise UserError(f"{image_set.name} has other classes than the run, whose generator draws {learned}")
    for notice in (*image_set.notices, *([] if is_same else ["these are not the images of the run"])):
        output.note(notice)
    other = _other_class(config) if request.yardsticks else None

    startup.import_tensorflow()
    from wgan.evaluation import measurement, report

    seed = config.seed + 1 if request.seed is None else request.seed
    source = trained.of_run(checkpoint_dir, weights)  # as it is now: the run may have gone on meanwhile
    measured, pairs = measurement.measure(source.load(), image_set, other, request, seed)
    found = {"weights": {"file": str(source.path), **source.noted}, "latents_seed": seed, **measured}
    found["reference"]["images_of_the_run"] = is_same
    print(report.as_text(found), flush=True)  # also where it cannot be written
    found["files"] = _write(out, found, pairs)
    print(f"\nwrote {' and '.join(found['files'])}")
    return found


def _other_class(config):
    """The images of another class, or None where there is none that can be read."""
    try:
        name = data.similar_class(config.dataset, config.data_dir, config.label, config.split)
        return name and data.load(config.dataset, config.data_dir, name, config.split, config.image_size)
    except UserError as error:
        output.note(f"no other class to compare with: {error}")
        return None


def _write(folder, found, pairs):
    """Writes the two files; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / REPORT_FILE, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    grids.save_png(folder / PAIRS_FILE, pairs)
    return [str(folder / REPORT_FILE), str(folder / PAIRS_FILE)]
