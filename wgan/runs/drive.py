"""A run's copy on a slow or unreliable disk, such as a mounted Google Drive: `--drive_dir`. Needs no TensorFlow.

The run works in its own folders, and one thread copies what has changed to `checkpoints` and `samples` below the
drive's folder after each checkpoint, grids as zip files of 500 epochs each. Every file there is complete or absent, and
a state is copied once all that came before it is there: the copy can be continued at any moment.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil

from wgan.common.errors import UserError
from wgan.common.output import note
from wgan.runs import checkpoints, files, grid_archives, sample_files
from wgan.runs.lock import RunLock
from wgan.runs.retrying import RetryingThread
from wgan.runs.run_folder import RUN_ID_FILE, RunFolder

_CLOCK = 0.01  # seconds; what a drive may take off a file's time


class Drive:
    """The copy of a run: its `RunFolder` and that of the run itself, `local`; a `RunLock` on the copy."""

    def __init__(self, config):
        """Args: config: a checked `TrainingConfig` with a `drive_dir`."""
        self.place = pathlib.Path(config.drive_dir)
        self.local = RunFolder(config)
        places = dict(checkpoint_dir=str(self.place / "checkpoints"), sample_dir=str(self.place / "samples"))
        self.folder = RunFolder(dataclasses.replace(config, **places, tensorboard=False), flag="--drive_dir")
        self.lock = RunLock(self.folder.checkpoint_dir, advice="another --drive_dir")

    def check(self):
        """Raises UserError where there is no drive, or the copy is of another run than the local folders hold."""
        check_place(self.place)
        places = (self.place, self.folder.checkpoint_dir, self.folder.sample_dir)
        copies = {place.resolve() for place in places}
        for other, flag in ((self.local.checkpoint_dir, "checkpoint_dir"), (self.local.sample_dir, "sample_dir")):
            if other.resolve() in copies:
                raise UserError(
                    f"--drive_dir {self.place} would copy {other} into or onto itself; give a local --{flag}, "
                    "or leave --drive_dir out"
                )
        marks = {folder.run_id() for folder in (self.folder, self.local) if folder.config_path.exists()} - {""}
        if len(marks) > 1:
            raise UserError(
                f"{self.folder.checkpoint_dir} holds another run than {self.local.checkpoint_dir}; choose "
                "another --drive_dir, or another --checkpoint_dir and --sample_dir"
            )

    def prepare(self):
        """Makes the folders of the copy, and gives the copy's mark to a run that has yet to begin here.

        With the same mark from the start, a run that is killed before its first copy is still no other run.
        """
        self.folder.make()
        if self.folder.run_id() and not self.local.config_path.exists():
            self.local.make()
            self.local.mark_as_one_run(self.folder.run_id())

    def fetch(self, state, is_newer):
        """Brings the run from the drive but for its grids, which are many and not needed to go on.

        `state` is the copy's newest `checkpoints.State`. Where `is_newer`, it replaces the local one; else only missing
        files are brought. After an OSError of the drive or the local disk, the same call again goes on.
        """
        here = self.local.checkpoint_dir
        paths = [path for path in self.folder.checkpoint_files() if path.name not in checkpoints.STATE_FILES]
        if is_newer:
            print(f"fetching the run from {self.place}: epoch {state.epoch}", flush=True)
            note(f"its earlier grids stay in {self.folder.sample_dir}, where export_gif.py --sample_dir reads them")
            is_begun = _has_state(here) or (here / checkpoints.GENERATOR_FILE).exists()  # its state may be lost
            before = paths if is_begun else [self.folder.config_path]
            with checkpoints.state_copied(state.path, here):
                _copy_to(here, before)
            _copy_to(here, [path for path in paths if path not in before])
        else:
            _copy_to(here, [path for path in paths if not (here / path.name).exists()])

    def remove_run(self):
        """Removes the copy's state and all that is beside it; its grids are removed by `copying`, in its thread."""
        if self.folder.checkpoint_files():
            print(f"replacing the copy of an earlier run in {self.place}")
        self.folder.remove_checkpoint_files()


@contextlib.contextmanager
def copying(drive, epoch):
    """Copies in a thread while the block runs, and what is missing when it ends well.

    The context manager gives a function without arguments, to be called after a checkpoint has been written. With None
    in place of a `Drive` nothing is copied. Grids of later epochs than the one from which the run goes on are removed
    from the drive. Raises OSError where the drive failed to the end.
    """
    if drive is None:
        yield lambda: None
        return
    with RetryingThread(f"copies in {drive.place}", _Copies(drive, epoch).update) as writer:
        yield writer.request
        print(f"copying to {drive.place}", flush=True)
        writer.request()


