"""A run for TensorBoard: its history as grouped curves, some of its grids, and its settings.

The history is complete in memory and comes back with every state, so each start writes it into a new event file from
the first epoch on and removes the earlier file. Nothing has to be known about what the last process had written.
Writing needs TensorFlow only; the package `tensorboard` is for reading.
"""

import dataclasses
import importlib.util
import io
import time

import keras
import tensorflow as tf
from PIL import Image

from wgan.config import TrainingConfig
from wgan.runs import event_log, sample_files
from wgan.runs.history import COLUMNS, columns

# Every column of the history but the epoch, which is the step; the tag is group/column.
GROUPS = {
    "critic": ("wasserstein_estimate", "gradient_penalty", "gradient_norm", "critic_loss", "critic_real",
               "critic_fake", "training_estimate", "heldout_estimate", "class_loss", "accuracy_real",
               "accuracy_fake"),
    "generator": ("generator_loss",),
    "metrics": ("fid", "kid", "kid_error", "precision", "recall", "heldout_accuracy", "heldout_accuracy_alone",
                "mean", "deviation", "wasserstein_distance"),
    "timing": ("seconds",)}
SAMPLES_TAG, REALS_TAG, SETTINGS_TAG = "images/samples", "images/real", "settings"
GROWTH = 1.25  # from one grid to the next: about as much to see between 8 and 10 as between 8,000 and 10,000

_V1 = tf.compat.v1  # where TensorFlow keeps the classes of what an event file holds


def is_shown(number, config):
    """Whether the grid of an epoch goes into the event file.

    Samples change much within the first epochs and little within the last thousand, so grids are shown at
    growing distances: 40 of 12,000, 60 of a million. The last one is always shown.

    Args:
        number: the epoch, from 1.
        config: the run's; decides which epochs have a grid.
    """
    before = (number - 1) // config.sample_every * config.sample_every
    return number == config.epochs or number % config.sample_every == 0 and _is_next(before, number)


def _is_next(before, number):
    """Whether one of the epochs 1, 2, 3, 4, 5, 6, 8, 10, 12 ... lies above `before` and not above `number`."""
    mark = 1
    while mark <= before:
        mark = max(mark + 1, round(GROWTH * mark))
    return mark <= number


class RunEvents:
    """All events of a run, in a file that `update` brings up to date."""

    def __init__(self, folder, history, shown, settings):
        """Args:
            folder: of the event files.
            history: a `History` that grows.
            shown: which of `COLUMNS`.
            settings: Markdown.
        """
        self._log = event_log.EventLog(folder)
        self._history, self._settings = history, settings
        tags = {column: f"{group}/{column}" for group, members in GROUPS.items() for column in members}
        self._tags = [(COLUMNS.index(column), tags[column]) for column in shown if column != "epoch"]
        self._pictures = []
        # No state holds the hour of an epoch. The restored ones are put end to end before this start.
        self._begin = time.time() - float(history.column("seconds").sum())
        self._next_row = self._next_picture = 0
        self._time = self._begin

    def add_picture(self, tag, step, where):
        """Has a PNG, which `where.read_bytes()` gives, shown from the next update on; others are left out."""
        self._pictures.append((tag, step, where))

    def update(self):
        """Adds what is not there yet; where the file has gone, all of it in a new one.

        Raises:
            OSError: the disk fails. The next call adds this too.
        """
        records = []
        if self._log.is_lost():
            self._log.begin()
            self._next_row = self._next_picture = 0
            self._time = self._begin
            records = self._head()
        self._log.append(b"".join([*records, *self._new_rows(), *self._new_pictures()]))

    def _head(self):
        """The format's version, as it must begin; a start, upon which a reader forgets what came from earlier files."""
        start = _V1.SessionLog(status=_V1.SessionLog.START)
        events = (_V1.Event(wall_time=self._begin, file_version="brain.Event:2"),
                  _V1.Event(wall_time=self._begin, step=0, session_log=start),
                  _V1.Event(wall_time=self._begin, step=0, summary=_text(SETTINGS_TAG, self._settings)))
        return [event_log.record(event.SerializeToString()) for event in events]

    def _new_rows(self):
        rows = self._history.rows[self._next_row:]
        self._next_row += len(rows)
        return [self._row(row) for row in rows]

    def _row(self, row):
        """One event with all figures that were measured in an epoch."""
        self._time += row[COLUMNS.index("seconds")]
        event = _V1.Event(wall_time=self._time, step=int(row[0]))
        for index, tag in self._tags:
            if row[index] == row[index]:  # not NaN
                event.summary.value.add(tag=tag, simple_value=row[index])
        return event_log.record(event.SerializeToString())

    def _new_pictures(self):
        pictures = self._pictures[self._next_picture:]
        self._next_picture += len(pictures)
        found = [(step, _picture(tag, where)) for tag, step, where in pictures]
        return [event_log.record(_V1.Event(wall_time=self._time, step=step, summary=summary).SerializeToString())
                for step, summary in found if summary is not None]


