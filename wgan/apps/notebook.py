"""For notebooks: the scripts as processes of their own, and a view of a run that renews itself.

A script that runs apart leaves the notebook free to answer, gives the GPU's memory back when it ends, and outlives
the notebook's kernel. Nothing here imports TensorFlow, which would take that memory for the notebook.
"""

import base64
import contextlib
import hashlib
import html
import io
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from wgan.common.errors import UserError
from wgan.evaluation.report import as_table
from wgan.images.curves import draw_curves
from wgan.runs import files, lock, sample_files
from wgan.runs.history import COLUMNS, read_history
from wgan.runs.run_folder import HISTORY_FILE, REALS_FILE

LINES_SHOWN = 5  # of the run's output
ALONE, IN_A_PAIR = 560, 420  # pixels of width, beyond which no image is enlarged: four times, and three times, a grid
MAX_NAP = 0.5  # seconds after which the end of a run is noticed
# Windows sends Ctrl-C only to whole consoles; a run that is ended there has saved within --checkpoint_minutes.
_STOP = signal.SIGINT if os.name == "posix" else signal.SIGTERM
# Of a run that ended well, or was stopped by a signal and has saved, or was stopped twice and has not.
_EXPECTED = (0, *(status for number in (signal.SIGINT, signal.SIGTERM) for status in (128 + number, -number)))


class RunFailed(UserError):
    """A script ended with an error; the message is the last line that it wrote."""

    def _render_traceback_(self):
        """What IPython shows in place of a traceback."""
        return [str(self)]


def run(command, quiet=False):
    """Runs a script to its end and passes its output on, line by line.

    Args:
        command: what stands after `python`: `"generate.py --num 16"`, or a list of words.
        quiet: show no output, for what is shown in another form afterwards.

    Raises:
        RunFailed: the exit status is not 0.
        KeyboardInterrupt: the script was stopped; it has ended.
    """
    process = _start(command, subprocess.PIPE)
    last = ""
    try:
        for line in process.stdout:
            last = line.strip() or last
            if not quiet:
                print(line, end="", flush=True)
    except KeyboardInterrupt:
        process.send_signal(_STOP)
        process.communicate()  # reads on: a full pipe would keep the script from ending
        raise
    if process.wait() != 0:
        raise RunFailed(_what_failed(process.returncode, last))


def watch(command, checkpoint_dir, sample_dir, seconds=10.0, show=None):
    """Trains in a process of its own; shows newest grid, curves and output, renewed in place, until it ends.

    An interrupt (the notebook's stop button) goes on to the run, which finishes its epoch and saves; a second one
    ends it at once. Where a process of this machine trains in the folder already, such as one that was started
    before the kernel was, that one is shown until it ends, and only then does the command begin.

    Args:
        command: as in `run`.
        checkpoint_dir, sample_dir: the run's folders, as the command names them.
        seconds: between two views.
        show: what is called with each view, a string of HTML; None for the cell's output.

    Returns:
        The exit status: 0, or that of a run that was stopped (130 after an interrupt).

    Raises:
        RunFailed: any other exit status.
        OSError: the process cannot be started.
    """
    log = log_path(checkpoint_dir)
    view = _View(checkpoint_dir, sample_dir, log, show or _show_in_cell)
    if earlier := lock.holder(checkpoint_dir):
        view.heading = (
            f"{earlier} trains here already, with the settings that it began with, and is shown until it ends"
        )
        if _until_end(earlier.is_alive, lambda: os.kill(earlier.pid, _STOP), view, seconds):
            return 128 + signal.SIGINT
        view.heading = ""
    with open(log, "wb") as output:  # not a pipe: a process that outlives this one could not write to it
        process = _start(command, output)
    _until_end(lambda: process.poll() is None, lambda: process.send_signal(_STOP), view, seconds)
    if process.returncode not in _EXPECTED:
        raise RunFailed(_what_failed(process.returncode, "".join(files.last_lines(log)[-1:])))
    return process.returncode


def in_training(folder):
    """The paths below a folder, relative to it, of the runs that a process of this machine trains."""
    found = [path.parent for path in pathlib.Path(folder).rglob(lock.LOCK_FILE) if lock.holder(path.parent)]
    return [place.relative_to(folder).as_posix().partition("/checkpoints")[0] for place in found]


def image(path):
    """A PNG or GIF for the end of a cell, enlarged by a whole number, its pixels left sharp."""
    from IPython.display import HTML

    return HTML(_enlarged(pathlib.Path(path), ALONE))


