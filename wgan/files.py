"""Files that are complete or absent, and a thread that writes them while training goes on."""

import contextlib
import os
import pathlib
import queue
import threading


@contextlib.contextmanager
def atomic_path(path):
    """Gives a temporary path beside `path`; when the block ends well, it takes `path`'s place.

    A reader sees the old file or the new one, never a part. When the block raises, the temporary
    file is removed and `path` stays as it was.

    Args:
        path: the file to write; its folder is created. The temporary name keeps the suffixes
            (`a.weights.h5` -> `.tmp-1234-a.weights.h5`), since many writers choose the format by them.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def flush_to_disk(path):
    """Asks the system to put the file's bytes on the disk before its name changes."""
    with open(path, "rb+") as file:
        with contextlib.suppress(OSError):  # some network drives cannot
            os.fsync(file.fileno())


def write_text(path, text):
    """Writes `text` as UTF-8, complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


class BackgroundWriter:
    """One thread that writes files in the order given, so that the disk does not hold up a training step.

    Used as a context manager: leaving the block waits for everything that is still to be written.
    """

    MOST_WAITING = 1000  # jobs; a disk that falls behind by more has the training wait, not the memory grow

    def __init__(self):
        self._jobs = queue.SimpleQueue()
        self._waiting = 0
        self._changed = threading.Condition()
        self._error = None
        self._thread = threading.Thread(target=self._work, name="file-writer", daemon=True)
        self._thread.start()

    def submit(self, function, *args):
        """Has `function(*args)` called by the thread.

        Raises:
            OSError, or whatever an earlier job raised: training should not go on unsaved.
        """
        self._raise_error()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < self.MOST_WAITING)
            self._waiting += 1
        self._jobs.put((function, args))

    def _work(self):
        while (job := self._jobs.get()) is not None:
            function, args = job
            try:
                function(*args)
            except Exception as error:  # handed to the training thread, which stops with it
                self._error = self._error or error
            with self._changed:
                self._waiting -= 1
                self._changed.notify_all()

    def _raise_error(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self._jobs.put(None)
        self._thread.join()
        if kind is None:
            self._raise_error()
