"""All that must be in order before TensorFlow is imported: a mistake is answered in about a second."""

import contextlib
import dataclasses
import os
import typing

from wgan import data
from wgan.common import output, startup
from wgan.common.errors import UserError
from wgan.common.messages import listed, one_line
from wgan.config import TrainingConfig
from wgan.data import labels
from wgan.images import grids
from wgan.runs import checkpoints, class_folders, drive, initial_weights
from wgan.runs.lock import RunLock
from wgan.runs.run_folder import PLACES, RunFolder
from wgan.training import hosts

CLASS_GRID = "each.png"  # in the sample folder of a run per class


class Found(typing.NamedTuple):
    """A run as it is on disk, examined against the configuration that is to begin or continue it."""

    config: TrainingConfig  # settled by what is stored
    stored: dict | None  # what the run wrote when it began; None: a new one begins
    state: checkpoints.State | None  # its newest one

    @property
    def epoch(self):
        """That of the newest state; -1 where there is none."""
        return self.state.epoch if self.state else -1

    @property
    def is_finished(self):
        """Whether it has all epochs that are asked for."""
        return self.epoch >= self.config.epochs


def launch(config, fresh=False, dry_run=False):
    """Begins a run, or continues the one that `config.checkpoint_dir` holds; `fresh` replaces it.

    Where the label is `each`: one run per class, each in a folder of its own; then a grid with a row per class.
    `dry_run` prints what would be done: nothing is trained or written, but a data set may be downloaded.

    Returns the exit status: 0, or 128 + the number of the signal that stopped the run. Raises UserError for all that
    the user can mend.
    """
    with output.tolerant():  # a training that nobody watches any more goes on
        return (_launch_each if labels.is_each(config.label) else _launch_one)(config, fresh, dry_run)


def _launch_one(config, fresh, dry_run):
    own = hosts.from_environment() if config.distribute == "multi_worker" else None
    if dry_run or not own:
        return _lead(config, fresh, dry_run)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a lost host is told in one line of ours
    meeting = hosts.Meeting(own, 60 * config.worker_timeout)
    try:
        status = _lead(config, fresh, False, meeting) if own.is_chief else _assist(config, meeting)
        meeting.leave(status, "the run is finished")
        return status
    except hosts.NothingToDo as told:
        print(told)
        return 0
    except Exception as error:
        meeting.leave(2, str(error) or type(error).__name__)
        raise


def _lead(config, fresh, dry_run, meeting=None):
    """For the only host, or the chief, which has a `hosts.Meeting` with the others."""
    config = _checked(config)
    folder = RunFolder(config)
    remote = drive.Drive(config) if config.drive_dir else None
    here, there = _examine_both(config, folder, remote, fresh)
    found = there if there.epoch > here.epoch else here
    _check_start(found, folder)
    if dry_run:
        image_set, _ = _load_images(found)
        config, _, loop = _with_tensorflow(found.config)
        loop.print_plan(config, folder, image_set, found.state)
        return 0
    if not remote and found.is_finished:  # with a copy, that may be behind or ahead
        _print_finished(found, folder)
        return 0
    with RunLock(folder.checkpoint_dir) as lock, remote.lock if remote else contextlib.nullcontext():
        if remote:
            here, there = _examine_both(found.config, folder, remote, fresh)  # which may have changed meanwhile
            remote.prepare()
            if there.state and there.epoch >= here.epoch:
                remote.fetch(there.state, is_newer=there.epoch > here.epoch)
        return _run(found.config, folder, lock, remote, fresh, meeting)


def _assist(config, meeting):
    """For a host of a run that another one leads."""
    config = _checked(config)
    image_set, sha256 = _load_images(Found(config, None, None))
    config, device, loop = _with_tensorflow(config, meeting, _fingerprints(config, image_set, sha256))
    print(f"{image_set.name}: {len(image_set.images)} images, on {device} in {config.precision}; the chief shows more")
    return loop.assist(config, image_set)


