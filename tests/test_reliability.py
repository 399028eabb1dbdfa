"""A run on machines that vanish, disks that fail and numbers that go wrong."""

import dataclasses
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import types
from unittest import mock

import filelock
import kill_harness
import long_run
import numpy as np
import pytest
import short_runs
import tensorflow as tf
from short_runs import assert_same_arrays, assert_same_state, state_in

from wgan.common.errors import NumbersWentWrong, TakenOver, UserError
from wgan.models.gan import GAN
from wgan.runs import checkpoints, files, lock
from wgan.runs.history import read_history
from wgan.training import callbacks
from wgan.training.launch import launch


def state_of(config):
    return checkpoints.newest_state(config.checkpoint_dir)


def stored(config):
    return json.loads(pathlib.Path(config.checkpoint_dir, "config.json").read_text())


def test_a_run_that_is_killed_in_the_middle_of_its_writes_ends_in_the_same_bits(toy, tmp_path):
    [saved] = kill_harness.run(1, seed=16, folder=tmp_path)  # a seed for a moment when there is something to lose
    assert saved > 0


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(toy, tmp_path):
    kills = int(os.environ.get("WGAN_KILLS", 5))
    assert any(kill_harness.run(kills, seed=0, folder=tmp_path))


@pytest.mark.slow
def test_a_run_of_the_default_networks_in_pieces_ends_in_the_same_bits(tiny, tmp_path):
    whole = tiny(recipe="wgan_gp", epochs=4, batch_size=64, checkpoint_minutes=0.0, eval_every=2)  # with Winograd
    pieces = short_runs.elsewhere(whole, tmp_path)
    launch(whole)
    for epochs in (3, 4):
        launch(dataclasses.replace(pieces, epochs=epochs))
    starts = stored(pieces)["starts"]
    assert [start["epoch"] for start in starts] == [0, 3]
    assert all({"device", "python", "tensorflow", "keras", "time"} <= start.keys() for start in starts)
    first, second = state_in(whole.checkpoint_dir), state_in(pieces.checkpoint_dir)
    one, other = first.pop("history"), second.pop("history")
    measured = np.isfinite(one)  # the end of a piece is measured too
    np.testing.assert_array_equal(one[measured], other[measured])
    assert_same_arrays(first, second)
    one, other = (sorted(pathlib.Path(config.sample_dir).glob("*.png")) for config in (whole, pieces))
    assert len(one) == 5 and [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_disk_that_fails_for_a_while_costs_no_more_than_grids(finished_toy, tmp_path, monkeypatch, capsys):
    alone = finished_toy(epochs=4, checkpoint_minutes=0.0)
    config, epochs = short_runs.elsewhere(alone, tmp_path), []
    monkeypatch.setattr(callbacks.WatchNumbers, "on_epoch_end", lambda self, epoch, logs: epochs.append(epoch + 1))
    short_runs.failing_disk(monkeypatch, lambda path: epochs[-1:] in ([2], [3]), errno.EROFS)
    assert launch(config) == 0
    assert_same_state(alone, config)
    lost = {"sample_00002.png", "sample_00003.png"}
    assert set(os.listdir(alone.sample_dir)) - set(os.listdir(config.sample_dir)) == lost
    said = capsys.readouterr().err
    for kind in ("grids", "checkpoints"):
        assert said.count(f"warning: {kind} cannot be written ([Errno 30] {os.strerror(errno.EROFS)}") == 1
        assert f"note: writing works again: {kind}, after 2 failed saves" in said


@pytest.mark.parametrize("kind, name, saved", [("grids", "sample_", 3), ("checkpoints", "training_state", None)])
def test_an_end_that_could_not_be_saved_gives_no_good_exit(toy, monkeypatch, kind, name, saved):
    config = toy(epochs=3)
    short_runs.failing_disk(monkeypatch, lambda path: path.name.startswith(name))
    with pytest.raises(OSError, match=f"{kind} could not be written: .*{os.strerror(errno.EIO)}"):
        launch(config)
    state = state_of(config)
    assert (state and state.epoch) == saved


def test_a_state_that_was_lost_to_the_disk_is_saved_when_an_error_ends_the_training(toy, monkeypatch):
    config, epochs = toy(epochs=5, checkpoint_minutes=0.0), []

    def begin(self, epoch, logs=None):
        epochs.append(epoch + 1)
        if epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.WatchNumbers, "on_epoch_begin", begin)
    short_runs.failing_disk(monkeypatch, lambda path: epochs[-1:] == [3])
    with pytest.raises(KeyboardInterrupt):
        launch(config)
    assert state_of(config).epoch == 3


