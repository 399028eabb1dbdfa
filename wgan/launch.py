"""All that must be in order before TensorFlow is imported: a mistake is answered in about a second."""

import dataclasses
import os
import sys

from wgan import checkpoints, data, initial_weights, startup
from wgan.errors import UserError
from wgan.run_folder import RunFolder


def launch(config, fresh=False, dry_run=False):
    """Begins a run, or continues the one that `config.checkpoint_dir` holds.

    Args:
        config: a `TrainingConfig`.
        fresh: replace an earlier run.
        dry_run: print what would be done; nothing is trained or written, but a data set may be downloaded.

    Returns:
        The exit status: 0, or 128 + the number of the signal that stopped the run.

    Raises:
        UserError: for all that the user can mend.
    """
    config = _checked(config)
    folder = RunFolder(config)
    folder.check_writable()
    folder.check_samples_belong()
    stored = None if fresh else folder.stored_run()
    if stored:
        config = config.settled_by(stored["config"])
    if not fresh:
        folder.check_continues(config, stored)
    state = checkpoints.newest_state(config.checkpoint_dir) if stored else None
    if stored and state is None:
        folder.check_not_begun()
    if config.init_from and state is None:
        initial_weights.find_weights(config.init_from, config.checkpoint_dir)
    if state is not None and state.epoch >= config.epochs and not dry_run:
        print(f"finished: the run in {folder.checkpoint_dir} has {state.epoch} epochs and --epochs asks for "
              f"{config.epochs}; a larger --epochs continues it")
        return 0

    image_set, sha256 = _load_images(config, stored)
    device = startup.import_tensorflow()  # takes seconds
    from wgan import precision, training
    config = dataclasses.replace(config, precision=precision.resolve(config.precision))
    if dry_run:
        training.print_plan(config, folder, image_set, state)
        return 0
    print(f"{image_set.name}: {len(image_set.images)} images, on {device} in {config.precision}", flush=True)
    return training.train(config, folder, image_set, sha256, state)


def _checked(config):
    """The configuration with `~` spelled out and its label in canonical form, after the checks of its values."""
    config.check()
    places = {name: os.path.expanduser(getattr(config, name))
              for name in ("checkpoint_dir", "sample_dir", "data_dir", "init_from") if getattr(config, name)}
    config = dataclasses.replace(config, **places)
    return dataclasses.replace(
        config, label=data.check(config.dataset, config.data_dir, config.label, config.split))


def _load_images(config, stored):
    image_set = data.load_for_run(config)
    for notice in image_set.notices:
        print(f"note: {notice}", file=sys.stderr)
    sha256 = data.fingerprint(image_set.images)
    if stored and stored["images"]["sha256"] != sha256:
        raise UserError(f"these {len(image_set.images)} images differ from the {stored['images']['count']} that "
                        f"the run in {config.checkpoint_dir} began with; give it the same data, or start over "
                        "with --fresh")
    return image_set, sha256
