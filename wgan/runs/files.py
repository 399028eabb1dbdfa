"""Files that are complete or absent, and a thread that writes them while training goes on."""

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import sys
import threading
import time

from tqdm import tqdm

from wgan.common.errors import TakenOver, UserError
from wgan.common.messages import one_line

_SEAL = b"sha256:\n"
_SEAL_LENGTH = len(_SEAL) + 32
_LOST = (errno.EIO, errno.ENOSPC, errno.EDQUOT)  # a disk's answers to fsync that mean bytes are missing


@contextlib.contextmanager
def atomic_path(path):
    """Gives a temporary path beside `path`; when the block ends well, it takes `path`'s place.

    A reader sees the old file or the new one, never a part. When the block raises, the temporary
    file is removed and `path` stays as it was.

    Args:
        path: the file to write. The temporary name keeps the suffixes (`a.weights.h5` ->
            `.tmp-1234-a.weights.h5`), since many writers choose the format by them. The folder must be
            there: made here, it could hide that a mounted drive has gone, and the files would go nowhere.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path):
    """As `atomic_path`, for a folder that is not there yet, or is empty; the block makes the temporary one.

    Raises:
        OSError: `path` is a file or has something in it, which stays.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        for written in temporary.rglob("*"):
            if written.is_file():
                flush_to_disk(written)
        if path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def flush_to_disk(path):
    """Asks the system to put the file's bytes on the disk before its name changes.

    Raises:
        OSError: they are not there. Where a drive is full or broken may show only now.
    """
    with open(path, "rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _LOST:
                raise  # all others: some network drives cannot


def write_text(path, text):
    """Writes `text` as UTF-8, complete or not at all.

    File names with bytes that are no text are written as escapes, which JSON reads back.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def remove_leftovers(folder):
    """Removes temporary files that a killed process left; only for who knows that nobody else writes there."""
    for path in pathlib.Path(folder).glob(".tmp-*"):
        with contextlib.suppress(OSError):
            path.unlink()


def seal(path):
    """Appends a checksum of all bytes so far; a reader of HDF5 passes over what follows its data."""
    with open(path, "rb+") as file:
        digest = hashlib.sha256(file.read()).digest()
        file.write(_SEAL + digest)


def is_sealed(path):
    """Whether a file ends in the checksum of what comes before it: True, False where it differs, None without one."""
    content = pathlib.Path(path).read_bytes()
    body, mark, digest = content[:-_SEAL_LENGTH], content[-_SEAL_LENGTH:-32], content[-32:]
    if mark != _SEAL:
        return None
    return hashlib.sha256(body).digest() == digest


def check_writable(folder, named):
    """Raises UserError where a folder could not be made or written to; `named` is what the user knows it by."""
    places = (folder.absolute(), *folder.absolute().parents)
    existing = next((path for path in places if path.exists()), None)
    if existing is None:
        raise UserError(f"{named}: there is no {places[-1]}; choose another place")
    if not existing.is_dir():
        raise UserError(f"{named}: {existing} is a file, not a folder; choose another place")
    if not os.access(existing, os.W_OK):
        raise UserError(f"{named}: {existing} cannot be written to; choose another place, or change its permissions")


class BackgroundWriter:
    """One thread that writes files, so that no disk holds up a training step.

    Where the disk fails (full, unplugged, a mounted drive that went away) the training goes on: the thread
    says so once, tries again after growing pauses, and says when it works again. Used as a context manager:
    leaving the block waits for what is still to be written, and raises where that could not be done. Only where
    the block ends with TakenOver is nothing more written.
    """

    MOST_WAITING = 1000  # jobs
    FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries
    LAST_CHANCE = 60.0  # seconds that a failing disk is given at the end
    PATIENCE = 180.0  # seconds that a single write may hang at the end

    def __init__(self, what):
        """Args: what: which files they are, in the plural, for messages: "grids"."""
        self._what = what
        self._jobs = {}  # (function, args) by key, in the order of their arrival
        self._changed = threading.Condition()
        self._leaving = threading.Event()
        self._deadline = None  # for a failing disk, once the block is left
        self._failing = None  # with what writing fails at present, in words
        self._done = self._dropped = 0  # jobs
        self._error = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._work, name=f"writer of {what}", daemon=True)
        self._thread.start()

    def submit(self, function, *args, key=None, first=False):
        """Has `function(*args)` called by the thread, again and again while it raises OSError.

        Where as many jobs wait as memory should hold, the caller waits for a disk that is slow; for one that
        fails, the job is dropped.

        Args:
            function, args: what to call.
            key: a job that still waits with the same key is replaced: only the newest is worth writing. It keeps the
                place of the earlier one.
            first: before all that wait now; for what jobs that take the place of theirs rest on.

        Raises:
            What an earlier job raised, if it was no OSError: a mistake in the program.
        """
        key = object() if key is None else key
        with self._changed:
            self._raise_error()
            if self._cancelled:
                return
            self._changed.wait_for(lambda: len(self._jobs) < self.MOST_WAITING or key in self._jobs or self._failing)
            if len(self._jobs) < self.MOST_WAITING or key in self._jobs:
                self._jobs[key] = (function, args)
                if first:
                    self._jobs = {key: self._jobs.pop(key), **self._jobs}
            else:
                self._dropped += 1
            self._changed.notify_all()

    def wait_for_earlier(self, seconds):
        """Waits until what was submitted before this call has been written, or the disk fails; at most so long."""
        with self._changed:
            count = self._done + len(self._jobs)
            self._changed.wait_for(lambda: self._done >= count or self._failing, seconds)

    def _work(self):
        pause = self.FIRST_PAUSE
        while (oldest := self._oldest_job()) is not None:
            key, job = oldest
            if self._succeeds(job):
                self._note_success(key, job)
                pause = self.FIRST_PAUSE
            elif self._try_again_after(pause):
                pause = min(2 * pause, self.LONGEST_PAUSE)
            else:
                return

    def _succeeds(self, job):
        """Tries a job once; False where the disk fails, of whose error no more than its words is kept: its frames
        would hold a whole state through every pause."""
        try:
            job[0](*job[1])
        except OSError as error:
            self._note_failure(one_line(error))
            return False
        except Exception as error:  # handed to the training thread, which stops with it
            self._error = self._error or error
        return True

    def _oldest_job(self):
        """Waits for a job and gives it with its key; None when the block is left and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._leaving.is_set())
            return next(iter(self._jobs.items()), None)

    def _note_failure(self, words):
        with self._changed:
            if self._failing is None:
                _say(f"warning: {self._what} cannot be written ({words}); the training goes on and tries again")
            self._failing = words
            self._changed.notify_all()

    def _note_success(self, key, job):
        with self._changed:
            if self._failing is not None:
                lost = f", but {self._dropped} were given up" if self._dropped else ""
                _say(f"note: {self._what} are being written again{lost}")
            self._failing, self._dropped = None, 0
            if self._jobs.get(key) is job:  # and not a newer one, which came meanwhile
                del self._jobs[key]
            self._done += 1
            self._changed.notify_all()

    def _try_again_after(self, pause):
        """Waits; gives False once the block has been left and the last chance is over."""
        if not self._leaving.wait(pause):
            return True
        left = self._deadline - time.monotonic()
        time.sleep(max(0.0, min(self.FIRST_PAUSE, left)))
        return left > 0

    def _raise_error(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self._deadline = time.monotonic() + self.LAST_CHANCE
        with self._changed:
            if isinstance(error, TakenOver):
                self._jobs.clear()
                self._cancelled = True  # also what the job under way may want to follow
            self._leaving.set()
            self._changed.notify_all()
        self._wait_for_the_rest()
        if kind is None:
            self._raise_error()
            if self._jobs:
                raise OSError(f"{self._what} could not be written: {self._failing or 'the disk does not answer'}")

    def _wait_for_the_rest(self):
        done = -1
        while self._thread.is_alive() and self._done != done:  # as long as something moves
            done = self._done
            self._thread.join(self.PATIENCE)


def _say(line):
    tqdm.write(line, file=sys.stderr)  # which does not cut through a progress bar
