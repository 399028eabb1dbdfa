"""A run for TensorBoard: its history as grouped curves, some of its grids, and its settings.

The history is complete in memory and comes back with every state, so each start writes it into a new event file from
the first epoch on and removes the earlier file. Nothing has to be known about what the last process had written.
Writing needs TensorFlow only; the package `tensorboard` is for reading.
"""

import contextlib
import importlib.util
import io
import json
import math
import time

import keras
import tensorflow as tf
from PIL import Image

from wgan.common.messages import one_line
from wgan.runs import sample_files
from wgan.runs.history import COLUMNS, columns

GROUP_OF = {  # a curve; what is not here is the critic's
    "generator_loss": "generator",
    "seconds": "timing",
    **dict.fromkeys(("fid", "kid", "kid_error", "precision", "recall"), "metrics"),
    **dict.fromkeys(("heldout_accuracy", "heldout_accuracy_alone"), "metrics"),
    **dict.fromkeys(("mean", "std", "wasserstein_distance"), "metrics"),
}
SAMPLES_TAG, REALS_TAG, SETTINGS_TAG = "images/samples", "images/real", "settings"
GROWTH = 1.25  # from one grid to the next: about as much to see between 8 and 10 as between 8,000 and 10,000

_V1 = tf.compat.v1  # where TensorFlow keeps the classes of what an event file holds


def tag_of(column):
    """The name of a curve, `group/column`."""
    return f"{GROUP_OF.get(column, 'critic')}/{column}"


class EventWriter(keras.callbacks.Callback):
    """Keeps the event file up to date."""

    SECONDS_BETWEEN_WRITES = 10.0  # TensorBoard does not look more often than every 5 seconds

    def __init__(self, config, folder, image_set, history, saver):
        """Args: config, folder, image_set: the run's; history: to which another callback has added an epoch before this
        one sees its end; saver: a `files.TolerantSaver`."""
        super().__init__()
        self._config, self._folder, self._history, self._saver = config, folder, history, saver
        self._settings, self._columns = settings_as_markdown(config, image_set), columns(config.recipe_spec)[1:]
        self._file = self._path = None  # a `tf.io.TFRecordWriter`, and where it writes to

    def on_train_begin(self, logs=None):
        self._saver.save("event files", self._update)

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self._last_write >= self.SECONDS_BETWEEN_WRITES:
            self._saver.save("event files", self._update)

    def on_train_end(self, logs=None):
        self._saver.save("event files", self._update)
        self._close()

    def _update(self):
        """Adds what is not there yet; after a failure, or where the file has gone, all of it in a new one."""
        self._last_write = time.monotonic()
        try:
            if self._file is None or not self._path.exists():
                self._begin()
            for row in self._history.rows[self._written :]:
                self._add_epoch(dict(zip(COLUMNS, row)))
            self._file.flush()
        except (OSError, tf.errors.OpError) as error:
            self._close()
            with contextlib.suppress(OSError, AttributeError):  # there may be no path yet
                self._path.unlink()  # which takes room on a full disk
            raise OSError(one_line(error)) from error
        for path in self._folder.event_files():
            if path != self._path:
                path.unlink(missing_ok=True)

    def _close(self):
        with contextlib.suppress(OSError, AttributeError, tf.errors.OpError):  # there may be no file
            self._file.close()
        self._file = None

    def _begin(self):
        self._folder.events_dir.mkdir(exist_ok=True)
        # TensorBoard reads what has "tfevents" in its name, in the order of the names.
        number = max([time.time_ns(), *(1 + int(path.name.split(".")[3]) for path in self._folder.event_files())])
        self._path = self._folder.events_dir / f"events.out.tfevents.{number}.wgan"
        self._file, self._written, self._last_grid = tf.io.TFRecordWriter(str(self._path)), 0, 0
        self._grids = dict(sample_files.list_samples(self._config.sample_dir))
        # No state holds the hour of an epoch. Those so far are put end to end before this moment.
        self._time = time.time() - float(self._history.column("seconds").sum())
        self._add(file_version="brain.Event:2")
        self._add(session_log=_V1.SessionLog(status=_V1.SessionLog.START))  # a reader forgets earlier files
        plugin = _V1.SummaryMetadata(plugin_data=_V1.SummaryMetadata.PluginData(plugin_name="text"))
        self._add_value(0, tag=SETTINGS_TAG, metadata=plugin, tensor=tf.make_tensor_proto(self._settings))
        self._add_image(REALS_TAG, 0, self._folder.reals_path)

    def _add_epoch(self, figures):
        """Adds one event with all figures that were measured in an epoch, and its grid where that is shown."""
        self._time, number = self._time + figures["seconds"], int(figures["epoch"])
        values = [
            _V1.Summary.Value(tag=tag_of(name), simple_value=figures[name])
            for name in self._columns
            if not math.isnan(figures[name])
        ]
        self._add(step=number, summary=_V1.Summary(value=values))
        # Samples change much within the first epochs and little within the last thousand.
        if number >= GROWTH * self._last_grid or number == self._config.epochs:
            new = sample_files.sample_path(self._config.sample_dir, number, self._config.samples_layout)
            if self._add_image(SAMPLES_TAG, number, self._grids.get(number, new)):
                self._last_grid = number
        self._written += 1

    def _add_image(self, tag, step, file):
        """Whether there is an image that can be read; else it is left out."""
        try:
            content = file.read_bytes()
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
        except (OSError, ValueError):
            return False
        self._add_value(
            step, tag=tag, image=_V1.Summary.Image(height=height, width=width, encoded_image_string=content)
        )
        return True

    def _add_value(self, step, **value):
        self._add(step=step, summary=_V1.Summary(value=[_V1.Summary.Value(**value)]))

    def _add(self, **event):
        self._file.write(_V1.Event(wall_time=self._time, **event).SerializeToString())


def settings_as_markdown(config, image_set):
    """What the images are and all settings, first those that differ from the recipe's, as JSON in a block of code."""
    usual, values = config.usual.to_json(), config.to_json()
    told = {
        "images": [len(image_set.images), image_set.name, *image_set.images.shape[1:]],
        "other than the recipe's": {name: value for name, value in values.items() if value != usual[name]},
        "settings": values,
    }
    return f"```\n{json.dumps(told, indent=2)}\n```"


def how_to_look(folder):
    """A line that tells where the event files are and what shows them."""
    install = "" if importlib.util.find_spec("tensorboard") else " (after pip install tensorboard)"
    return f"event files in {folder}; to look at them{install}: tensorboard --logdir {folder}"
