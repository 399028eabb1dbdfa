"""A run's copy on a slow or unreliable disk, such as a mounted Google Drive: `--drive_dir`. Needs no TensorFlow.

The run works in its own folders, and one thread copies what has changed to `checkpoints` and `samples` below the
drive's folder after each checkpoint, grids as zip files of 500 epochs each. Every file there is complete or absent, and
a state is copied once all that came before it is there: the copy can be continued at any moment.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import shutil
import sys

from wgan.common.errors import UserError
from wgan.runs import checkpoints, files, grid_archives, sample_files
from wgan.runs.lock import RunLock
from wgan.runs.retrying import RetryingThread
from wgan.runs.run_folder import RUN_ID_FILE, RunFolder

_TRIES_TO_CLEAR = 3
_CLOCK = 0.01  # seconds; what a drive may take off a file's time


class Drive:
    """Where the copy of a run lies.

    Attributes:
        place: what `--drive_dir` names.
        folder: the copy, a `RunFolder`.
        local: the run's own `RunFolder`.
        lock: a `RunLock` on the copy.
    """

    def __init__(self, config):
        """Args: config: a checked `TrainingConfig` with a `drive_dir`."""
        self.place = pathlib.Path(config.drive_dir)
        self.local = RunFolder(config)
        self.folder = RunFolder(
            dataclasses.replace(
                config,
                checkpoint_dir=str(self.place / "checkpoints"),
                sample_dir=str(self.place / "samples"),
                tensorboard=False,
            ),
            flag="--drive_dir",
        )
        self.lock = RunLock(self.folder.checkpoint_dir, advice="another --drive_dir")

    def check(self):
        """Raises UserError where there is no drive, or the copy is of another run than the local folders hold."""
        check_place(self.place)
        for one in (self.folder.checkpoint_dir, self.folder.sample_dir):
            for other, flag in ((self.local.checkpoint_dir, "checkpoint_dir"), (self.local.sample_dir, "sample_dir")):
                if one.resolve() == other.resolve():
                    raise UserError(
                        f"--drive_dir {self.place} would copy {other} onto itself; give a local --{flag}, "
                        "or leave --drive_dir out"
                    )
        marks = {folder.run_id() for folder in (self.folder, self.local) if folder.config_path.exists()} - {""}
        if len(marks) > 1:
            raise UserError(
                f"{self.folder.checkpoint_dir} holds another run than {self.local.checkpoint_dir}; choose "
                "another --drive_dir, or another --checkpoint_dir and --sample_dir"
            )

    def is_cleared(self):
        """Whether `--fresh` has removed the run, and its grids are still to follow: see `remove_run`."""
        return bool(self.folder.run_id()) and not self.folder.checkpoint_files()

    def prepare(self):
        """Makes the folders of the copy, and gives the copy's mark to a run that has yet to begin here.

        With the same mark from the start, a run that is killed before its first copy is still no other run.
        """
        self.folder.make()
        if self.folder.run_id() and not self.local.config_path.exists():
            self.local.make()
            self.local.mark_as_one_run(self.folder.run_id())

    def fetch(self, state, is_newer):
        """Brings the run from the drive; its grids stay there, being many and not needed to go on.

        Args:
            state: the copy's newest `checkpoints.State`.
            is_newer: whether it is ahead of the local one, and goes before it. If not, only missing files are brought.

        Raises:
            OSError: the drive or the local disk fails; the same call again goes on.
        """
        if is_newer:
            print(f"fetching the run from {self.place}: epoch {state.epoch}", flush=True)
            print(
                f"note: its earlier grids stay in {self.folder.sample_dir}, where export_gif.py --sample_dir reads "
                "them",
                file=sys.stderr,
            )
            copy_file(self.folder.config_path, self.local.config_path)
        # What is there says whether all has been brought: an older state goes last. Without any, weights would look
        # like those of a run that lost its state, and what is missing beside it is seen to be missing.
        states = (checkpoints.STATE_FILE, checkpoints.PREVIOUS_STATE_FILE)
        has_state = any((self.local.checkpoint_dir / name).exists() for name in states)
        if is_newer and not has_state:
            checkpoints.copy_state(state.path, self.local.checkpoint_dir)
        for path in self.folder.checkpoint_files():
            target = self.local.checkpoint_dir / path.name
            if path.name not in states and (is_newer or not target.exists()):
                copy_file(path, target)
        if is_newer and has_state:
            checkpoints.copy_state(state.path, self.local.checkpoint_dir)

    def remove_run(self):
        """Removes the copy's state and all that is beside it; its grids are removed by `copying`, in its thread."""
        if self.folder.checkpoint_files():
            print(f"replacing the copy of an earlier run in {self.place}")
        self.folder.remove_checkpoint_files()

    def copy_all(self, epoch):
        """Copies what the drive lacks of a run that has `epoch` epochs.

        Raises:
            OSError: the drive failed to the end.
        """
        with copying(self, epoch):
            pass


