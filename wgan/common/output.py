"""Standard output and standard error that may go away without ending the program.

A pipe whose reader has left, a log file on a full disk and a terminal that was closed all answer a write with OSError,
and an encoding may lack a character. None of that is a reason to stop a training.
"""

import contextlib
import os
import sys


class TolerantStream:
    """A text stream that drops what cannot be written, and is otherwise the stream that it wraps."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        """Writes what can be written, `\\u0444` and the like for what the encoding lacks; returns the length."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with _ignoring_failures():
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self):
        with _ignoring_failures():
            self._stream.flush()

    def __getattr__(self, name):
        return getattr(self._stream, name)


@contextlib.contextmanager
def tolerant():
    """Inside this block, `sys.stdout` and `sys.stderr` are there and never raise; see `TolerantStream`."""
    # The null device for each standard stream that the program was started without: the next file would get its number,
    # and what TensorFlow writes to standard error would go into it.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest free number, which is this one
    earlier = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = (TolerantStream(stream or nowhere) for stream in earlier)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = earlier


def note(line):
    """Says on standard error at once what the user should know."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def drop_unwritable():
    """Drops what cannot be written from both streams' buffers, which Python flushes at its exit: a failure there would
    change the program's status."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with _ignoring_failures():
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)


def _ignoring_failures():
    return contextlib.suppress(OSError, ValueError)  # ValueError: the stream has been closed
