"""A thread for a slow or unreliable drive."""

import threading
import time

from wgan.common.errors import TakenOver
from wgan.common.messages import one_line
from wgan.runs import files


class RetryingThread:
    """Calls a function that writes in a thread of its own, again and again while the drive fails.

    It warns once when the drive begins to fail, tries again after growing pauses, and says when it works again. Leaving
    this context manager waits for what is still to be written, and raises where that could not be done. Only where the
    block ends with TakenOver is nothing more written.
    """

    FIRST_PAUSE, MAX_PAUSE = 1.0, 60.0  # seconds between two tries
    LAST_CHANCE = 60.0  # seconds that a failing drive is given at the end
    PATIENCE = 180.0  # seconds that a single write may hang at the end

    def __init__(self, what):
        """Args: what: which files are written, in the plural, for messages."""
        self._what = what
        self._job = None  # the newest
        self._changed = threading.Condition()
        self._leaving = threading.Event()
        self._deadline = None  # for a failing drive, once the block is left
        self._failing = self._error = None  # with what writing fails, in words; a mistake in the program
        self._done = 0  # jobs
        self._cancelled = False
        self._thread = threading.Thread(target=self._work, name=f"writer of {what}", daemon=True)
        self._thread.start()

    def submit(self, function):
        """Has a function called by the thread, in the place of one that still waits.

        Raises:
            What an earlier one raised, if it was no OSError: a mistake in the program.
        """
        with self._changed:
            self._raise_error()
            if not self._cancelled:
                self._job = function
                self._changed.notify_all()

    def _work(self):
        pause = self.FIRST_PAUSE
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job or self._leaving.is_set())
                job = self._job
            if job is None:
                return
            if self._succeeds(job):
                pause = self.FIRST_PAUSE
            elif self._try_again_after(pause):
                pause = min(2 * pause, self.MAX_PAUSE)
            else:
                return

    def _succeeds(self, job):
        """Tries a job once; False where the drive fails."""
        try:
            job()
        except OSError as error:
            if self._failing is None:
                files.note_failure(self._what, one_line(error))
            self._failing = one_line(error)
            return False
        except Exception as error:  # handed to the training thread, which stops with it
            self._error = self._error or error
        else:
            if self._failing is not None:
                files.note_recovery(self._what)
        self._failing = None
        with self._changed:
            if self._job is job:  # and not a newer one, which came meanwhile
                self._job = None
            self._done += 1
        return True

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
                self._job, self._cancelled = None, True  # also what the job under way may want to follow
            self._leaving.set()
            self._changed.notify_all()
        done = -1
        while self._thread.is_alive() and self._done != done:  # as long as something moves
            done = self._done
            self._thread.join(self.PATIENCE)
        if kind is None:
            self._raise_error()
            if self._job:
                raise OSError(f"{self._what} could not be written: {self._failing or 'the drive does not answer'}")
