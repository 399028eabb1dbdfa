"""Event files: what TensorBoard's own reader finds in them."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wgan.common.errors import NumbersWentWrong, UserError
from wgan.data import load_for_run
from wgan.runs.files import TolerantSaver
from wgan.runs.history import COLUMNS, History, read_history
from wgan.runs.run_folder import RunFolder
from wgan.training import callbacks, tensorboard
from wgan.training.launch import launch


def events_in(folder):
    """What TensorBoard shows of a folder."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulators.EventAccumulator(str(folder), size_guidance=dict(scalars=0, images=0, tensors=0))
    return found.Reload()


def steps_of(folder):
    return [event.step for event in events_in(folder).Scalars("critic/critic_loss")]


def add_epochs(history, epochs, first=1.0):
    for _ in range(epochs):
        epoch = len(history.rows) + 1
        measured = {"fid": 100.0 + epoch} if epoch % 2 == 0 else {}
        history.append(epoch, {"critic_loss": first + epoch, "generator_loss": -epoch, **measured}, 0.5)


@pytest.fixture
def writer_of(toy, monkeypatch):
    """Makes writers of a run's event files, each as after another start."""
    monkeypatch.setattr(tensorboard.EventWriter, "SECONDS_BETWEEN_WRITES", 0.0)
    config = toy(tensorboard=True, data_dir="odd|name*_")
    RunFolder(config).make()

    def make(history, saver=None):
        writer = tensorboard.EventWriter(
            config, RunFolder(config), load_for_run(toy()), history, saver or TolerantSaver()
        )
        writer.on_train_begin()
        return writer

    return make


def test_groups_have_columns_of_the_history_and_the_others_are_the_critics():
    assert tensorboard.GROUP_OF.keys() <= set(COLUMNS)
    assert [tensorboard.tag_of(name) for name in ("gradient_norm", "fid")] == ["critic/gradient_norm", "metrics/fid"]


def test_tensorboard_reads_curves_images_and_settings_once_after_a_process_was_killed(writer_of, tmp_path):
    folder, lost, history = tmp_path / "checkpoints/tensorboard", History(), History()
    add_epochs(lost, 9, first=50)
    writer_of(lost)
    [earlier] = folder.iterdir()
    killed_before_removing = earlier.read_bytes()
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "samples/sample_00004.png")
    (tmp_path / "samples/sample_00002.png").write_bytes(b"damaged")
    (folder / "events.out.tfevents.1.elsewhere").write_bytes(b"")
    add_epochs(history, 2)
    writer = writer_of(history)
    add_epochs(history, 2)
    writer.on_epoch_end(3)
    assert not earlier.exists() and len(list(folder.iterdir())) == 2  # somebody else's stays
    earlier.write_bytes(killed_before_removing)
    found = events_in(folder)
    losses = found.Scalars("critic/critic_loss")
    assert [(event.step, event.value) for event in losses] == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert losses[1].wall_time - losses[0].wall_time == pytest.approx(0.5)
    assert [event.step for event in found.Scalars("metrics/fid")] == [2, 4]
    [image] = found.Images(tensorboard.SAMPLES_TAG)
    assert (image.step, image.width, image.height) == (4, 4, 3)
    assert image.encoded_image_string == (tmp_path / "samples/sample_00004.png").read_bytes()
    words = tf.make_ndarray(found.Tensors(tensorboard.SETTINGS_TAG)[-1].tensor_proto).item().decode()
    assert '"data_dir": "odd|name*_"' in words and '"beta_2": 0.9' in words


def test_the_grids_of_epochs_before_a_start_are_those_that_were_drawn(writer_of, tmp_path):
    history = History()
    add_epochs(history, 20)
    for epoch in (7, 14, 15, 20):  # every seventh, and the last of two parts of the run
        Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / f"samples/sample_{epoch:05d}.png")
    writer_of(history)
    shown = events_in(tmp_path / "checkpoints/tensorboard").Images(tensorboard.SAMPLES_TAG)
    assert [image.step for image in shown] == [7, 14, 20]


def test_a_lost_file_is_written_anew_and_a_missing_drive_is_not_hidden(writer_of, tmp_path, capsys):
    folder, history = tmp_path / "checkpoints/tensorboard", History()
    add_epochs(history, 2)
    with TolerantSaver() as saver:
        writer = writer_of(history, saver)
        [path] = folder.iterdir()
        path.unlink()
        add_epochs(history, 1)
        writer.on_epoch_end(2)
        assert steps_of(folder) == [1, 2, 3]
        (tmp_path / "checkpoints").rename(tmp_path / "away")
        for _ in range(2):
            add_epochs(history, 1)
            writer.on_epoch_end(len(history.rows) - 1)
        assert not (tmp_path / "checkpoints").exists()
        (tmp_path / "away").rename(tmp_path / "checkpoints")
        writer.on_train_end()
    assert steps_of(folder) == [1, 2, 3, 4, 5] and len(list(folder.iterdir())) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "warning: event files cannot be written" in said[0] and "works again" in said[1]


def test_a_run_that_was_killed_and_rolled_back_has_every_epoch_once(toy, tmp_path, monkeypatch, capsys):
    """Killed in its fourth epoch, with a state of the first; then rolled back in the third as well."""
    monkeypatch.setattr(tensorboard.EventWriter, "SECONDS_BETWEEN_WRITES", 0.0)
    config, folder = toy(epochs=7, tensorboard=True), tmp_path / "checkpoints/tensorboard"
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
    found = events_in(folder)
    rows = read_history(tmp_path / "checkpoints/history.csv")
    names = rows[1].keys() - {"epoch"}
    assert set(found.Tags()["scalars"]) == set(map(tensorboard.tag_of, names))
    for name in names:
        events = found.Scalars(tensorboard.tag_of(name))
        assert [event.step for event in events] == [1, 2, 3, 4, 5, 6, 7]
        np.testing.assert_allclose([event.value for event in events], [row[name] for row in rows.values()], rtol=1e-6)
    assert [image.step for image in found.Images(tensorboard.SAMPLES_TAG)] == [1, 2, 3, 4, 5, 7]
    assert len(found.Images(tensorboard.REALS_TAG)) == 1
    assert launch(toy(epochs=1), fresh=True) == 0  # and without the flag nothing is left of them
    assert not folder.exists()


def test_a_file_in_the_folders_place_is_named_before_any_work(toy, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/tensorboard").write_text("")
    with pytest.raises(UserError, match="--tensorboard .*tensorboard is a file"):
        launch(toy(tensorboard=True))
