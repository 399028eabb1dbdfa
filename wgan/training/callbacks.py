"""What watches a run: each a Keras callback that writes or shows something and changes nothing.

Keras counts epochs from 0; everything that a user sees counts from 1.
"""

import contextlib
import os
import signal
import sys
import time
from typing import NamedTuple

import keras
from tqdm import tqdm

from wgan.common import signals
from wgan.common.errors import NumbersWentWrong
from wgan.images import curves, grids, samples
from wgan.models import randomness
from wgan.models.randomness import Purpose
from wgan.runs import checkpoints
from wgan.runs.history import History, columns


class WatchNumbers(keras.callbacks.Callback):
    """Ends the training with NumbersWentWrong after an epoch whose figures cannot be right."""

    MAX_FIGURE = 1e8  # no critic that learns anything comes near

    def on_epoch_end(self, epoch, logs):
        wrong = [f"{name} is {value:g}" for name, value in logs.items() if not abs(value) < self.MAX_FIGURE]
        if wrong:
            raise NumbersWentWrong(f"in epoch {epoch + 1} {', '.join(wrong)}")


class HistoryWriter(keras.callbacks.Callback):
    """Adds each epoch's figures to the history and to its CSV file."""

    def __init__(self, history, path, columns, saver):
        super().__init__()
        self._history, self._path, self._columns, self._saver = history, path, columns, saver
        self._written = None  # rows in the file; None: it has to be written anew

    def on_train_begin(self, logs=None):
        self._update()  # without the rows that came after the restored state
        self._last_end = time.monotonic()

    def on_epoch_end(self, epoch, logs):
        now = time.monotonic()
        self._history.append(epoch + 1, logs, now - self._last_end)
        self._last_end = now
        self._update()

    def _update(self):
        written = self._written if os.path.exists(self._path) else None
        self._written = None  # after a failure the whole file is written
        if self._saver.save("history.csv", self._history.write_csv, self._path, self._columns, written):
            self._written = len(self._history.rows)


class SampleGrids(keras.callbacks.Callback):
    """Draws the same latents every few epochs: a grid of images, or the distribution of points."""

    def __init__(self, config, saver):
        super().__init__()
        self._config, self._saver = config, saver

    def on_train_begin(self, logs=None):
        seed = randomness.stream(self._config.seed, 0, Purpose.PREVIEW_LATENTS)
        self._draw = samples.grid_drawer(self.model, self._config.recipe_spec, seed)

    def on_epoch_end(self, epoch, logs=None):
        number, config = epoch + 1, self._config
        if number % config.sample_every == 0 or number == config.epochs:
            grid = self._draw(number)
            self._saver.save("grids", grids.save_sample, config.sample_dir, number, grid, config.samples_layout)


class GoodState(NamedTuple):
    """What a run can go back to."""

    epoch: int  # the number of epochs behind it
    snapshot: list  # of all variables
    rows: list  # the history's, one for each of these epochs


class Checkpoints(keras.callbacks.Callback):
    """Saves the whole state after the first epoch, every few minutes and at the end.

    `good` is the newest state whose numbers are all finite; others are not saved.
    """

    def __init__(self, config, folder, history, saver, after):
        """Args: config, folder: the run's; history: to which another callback has added an epoch before this one sees
        its end; saver: a `files.TolerantSaver`; after: called when a state has been written."""
        super().__init__()
        self.good = self._reached = None
        self._folder, self._history, self._saver, self._after = folder, history, saver, after
        self._seconds, self._columns = 60 * config.checkpoint_minutes, columns(config.recipe_spec)

    def on_train_begin(self, logs=None):
        self._remember()
        self._last_save = self._saved_epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self._reached, self._epoch_start = None, time.monotonic()

    def reach(self, epoch, logs):
        """To be called at the end of each epoch before any callback that may fail; arguments as `on_epoch_end`."""
        self._reached = epoch + 1, logs

    def on_epoch_end(self, epoch, logs=None):
        if self._last_save is None or time.monotonic() - self._last_save >= self._seconds:
            self._save()

    def on_train_end(self, logs=None):
        if len(self._history.rows) != self._saved_epoch:
            print(f"saving epoch {len(self._history.rows)}", flush=True)
            self._save()
        self.save_good()

    def save_newest(self):
        """Saves the last whole epoch where an exception has ended the training; one in the middle of an epoch's updates
        leaves nothing newer than `good`."""
        if self._reached is not None and self._reached[0] != self._saved_epoch:
            number, figures = self._reached
            if len(self._history.rows) < number:
                self._history.append(number, figures, time.monotonic() - self._epoch_start)
            with contextlib.suppress(NumbersWentWrong):  # then it is not worth saving
                self._save()
        self.save_good()

    def save_good(self):
        """Saves `good` where that has failed: by now the disk may have room."""
        if self.good and self._saver.is_failing("checkpoints"):
            checkpoints.put_back(self.model, self.good.snapshot)
            self._write(History(self.good.rows))

    def _save(self):
        self._remember()
        self._last_save, self._saved_epoch = time.monotonic(), self.good.epoch
        self._write(self._history)

    def _remember(self):
        snapshot, rows = checkpoints.take_snapshot(self.model), list(self._history.rows)
        if not checkpoints.is_finite(snapshot):
            raise NumbersWentWrong(f"after epoch {len(rows)} a weight is not finite")
        self.good = GoodState(len(rows), snapshot, rows)

    def _write(self, history):
        """Writes what the GAN and the history hold, which has to be `good`: the state first, since it matters most."""
        folder, save = self._folder, self._saver.save
        is_saved = save("checkpoints", checkpoints.write_checkpoint, folder.checkpoint_dir, self.model, history)
        save("history.png", curves.draw_curves, history.to_array(), folder.curves_path, self._columns)
        if is_saved:
            self._after()


