"""Event files: what TensorFlow's reader of records and TensorBoard's own find in them."""

import builtins
import contextlib
import csv
import errno
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wgan.common.errors import NumbersWentWrong, UserError
from wgan.config import TrainingConfig
from wgan.runs import event_log
from wgan.runs.history import COLUMNS, History
from wgan.training import callbacks, tensorboard
from wgan.training.launch import launch

SHOWN = ("epoch", "critic_loss", "generator_loss", "fid", "seconds")


def events_in(path):
    """Read by TensorFlow, which checks both checksums of every record."""
    return [tf.compat.v1.Event.FromString(data.numpy()) for data in tf.data.TFRecordDataset(str(path))]


def events_of(folder):
    [path] = event_log.list_files(folder)
    return events_in(path)


def curves_of(events):
    """The (step, value) pairs of every curve, in the order in which they stand there."""
    curves = {}
    for event in events:
        for value in event.summary.value:
            if value.HasField("simple_value"):
                curves.setdefault(value.tag, []).append((event.step, value.simple_value))
    return curves


def pictures_of(events):
    return [(value.tag, event.step) for event in events for value in event.summary.value if value.HasField("image")]


def history_of(epochs, first=1.0):
    history = History()
    add_epochs(history, epochs, first)
    return history


def add_epochs(history, epochs, first=1.0):
    for _ in range(epochs):
        epoch = len(history.rows) + 1
        measured = {"fid": 100.0 + epoch} if epoch % 2 == 0 else {}
        history.append(epoch, {"critic_loss": first + epoch, "generator_loss": -epoch, **measured}, 0.5)


def steps_of(folder):
    return [step for step, _ in curves_of(events_of(folder))["critic/critic_loss"]]


def test_every_column_of_the_history_is_in_one_group():
    grouped = [column for members in tensorboard.GROUPS.values() for column in members]
    assert sorted(grouped) == sorted(set(COLUMNS) - {"epoch"})


def test_a_row_is_one_event_with_what_was_measured(tmp_path):
    events = tensorboard.RunEvents(tmp_path / "events", history_of(2), SHOWN, "| a |")
    events.update()
    version, start, settings, *rows = events_of(tmp_path / "events")
    assert version.file_version == "brain.Event:2" and start.session_log.status == start.session_log.START
    assert tf.make_ndarray(settings.summary.value[0].tensor).item() == b"| a |"
    assert [{value.tag: value.simple_value for value in row.summary.value} for row in rows] == [
        {"critic/critic_loss": 2, "generator/generator_loss": -1, "timing/seconds": 0.5},
        {"critic/critic_loss": 3, "generator/generator_loss": -2, "timing/seconds": 0.5, "metrics/fid": 102}]
    assert rows[1].wall_time - rows[0].wall_time == pytest.approx(0.5)


def test_what_is_new_is_appended_to_the_bytes_that_were_read(tmp_path):
    history = history_of(3)
    events = tensorboard.RunEvents(tmp_path / "events", history, SHOWN, "")
    events.update()
    [path] = event_log.list_files(tmp_path / "events")
    before = path.read_bytes()
    add_epochs(history, 2)
    events.update()
    assert path.read_bytes().startswith(before) and steps_of(tmp_path / "events") == [1, 2, 3, 4, 5]


def test_another_start_replaces_what_the_last_one_had_beyond_the_restored_state(tmp_path):
    (tmp_path / "events.out.tfevents.1.elsewhere").write_bytes(b"somebody else's")
    tensorboard.RunEvents(tmp_path, history_of(5), SHOWN, "").update()
    [before] = event_log.list_files(tmp_path)
    history = history_of(2)
    events = tensorboard.RunEvents(tmp_path, history, SHOWN, "")
    events.update()
    add_epochs(history, 2, first=50)
    events.update()
    [after] = event_log.list_files(tmp_path)
    assert after.name > before.name  # TensorBoard never goes back to an earlier name
    assert curves_of(events_in(after))["critic/critic_loss"] == [(1, 2), (2, 3), (3, 53), (4, 54)]
    assert (tmp_path / "events.out.tfevents.1.elsewhere").exists()


