"""From a run's folder to a report on its samples. TensorFlow is imported once everything else is in order."""

import dataclasses
import json
import math
import os
import pathlib
import sys

import h5py

from wgan import checkpoints, data, files, startup, weights_files
from wgan.config import TrainingConfig
from wgan.data.messages import did_you_mean, one_line
from wgan.errors import UserError
from wgan.run_folder import CONFIG_FILE, RunFolder

FEATURES = ("own", "inception")
FEWEST_SAMPLES = 16
REPORT_FILE = "evaluation.json"
PAIRS_FILE = "nearest.png"


def evaluate(checkpoint_dir, weights=None, data_dir=None, output_dir=None, features="own", samples=6000, seed=None,
             yardsticks=True):
    """Measures one generator, prints the report and writes it.

    Args:
        checkpoint_dir: the run's folder.
        weights: name of the generator's file in it, or None: the averaged one, where there is one.
        data_dir: where the run's images are, or None: where they were.
        output_dir: where the report goes, or None: the run's folder.
        features: one of `FEATURES`.
        samples: number of samples, and of real images at most.
        seed: of the latents, or None.
        yardsticks: whether to measure halves of the real images, another class and noise as well.

    Returns:
        The report, as `evaluation.json` holds it.

    Raises:
        UserError: for all that the user can mend.
    """
    checkpoint_dir = pathlib.Path(os.path.expanduser(checkpoint_dir))
    _check(features, samples, seed)
    config, stored_images = _stored(checkpoint_dir, data_dir)
    path, attributes = _weights(checkpoint_dir, weights)
    image_set = data.load_for_run(config)
    same_images = data.fingerprint(image_set.images) == stored_images["sha256"]
    for notice in (*image_set.notices, *([] if same_images else ["these are not the images of the run"])):
        print(f"note: {notice}", file=sys.stderr)
    other = _other_class(config) if yardsticks else None

    startup.import_tensorflow()
    from wgan.evaluation.features import extractor
    extract = extractor(features)
    generator = _generator(config, stored_images["shape"][-1], path)
    seed = config.seed + 1 if seed is None else seed
    rows, pairs = _measure(generator, extract, image_set.images, other, samples, seed, yardsticks)
    found = {
        "weights": {"file": str(path), **attributes}, "latents_seed": seed,
        "features": extract.description, "caveat": extract.caveat,
        "reference": {"name": image_set.name, "images": rows[0]["reals"], "training_images": len(image_set.images),
                      "images_of_the_run": same_images}, "rows": rows}
    _write(pathlib.Path(output_dir or checkpoint_dir), found, pairs)
    _print(found)
    return found


def _measure(generator, extract, training_images, other, samples, seed, yardsticks):
    """The report's rows, and the picture of samples beside their nearest training images."""
    from wgan.evaluation import evaluator, report
    drawn = evaluator.Sampler(generator, samples, seed)()
    training = extract(training_images)
    chosen = evaluator.subset_indices(len(training), samples)
    row, copies = report.sample_row(training[chosen], extract(drawn), training)
    rows = [row]
    if yardsticks:
        rows += report.yardsticks(extract, training[chosen], training_images[chosen], other)
    return rows, report.closest_pairs(drawn, training_images, copies)


def _check(features, samples, seed):
    if features not in FEATURES:
        raise UserError(f"--features is {one_line(features)!r}{did_you_mean(features, FEATURES)}; choose one of "
                        f"{', '.join(FEATURES)}")
    if not FEWEST_SAMPLES <= samples <= 10**6:
        raise UserError(f"--samples is {samples}; it must be from {FEWEST_SAMPLES} to a million")
    if seed is not None and not 0 <= seed < 2**31:
        raise UserError(f"--seed is {seed}; it must be at least 0 and less than {2**31}")


def _stored(checkpoint_dir, data_dir):
    """The configuration of the run, as far as this version knows its fields, and what its images were."""
    stored = RunFolder(TrainingConfig(checkpoint_dir=str(checkpoint_dir))).stored_run()
    if stored is None:
        raise UserError(f"{checkpoint_dir} holds no run (no config.json); give its folder with --checkpoint_dir")
    try:
        config = TrainingConfig.from_json(stored["config"])
        if stored["images"]["shape"][-1] not in (1, 3) or not isinstance(stored["images"]["sha256"], str):
            raise UserError("what it says of the images makes no sense")
    except (UserError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{checkpoint_dir / CONFIG_FILE} is damaged: {error}; restore it") from error
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=os.path.expanduser(data_dir))
    return config, stored["images"]


def _weights(checkpoint_dir, name):
    """The path of the generator's file, and what is noted in it: epoch and FID."""
    if name is None:
        averaged = (checkpoint_dir / checkpoints.AVERAGED_FILE).exists()
        name = checkpoints.AVERAGED_FILE if averaged else checkpoints.GENERATOR_FILE
    path = checkpoint_dir / name
    if not path.is_file():
        there = sorted(entry.name for entry in checkpoint_dir.glob("generator*.h5"))
        raise UserError(f"there is no {path}; --weights may be {' or '.join(there) or 'given once the run has saved'}")
    weights_files.check_readable(path)
    try:
        with h5py.File(path, "r") as file:
            noted = {key: float(file.attrs[key]) for key in ("epoch", "fid") if key in file.attrs}
        if not all(map(math.isfinite, noted.values())):
            raise ValueError("its attributes are not finite")
        return path, noted
    except weights_files.UNREADABLE as error:
        raise UserError(f"{path} is damaged ({one_line(error, longest=120)})") from error


def _other_class(config):
    """The images of another class, or None where there is none that can be read."""
    try:
        name = data.similar_class(config.dataset, config.data_dir, config.label)
        return name and data.load(config.dataset, config.data_dir, name, "all", config.image_size)
    except UserError as error:
        print(f"note: no other class to compare with: {error}", file=sys.stderr)
        return None


def _generator(config, channels, path):
    """The run's generator with the weights in a file, in float32 on any machine."""
    import tensorflow as tf

    generator = config.the_recipe.parts(config, channels).generator
    generator(tf.zeros([1, config.latent_dim]))
    try:
        weights_files.check_fits(path, generator, "the run's generator")
        generator.load_weights(path)
        if not checkpoints.is_finite([variable.numpy() for variable in generator.variables]):
            raise ValueError("not all of its numbers are finite")
    except weights_files.UNREADABLE as error:
        raise UserError(f"{path} does not fit the run's generator: {one_line(error)}") from error
    return generator


def _write(folder, found, pairs):
    from wgan import images
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(folder / REPORT_FILE, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    images.save_png(folder / PAIRS_FILE, pairs)
    found["files"] = [str(folder / REPORT_FILE), str(folder / PAIRS_FILE)]


def _print(found):
    from wgan.evaluation.report import as_table
    weights, reference = found["weights"], found["reference"]
    epoch = f", epoch {weights['epoch']:.0f}" if "epoch" in weights else ""
    part = f"{reference['images']:,} of the " if reference["images"] < reference["training_images"] else ""
    print(f"generator: {weights['file']}{epoch}, latents of seed {found['latents_seed']}\n"
          f"reference: {reference['name']}: {part}{reference['training_images']:,} images\n"
          f"features: {found['features']}\n"
          f"note: {found['caveat']}\n\n{as_table(found['rows'])}\n\n"
          f"wrote {' and '.join(found['files'])}")
