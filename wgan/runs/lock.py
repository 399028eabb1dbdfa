"""One run in one folder: a lock file that names its holder, with a heartbeat that other machines can see."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import socket
import sys
import threading
import time
import uuid

import psutil

from wgan.common.errors import UserError
from wgan.common.messages import one_line

LOCK_FILE = ".lock"
HEARTBEAT_SECONDS = 20
RETRY_SECONDS = 2  # after a heartbeat that could not be written
MISSED_SECONDS = 1.5 * HEARTBEAT_SECONDS  # without a heartbeat, after which a run elsewhere is taken for dead
LEAVING_SECONDS = 20  # for a heartbeat that is just being written, and as much again for the lock's removal
_START_TOLERANCE = 2  # seconds; the boot time that the start is counted from is rounded to one
_ATTEMPTS = 20


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a lock file says: which process holds it, and how many heartbeats it has had."""

    host: str
    machine: str
    pid: int
    started: float
    token: str
    heartbeat: int = 0

    @classmethod
    def of_this_process(cls):
        """A new mark, unlike all others."""
        return cls(socket.gethostname(), _machine(), os.getpid(), _started(psutil.Process()), uuid.uuid4().hex)

    @classmethod
    def parse(cls, content):
        """The mark in a lock file's bytes, or None where they are damaged or not all there yet."""
        try:
            stored = json.loads(content)
            return cls(**{field.name: field.type(stored[field.name]) for field in dataclasses.fields(cls)})
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def to_bytes(self):
        """The lock file's content: one line of JSON."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    def is_alive(self):
        """Whether the process runs; None where that cannot be seen from here.

        A host name alone does not say that it can: containers and machines of a cloud often share one.
        """
        if (self.host, self.machine) != (socket.gethostname(), _machine()):
            return None
        try:
            process = psutil.Process(self.pid)
            ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            return not ended and abs(_started(process) - self.started) < _START_TOLERANCE  # else a reused number
        except psutil.NoSuchProcess:
            return False
        except (psutil.Error, ValueError, OverflowError):
            return None

    def __str__(self):
        return f"process {self.pid} on {one_line(self.host, longest=80)}"


class RunLock:
    """Keeps other runs out of a folder for the length of a `with` block.

    The lock of a process that has died on this machine is taken over at once; one held elsewhere, after a
    heartbeat has been missed.

    Attributes:
        lost: None, or a sentence about the run that has taken this lock over: one that saw no heartbeat,
            since this process was suspended or the drive was gone. This run should stop.
    """

    def __init__(self, folder, on_lost=None, wait=time.sleep, advice="another --checkpoint_dir and --sample_dir"):
        """Args:
            folder: what to lock; made where it is missing.
            on_lost: called with that sentence, once, from another thread.
            wait: called with the seconds to wait for a sign of life of a holder elsewhere.
            advice: what to choose instead of a folder in use.
        """
        self.lost = None
        self._folder = pathlib.Path(folder)
        self._path = self._folder / LOCK_FILE
        self._on_lost = on_lost
        self._wait = wait
        self._advice = advice
        self._mark = Mark.of_this_process()
        self._temporary = self._folder / f".tmp-{self._mark.token}{LOCK_FILE}"
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock-heartbeat", daemon=True)

    def __enter__(self):
        """Raises:
            UserError: another run holds the folder.
            OSError: the folder cannot be made or written to.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._acquire()
        self._thread.start()
        return self

    def __exit__(self, kind, error, traceback):
        self._leaving.set()
        leave = threading.Thread(target=self._leave, name="lock-end", daemon=True)
        leave.start()
        leave.join(2 * LEAVING_SECONDS)  # no longer: a drive that hangs must not keep the program

    def _leave(self):
        self._thread.join(LEAVING_SECONDS)
        with contextlib.suppress(OSError):  # what is left behind is the lock of a process that has ended
            mark = Mark.parse(_read(self._path))
            if mark and mark.token == self._mark.token:
                _patiently(self._path.unlink)

    def _acquire(self):
        for _ in range(_ATTEMPTS):
            if self._create(self._path):
                return
            chain = self._chain()
            if chain and self._is_abandoned(chain) and self._take_over(chain):
                return
        raise UserError(f"{self._path} comes and goes; wait until no other run begins in this folder, or remove it")

    def _chain(self):
        """The lock file and the claims on it, as (path, content) pairs; the last one's process has the say."""
        while True:
            chain, path = [], self._path
            while (content := _read(path)) is not None:
                chain.append((path, content))
                path = _claim_path(path, content)
            first = chain[0][1] if chain else None
            if _read(self._path) == first:  # else a claim may have been carried out and removed meanwhile
                return chain

    def _is_abandoned(self, chain):
        """True where the folder may be taken over, False where its lock has just gone.

        Raises:
            UserError: its holder is alive.
        """
        holder = Mark.parse(chain[-1][1])
        alive = holder.is_alive() if holder else None
        if alive is None:
            self._wait_for_heartbeat(holder)
            later = self._chain()
            if not later:
                return False
            alive, holder = later != chain, Mark.parse(later[-1][1])
            if not alive:
                _note(f"no heartbeat; the lock of {self._folder} is taken over")
        if alive:
            raise UserError(f"{self._folder} is in use by {_name(holder)}; wait until it has ended, stop it, or "
                            f"choose {self._advice}")
        return True

    def _wait_for_heartbeat(self, holder):
        _note(f"{self._folder} is locked by {_name(holder)}, which cannot be seen from here; waiting "
              f"{MISSED_SECONDS:.0f} seconds for a heartbeat")
        self._wait(MISSED_SECONDS)

    def _take_over(self, chain):
        """Puts this process's mark in the place of an abandoned one; False where another run was quicker.

        Of all who found the same content abandoned, only one can create the claim on it; and as the lock file
        is there all the while, nobody begins anew meanwhile. A claim that its process left behind, being
        killed just here, is claimed in its turn.
        """
        claim = _claim_path(*chain[-1])
        if not self._create(claim):
            return False
        done_with = [claim]
        try:
            if self._chain() != [*chain, (claim, self._mark.to_bytes())]:
                return False  # an earlier claim has been carried out and removed
            self._replace()
            done_with += [path for path, _ in chain[1:]]
            return True
        finally:
            for path in done_with:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _keep(self):
        """What the thread does: heartbeats, until the block is left or the lock is lost."""
        pause = HEARTBEAT_SECONDS
        while not self._leaving.wait(pause):
            pause = HEARTBEAT_SECONDS
            try:
                taker = self._renew()
            except OSError:  # the drive may be gone for a while; that must not end the training
                taker, pause = None, RETRY_SECONDS
            if taker:
                self.lost = f"{taker} has taken over {self._folder}, having seen no heartbeat of this run"
                if self._on_lost:
                    self._on_lost(self.lost)
                return

    def _renew(self):
        """Writes the next heartbeat, or gives the mark of another run that has the lock now."""
        content = _read(self._path)
        mark = Mark.parse(content)
        if mark and mark.token != self._mark.token:
            return mark
        self._mark = dataclasses.replace(self._mark, heartbeat=self._mark.heartbeat + 1)
        if content is None:
            self._create(self._path)  # where another run is quicker, the next heartbeat meets its mark
        else:
            self._replace()

    def _replace(self):
        with self._written() as temporary:
            _patiently(os.replace, temporary, self._path)

    def _create(self, path):
        """Makes a file with this process's mark; False where there is one already."""
        with self._written() as temporary:
            try:
                os.link(temporary, path)  # complete from its first moment on
                return True
            except FileExistsError:
                return False
            except OSError:  # mounted drives have no links
                return _create_in_place(path, self._mark.to_bytes())

    @contextlib.contextmanager
    def _written(self):
        try:
            self._temporary.write_bytes(self._mark.to_bytes())
            yield self._temporary
        finally:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def holder(folder):
    """The `Mark` of the living process that holds a folder; None where there is none, or it cannot be seen from here.

    Raises:
        OSError: the lock file cannot be read.
    """
    mark = Mark.parse(_read(pathlib.Path(folder) / LOCK_FILE))
    return mark if mark and mark.is_alive() else None


