"""`--init_from`: the weights of a trained generator and critic as the start of a new run."""

import pathlib

from wgan.common.errors import UserError
from wgan.common.messages import listed, one_line
from wgan.config import TrainingConfig
from wgan.runs import checkpoints, neighbouring_runs, weights_files
from wgan.runs.run_folder import RunFolder


def find_weights(place, checkpoint_dir=None):
    """The generator's and the critic's file behind `--init_from`, a checkpoint folder or a generator's file.

    The critic's file has the same name with `critic` in place of `generator`. Raises UserError where a file is missing,
    is not an HDF5 file, or would be overwritten by the new run, which writes to `checkpoint_dir`.
    """
    place = pathlib.Path(place)
    if not place.exists():
        raise UserError(f"--init_from: there is no {place}; give another run's checkpoint folder")
    generator = place / checkpoints.GENERATOR_FILE if place.is_dir() else place
    if "generator" not in generator.name:
        raise UserError(
            f"--init_from {place}: the file's name must contain 'generator', so that the critic's "
            "can be found beside it"
        )
    if checkpoint_dir and generator.parent.resolve() == pathlib.Path(checkpoint_dir).resolve():
        raise UserError(
            f"--init_from {place}: the new run would overwrite these weights; give it another "
            "--checkpoint_dir, or copy them first"
        )
    critic = generator.with_name(generator.name.replace("generator", "critic"))
    for path in (generator, critic):
        if not path.exists():
            advice = neighbouring_runs.advice_on_runs(place, "--init_from") if place.is_dir() else ""
            if any(path.parent.glob("generator*.h5")) and not any(path.parent.glob("critic*.h5")):
                advice = "its generator is without a critic, as the shipped ones are, and a new run needs both"
            elif path == critic and (path.parent / checkpoints.CRITIC_FILE).exists():
                advice = f"{generator.name} has no critic of its own: give the run's folder, {path.parent}"
            raise UserError(f"--init_from: there is no {path}{advice and '; '}{advice}")
        weights_files.check_readable(path)
    return generator, critic


def load_weights(gan, place):
    """Puts the weights behind `--init_from` into both networks; UserError where there are none that fit."""
    for network, path in zip((gan.generator, gan.critic), find_weights(place)):
        weights_files.load(network, path, f"the {type(network).__name__.lower()}")
    if gan.averaged_generator:
        gan.start_average()


def note_of_other_images(config, class_names=()):
    """A sentence where the weights behind `config.init_from` are known to be of a run on other images, or None.

    That is what fine-tuning does, but a mistyped folder looks the same. `config` has a canonical label; `class_names`
    are those of the run's images, which a generator that is asked for classes knows by number alone.
    """
    place = pathlib.Path(config.init_from)
    folder = place if place.is_dir() else place.parent
    try:
        stored = RunFolder(TrainingConfig(checkpoint_dir=str(folder))).stored_run()
    except UserError:
        return None
    old = stored["config"] if stored else config
    learned = stored["images"].get("classes", []) if stored else list(class_names)
    if config.recipe_spec.is_conditional and learned != list(class_names):
        there, here = (listed(names, most=30) for names in (learned, class_names))
        return f"{place} learned the classes {there}, in this order, and this run has {here}"
    if old.label is None or (old.label, old.dataset) == (config.label, config.dataset):
        return None
    there, here = (one_line(f"{run.label} of {run.dataset}", longest=80) for run in (old, config))
    return f"{place} was trained on {there}, this run is on {here}"