def check_place(place):
    """Raises UserError where a folder to copy to cannot be used, nor made in one that is there.

    Its parent is never made: that would hide that a drive is not mounted.
    """
    place = pathlib.Path(place)
    existing = place if place.exists() else place.absolute().parent
    if not existing.exists():
        raise UserError(f"--drive_dir {place}: there is no {existing}; mount the drive, or make that folder")
    files.check_writable(existing, f"--drive_dir {place}")


def copy_file(source, target):
    """Copies a file with its time, complete or not at all."""
    with files.atomic_path(target) as temporary:
        time = os.stat(source).st_mtime_ns  # of what is read, or older: then it is copied once more
        shutil.copyfile(source, temporary)
        with contextlib.suppress(OSError):  # not every drive can; without it, more is copied after the next start
            os.utime(temporary, ns=(time, time))


class _Copies:
    """What has been copied, and what is to be."""

    def __init__(self, drive, epoch):
        self._drive, self._epoch, self._is_clear = drive, epoch, False
        self._copied = {}  # what `_look` said of the sources, by target

    def update(self):
        """Copies what has changed, yielding after each file; after a failure the same call again goes on."""
        local, there = self._drive.local, self._drive.folder
        self._drive.lock.check()  # also before another try: the drive may have been away for long
        if not self._is_clear:  # of what the run has gone back from
            there.remove_leftovers()
            sample_files.remove_samples_after(there.sample_dir, self._epoch)
            self._is_clear = True
        state, is_first = local.checkpoint_dir / checkpoints.STATE_FILE, not _has_state(there.checkpoint_dir)
        found = _look(state)
        is_new = found not in (None, self._copied.get(state))
        # As it is now: while the rest is copied, newer ones may replace it, and their grids come later.
        with checkpoints.state_copied(state, there.checkpoint_dir) if is_new else contextlib.nullcontext():
            yield from self._copy(self._needed())
            if not is_first:
                yield from self._copy(self._others())
        self._copied[state] = found
        yield from self._copy(self._others())

    def _needed(self):
        """{target: source} of what comes before a state; a source is a path, or an archive's grids by epoch."""
        local, there = self._drive.local, self._drive.folder
        paths = [local.checkpoint_dir / RUN_ID_FILE, local.config_path]
        needed = {there.checkpoint_dir / path.name: path for path in paths}
        needed |= {there.sample_dir / path.name: path for path in (local.sample_dir / RUN_ID_FILE, local.reals_path)}
        for epoch, grid in sample_files.list_samples(local.sample_dir):
            needed.setdefault(there.sample_dir / grid_archives.archive_name(epoch), {})[epoch] = grid
        return needed

    def _others(self):
        """{target: source} of what else is in the checkpoint folder."""
        there, paths = self._drive.folder.checkpoint_dir, self._drive.local.checkpoint_files()
        return {there / path.name: path for path in paths if path.name not in checkpoints.STATE_FILES}

    def _copy(self, sources):
        for target, source in sources.items():
            self._drive.lock.check()
            found = _look(source)
            if found in (None, self._copied.get(target)):
                continue
            if target in self._copied or not _was_copied(source, found, target):
                if isinstance(source, dict):
                    grid_archives.update(target, source)
                else:
                    copy_file(source, target)
            self._copied[target] = found
            yield


def _has_state(folder):
    """Whether a state is there, be it the previous one.

    If so, a newer one is put in place after all other files of its checkpoint, and says that they are there. The first
    one comes before the weights: weights without a state look like those of a run that has lost it.
    """
    return any((folder / name).exists() for name in checkpoints.STATE_FILES)


def _copy_to(folder, paths):
    for path in paths:
        copy_file(path, folder / path.name)


def _look(source):
    """(size, time in ns) of a file, or None where there is none; of grids: those of each, by epoch."""
    if isinstance(source, dict):
        return {epoch: _look(grid) for epoch, grid in source.items()}
    try:
        found = source.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _was_copied(source, found, target):
    """Whether an earlier process did so; of a file, size and time tell."""
    if isinstance(source, dict):
        return grid_archives.holds(target, source)
    there = _look(target)
    return there is not None and there[0] == found[0] and abs(there[1] - found[1]) < _CLOCK * 1e9