def test_an_error_in_the_middle_of_an_epoch_leaves_the_state_before_it(finished_toy, tmp_path, monkeypatch):
    two = finished_toy(epochs=2, checkpoint_minutes=0.0)
    config, original, critics = short_runs.elsewhere(two, tmp_path, epochs=5), GAN.update_generator, []

    def update(self, batch_size, epoch):
        critics.append(self.critic)
        is_finite = tf.math.is_finite(tf.reduce_sum(self.critic.trainable_variables[0]))  # read once it has moved
        tf.debugging.Assert((epoch < 3) & is_finite, ["the device has gone"])
        return original(self, batch_size, epoch)

    monkeypatch.setattr(GAN, "update_generator", update)
    with pytest.raises(tf.errors.InvalidArgumentError):
        launch(config)
    kernel = critics[0].trainable_variables[0].numpy()
    saved = short_runs.arrays_in(pathlib.Path(config.checkpoint_dir, checkpoints.CRITIC_FILE)).values()
    assert not any(np.array_equal(kernel, array) for array in saved)
    assert_same_state(two, config)


def test_a_device_without_memory_is_answered_in_a_line(toy, monkeypatch):
    def update(self, batch_size, epoch):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(GAN, "update_generator", update)
    with pytest.raises(UserError, match="out of memory: end what else .* a new run with a smaller --batch_size, "):
        launch(toy())


def test_checkpoints_come_after_the_first_epoch_and_then_by_the_clock(toy, monkeypatch):
    saved = []
    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", lambda *_, **__: saved.append(state_of(config).epoch))
    config = toy(epochs=4, checkpoint_minutes=1000.0)
    launch(config)
    assert saved == [1, 1, 1, 1] and state_of(config).epoch == 4


def test_a_state_that_cannot_be_read_back_does_not_take_the_place_of_the_one_before(toy, monkeypatch):
    launch(toy(epochs=1))
    original = files.flush_to_disk

    def cut(path):
        original(path)
        if "training_state" in path.name:
            os.truncate(path, path.stat().st_size - 100)

    monkeypatch.setattr(files, "flush_to_disk", cut)
    with pytest.raises(OSError, match="checkpoints could not be written: .*could not be read back"):
        launch(toy(epochs=2))
    assert state_of(toy()).epoch == 1


def test_a_run_that_fails_after_another_has_taken_its_folder_over_writes_nothing(toy, monkeypatch):
    """As one whose machine was suspended in the middle of an epoch."""
    config, taken = toy(epochs=5, checkpoint_minutes=0.0), []

    def begin(self, epoch, logs=None):
        if epoch == 3:
            taken.append(files_in(config))
            raise OSError("the other hosts have gone")

    def check(self):
        if taken:
            raise TakenOver("another run has taken over")

    monkeypatch.setattr(callbacks.WatchNumbers, "on_epoch_begin", begin)
    monkeypatch.setattr(callbacks.Checkpoints, "on_epoch_end", lambda self, epoch, logs: None)  # nothing is saved yet
    monkeypatch.setattr(lock.RunLock, "check", check)
    with pytest.raises(TakenOver):
        launch(config)
    assert files_in(config) == taken[0] and state_of(config) is None


