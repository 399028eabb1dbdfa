"""A thread for a slow or unreliable drive."""

import queue
import threading
import time

from wgan.common.errors import TakenOver
from wgan.runs.files import TolerantSaver


class RetryingThread:
    """Does a job in a thread of its own when asked, again and again while the drive fails.

    It warns once, tries again after growing pauses, and says when writing works again. Leaving this context manager
    waits for what was asked for, and raises OSError where that could not be done. Only where the block ends with
    TakenOver is nothing more written.
    """

    FIRST_PAUSE, MAX_PAUSE = 1.0, 60.0  # seconds between two tries
    LAST_CHANCE = 60.0  # seconds that a failing drive is given at the end
    PATIENCE = 180.0  # seconds that a single step may hang at the end

    def __init__(self, what, job):
        """Args: what: the files that are written, for messages. job: a generator function, which yields after steps."""
        self._what, self._job, self._saver = what, job, TolerantSaver()
        self._requests = queue.SimpleQueue()  # True: one that waits; None: the end
        self._steps = 0
        self._error = None  # a mistake in the program
        self._leaving, self._deadline, self._cancelled = threading.Event(), None, False
        self._thread = threading.Thread(target=self._work, name=f"writer of {what}", daemon=True)
        self._thread.start()

    def request(self):
        """Has the job done from its beginning, once for all requests that wait; raises what has ended the thread."""
        self._raise_error()
        if self._requests.empty():
            self._requests.put(True)

    def _work(self):
        try:
            while self._requests.get() and not self._cancelled:
                pause = self.FIRST_PAUSE
                while not self._saver.save(self._what, self._do):
                    if self._is_over(pause) or self._cancelled:
                        return
                    pause = min(2 * pause, self.MAX_PAUSE)
        except Exception as error:  # handed to the training thread, which stops with it
            self._error = error

    def _do(self):
        for _ in self._job():
            self._steps += 1
            if self._cancelled:
                return

    def _is_over(self, pause):
        """Waits; whether the block has been left and the last chance is over."""
        if not self._leaving.wait(pause):
            return False
        left = self._deadline - time.monotonic()
        time.sleep(max(0.0, min(self.FIRST_PAUSE, left)))
        return left <= 0

    def _raise_error(self):
        if self._error:
            raise self._error

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self._cancelled = isinstance(error, TakenOver)
        self._deadline = time.monotonic() + self.LAST_CHANCE
        self._requests.put(None)
        self._leaving.set()
        steps = None
        while self._thread.is_alive() and self._steps != steps:  # as long as something moves
            steps = self._steps
            self._thread.join(self.PATIENCE)
        if kind is None:
            self._raise_error()
            if self._thread.is_alive() and not self._saver.is_failing(self._what):
                raise OSError(f"{self._what} could not be written: the drive does not answer")
            self._saver.__exit__(None, None, None)
