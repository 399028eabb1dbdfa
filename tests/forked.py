"""Scripts in processes that have imported TensorFlow when they begin, which takes longer than a run of a toy GAN."""

import contextlib
import functools
import multiprocessing
import os
import runpy
import signal
import sys
import threading

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # which a script does only before it imports TensorFlow


@functools.cache
def _forking():
    context = multiprocessing.get_context("forkserver")
    # Elsewhere a process with TensorFlow must not be forked, and each script imports it anew.
    context.set_forkserver_preload(["tensorflow"] if sys.platform == "linux" else [])
    return context


class Script:
    """A script that runs as `python script words` would, but for what Python does before and after it.

    What it writes to either stream can be read from `stdout`.
    """

    def __init__(self, script, *words, environment=None):
        reader, writer = _forking().Pipe(duplex=False)
        arguments = ([str(script), *map(str, words)], {**os.environ, **(environment or {})}, writer)
        self._process = _forking().Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()))

    @property
    def status(self):
        """Its exit status, the negative number of the signal that ended it, or None while it runs."""
        return self._process.exitcode

    def send_signal(self, number):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self._process.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds=None):
        """Waits until it has ended, or so many seconds; the exit status."""
        self._process.join(seconds)
        return self.status

    def read_to_end(self, seconds=200):
        """All that it still writes until it ends; it is killed after so many seconds."""
        with self._killed_after(seconds), self.stdout:
            said = self.stdout.read()
            self.wait()
        return said

    def read_line(self, seconds=200):
        """The next line that it writes, empty where it has ended; it is killed after so many seconds."""
        with self._killed_after(seconds):
            return self.stdout.readline()

    @contextlib.contextmanager
    def _killed_after(self, seconds):
        watchdog = threading.Timer(seconds, self.kill)
        watchdog.daemon = True
        watchdog.start()
        yield
        watchdog.cancel()


def _run(arguments, environment, writer):
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(writer.fileno(), stream)
    multiprocessing.set_start_method(None, force=True)  # the usual one, as any script has it
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(arguments[0]))
    runpy.run_path(arguments[0], run_name="__main__")