def _picture(tag, where):
    """A picture as a summary; None where it cannot be read."""
    try:
        content = where.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            (width, height), depth = picture.size, len(picture.getbands())
    except (OSError, ValueError):
        return None
    image = _V1.Summary.Image(height=height, width=width, colorspace=depth, encoded_image_string=content)
    return _V1.Summary(value=[_V1.Summary.Value(tag=tag, image=image)])


def _text(tag, markdown):
    plugin = _V1.SummaryMetadata.PluginData(plugin_name="text")
    return _V1.Summary(value=[_V1.Summary.Value(tag=tag, metadata=_V1.SummaryMetadata(plugin_data=plugin),
                                                tensor=tf.make_tensor_proto(markdown))])


def settings_as_markdown(config, image_set):
    """A table of all settings, what differs from the recipe's own in bold; above it what the images are."""
    usual = TrainingConfig.of_recipe(config.recipe)
    lines = [f"{len(image_set.images)} images: {_cell(image_set.name)}, "
             f"{' x '.join(map(str, image_set.images.shape[1:]))}", "", "| | setting | value |", "|---|---|---|"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        emphasis = "" if value == getattr(usual, field.name) else "**"
        lines.append(f"| {field.metadata['group']} | `{field.name}` | {emphasis}{_cell(value)}{emphasis} |")
    return "\n".join(lines)


def _cell(value):
    """As Markdown that means the characters themselves."""
    words = "" if value is None else " ".join(str(value).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#|" else letter for letter in words)


def how_to_look(folder):
    """A line that tells where the event files are and what shows them."""
    install = "" if importlib.util.find_spec("tensorboard") else " (after pip install tensorboard)"
    return f"event files in {folder}; to look at them{install}: tensorboard --logdir {folder}"


class EventWriter(keras.callbacks.Callback):
    """Keeps the event file up to date, in the thread of a `BackgroundWriter`."""

    SECONDS_BETWEEN_WRITES = 10.0  # TensorBoard does not look more often than every 5 seconds

    def __init__(self, config, folder, image_set, history, grid_writer, writer):
        """Args:
            config, image_set: the run's.
            folder: its `RunFolder`.
            history: to which another callback has added an epoch before this one sees its end.
            grid_writer: the `BackgroundWriter` of the grids: what it does after a grid finds that on the disk.
            writer: that of the event files.
        """
        super().__init__()
        self._config, self._folder, self._history = config, folder, history
        self._grid_writer, self._writer = grid_writer, writer
        self._events = RunEvents(folder.events_dir, history, columns(config.the_recipe),
                                 settings_as_markdown(config, image_set))

    def on_train_begin(self, logs=None):
        self._grid_writer.submit(self._find_pictures, len(self._history.rows))
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        number = epoch + 1
        if is_shown(number, self._config):
            self._grid_writer.submit(self._find_picture, number)
        if time.monotonic() - self._last_write >= self.SECONDS_BETWEEN_WRITES:
            self._write()

    def on_train_end(self, logs=None):
        self._write()
        self._grid_writer.submit(self._write)  # once more, when the last grid is on the disk

    def _find_picture(self, number):
        drawn = dict(sample_files.list_samples(self._folder.sample_dir))
        if number in drawn:
            self._events.add_picture(SAMPLES_TAG, number, drawn[number])

    def _find_pictures(self, epochs):
        """The real images, and grids that were drawn before this start."""
        drawn = [(number, where) for number, where in sample_files.list_samples(self._folder.sample_dir)
                 if number <= epochs]
        self._events.add_picture(REALS_TAG, 0, self._folder.reals_path)
        for (before, _), (number, where) in zip([(0, None), *drawn], drawn):
            if _is_next(before, number):
                self._events.add_picture(SAMPLES_TAG, number, where)

    def _write(self):
        self._last_write = time.monotonic()
        self._writer.submit(self._events.update, key="events")
