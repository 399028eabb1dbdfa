"""One run in one folder: a lock file with a heartbeat that other machines can see."""

import contextlib
import functools
import pathlib
import tempfile
import threading
import time
import typing

import filelock
import psutil

from wgan.common.errors import TakenOver, UserError
from wgan.common.messages import one_line
from wgan.common.output import note

LOCK_FILE = ".lock"
LEASE_SECONDS = 30  # without a heartbeat, after which a run elsewhere is taken for dead; three heartbeats fit in
LEAVING_SECONDS = 40  # for the removal of the lock: a drive that hangs must not keep the program


class Holder(typing.NamedTuple):
    """The process that a lock file names, its machine or container, and the time of its last heartbeat."""

    pid: int
    host: str
    heartbeat: float

    def is_alive(self):
        """Whether the process runs; None where that cannot be seen from here."""
        if self.host != _this_host():
            return None
        try:
            process = psutil.Process(self.pid)
            is_older = process.create_time() < self.heartbeat + 2  # else it may be another one with the same number
            return process.status() != psutil.STATUS_ZOMBIE and (is_older or None)
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:  # it may not be looked at
            return None

    def __str__(self):
        return f"process {self.pid} on {one_line(self.host.partition('?pidns-')[0], longest=80)}"


class RunLock:
    """Keeps other runs out of a folder for the length of a `with` block.

    A `filelock.SoftFileLease` that also takes over what the library leaves alone: an empty file, and an abandoned one
    on a disk that cannot exchange two files (NFS, mounted drives). A lock file that was removed, or out of reach for a
    while, is made again. `lost` is None, or a sentence about the run that has taken the folder over while this process
    was suspended or the drive was gone; then this run should stop.
    """

    def __init__(self, folder, advice="another --checkpoint_dir and --sample_dir"):
        """Args: folder: made where it is missing. advice: what to choose instead of a folder in use."""
        self.lost = None
        self._folder, self._path, self._advice = pathlib.Path(folder), pathlib.Path(folder, LOCK_FILE), advice
        self._leaving, self._last_look = threading.Event(), time.time()
        self._changing = threading.Lock()  # a lease that two threads acquire and release at once leaves its file behind
        self._lease = filelock.SoftFileLease(
            self._path, lease_duration=LEASE_SECONDS, on_compromise=self._restore, timeout=0.1, thread_local=False
        )

    def __enter__(self):
        """Raises UserError where another run holds the folder, OSError where it cannot be made or written to."""
        try:
            self._acquire()
        except (filelock.Timeout, filelock.LeaseSettingsMismatch):
            raise UserError(
                f"{self._folder} is in use by {_read(self._path) or 'another run'}; wait until it has "
                f"ended, stop it, or choose {self._advice}"
            ) from None
        return self

    def __exit__(self, kind, error, traceback):
        self._leaving.set()
        leave = threading.Thread(target=self._leave, name="lock-end", daemon=True)
        leave.start()
        leave.join(LEAVING_SECONDS)

    def _leave(self):
        with self._changing, contextlib.suppress(OSError):  # what is left is the lock of a process that has ended
            self._lease.release(force=True)

    def _acquire(self):
        with contextlib.suppress(filelock.Timeout):
            return self._lease.acquire()
        found = _read(self._path)
        alive = found and found.is_alive()
        if alive is None:
            note(
                f"{self._folder} is locked by {found or 'another run'}, which cannot be seen from here; "
                f"waiting up to {LEASE_SECONDS} seconds for a heartbeat"
            )
            with contextlib.suppress(filelock.Timeout):
                return self._lease.acquire(
                    1.1 * LEASE_SECONDS, cancel_check=lambda: _read(self._path) not in (found, None)
                )
        if not alive and _read(self._path) == found:
            self._lease.force_break()
        return self._lease.acquire()

    def check(self):
        """Raises TakenOver where another run has taken the folder over: the heartbeat's thread sees it, or this method
        after a time without calls that was so long that the thread may have been suspended too."""
        before, self._last_look = self._last_look, time.time()
        if abs(self._last_look - before) > LEASE_SECONDS / 3:
            with contextlib.suppress(OSError):
                owner = self._lease.owner
                if owner and self._lease.token and owner.token != self._lease.token:
                    self._lose()
        self.raise_if_lost()

    def raise_if_lost(self):
        """As `check`, by what the heartbeat's thread has seen: without a look at a disk that may hang."""
        if self.lost:
            raise TakenOver(f"{self.lost}; this one stops and leaves the folder to it")

    def _lose(self):
        self.lost = (
            f"{_read(self._path) or 'another run'} has taken over {self._folder}, having seen no heartbeat of this run"
        )

    def _restore(self, compromise):
        """Called by the heartbeat's thread at its end, when the lock file has been replaced or cannot be reached."""
        while not self.lost and not self._leaving.wait(LEASE_SECONDS / 15):
            with contextlib.suppress(OSError, filelock.LeaseSettingsMismatch):
                owner = self._lease.owner
                if owner and owner.token != compromise.token:
                    self._lose()
                elif self._folder.is_dir():  # else it would be made, which would hide that a drive is not mounted
                    self._make_again(owner)
                    return

    def _make_again(self, owner):
        with self._changing:
            if not self._leaving.is_set():
                if owner:
                    self._lease.force_break()
                self._lease.release(force=True)
                self._lease.acquire(0)


def holder(folder):
    """The `Holder` of a folder, where that is a living process of this machine; else None."""
    found = _read(pathlib.Path(folder, LOCK_FILE))
    return found if found and found.is_alive() else None


def _read(path):
    """The `Holder` in a lock file; None where there is no file, or a damaged one."""
    owner = filelock.SoftFileLease(path).owner
    with contextlib.suppress(FileNotFoundError):
        return owner and Holder(owner.pid, owner.hostname, path.stat().st_mtime)


@functools.cache
def _this_host():
    """What lock files call this machine or container."""
    with tempfile.TemporaryDirectory() as folder, filelock.SoftFileLease(pathlib.Path(folder, LOCK_FILE)) as lease:
        return lease.owner.hostname
