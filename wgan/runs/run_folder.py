"""What a run leaves on disk, and whether a new command may continue it. Needs no TensorFlow."""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import uuid

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.data.own_files import RUN_MARK
from wgan.runs import checkpoints, files, sample_files

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.csv"
CURVES_FILE = "history.png"
REALS_FILE = "reals.png"
RUN_ID_FILE = RUN_MARK
EVENTS_FOLDER = "tensorboard"
PLACES = ("checkpoint_dir", "sample_dir", "drive_dir", "data_dir", "init_from")  # settings that are paths


class RunFolder:
    """The checkpoint folder and the sample folder of one run."""

    def __init__(self, config, flag=None):
        """Args:
        config: a checked `TrainingConfig`.
        flag: which of a run's flags says where both folders are; None: each has its own.
        """
        self._other_place = f"another {flag or '--checkpoint_dir and --sample_dir'}"
        self.checkpoint_dir = pathlib.Path(config.checkpoint_dir)
        self.sample_dir = pathlib.Path(config.sample_dir)
        self.config_path = self.checkpoint_dir / CONFIG_FILE
        self.history_path = self.checkpoint_dir / HISTORY_FILE
        self.curves_path = self.checkpoint_dir / CURVES_FILE
        self.reals_path = self.sample_dir / REALS_FILE
        self.events_dir = self.checkpoint_dir / EVENTS_FOLDER
        self._places = [(self.checkpoint_dir, flag or "--checkpoint_dir"), (self.sample_dir, flag or "--sample_dir")]
        if config.tensorboard:
            self._places.append((self.events_dir, "--tensorboard"))

    def stored_run(self, remedy="restore it, or start over with --fresh"):
        """What `write_config` wrote when the run began, or None where no run has begun.

        Args:
            remedy: the end of the message where the file is damaged.

        Raises:
            UserError: the file is damaged.
        """
        if not self.config_path.exists():
            return None
        try:
            stored = json.loads(self.config_path.read_text(encoding="utf-8"))
            stored["config"]["epochs"], stored["images"]["sha256"], stored["images"]["count"]  # used later
            TrainingConfig.from_json(stored["config"])
            return stored
        except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError) as error:
            raise UserError(f"{self.config_path} cannot be read ({type(error).__name__}: {error}); {remedy}") from error

    def check_samples_belong(self):
        """Raises UserError where the sample folder holds grids of a run that is not in the checkpoint folder."""
        if self._run_id(self.sample_dir) != self.run_id() and self.sample_files():
            raise UserError(
                f"{self.sample_dir} holds grids of a run that is not in {self.checkpoint_dir}; choose "
                f"{self._other_place}"
            )

    def check_replaceable(self):
        """Raises UserError where `--fresh` would remove images that may be the user's: nothing is known of a run."""
        held = self.sample_files()
        if held and not self._run_id(self.sample_dir) and not self.checkpoint_files():
            raise UserError(
                f"{held[0]} is in the way, and nothing shows that a run wrote it; choose "
                f"{self._other_place}, or move it away"
            )

    def make(self):
        """Makes both folders where they are not there."""
        for folder in (self.checkpoint_dir, self.sample_dir):
            folder.mkdir(parents=True, exist_ok=True)

    def remove_leftovers(self):
        """Removes temporary files of a process that was killed; only for the holder of the run's lock."""
        for folder in (self.checkpoint_dir, self.sample_dir, *sample_files.sample_folders(self.sample_dir)):
            files.remove_leftovers(folder)

    def mark_as_one_run(self, run_id=None):
        """Leaves the same mark in both folders, by which `check_samples_belong` knows them again.

        Args:
            run_id: the mark, one line; by default the one that is there, or else a new one.
        """
        run_id = run_id or self.run_id() or uuid.uuid4().hex
        for folder in (self.checkpoint_dir, self.sample_dir):
            files.write_text(folder / RUN_ID_FILE, run_id + "\n")

    def run_id(self):
        """The mark in the checkpoint folder, empty where there is none."""
        return self._run_id(self.checkpoint_dir)

    def _run_id(self, folder):
        try:
            return (folder / RUN_ID_FILE).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""

    def check_continues(self, config, stored):
        """Raises UserError unless `config` may continue the stored run, or begin one where there is none."""
        if stored is None:
            self._check_unused()
            return
        differences = differences_from(config, stored)
        if differences:
            raise UserError(
                f"{self.checkpoint_dir} holds a run with other settings: {'; '.join(differences)}. "
                f"Repeat its settings, choose {self._other_place}, or start over with --fresh"
            )

    def check_not_begun(self):
        """Raises UserError where a run that has no state has come beyond its first epoch, when it got one."""
        weights = self.checkpoint_dir / checkpoints.GENERATOR_FILE
        begun = weights.exists() or (self.history_path.exists() and len(self.history_path.read_bytes().split()) > 2)
        if begun:
            raise UserError(
                f"{self.checkpoint_dir} has lost {checkpoints.STATE_FILE}, without which the run cannot "
                "be continued; restore it, or start over with --fresh"
            )

    def check_writable(self):
        """Raises UserError where one of the folders could not be made or written to."""
        for folder, flag in self._places:
            files.check_writable(folder, f"{flag} {folder}")

    def _check_unused(self):
        self.check_replaceable()
        held = self.files_of_a_run()
        if held:
            raise UserError(
                f"{held[0]} is in the way and belongs to no run that can be continued; choose "
                f"{self._other_place}, or replace its files with --fresh"
            )

    def files_of_a_run(self):
        """Every file that a run writes and that is there now."""
        return self.checkpoint_files() + self.event_files() + self.sample_files()

    def checkpoint_files(self):
        """Those of them in the checkpoint folder."""
        names = (CONFIG_FILE, HISTORY_FILE, CURVES_FILE, *checkpoints.FILES)
        paths = [self.checkpoint_dir / name for name in names]
        return [path for path in paths if path.exists()]

    def event_files(self):
        """Those that `--tensorboard` has written."""
        return sorted(self.events_dir.glob("events.out.tfevents.[0-9]*.wgan"))

    def describe(self, paths):
        """A phrase for what `--fresh` replaces."""
        samples = len(self.sample_files())
        return (
            f"replacing {len(paths) - samples} files of an earlier run in {self.checkpoint_dir} and "
            f"{samples} images in {self.sample_dir}"
        )

    def remove_run(self):
        """Removes an earlier run's files, the configuration last: until then the run can be recognised."""
        for path in self.sample_files():
            path.unlink()
        self.remove_grids_after(0)  # also the folders that they were in
        self.remove_checkpoint_files()

    def remove_checkpoint_files(self):
        """Removes those of an earlier run's files that are in the checkpoint folder, the configuration last."""
        held = self.event_files() + self.checkpoint_files()
        for path in sorted(held, key=lambda path: path == self.config_path):
            path.unlink()
        with contextlib.suppress(OSError):
            self.events_dir.rmdir()  # unless something else is in it

    def remove_grids_after(self, epoch):
        """Removes grids of epochs that the restored state does not know; they will be drawn again."""
        sample_files.remove_samples_after(self.sample_dir, epoch)

    def write_config(self, config, image_set, sha256, start):
        """Stores the configuration and what the images were, and adds a start to those of the run so far.

        Args:
            config, image_set: the run's.
            sha256: the images' fingerprint.
            start: the epoch that the run goes on from, the device and versions that it goes on with.
        """
        earlier = self._stored_json()
        starts = [*_events(earlier, "starts"), {**start, "time": _now()}]
        self._write_json(
            {
                "config": config.to_json(),
                "images": {
                    "name": image_set.name,
                    "count": len(image_set.images),
                    "shape": list(image_set.images.shape[1:]),
                    "sha256": sha256,
                    "held_out": 0 if image_set.heldout is None else len(image_set.heldout),
                    "set_aside": image_set.heldout_indices,
                    "classes": list(image_set.label_names),
                    "labels_sha256": fingerprint_of_labels(image_set),
                },
                "working_dir": _working_dir(),
                "starts": starts,
                "rollbacks": _events(earlier, "setbacks") + _events(earlier, "rollbacks"),
            }
        )  # the first: earlier versions

    def add_rollback(self, rollback):
        """Notes when and why the run went back to an earlier epoch; a failing disk does not stop it."""
        with contextlib.suppress(OSError):
            stored = self._stored_json()
            self._write_json({**stored, "rollbacks": [*_events(stored, "rollbacks"), {**rollback, "time": _now()}]})

    def _stored_json(self):
        """All that the configuration file holds; empty where there is none."""
        try:
            stored = json.loads(self.config_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write_json(self, stored):
        files.write_text(self.config_path, json.dumps(stored, indent=2) + "\n")

    def sample_files(self):
        """Those of a run's files that are in the sample folder."""
        grids = sample_files.sample_files(self.sample_dir)
        return [self.reals_path, *grids] if self.reals_path.exists() else grids


def differences_from(config, stored):
    """As `TrainingConfig.differences`; `stored` is what `RunFolder.stored_run` gave.

    The same place under two names, such as from two working folders, is not a difference.
    """
    then, place = stored["config"], with_places(TrainingConfig.from_json(stored["config"]), stored).init_from
    if place and config.init_from and os.path.abspath(place) == os.path.abspath(config.init_from):
        then = {**then, "init_from": config.init_from}
    return config.differences(then)


def with_places(config, stored):
    """The stored configuration with its paths as they were meant; those of an earlier version stay as they are."""
    working_dir = stored.get("working_dir")
    if not isinstance(working_dir, str):
        return config
    places = {name: getattr(config, name) for name in PLACES if getattr(config, name)}
    return dataclasses.replace(
        config, **{name: os.path.normpath(os.path.join(working_dir, place)) for name, place in places.items()}
    )


def fingerprint_of_labels(image_set):
    """SHA-256 (hex) of an `ImageSet`'s labels; None where it has none."""
    return None if image_set.labels is None else data.fingerprint(image_set.labels)


def _working_dir():
    """The folder from which relative paths in the configuration are meant; None where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _events(stored, name):
    """A list in the configuration file; empty where it is missing or damaged."""
    return stored[name] if isinstance(stored.get(name), list) else []


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
