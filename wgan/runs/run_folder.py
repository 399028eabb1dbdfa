"""What a run leaves on disk, and whether a new command may continue it. Needs no TensorFlow."""

import contextlib
import datetime
import json
import os
import pathlib
import uuid

from wgan import data
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.config import TrainingConfig
from wgan.data.own_files import RUN_ID_FILE
from wgan.recipes import DEFAULT, RECIPES
from wgan.runs import checkpoints, files, sample_files

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.csv"
CURVES_FILE = "history.png"
REALS_FILE = "reals.png"
EVENTS_FOLDER = "tensorboard"
REPORT_FILE, PAIRS_FILE = "evaluation.json", "nearest.png"  # what evaluate.py says of the generator
PLACES = ("checkpoint_dir", "sample_dir", "drive_dir", "data_dir", "init_from")  # settings that are paths


class RunFolder:
    """The checkpoint folder and the sample folder of one run."""

    def __init__(self, config, flag=None):
        """Args: config: a checked `TrainingConfig`; flag: says where both folders are; None: each has its own."""
        self._other_place = f"another {flag or '--checkpoint_dir and --sample_dir'}"
        self.checkpoint_dir, self.sample_dir = pathlib.Path(config.checkpoint_dir), pathlib.Path(config.sample_dir)
        self.config_path = self.checkpoint_dir / CONFIG_FILE
        self.history_path = self.checkpoint_dir / HISTORY_FILE
        self.curves_path = self.checkpoint_dir / CURVES_FILE
        self.reals_path = self.sample_dir / REALS_FILE
        self.events_dir = self.checkpoint_dir / EVENTS_FOLDER
        self._places = [(self.checkpoint_dir, flag or "--checkpoint_dir"), (self.sample_dir, flag or "--sample_dir")]
        if config.tensorboard:
            self._places.append((self.events_dir, "--tensorboard"))

    # What is there

    def checkpoint_files(self):
        """Those of a run's files that are in the checkpoint folder."""
        names = (CONFIG_FILE, HISTORY_FILE, CURVES_FILE, *checkpoints.FILES)
        return [path for name in names if (path := self.checkpoint_dir / name).exists()]

    def event_files(self):
        """Those that `--tensorboard` has written."""
        return sorted(self.events_dir.glob("events.out.tfevents.[0-9]*.wgan"))

    def report_files(self):
        """Those that `evaluate.py` has written about its generator."""
        return [path for name in (REPORT_FILE, PAIRS_FILE) if (path := self.checkpoint_dir / name).exists()]

    def sample_files(self):
        """Those that are in the sample folder."""
        grids = sample_files.find(self.sample_dir).files
        return [self.reals_path, *grids] if self.reals_path.exists() else grids

    def files_of_a_run(self):
        """All of them."""
        return self.checkpoint_files() + self.event_files() + self.report_files() + self.sample_files()

    def describe(self, paths):
        """A phrase for what `--fresh` replaces."""
        samples = len(self.sample_files())
        return (
            f"replacing {len(paths) - samples} files of an earlier run in {self.checkpoint_dir} and "
            f"{samples} images in {self.sample_dir}"
        )

    def run_id(self, folder=None):
        """The mark in a folder, by default in the checkpoint folder; empty where there is none."""
        try:
            return ((folder or self.checkpoint_dir) / RUN_ID_FILE).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""

    def stored_run(self, remedy="restore it, or start over with --fresh"):
        """What `write_config` wrote when the run began, its `config` a `TrainingConfig`; None where no run has begun.

        Raises:
            UserError: the file is damaged, and the message ends with `remedy`; or its recipe is not known.
        """
        if not self.config_path.exists():
            return None
        try:
            stored = self._read_json()
            config, images = stored["config"], stored["images"]
            typed = (
                *((config["epochs"], int), (images["count"], int), (images["sha256"], str)),
                (images.get("classes", []), list),
            )
            if not all(isinstance(value, kind) for value, kind in typed) or images["shape"][-1] not in (1, 3):
                raise ValueError("what it says of the run or its images makes no sense")
            recipe = config.get("recipe", DEFAULT)
            if recipe in RECIPES or not isinstance(recipe, str):
                return {**stored, "config": TrainingConfig.from_json(config)}
        except (OSError, ValueError, LookupError, TypeError, RecursionError, UserError) as error:
            raise UserError(f"{self.config_path} cannot be read ({type(error).__name__}: {error}); {remedy}") from error
        raise UserError(
            f"{self.checkpoint_dir} holds a run of the recipe {one_line(recipe, longest=60)!r}, which is not known "
            "here: add the recipe again, or choose another folder"
        )

    def recorded_epochs(self):
        """How many rows the history has."""
        return len(self.history_path.read_bytes().split()) - 1 if self.history_path.exists() else 0

    # Whether a command may use it: each raises UserError where it may not

    def check_writable(self):
        """Refuses folders that could not be made or written to."""
        for folder, flag in self._places:
            files.check_writable(folder, f"{flag} {folder}")

    def check_samples_belong(self):
        """Refuses a sample folder with grids of a run that is not in the checkpoint folder."""
        if self.run_id(self.sample_dir) != self.run_id() and self.sample_files():
            raise UserError(
                f"{self.sample_dir} holds grids of a run that is not in {self.checkpoint_dir}; choose "
                f"{self._other_place}"
            )

    def check_replaceable(self):
        """Refuses to replace images that may be the user's, where nothing is known of a run."""
        held = self.sample_files()
        if held and not self.run_id(self.sample_dir) and not self.checkpoint_files():
            raise UserError(
                f"{held[0]} is in the way, and nothing shows that a run wrote it; choose "
                f"{self._other_place}, or move it away"
            )

    def check_continues(self, config, stored):
        """Refuses a `config` that differs from the stored run, or files in the way where there is no run."""
        if stored is None:
            self.check_replaceable()
            if held := self.files_of_a_run():
                raise UserError(
                    f"{held[0]} is in the way and belongs to no run that can be continued; choose "
                    f"{self._other_place}, or replace its files with --fresh"
                )
        elif differences := config.differences(stored["config"]):
            raise UserError(
                f"{self.checkpoint_dir} holds a run with other settings: {'; '.join(differences)}. "
                f"Repeat its settings, choose {self._other_place}, or start over with --fresh"
            )

    def check_not_begun(self):
        """Refuses a run that has no state and has come beyond its first epoch, when it got one."""
        if (self.checkpoint_dir / checkpoints.GENERATOR_FILE).exists() or self.recorded_epochs() > 1:
            raise UserError(
                f"{self.checkpoint_dir} has lost {checkpoints.STATE_FILE}, without which the run cannot "
                "be continued; restore it, or start over with --fresh"
            )

    # Writing and removing

    def make(self):
        """Makes both folders where they are not there."""
        for folder in (self.checkpoint_dir, self.sample_dir):
            folder.mkdir(parents=True, exist_ok=True)

    def mark_as_one_run(self, run_id=None):
        """Leaves a line in both folders, by which `check_samples_belong` knows them again: the earlier or a new one."""
        run_id = run_id or self.run_id() or uuid.uuid4().hex
        for folder in (self.checkpoint_dir, self.sample_dir):
            files.write_text(folder / RUN_ID_FILE, run_id + "\n")

    def write_config(self, config, image_set, sha256, start):
        """Stores the configuration and what the images were, with their fingerprint, and adds a start to those of the
        run so far: the epoch that it goes on from, the device and versions that it goes on with."""
        images = {
            "name": image_set.name,
            "count": len(image_set.images),
            "shape": list(image_set.images.shape[1:]),
            "sha256": sha256,
            "held_out": 0 if image_set.heldout is None else len(image_set.heldout),
            "set_aside": image_set.heldout_indices,
            "classes": list(image_set.label_names),
            "labels_sha256": data.fingerprint(image_set.labels),
        }
        earlier = self._stored_json()
        starts = [*events(earlier, "starts"), {**start, "time": _now()}]
        places = {name: os.path.abspath(place) for name in PLACES if (place := getattr(config, name))}
        run = {"config": {**config.to_json(), **places}, "images": images}
        self._write_json({**run, "starts": starts, "rollbacks": events(earlier, "rollbacks")})

    def add_rollback(self, rollback):
        """Notes when and why the run went back to an earlier epoch; a failing disk does not stop it."""
        with contextlib.suppress(OSError):
            if stored := self._stored_json():
                self._write_json({**stored, "rollbacks": [*events(stored, "rollbacks"), {**rollback, "time": _now()}]})

    def _read_json(self):
        return json.loads(self.config_path.read_text(encoding="utf-8"))

    def _stored_json(self):
        """All that the configuration file holds; empty where it is missing or damaged, OSError where the disk fails."""
        try:
            stored = self._read_json()
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write_json(self, stored):
        files.write_text(self.config_path, json.dumps(stored, indent=2) + "\n")

    def remove_leftovers(self):
        """Removes temporary files of a process that was killed; only for the holder of the run's lock."""
        for folder in (self.checkpoint_dir, self.sample_dir, *sample_files.find(self.sample_dir).folders):
            files.remove_leftovers(folder)

    def remove_run(self):
        """Removes an earlier run's files, the configuration last: until then the run can be recognised."""
        sample_files.remove_samples_after(self.sample_dir, 0)
        self.reals_path.unlink(missing_ok=True)
        self.remove_checkpoint_files()

    def remove_checkpoint_files(self):
        """Removes those of an earlier run's files that are in the checkpoint folder, the configuration last."""
        for path in [*self.event_files(), *self.report_files(), *reversed(self.checkpoint_files())]:
            path.unlink()
        with contextlib.suppress(OSError):
            self.events_dir.rmdir()  # unless something else is in it


def events(stored, name):
    """The `starts` or `rollbacks` that a configuration file holds, as far as they are not damaged."""
    found = stored.get(name)
    return [event for event in found if isinstance(event, dict)] if isinstance(found, list) else []


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