def _fingerprints(config, image_set, sha256):
    """What the hosts of a run compare of their images."""
    of_labels = {"the labels' SHA-256": data.fingerprint(image_set.labels)} if config.recipe_spec.wants_labels else {}
    return {"the images' SHA-256": sha256, **of_labels}


def _run(config, folder, lock, remote, fresh, meeting):
    """Trains, unless all is done; for the holder of the locks, who looks again: another process may just have left."""
    found = _examine(config, folder, fresh)
    _check_start(found, folder)
    folder.remove_leftovers()
    if found.is_finished:
        _print_finished(found, folder)
        with drive.copying(remote, found.epoch):  # what the drive lacks
            return 0
    image_set, sha256 = _load_images(found)
    config, device, loop = _with_tensorflow(found.config, meeting, _fingerprints(found.config, image_set, sha256))
    print(f"{image_set.name}: {len(image_set.images)} images, on {device} in {config.precision}", flush=True)
    return loop.train(loop.Run(config, folder, image_set, lock, remote), sha256, found.state, device)


def _launch_each(config, fresh, dry_run):
    config = _with_places(config)
    config.check()
    names = data.class_names(config.dataset, config.data_dir, config.split)
    runs = [class_folders.run_of_class(config, name) for name in names]
    _check_apart(config, *runs)  # before any is trained
    if config.drive_dir:
        drive.check_place(config.drive_dir)
        if not dry_run:
            os.makedirs(config.drive_dir, exist_ok=True)  # in which each class has its copy
        elif not os.path.isdir(config.drive_dir):
            runs = [dataclasses.replace(run, drive_dir=None) for run in runs]
    for run in runs:
        print(f"class {run.label}", flush=True)
        if status := _launch_one(run, fresh, dry_run):  # a class may itself be called each
            return status
    if not dry_run:
        startup.import_tensorflow()
        from wgan.images import samples

        path = os.path.join(config.sample_dir, CLASS_GRID)
        grids.save_png(path, samples.class_grid(runs))
        if config.drive_dir:
            drive.copy_file(path, os.path.join(config.drive_dir, CLASS_GRID))
        print(f"a row per class in {path}: {', '.join(map(one_line, names))}")
    return 0


def _examine_both(config, folder, remote, fresh):
    """What `_examine` gives for the run's folder, and for its copy where there is one."""
    here = _examine(config, folder, fresh)
    if not remote:
        return here, here
    remote.check()
    if remote.folder.run_id() and not remote.folder.checkpoint_files():  # by `--fresh`: only its grids are still there
        return here, Found(config, None, None)
    try:
        there = _examine(config, remote.folder, fresh)
        if there.stored and there.state is None:
            remote.folder.check_not_begun()
        if here.stored and here.state is None and there.epoch < folder.recorded_epochs():
            folder.check_not_begun()  # the copy is behind what there was
        return here, there
    except UserError as error:
        if here.state is None:
            raise
        raise UserError(
            f"{error}. This is about the copy: the run in {folder.checkpoint_dir} is at epoch {here.epoch} "
            "and goes on once the copy has been moved away"
        ) from error


def _examine(config, folder, fresh):
    """Checks what is on disk against the configuration, which it settles by what is stored; a `Found`."""
    folder.check_writable()
    folder.check_samples_belong()
    if fresh:
        folder.check_replaceable()
    stored = None if fresh else folder.stored_run()
    if stored:
        config = config.settled_by(stored["config"])
    if not fresh:
        folder.check_continues(config, stored)
    return Found(config, stored, checkpoints.newest_state(folder.checkpoint_dir) if stored else None)


def _check_start(found, folder):
    """Raises UserError where a run is to begin that has lost its state, or whose first weights cannot be had."""
    if found.stored and found.state is None:
        folder.check_not_begun()
    if found.config.init_from and found.state is None:
        initial_weights.find_weights(found.config.init_from, folder.checkpoint_dir)


def _print_finished(found, folder):
    print(
        f"finished: the run in {folder.checkpoint_dir} has {found.epoch} epochs and --epochs asks for "
        f"{found.config.epochs}; a larger --epochs continues it"
    )