class Progress(keras.callbacks.Callback):
    """A progress bar on a terminal; elsewhere a line at the start, at the end and every half minute."""

    SECONDS_BETWEEN_LINES = 30

    def __init__(self, first_epoch, last_epoch):
        super().__init__()
        self._first_epoch, self._last_epoch = first_epoch, last_epoch
        self._on_terminal = sys.stderr.isatty()
        self._fid = None

    def on_train_begin(self, logs=None):
        self._bar = tqdm(
            total=self._last_epoch,
            initial=self._first_epoch - 1,
            unit="epoch",
            disable=not self._on_terminal,
            dynamic_ncols=True,
            smoothing=0.05,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{remaining} left, {rate_noinv_fmt}{postfix}]",
        )
        self._start = self._last_line = time.monotonic()

    def on_epoch_end(self, epoch, logs):
        number, now = epoch + 1, time.monotonic()
        self._fid = logs.get("fid", self._fid)
        self._bar.set_postfix_str(self._figures(logs), refresh=False)
        if number == self._first_epoch:  # compiling took most of it: it says nothing of the others
            self._bar.unpause()
        self._bar.update()
        line_due = (
            number in (self._first_epoch, self._last_epoch) or now - self._last_line >= self.SECONDS_BETWEEN_LINES
        )
        if line_due and not self._on_terminal:
            self._last_line = now
            print(self._line(number, logs, now - self._start), flush=True)
        if number == self._first_epoch:
            self._bar.refresh()
            self._start = now

    def on_train_end(self, logs=None):
        self._bar.close()

    def _line(self, number, logs, elapsed):
        place = f"epoch {number}/{self._last_epoch}"
        if number == self._first_epoch:
            return f"{place}  {self._figures(logs)}  {elapsed:.0f} s, compiling included"
        per_epoch = elapsed / (number - self._first_epoch)
        left = tqdm.format_interval(per_epoch * (self._last_epoch - number))
        return f"{place}  {1 / per_epoch:.2f} epochs/s  {self._figures(logs)}  {left} left"

    def _figures(self, logs):
        last_fid = "" if self._fid is None else f"  FID {self._fid:.3g}"
        if "wasserstein_estimate" in logs:
            return f"Wasserstein estimate {logs['wasserstein_estimate']:.2f}{last_fid}"
        return f"D(x) {logs['critic_real']:.2f}  D(G(z)) {logs['critic_fake']:.2f}{last_fid}"


ENDING = {signal.SIGINT, signal.SIGTERM}  # the program, where they come a second time


class StopOnSignal(keras.callbacks.Callback):
    """Ctrl-C and the system's requests to stop: the epoch is finished, then everything is saved.

    A context manager that is left when all is written, so that a signal during the last writes does not
    cut them off. `signal_number` tells which came, or None. A second Ctrl-C or SIGTERM ends the program at
    once, also in the middle of a long epoch; a closed terminal may send its SIGHUP twice. What was ignored before, as
    under nohup, stays so.
    """

    def __init__(self):
        super().__init__()
        self.signal_number = None
        self._contexts, self._earlier, self._is_noticed = contextlib.ExitStack(), {}, False

    def __enter__(self):
        self._earlier = self._contexts.enter_context(signals.handled(self._stop))
        self._contexts.enter_context(signals.noticed(self._notice))
        return self

    def __exit__(self, *error):
        self._contexts.close()

    def on_epoch_end(self, epoch, logs=None):
        if self.signal_number is not None:
            self.model.stop_training = True

    def _stop(self, number, frame):
        self.signal_number = number
        for other in self._earlier.keys() & ENDING:
            signal.signal(other, signal.SIG_DFL)

    def _notice(self, number):
        if number not in self._earlier:
            return
        if self._is_noticed and number in ENDING:
            os._exit(128 + number)
        self._is_noticed = True
        # Straight to the descriptor, since the main thread may be in the middle of another write to the stream.
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, b"\nstopping after this epoch; once more to stop without saving\n")