def table(path):
    """What `evaluate.py` wrote as evaluation.json, as a table for the end of a cell."""
    from IPython.display import Markdown

    found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    return Markdown(as_table(found["rows"]))


def log_path(checkpoint_dir):
    """Where `watch` keeps the output of a run: on this machine, since a drive that fails must not stop its prints."""
    name = hashlib.sha256(os.path.abspath(checkpoint_dir).encode()).hexdigest()[:16]
    return pathlib.Path(tempfile.gettempdir(), f"wgan-{name}.log")


def _start(command, output):
    """The script's process, in a session of its own: a kernel's interrupts and restarts reach its whole group."""
    words = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    return subprocess.Popen(
        [sys.executable, "-u", *words],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _what_failed(status, last_line):
    if status < 0:
        return f"ended by signal {-status} (9: the memory may have been too small), after the line: {last_line}"
    return last_line or f"exit status {status}"


def _until_end(alive, stop, view, seconds):
    """Shows a process until it has ended, and its end; whether an interrupt came meanwhile."""
    interrupted, due = False, time.monotonic()
    while True:
        try:
            if not alive():
                view.renew()
                return interrupted
            if time.monotonic() >= due:
                view.renew()
                due = time.monotonic() + seconds
            time.sleep(min(seconds, MAX_NAP))
        except KeyboardInterrupt:
            interrupted = True
            with contextlib.suppress(ProcessLookupError):
                stop()


class _View:
    """What is shown of a run: the newest grid beside real images, curves, the output's last lines."""

    def __init__(self, checkpoint_dir, sample_dir, log, show):
        self.heading = ""
        self._history_path, self._sample_dir = pathlib.Path(checkpoint_dir, HISTORY_FILE), pathlib.Path(sample_dir)
        self._log, self._show = log, show
        self._history, self._curves, self._shown = {}, "", None

    def renew(self):
        """Shows what is there now, if anything has changed."""
        found = f"<p>{html.escape(self.heading)}</p>" if self.heading else ""
        for make in (self._grids, self._drawn_curves, self._output):
            # Files that are not there yet, or a drive that fails: the run is what matters.
            with contextlib.suppress(OSError, ValueError, IndexError, UserError):
                found += make()
        if found != self._shown:
            self._shown = found
            self._show(found)

    def _output(self):
        """The last lines, and before them a warning about files that are still not written, however old it is."""
        lines = files.last_lines(self._log, longest=2**20)
        told = [line for line in lines if "cannot be written" in line or "writing works again" in line][-1:]
        kept = [line for line in told if line.startswith("warning:") and line not in lines[-LINES_SHOWN:]]
        shown = "\n".join(map(html.escape, [*kept, *lines[-LINES_SHOWN:]]))
        return f'<pre style="white-space: pre-wrap">{shown}</pre>'

    def _grids(self):
        epoch, newest = sample_files.list_samples(self._sample_dir)[-1]
        titled, reals = {f"samples, epoch {epoch}": newest}, self._sample_dir / REALS_FILE
        if reals.exists():
            titled["real"] = reals
        shown = "".join(f"<div>{title}<br>{_enlarged(source, IN_A_PAIR)}</div>" for title, source in titled.items())
        return f'<div style="display: flex; flex-wrap: wrap; gap: 16px">{shown}</div>'

    def _drawn_curves(self):
        """The curves as in `history.png`, which the run draws only with its checkpoints."""
        history = read_history(self._history_path)
        if history != self._history:
            columns = [name for name in COLUMNS if any(name in row for row in history.values())]
            rows = [[row.get(name, np.nan) for name in COLUMNS] for row in history.values()]
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "curves.png")
                draw_curves(np.array(rows), path, columns)
                self._curves = _image_tag(path.read_bytes(), "png", "max-width: 100%; background: white")
            self._history = history
        return self._curves


def _enlarged(source, max_width):
    """A tag for an image file."""
    content = source.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, kind = max(1, max_width // image.width) * image.width, image.format.lower()
    return _image_tag(content, kind, f"width: {width}px; max-width: 100%; image-rendering: pixelated")


def _image_tag(content, kind, style):
    """An <img> that holds the file's bytes, so that it stays in a notebook that is sent to somebody."""
    return f'<img style="{style}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def _show_in_cell(content):
    """In place of the cell's output so far; a message that is complete also for a tab that has come back."""
    from IPython.display import HTML, clear_output, display

    clear_output(wait=True)  # not before the new one is there: no flicker
    display(HTML(content))
