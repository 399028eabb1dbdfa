"""From a run's folder to a report on its samples. TensorFlow is imported once everything else is in order."""

import json
import os
import pathlib
import sys

from wgan import data
from wgan.common import startup
from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, one_line
from wgan.runs import files, run_images, trained

FEATURES = ("own", "inception")
MIN_SAMPLES = 16
REPORT_FILE = "evaluation.json"
PAIRS_FILE = "nearest.png"


def evaluate(
    checkpoint_dir,
    weights=None,
    data_dir=None,
    output_dir=None,
    features="own",
    samples=6000,
    seed=None,
    yardsticks=True,
    other_images=False,
):
    """Measures one generator, prints the report and writes it.

    Args:
        checkpoint_dir: the run's folder.
        weights: name of the generator's file in it, or None: the averaged one, where there is one.
        data_dir: where the run's images are, or None: see `wgan.runs.run_images.load`.
        output_dir: where the report goes, or None: the run's folder.
        features: one of `FEATURES`.
        samples: number of samples, and of real images at most.
        seed: of the latents, or None.
        yardsticks: whether to measure halves of the real images, another class and noise as well.
        other_images: whether to measure against other images where those of the run are not found.

    Returns:
        The report, as `evaluation.json` holds it.

    Raises:
        UserError: for all that the user can mend.
    """
    checkpoint_dir = pathlib.Path(os.path.expanduser(checkpoint_dir))
    _check(features, samples, seed)
    config, stored_images = _run_on_images(checkpoint_dir)
    path, attributes = trained.find_weights(checkpoint_dir, weights)
    config, image_set, same_images = run_images.load(config, stored_images, checkpoint_dir, data_dir, other_images)
    for notice in (*image_set.notices, *([] if same_images else ["these are not the images of the run"])):
        print(f"note: {notice}", file=sys.stderr)
    other = _other_class(config) if yardsticks else None

    startup.import_tensorflow()
    from wgan.evaluation import evaluator
    from wgan.evaluation.features import extractor
    from wgan.models import surroundings

    seed = config.seed + 1 if seed is None else seed
    with surroundings.usual():
        extract = extractor(features)
        generator = trained.load_generator(config, stored_images["shape"][-1], path)
        drawn = evaluator.Sampler(generator, samples, seed)()
        rows, pairs = _measure(drawn, extract, image_set.images, other, yardsticks)
    found = {
        "weights": {"file": str(path), **attributes},
        "latents_seed": seed,
        "features": extract.description,
        "caveat": extract.caveat,
        "reference": _reference(image_set, rows[0]["reals"], same_images),
        "versions": startup.versions(),
        "rows": rows,
    }
    _write(pathlib.Path(output_dir or checkpoint_dir).expanduser(), found, pairs)
    _print(found)
    return found


def _run_on_images(checkpoint_dir):
    """What a run stored about itself and its images."""
    config, stored_images = trained.read_run(checkpoint_dir)
    trained.check_draws_images(checkpoint_dir, config)
    return config, stored_images


def _reference(image_set, count, same_images):
    """What was measured against, for the report."""
    return {
        "name": image_set.name,
        "images": count,
        "training_images": len(image_set.images),
        "images_of_the_run": same_images,
    }


def _measure(drawn, extract, training_images, other, yardsticks):
    """The report's rows, and the grid of samples beside their nearest training images."""
    from wgan.evaluation import evaluator, report

    training = extract(training_images)
    chosen = evaluator.subset_indices(len(training), len(drawn))
    row, copies = report.sample_row(training[chosen], extract(drawn), training)
    rows = [row]
    if yardsticks:
        rows += report.yardsticks(extract, training[chosen], training_images[chosen], other)
    return rows, report.closest_pairs(drawn, training_images, copies)


def _check(features, samples, seed):
    if features not in FEATURES:
        raise UserError(
            f"--features is {one_line(features)!r}{did_you_mean(features, FEATURES)}; choose one of "
            f"{', '.join(FEATURES)}"
        )
    if not MIN_SAMPLES <= samples <= 10**6:
        raise UserError(f"--samples is {samples}; it must be from {MIN_SAMPLES} to a million")
    if seed is not None and not 0 <= seed < 2**31:
        raise UserError(f"--seed is {seed}; it must be at least 0 and less than {2**31}")


def _other_class(config):
    """The images of another class, or None where there is none that can be read."""
    try:
        name = data.similar_class(config.dataset, config.data_dir, config.label)
        return name and data.load(config.dataset, config.data_dir, name, "all", config.image_size)
    except UserError as error:
        print(f"note: no other class to compare with: {error}", file=sys.stderr)
        return None


def _write(folder, found, pairs):
    from wgan.images import grids

    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / REPORT_FILE, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    grids.save_png(folder / PAIRS_FILE, pairs)
    found["files"] = [str(folder / REPORT_FILE), str(folder / PAIRS_FILE)]


def _print(found):
    from wgan.evaluation.report import as_table

    weights, reference = found["weights"], found["reference"]
    epoch = f", epoch {weights['epoch']:.0f}" if "epoch" in weights else ""
    part = f"{reference['images']:,} of the " if reference["images"] < reference["training_images"] else ""
    print(
        f"generator: {weights['file']}{epoch}, latents of seed {found['latents_seed']}\n"
        f"reference: {reference['name']}: {part}{reference['training_images']:,} images\n"
        f"features: {found['features']}\n"
        f"note: {found['caveat']}\n\n{as_table(found['rows'])}\n\n"
        f"wrote {' and '.join(found['files'])}"
    )
