"""A run on machines that vanish, disks that fail and numbers that go wrong."""

import csv
import dataclasses
import errno
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading

import filelock
import h5py
import kill_harness
import long_run
import numpy as np
import pytest
import tensorflow as tf

from wgan.common.errors import UserError
from wgan.models.gan import GAN
from wgan.runs import checkpoints, files, lock
from wgan.runs.history import COLUMNS
from wgan.training import callbacks
from wgan.training.launch import launch


def state_of(config):
    return checkpoints.newest_state(config.checkpoint_dir)


def variables_of(config):
    found = {}
    with h5py.File(state_of(config).path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    found["history"] = np.delete(found["history"], COLUMNS.index("seconds"), axis=1)
    return found


def assert_same(one, other):
    first, second = variables_of(one), variables_of(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def elsewhere(config, tmp_path, **changes):
    return dataclasses.replace(config, checkpoint_dir=str(tmp_path / "c2"), sample_dir=str(tmp_path / "s2"), **changes)


def stored(config):
    return json.loads(pathlib.Path(config.checkpoint_dir, "config.json").read_text())


@pytest.fixture
def quick(monkeypatch):
    """A failing disk is tried again without a pause."""
    monkeypatch.setattr(files.BackgroundWriter, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(files.BackgroundWriter, "LONGEST_PAUSE", 0.0)


def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bits(tmp_path):
    kills = int(os.environ.get("WGAN_KILLS", 5))
    assert kill_harness.run(kills, seed=0, folder=tmp_path) > 0


@pytest.mark.parametrize("batch_size", [4, 64])  # without and with Winograd convolutions
def test_a_run_stopped_at_random_epochs_ends_in_the_same_bits(tiny, tmp_path, batch_size):
    whole = tiny(epochs=8, batch_size=batch_size, checkpoint_minutes=0.0, eval_every=3)
    pieces = elsewhere(whole, tmp_path)
    launch(whole)
    for epochs in sorted(random.Random(1).sample(range(1, 8), 3)):
        launch(dataclasses.replace(pieces, epochs=epochs))
    launch(pieces)
    assert [start["epoch"] for start in stored(pieces)["starts"]] == sorted(
        {0, *random.Random(1).sample(range(1, 8), 3)})
    with open(whole.checkpoint_dir + "/history.csv") as one, open(pieces.checkpoint_dir + "/history.csv") as other:
        rows = [[{**row, "seconds": ""} for row in csv.DictReader(file)] for file in (one, other)]
    measured_by_pieces = {int(row["epoch"]): row for row in rows[1]}
    for row in rows[0]:  # the end of a piece is measured too
        both = [name for name in row if row[name]]
        assert [row[name] for name in both] == [measured_by_pieces[int(row["epoch"])][name] for name in both]
    first, second = variables_of(whole), variables_of(pieces)
    del first["history"], second["history"]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


class FailingDisk:
    """Takes the place of `os.replace`: no file gets its name while the disk fails."""

    def __init__(self, monkeypatch, fails, number=errno.ENOSPC):
        self.fails, self.number, self.calls, self.replace = fails, number, 0, os.replace
        monkeypatch.setattr(files.os, "replace", self)

    def __call__(self, source, target):
        self.calls += 1
        if self.fails(self.calls, pathlib.Path(target)):
            raise OSError(self.number, os.strerror(self.number), str(target))
        self.replace(source, target)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_for_a_while_costs_nothing(tiny, tmp_path, monkeypatch, quick, capsys, number):
    alone = tiny(epochs=6, checkpoint_minutes=0.0)
    launch(alone)
    config = elsewhere(alone, tmp_path)
    FailingDisk(monkeypatch, lambda calls, path: 8 < calls < 30, number)
    assert launch(config) == 0
    assert_same(alone, config)
    assert sorted(os.listdir(alone.sample_dir)) == sorted(os.listdir(config.sample_dir))
    said = capsys.readouterr().err
    assert 1 <= said.count("cannot be written") <= 2 and os.strerror(number) in said  # once for each kind of file


def test_a_disk_that_fails_to_the_end_gives_no_good_exit(tiny, monkeypatch, quick):
    monkeypatch.setattr(files.BackgroundWriter, "LAST_CHANCE", 0.0)
    config = tiny(epochs=4, checkpoint_minutes=0.0)
    FailingDisk(monkeypatch, lambda calls, path: path.name.startswith("training_state") and calls > 6)
    with pytest.raises(OSError, match="checkpoints could not be written.*No space left"):
        launch(config)


def test_grids_that_cannot_be_written_do_not_hold_up_checkpoints(tiny, monkeypatch, quick):
    monkeypatch.setattr(files.BackgroundWriter, "LAST_CHANCE", 0.0)
    config = tiny(epochs=4)
    FailingDisk(monkeypatch, lambda calls, path: path.name.startswith("sample_"))
    with pytest.raises(OSError, match="grids could not be written"):
        launch(config)
    assert state_of(config).epoch == 4


def test_a_folder_that_disappears_is_not_made_again_and_is_used_when_it_is_back(tiny, tmp_path, monkeypatch, quick):
    config = tiny(epochs=6, checkpoint_minutes=0.0)
    folder, away = pathlib.Path(config.checkpoint_dir), tmp_path / "unmounted"
    seen = []

    def come_and_go(self, epoch, logs=None):
        if epoch == 1:
            folder.rename(away)
        if epoch in (2, 3):
            seen.append(folder.exists())
        if epoch == 4:
            away.rename(folder)
    monkeypatch.setattr(callbacks.SampleGrids, "on_epoch_end", come_and_go)
    assert launch(config) == 0
    assert seen == [False, False] and state_of(config).epoch == 6
    with open(folder / "history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == list("123456")


def test_a_write_that_hangs_does_not_hold_up_the_training(tiny, monkeypatch):
    config = tiny(epochs=6, checkpoint_minutes=0.0)
    hangs, goes_on = threading.Event(), threading.Event()
    replace, answered = os.replace, []

    def hanging(source, target):
        if pathlib.Path(target).name == checkpoints.STATE_FILE and not goes_on.is_set():
            hangs.set()
            answered.append(goes_on.wait(30))  # which only a training that waits for the disk lets pass
            goes_on.set()
        replace(source, target)

    def train_on(self, epoch, logs=None):
        if epoch == 1:
            hangs.wait()  # the state of the first epoch is being written
        if epoch == 4:
            goes_on.set()
    monkeypatch.setattr(files.os, "replace", hanging)
    monkeypatch.setattr(callbacks.SampleGrids, "on_epoch_end", train_on)
    assert launch(config) == 0
    assert answered == [True] and state_of(config).epoch == 6


def test_too_little_room_for_a_state_is_refused_before_anything_is_written(tiny, monkeypatch):
    config = tiny()
    from wgan.training import loop
    monkeypatch.setattr(loop.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(UserError, match="1 MB free.*need .* MB; make room"):
        launch(config)
    assert not list(pathlib.Path(config.checkpoint_dir).iterdir())


def test_too_little_room_for_all_grids_is_a_note(tiny, monkeypatch, capsys):
    from wgan.training import loop
    monkeypatch.setattr(loop.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**8}))
    monkeypatch.setattr(loop, "_disk_bytes", lambda *args: 10**9)
    assert launch(tiny(epochs=1)) == 0
    assert "may need 1,000 MB and 100 MB are free" in capsys.readouterr().err


def goes_wrong(monkeypatch, when):
    """Makes the critic's loss not a number where `when(epoch, attempt)` says so."""
    original = GAN.update_generator

    def update(self, batch_size, epoch):
        loss = original(self, batch_size, epoch)
        return tf.where(when(epoch, self.attempt), tf.constant(np.nan, loss.dtype), loss)
    monkeypatch.setattr(GAN, "update_generator", update)


def test_numbers_that_go_wrong_send_the_run_back_with_other_random_numbers(tiny, tmp_path, monkeypatch, capsys):
    alone = tiny(epochs=5, checkpoint_minutes=0.0)
    launch(alone)
    goes_wrong(monkeypatch, lambda epoch, attempt: (epoch == 4) & (attempt < 2))
    config = elsewhere(alone, tmp_path)
    assert launch(config) == 0
    said = capsys.readouterr().err
    assert said.count("warning: in epoch 4 generator_loss is nan; going back to epoch 3") == 2
    setbacks = stored(config)["setbacks"]
    assert [(setback["from_epoch"], setback["attempt"]) for setback in setbacks] == [(3, 0), (3, 1)]
    assert state_of(config).attempt == 2 and len(state_of(config).history.rows) == 5
    one, other = (state_of(some).history.to_array() for some in (alone, config))
    losses = COLUMNS.index("critic_loss")
    np.testing.assert_array_equal(one[:3, losses], other[:3, losses])
    assert one[3, losses] != other[3, losses]
    assert np.isfinite(other[:, :COLUMNS.index("seconds")]).all()


def test_a_run_with_a_setback_still_ends_in_the_same_bits_when_it_is_stopped(tiny, tmp_path, monkeypatch):
    goes_wrong(monkeypatch, lambda epoch, attempt: (epoch == 3) & (attempt < 1))
    whole = tiny(epochs=6, checkpoint_minutes=0.0)
    pieces = elsewhere(whole, tmp_path)
    launch(whole)
    for epochs in (2, 4, 6):
        launch(dataclasses.replace(pieces, epochs=epochs))
    assert_same(whole, pieces)


def test_a_run_that_goes_wrong_every_time_gives_up_and_keeps_its_state(tiny, monkeypatch):
    goes_wrong(monkeypatch, lambda epoch, attempt: epoch == 3)
    config = tiny(epochs=5, checkpoint_minutes=0.0)
    with pytest.raises(UserError, match="went wrong 4 times, last in epoch 3.*epoch 2 is saved.*learning_rate"):
        launch(config)
    assert state_of(config).epoch == 2 and len(stored(config)["setbacks"]) == 4


def test_a_diverging_critic_is_noticed_before_it_overflows(tiny, monkeypatch):
    monkeypatch.setattr(callbacks.WatchNumbers, "LARGEST", 1e-3)
    with pytest.raises(UserError, match="wasserstein_estimate is"):
        launch(tiny(epochs=2))


def test_a_weight_that_is_not_finite_is_never_saved(tiny, monkeypatch):
    config = tiny(epochs=3, checkpoint_minutes=0.0)
    original = checkpoints.take_snapshot
    calls = []

    def snapshot(gan):
        arrays = original(gan)
        calls.append(len(calls))
        if len(calls) >= 5:
            arrays[0] = np.full_like(arrays[0], np.inf)
        return arrays
    monkeypatch.setattr(checkpoints, "take_snapshot", snapshot)
    with pytest.raises(UserError, match="a weight is not finite"):
        launch(config)
    for name in (checkpoints.STATE_FILE, checkpoints.GENERATOR_FILE):
        with h5py.File(pathlib.Path(config.checkpoint_dir, name)) as file:
            file.visititems(lambda _, item: np.isfinite(item[()][..., :9]).all() or pytest.fail(name)
                            if isinstance(item, h5py.Dataset) and name != checkpoints.STATE_FILE else None)


def test_a_second_run_in_the_folder_is_refused_and_the_first_goes_on(tiny, monkeypatch):
    config = tiny(epochs=2)
    answers = []

    def second(self, epoch, logs=None):
        if epoch == 0:
            with pytest.raises(UserError) as refused:
                launch(dataclasses.replace(config, epochs=3))
            answers.append(str(refused.value))
    monkeypatch.setattr(callbacks.SampleGrids, "on_epoch_end", second)
    assert launch(config) == 0
    assert f"process {os.getpid()}" in answers[0] and state_of(config).epoch == 2
    assert not list(pathlib.Path(config.checkpoint_dir).glob(".lock"))


@pytest.mark.parametrize("taken", ["checkpoints", "drive/checkpoints"])
def test_a_run_whose_folder_or_copy_was_taken_over_stops(tiny, tmp_path, monkeypatch, taken):
    def take(self, epoch, logs=None):
        if epoch == 0:
            with filelock.SoftFileLease(tmp_path / "other"):
                shutil.copyfile(tmp_path / "other", tmp_path / "copy")
            os.replace(tmp_path / "copy", tmp_path / taken / lock.LOCK_FILE)
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.06)
    monkeypatch.setattr(callbacks.SampleGrids, "on_epoch_end", take)
    config = tiny(epochs=10_000, drive_dir=str(tmp_path / "drive"))
    with pytest.raises(UserError, match=f"has taken over {tmp_path / taken}, .*; this one stops"):
        launch(config)
    assert state_of(config).epoch == 1  # which was saved before; the epochs after it are not


def test_leftovers_of_a_killed_run_are_removed(tiny):
    config = tiny(epochs=1)
    launch(config)
    for folder in (config.checkpoint_dir, config.sample_dir):
        pathlib.Path(folder, ".tmp-99-half").write_text("half")
    launch(dataclasses.replace(config, epochs=2))
    assert not [*pathlib.Path(config.checkpoint_dir).glob(".tmp*"), *pathlib.Path(config.sample_dir).glob(".tmp*")]


def test_each_start_is_recorded_with_what_it_ran_on(tiny):
    config = tiny(epochs=1)
    launch(config)
    launch(dataclasses.replace(config, epochs=2))
    starts = stored(config)["starts"]
    assert [start["epoch"] for start in starts] == [0, 1]
    assert all({"device", "python", "tensorflow", "keras", "time"} <= start.keys() for start in starts)


def test_a_long_run_needs_no_more_at_its_end_than_at_its_beginning(tmp_path):
    epochs = int(os.environ.get("WGAN_LONG_EPOCHS", 300))
    run = subprocess.run([sys.executable, long_run.__file__, "--epochs", str(epochs), "--folder", str(tmp_path)],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    print(found)
    early, late = found["100"], found[str(epochs)]
    assert late["bytes"] < early["bytes"] + 50e6 + 2e3 * epochs  # the allocator's moods; the history
    assert late["graphs"] == early["graphs"] <= 2
    assert late["threads"] <= early["threads"] + 5  # TensorFlow starts some when it pleases
    assert late["files"] <= early["files"] + 2


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_signals_finish_the_epoch_and_give_the_usual_status(tiny, tmp_path, monkeypatch, number):
    whole = tiny(epochs=3)
    launch(whole)
    config = elsewhere(whole, tmp_path)

    def send(self, epoch, logs=None):
        if epoch == 0:
            os.kill(os.getpid(), number)
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.WatchLock, "on_epoch_end", send)
        assert launch(config) == 128 + number
    assert 1 <= state_of(config).epoch < 3
    assert launch(config) == 0
    assert_same(whole, config)