class HalfWrites:
    """Takes the place of `open` for event files: half of what is written arrives, then the disk is full."""

    def __init__(self, monkeypatch):
        self.full = True
        monkeypatch.setattr(event_log, "open", self.open, raising=False)

    @contextlib.contextmanager
    def open(self, path, mode):
        with builtins.open(path, mode) as file:
            self.file = file
            yield self if self.full else file

    def seek(self, place):
        self.file.seek(place)

    def write(self, data):
        self.file.write(data[:len(data) // 2])
        self.fail()

    def fail(self, *arguments):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("begun", [False, True])
def test_a_write_that_fails_halfway_is_repeated_without_doubling(tmp_path, monkeypatch, begun):
    tensorboard.RunEvents(tmp_path, history_of(1), SHOWN, "").update()
    earlier = event_log.list_files(tmp_path)
    history = history_of(3)
    events = tensorboard.RunEvents(tmp_path, history, SHOWN, "")
    if begun:
        events.update()
    disk = HalfWrites(monkeypatch)
    sizes = [path.stat().st_size for path in event_log.list_files(tmp_path)]
    for _ in range(2):
        add_epochs(history, 1)
        with pytest.raises(OSError, match="No space"):
            events.update()
    assert sum(path.stat().st_size for path in event_log.list_files(tmp_path)) == sum(sizes)  # no room is taken
    assert begun or earlier[0].exists()  # until its successor is complete
    disk.full = False
    events.update()
    assert steps_of(tmp_path) == [1, 2, 3, 4, 5]


def test_what_a_failing_disk_keeps_of_a_failed_write_is_overwritten(tmp_path, monkeypatch):
    disk = HalfWrites(monkeypatch)
    events = tensorboard.RunEvents(tmp_path, history_of(3), SHOWN, "")
    with monkeypatch.context() as patched:
        patched.setattr(event_log.os, "truncate", disk.fail)
        with pytest.raises(OSError, match="No space"):
            events.update()
    [path] = event_log.list_files(tmp_path)
    half = path.read_bytes()
    disk.full = False
    events.update()
    assert half and path.read_bytes().startswith(half)  # for who has read it already
    assert steps_of(tmp_path) == [1, 2, 3]


def test_a_file_that_was_removed_or_cut_is_written_anew_but_a_missing_drive_is_not_hidden(tmp_path):
    (tmp_path / "run").mkdir()
    history = history_of(3)
    events = tensorboard.RunEvents(tmp_path / "run/events", history, SHOWN, "")
    for harm in (pathlib.Path.unlink, lambda path: path.write_bytes(b"cut")):
        events.update()
        harm(event_log.list_files(tmp_path / "run/events")[0])
        add_epochs(history, 1)
    events.update()
    assert steps_of(tmp_path / "run/events") == [1, 2, 3, 4, 5]
    (tmp_path / "run").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        events.update()
    assert not (tmp_path / "run").exists()
    (tmp_path / "away").rename(tmp_path / "run")
    add_epochs(history, 1)
    events.update()
    assert steps_of(tmp_path / "run/events") == [1, 2, 3, 4, 5, 6]


def test_checksums_are_those_of_the_standard():
    """RFC 3720, B.4: 32 bytes of zeros, of ones, and counting up."""
    assert [event_log.crc32c(data) for data in (bytes(32), b"\xff" * 32, bytes(range(32)))] == [
        0x8A9136AA, 0x62A8AB43, 0x46DD794E]


def test_grids_are_shown_at_growing_distances_and_the_last_one(tmp_path):
    def shown(epochs, every=1):
        config = TrainingConfig(epochs=epochs, sample_every=every)
        return [number for number in range(1, epochs + 1) if tensorboard.is_shown(number, config)]
    assert shown(26) == [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 26]
    assert shown(1000, every=400) == [400, 800, 1000]
    assert len(shown(12_000)) <= 45 and set(shown(12_000)[:-1]) <= set(shown(24_000))


def test_tensorboard_itself_reads_curves_pictures_and_settings(tmp_path, tiny):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from wgan.data import load_for_run
    config = tiny(data_dir="odd|name*_")
    image_set = load_for_run(tiny())
    tensorboard.RunEvents(tmp_path, history_of(9, first=50), SHOWN, "").update()
    [earlier] = event_log.list_files(tmp_path)
    killed_before_removing = earlier.read_bytes()
    events = tensorboard.RunEvents(tmp_path, history_of(4), SHOWN,
                                   tensorboard.settings_as_markdown(config, image_set))
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "4.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    for name in ("4", "damaged", "missing"):
        events.add_picture(tensorboard.SAMPLES_TAG, 4, tmp_path / f"{name}.png")
    events.update()
    earlier.write_bytes(killed_before_removing)
    found = accumulators.EventAccumulator(str(tmp_path), size_guidance=dict(scalars=0, images=0, tensors=0))
    found.Reload()
    losses = [(event.step, event.value) for event in found.Scalars("critic/critic_loss")]
    assert losses == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert [event.step for event in found.Scalars("metrics/fid")] == [2, 4]
    [picture] = found.Images(tensorboard.SAMPLES_TAG)
    assert (picture.step, picture.width, picture.height) == (4, 4, 3)
    assert picture.encoded_image_string == (tmp_path / "4.png").read_bytes()
    [text] = found.Tensors(tensorboard.SETTINGS_TAG)[-1:]
    words = tf.make_ndarray(text.tensor_proto).item().decode()
    assert "| `data_dir` | **odd\\|name\\*\\_** |" in words and "| `beta_2` | 0.9 |" in words


def csv_of(config):
    with open(pathlib.Path(config.checkpoint_dir, "history.csv"), newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_that_was_killed_has_every_epoch_once(tiny, tmp_path, monkeypatch, capsys):
    """Killed in its fourth epoch, with a state of the first; then a setback in the third as well."""
    monkeypatch.setattr(tensorboard.EventWriter, "SECONDS_BETWEEN_WRITES", 0.0)
    config, folder = tiny(epochs=5, tensorboard=True), tmp_path / "checkpoints/tensorboard"
    went_wrong = []

    def kill(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Progress, "on_epoch_end", kill)
        patched.setattr(callbacks.Checkpoints, "save_newest", lambda self: None)  # a killed process saves nothing
        with pytest.raises(KeyboardInterrupt):
            launch(config)
    assert steps_of(folder) == [1, 2, 3, 4]

    def once(self, epoch, logs=None):
        if epoch == 2 and not went_wrong:
            went_wrong.append(epoch)
            raise NumbersWentWrong("in epoch 3 a test says so")
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.Progress, "on_epoch_end", once)
        assert launch(config) == 0
    said = capsys.readouterr()
    assert "after epoch 1" in said.out and "going back to epoch 2" in said.err and f"--logdir {folder}" in said.out
    events, rows = events_of(folder), csv_of(config)
    curves = {tag.split("/")[1]: curve for tag, curve in curves_of(events).items()}
    assert curves.keys() == {name for name in rows[0] if rows[0][name]} - {"epoch"}
    for name, curve in curves.items():
        assert [step for step, _ in curve] == [1, 2, 3, 4, 5]
        np.testing.assert_allclose([value for _, value in curve], [float(row[name]) for row in rows], rtol=1e-6)
    assert sorted(pictures_of(events)) == [("images/real", 0), *(("images/samples", step) for step in range(1, 6))]


def test_event_files_that_cannot_be_written_do_not_stop_the_training(tiny, monkeypatch, capsys, tmp_path):
    disk = HalfWrites(monkeypatch)
    config = tiny(epochs=2, tensorboard=True)
    with pytest.raises(OSError, match="event files could not be written.*No space left"):
        launch(config)
    assert [row["epoch"] for row in csv_of(config)] == ["1", "2"]
    assert "event files cannot be written" in capsys.readouterr().err
    disk.full = False
    assert launch(tiny(epochs=1), fresh=True) == 0  # and without the flag nothing is left of them
    assert not (tmp_path / "checkpoints/tensorboard").exists()


def test_a_file_in_the_folders_place_is_named_before_any_work(tiny, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/tensorboard").write_text("")
    with pytest.raises(UserError, match="--tensorboard .*tensorboard is a file"):
        launch(tiny(tensorboard=True))