def _with_tensorflow(config, meeting=None, fingerprints=None):
    """Imports TensorFlow, which takes seconds; the configuration with its precision, the device, `loop`.

    A host of several meets the others at a `hosts.Meeting`, with the fingerprints of its images.
    """
    device = startup.import_tensorflow(sets_up=not meeting)
    from wgan.models import precision
    from wgan.training import distribution, loop

    config = dataclasses.replace(config, precision=precision.resolve(config.precision))
    if meeting:
        distribution.meet(meeting, config, fingerprints)
        distribution.strategy_of(config)  # before anything else sets the devices up
    return config, device, loop


def _checked(config):
    """The configuration with `~` spelled out and its label in canonical form, after the checks of its values."""
    config = _with_places(config)
    config.check()
    label = data.check(config.dataset, config.data_dir, config.label, config.split)
    _check_apart(config)
    return dataclasses.replace(config, label=label)


def _check_apart(*configs):
    """Raises UserError where one of these runs, all on the same data, would write among the user's own images."""
    places = []
    for config in configs:
        places += [("--checkpoint_dir", config.checkpoint_dir), ("--sample_dir", config.sample_dir)]
        if config.drive_dir:
            inner = [os.path.join(config.drive_dir, name) for name in ("checkpoints", "samples")]
            places += [("--drive_dir", place) for place in (config.drive_dir, *inner)]
    if configs[0].dataset in ("folder", "records"):
        data.folder.check_apart(configs[0].data_dir, places)


def _with_places(config):
    places = {name: os.path.expanduser(getattr(config, name)) for name in PLACES if getattr(config, name)}
    return dataclasses.replace(config, **places)


def _load_images(found):
    config, stored = found.config, found.stored
    image_set = data.load_for_run(config)
    for notice in image_set.notices:  # first: they name the images without a class
        output.note(notice)
    _check_classes(config, image_set)
    sha256 = data.fingerprint(image_set.images)
    if stored:
        _check_same_images(config, image_set, sha256, stored["images"])
    return image_set, sha256


def _check_same_images(config, image_set, sha256, stored):
    """Raises UserError unless these are the images, and the classes, that the run began with."""
    remedy = f"the run in {config.checkpoint_dir} began with; give it the same data, or start over with --fresh"
    changed = _changed_classes(image_set, stored)
    if stored["sha256"] != sha256:
        raise UserError(
            f"these {len(image_set.images)} images{changed} differ from the {stored['count']} that {remedy}"
            f"{'' if changed else ', or in other folders begin from its weights with --init_from'}"
        )
    if config.recipe_spec.wants_labels and stored.get("labels_sha256") != data.fingerprint(image_set.labels):
        raise UserError(f"the labels of these images{changed} differ from those that {remedy}")


def _changed_classes(image_set, stored):
    """' (new classes: goats)', where the stored names of the classes are others."""
    then, now = stored.get("classes"), list(image_set.label_names)
    if not isinstance(then, list) or then == now:
        return ""
    changes = {"new": [name for name in now if name not in then], "missing": [name for name in then if name not in now]}
    words = [f"{what} classes: {listed(names)}" for what, names in changes.items() if names]
    return f" ({'; '.join(words) or 'the classes in another order'})"


def _check_classes(config, image_set):
    """Raises UserError for classes that are missing, or that one generator cannot learn."""
    recipe = config.recipe_spec
    if recipe.wants_labels and image_set.labels is None:
        raise UserError(
            f"--recipe {config.recipe} learns classes, and not every image of {image_set.name} has one: put each into "
            "the folder of its class"
        )
    if not recipe.is_conditional:
        return
    names = image_set.label_names
    if len(names) < 2:
        raise UserError(
            f"--recipe {config.recipe} learns what sets classes apart, and {image_set.name} has one: add another, or "
            "take wgan_gp"
        )
    if empty := [name for name, count in zip(names, image_set.class_counts) if not count]:
        raise UserError(
            f"{image_set.name}: no image to train on is left of {listed(empty)}; add images, remove the class, or "
            "choose a smaller --holdout"
        )
