"""Files that are complete or absent, and saving them on a disk that may fail."""

import contextlib
import errno
import glob
import hashlib
import os
import pathlib
import shutil
import sys

from tqdm import tqdm

from wgan.common.errors import UserError
from wgan.common.messages import one_line

_SEAL = b"sha256:\n"
_SEAL_LENGTH = len(_SEAL) + 32
_LOST = (errno.EIO, errno.ENOSPC, errno.EDQUOT)  # a disk's answers to fsync that mean bytes are missing


@contextlib.contextmanager
def atomic_path(path):
    """Gives a temporary path beside `path`, whose place it takes if the block ends well; else it is removed.

    The block makes a file, or a folder, which replaces an empty one alone. Its name keeps the suffixes, by which many
    writers choose the format. Where it goes has to exist: made here, it could hide that a mounted drive has gone.
    """
    path, temporary = pathlib.Path(path), _temporary(path)
    try:
        yield temporary
        for written in temporary.rglob("*") if temporary.is_dir() else [temporary]:
            if not written.is_dir():
                flush_to_disk(written)
        if temporary.is_dir() and path.is_dir():
            path.rmdir()
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary(path, process=None):
    path = pathlib.Path(path)
    return path.with_name(f".tmp-{process or os.getpid()}-{path.name}")


def temporaries(path):
    """Those beside `path` that other processes write to now, or have left when they were killed."""
    return sorted(glob.glob(str(_temporary(glob.escape(path), "[0-9]*"))))


def flush_to_disk(path):
    """Has the system put the file's bytes on the disk; OSError where that fails, as it may on a full drive."""
    with open(path, "rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _LOST:
                raise  # all others: some network drives cannot


def write_text(path, text):
    """Writes `text` as UTF-8, complete or not at all; undecodable bytes as escapes, which JSON reads back."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def last_lines(path, start=0, longest=8192):
    """The non-empty ones among a file's last lines of `longest` bytes in all, from byte `start` on.

    The first of several is left out where it has lost its beginning.
    """
    with open(path, "rb") as file:
        begin = max(start, file.seek(0, os.SEEK_END) - longest)
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines[begin > start :] or lines if line.strip()]


def remove_leftovers(folder):
    """Removes temporary files that a killed process left; only for a caller who alone writes there."""
    for pattern in (".tmp-*", ".lock.break.*", ".lock.restore.*"):
        for path in pathlib.Path(folder).glob(pattern):
            with contextlib.suppress(OSError):
                path.unlink()


def entries(folder):
    """The `os.DirEntry`s of a folder, none where there is no such folder; OSError where it cannot be read.

    `Path.glob` takes a folder that cannot be read for an empty one.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        return list(found)
    return []


def seal(path):
    """Appends a checksum of all bytes so far; a reader of HDF5 passes over what follows its data."""
    with open(path, "rb+") as file:
        digest = hashlib.sha256(file.read()).digest()
        file.write(_SEAL + digest)


def is_sealed(path):
    """Whether a file's checksum is right; None where it ends in none."""
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


class TolerantSaver:
    """Saves what can be saved: a disk that fails does not stop a training.

    Each kind of file gets one warning when it begins to fail and a note when it works again. Leaving this context
    manager raises OSError where the last save of a kind has failed, unless the block has raised already.
    """

    def __init__(self):
        self._failing = {}  # {kind: (the error in words, how many saves have failed)}

    def save(self, kind, function, *args):
        """Calls a function that writes, and tells whether it could; `kind` names its files in messages: "grids"."""
        failures = self._failing.get(kind, ("", 0))[1]
        try:
            function(*args)
        except OSError as error:
            self._failing[kind] = one_line(error), failures + 1
            if not failures:
                _say(f"warning: {kind} cannot be written ({one_line(error)}); the training goes on and tries again")
            return False
        if failures:
            del self._failing[kind]
            _say(f"note: writing works again: {kind}, after {failures} failed save{'s' * (failures > 1)}")
        return True

    def is_failing(self, kind):
        """Whether the last save of this kind has failed."""
        return kind in self._failing

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None and self._failing:
            words = next(iter(self._failing.values()))[0]
            raise OSError(f"{' and '.join(self._failing)} could not be written: {words}")


def _say(line):
    tqdm.write(line, file=sys.stderr)  # which does not cut through a progress bar