def files_in(config):
    found = pathlib.Path(config.checkpoint_dir).iterdir()
    return {path.name: path.read_bytes() for path in found if path.name != lock.LOCK_FILE}


def test_a_folder_that_disappears_is_not_made_again_and_is_used_when_it_is_back(toy, tmp_path, monkeypatch):
    config = toy(epochs=4, checkpoint_minutes=0.0)
    folder, away = pathlib.Path(config.checkpoint_dir), tmp_path / "unmounted"
    seen = []

    def come_and_go(self, epoch, logs):
        seen.append(folder.exists())
        if epoch == 0:
            folder.rename(away)
        if epoch == 2:
            away.rename(folder)

    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", come_and_go)
    assert launch(config) == 0
    assert seen == [True, False, False, True] and state_of(config).epoch == 4
    assert list(read_history(folder / "history.csv")) == [1, 2, 3, 4]


def test_a_history_that_was_removed_is_written_whole(toy, monkeypatch):
    config = toy(epochs=3)
    path = pathlib.Path(config.checkpoint_dir, "history.csv")
    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", lambda self, epoch, logs: epoch or path.unlink())
    launch(config)
    assert list(read_history(path)) == [1, 2, 3]


def test_too_little_room_is_refused_for_states_and_noted_for_grids(toy, monkeypatch, capsys):
    def free(amount):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=amount))

    config = toy(epochs=1)
    free(10**4)
    with pytest.raises(UserError, match="0 MB free.*need .* MB; make room"):
        launch(config)
    assert not list(pathlib.Path(config.checkpoint_dir).iterdir())
    free(10**8)
    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        launch(dataclasses.replace(config, epochs=10**6))
    assert re.search(r"may need [0-9]+,[0-9,]+ MB and 100 MB are free", capsys.readouterr().err)


def goes_wrong(monkeypatch, when):
    """Makes the critic's loss not a number where `when(epoch, attempt)` says so."""
    original = GAN.update_generator

    def update(self, batch_size, epoch):
        loss = original(self, batch_size, epoch)
        return tf.where(when(epoch, self.attempt), tf.constant(np.nan, loss.dtype), loss)

    monkeypatch.setattr(GAN, "update_generator", update)


def test_a_run_whose_numbers_went_wrong_goes_back_and_ends_in_the_same_bits_when_it_is_stopped(
    toy, tmp_path, monkeypatch, capsys
):
    goes_wrong(monkeypatch, lambda epoch, attempt: (epoch == 3) & (attempt < 2))
    whole = toy(epochs=5, checkpoint_minutes=0.0)
    pieces = short_runs.elsewhere(whole, tmp_path)
    launch(whole)
    assert capsys.readouterr().err.count("warning: in epoch 3 generator_loss is nan; going back to epoch 2") == 2
    assert [(one["from_epoch"], one["attempt"]) for one in stored(whole)["rollbacks"]] == [(2, 0), (2, 1)]
    assert state_of(whole).attempt == 2 and len(state_of(whole).history.rows) == 5
    assert np.isfinite(state_of(whole).history.column("generator_loss")).all()
    for epochs in (4, 5):
        launch(dataclasses.replace(pieces, epochs=epochs))
    assert_same_state(whole, pieces)


def test_a_run_that_goes_wrong_every_time_gives_up_and_keeps_its_state(toy, monkeypatch):
    goes_wrong(monkeypatch, lambda epoch, attempt: epoch == 3)
    config = toy(epochs=5, checkpoint_minutes=0.0)
    with pytest.raises(UserError, match="went wrong 4 times, last in epoch 3.*epoch 2 is saved.*learning_rate"):
        launch(config)
    assert state_of(config).epoch == 2 and len(stored(config)["rollbacks"]) == 4