@contextlib.contextmanager
def copying(drive, epoch):
    """Copies in a thread while the block runs, and what is missing when it ends well.

    Args:
        drive: a `Drive`; or None, and nothing is copied.
        epoch: from which the run goes on; grids of later ones are removed from the drive.

    Returns:
        A context manager; it gives a function without arguments, to be called after a checkpoint has been written.

    Raises:
        OSError: the drive failed to the end.
    """
    if drive is None:
        yield lambda: None
        return
    with RetryingThread(f"copies in {drive.place}") as writer:
        copies = _Copies(drive, epoch, writer)
        yield copies.request
        copies.request()


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
    """Copies a file with its time, complete or not at all.

    Raises:
        OSError: it cannot be copied.
    """
    with files.atomic_path(target) as temporary:
        time = os.stat(source).st_mtime_ns  # of what is read, or older: then it is copied once more
        shutil.copyfile(source, temporary)
        with contextlib.suppress(OSError):  # not every drive can; without it, more is copied after the next start
            os.utime(temporary, ns=(time, time))


class _Copies:
    """What is to be copied. Each file is a job of its own, so that a slow drive can be told from one that hangs."""

    def __init__(self, drive, epoch, writer):
        self._drive, self._epoch, self._writer = drive, epoch, writer
        self._there = {}  # what `_look` said of the sources that were copied, by target
        self._is_clear, self._tries = False, 0
        self._plan = collections.deque()  # (source, target); a source is a path, or the grids of an archive by epoch
        self._asked = self._planned = 0
        self._held_state = drive.local.checkpoint_dir / f".tmp-{os.getpid()}-drive-{checkpoints.STATE_FILE}"

    def request(self):
        """Has the newest state copied, with all that belongs to it."""
        self._asked += 1
        self._writer.submit(self._step)

    def _step(self):
        self._drive.lock.look()
        if self._drive.lock.lost:
            return  # the copy is another run's now
        if not self._is_clear:
            self._clear()
        if not self._plan:
            asked = self._asked
            self._plan = self._changes()
            self._planned = asked
        if self._plan:
            self._copy(*self._plan[0])
            self._plan.popleft()
        if not self._plan:
            self._held_state.unlink(missing_ok=True)
        if self._plan or self._asked > self._planned:
            self._writer.submit(self._step)

    def _clear(self):
        """Removes what the run has gone back from; a folder of grids that cannot be listed does not hold up states."""
        try:
            self._drive.folder.remove_leftovers()
            self._drive.folder.remove_grids_after(self._epoch)
        except OSError as error:
            self._tries += 1
            if self._tries < _TRIES_TO_CLEAR:
                raise
            print(
                f"note: {self._drive.folder.sample_dir} cannot be tidied up ({error}); grids of epochs that the run "
                "went back from may stay there",
                file=sys.stderr,
            )
        self._is_clear = True

    def _changes(self):
        """What to copy now, in this order.

        The state is held as it is: while the rest is copied, newer ones may replace it, and their grids come later.
        """
        self._hold_state()
        return collections.deque(
            (source, target)
            for source, target in self._all_files()
            if _look(source) not in (None, self._there.get(target))
        )

    def _all_files(self):
        """(source, target) of all files, the state last; but before the weights where the drive has none yet, since
        weights without a state would look like somebody else's."""
        local, there = self._drive.local, self._drive.folder
        archives = collections.defaultdict(dict)
        for epoch, grid in sample_files.list_samples(local.sample_dir):
            archives[grid_archives.archive_path(there.sample_dir, epoch)][epoch] = grid
        samples = [(path, there.sample_dir / path.name) for path in (local.sample_dir / RUN_ID_FILE, local.reals_path)]
        samples += [(grids, target) for target, grids in archives.items()]
        states = (checkpoints.STATE_FILE, checkpoints.PREVIOUS_STATE_FILE)
        others = [
            (path, there.checkpoint_dir / path.name)
            for path in local.checkpoint_files()
            if path.name not in states and path != local.config_path
        ]
        first = [
            (path, there.checkpoint_dir / path.name) for path in (local.checkpoint_dir / RUN_ID_FILE, local.config_path)
        ]
        state = (self._held_state, there.checkpoint_dir / checkpoints.STATE_FILE)
        return [*first, *samples, *([*others, state] if state[1].exists() else [state, *others])]

    def _hold_state(self):
        self._held_state.unlink(missing_ok=True)
        source = self._drive.local.checkpoint_dir / checkpoints.STATE_FILE
        with contextlib.suppress(FileNotFoundError):  # just being replaced: the next request follows
            try:
                os.link(source, self._held_state)
            except FileNotFoundError:
                raise
            except OSError:  # a disk without links
                copy_file(source, self._held_state)

    def _copy(self, source, target):
        found = _look(source)
        if not found:
            return  # it was removed meanwhile
        if target in self._there or not _was_copied(source, found, target):
            if isinstance(source, dict):
                grid_archives.update(target, {epoch: source[epoch] for epoch in found})
            elif source == self._held_state:
                checkpoints.copy_state(source, target.parent)
            else:
                copy_file(source, target)
        self._there[target] = found


def _look(source):
    """(size, time in ns) of a file, or None where it is not there; of grids: those of each that is there, by epoch."""
    if isinstance(source, dict):
        return {epoch: found for epoch, grid in source.items() if (found := _look(grid))}
    try:
        found = source.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _was_copied(source, found, target):
    """Whether an earlier process did so. Of a file, size and time tell, but not of states, which may share them."""
    if isinstance(source, dict):
        return grid_archives.holds(target, source)
    there = _look(target)
    return (
        there is not None
        and target.name != checkpoints.STATE_FILE
        and there[0] == found[0]
        and abs(there[1] - found[1]) < _CLOCK * 1e9
    )