def _create_in_place(path, content):
    try:
        file = _patiently(open, path, "xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _read(path) == content  # a run that met it half-written may have taken it over


def _claim_path(path, content):
    """Where to claim a file with this content: a name that only this content in this place has."""
    digest = hashlib.sha256(path.name.encode() + content).hexdigest()[:16]
    return path.with_name(f".tmp-after-{digest}{LOCK_FILE}")


def _read(path):
    """The file's bytes, or None where it is not there."""
    try:
        return _patiently(path.read_bytes)
    except FileNotFoundError:
        return None


def _patiently(function, *args):
    """`function(*args)`, tried again for a moment: Windows refuses what another process has open just now."""
    for _ in range(5):
        try:
            return function(*args)
        except PermissionError:
            time.sleep(0.02)
    return function(*args)


def _name(mark):
    return str(mark) if mark else "another run (its mark is damaged)"


def _note(text):
    print(f"note: {text}", file=sys.stderr, flush=True)


def _machine():
    """What is the same for two processes only where one sees the other's number: machine, start and container."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{uuid.getnode():012x}"


def _started(process):
    """When the process started, in a count that setting the clock does not change."""
    boot = psutil.boot_time() if psutil.LINUX else 0  # what psutil adds there to the time the kernel tells
    return process.create_time() - boot