def test_a_diverging_critic_is_noticed_before_it_overflows():
    callbacks.WatchNumbers().on_epoch_end(6, {"critic_loss": -0.9e8})
    for value in (1.1e8, -1.1e8):
        with pytest.raises(NumbersWentWrong, match="in epoch 7 critic_loss is"):
            callbacks.WatchNumbers().on_epoch_end(6, {"critic_loss": value})


def test_a_weight_that_is_not_finite_is_never_saved(toy, monkeypatch):
    original = GAN.update_generator

    def update(self, batch_size, epoch):
        loss = original(self, batch_size, epoch)
        weight = self.critic.trainable_variables[-1]
        weight.assign(tf.where(epoch == 2, tf.constant(np.inf, weight.dtype), weight))
        return loss

    monkeypatch.setattr(GAN, "update_generator", update)
    config = toy(epochs=3, checkpoint_minutes=0.0)
    with pytest.raises(UserError, match="after epoch 2 a weight is not finite"):
        launch(config)
    assert state_of(config).epoch == 1


@pytest.mark.parametrize("taken", ["checkpoints", "drive/checkpoints"])
def test_a_run_whose_folder_or_copy_was_taken_over_stops(toy, tmp_path, monkeypatch, taken):
    def take(self, epoch, logs=None):
        if epoch == 0:
            with filelock.SoftFileLease(tmp_path / "other"):
                shutil.copyfile(tmp_path / "other", tmp_path / "copy")
            os.replace(tmp_path / "copy", tmp_path / taken / lock.LOCK_FILE)

    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.06)
    monkeypatch.setattr(callbacks.SampleGrids, "on_epoch_end", take)
    config = toy(epochs=10_000, drive_dir=str(tmp_path / "drive"))
    with pytest.raises(UserError, match=f"has taken over {tmp_path / taken}, .*; this one stops"):
        launch(config)
    assert state_of(config).epoch == 1  # which was saved before; the epochs after it are not


def test_a_run_goes_on_without_leftovers_and_with_what_was_recorded(finished_toy):
    config = finished_toy(epochs=1)
    for folder in (config.checkpoint_dir, config.sample_dir):
        pathlib.Path(folder, ".tmp-99-half").write_text("half")
    earlier = stored(config)
    earlier["rollbacks"] = [{"from_epoch": 0}]
    pathlib.Path(config.checkpoint_dir, "config.json").write_text(json.dumps(earlier))
    launch(dataclasses.replace(config, epochs=2))
    assert not [*pathlib.Path(config.checkpoint_dir).glob(".tmp*"), *pathlib.Path(config.sample_dir).glob(".tmp*")]
    assert stored(config)["rollbacks"] == [{"from_epoch": 0}]


@pytest.mark.slow
def test_a_long_run_needs_no_more_at_its_end_than_at_its_beginning(tmp_path):
    epochs = int(os.environ.get("WGAN_LONG_EPOCHS", 300))
    run = subprocess.run(
        [sys.executable, long_run.__file__, str(epochs), str(tmp_path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    print(found)
    early, late = found["100"], found[str(epochs)]
    assert late["bytes"] < early["bytes"] + 50e6 + 2e3 * epochs  # the allocator's moods; the history
    assert late["graphs"] == early["graphs"] <= 2
    assert late["threads"] <= early["threads"] + 5  # TensorFlow starts some when it pleases
    assert late["files"] <= early["files"] + 2


def test_a_signal_finishes_the_epoch_and_gives_the_usual_status(finished_toy, tmp_path, monkeypatch):
    whole = finished_toy(epochs=3)
    config = short_runs.elsewhere(whole, tmp_path)

    send = lambda self, epoch, logs=None: epoch or os.kill(os.getpid(), signal.SIGTERM)
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.WatchNumbers, "on_epoch_end", send)
        assert launch(config) == 128 + signal.SIGTERM
    assert 1 <= state_of(config).epoch < 3
    assert launch(config) == 0
    assert_same_state(whole, config)
