"""A run's copy on a drive: always fit to be continued, on a drive that is slow, fails, or is in use."""

import csv
import dataclasses
import errno
import json
import os
import pathlib
import shutil

import h5py
import numpy as np
import pytest

from wgan.common import cli
from wgan.common.errors import UserError
from wgan.images import grids
from wgan.runs import checkpoints, drive, files, sample_files
from wgan.runs.film import Film
from wgan.runs.history import COLUMNS
from wgan.runs.lock import RunLock
from wgan.runs.retrying import RetryingThread
from wgan.runs.run_folder import RunFolder
from wgan.training import launch as launching
from wgan.training.launch import launch

EPOCHS = 7  # of `run_with_weights`


@pytest.fixture
def quick(monkeypatch):
    """A failing disk is tried again without a pause."""
    monkeypatch.setattr(RetryingThread, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(RetryingThread, "LONGEST_PAUSE", 0.0)


@pytest.fixture
def finished(run_with_weights, tiny, tmp_path):
    """The configuration of a run of seven epochs that has ended, with a grid of each; (tmp_path)/drive is empty."""
    shutil.copytree(run_with_weights, tmp_path / "checkpoints")
    (tmp_path / "samples").mkdir()
    (tmp_path / "drive").mkdir()
    config = tiny(critic_steps=5, epochs=EPOCHS, drive_dir=str(tmp_path / "drive"), samples_layout="film")
    RunFolder(config).mark_as_one_run()
    film = Film(tmp_path / "samples")
    for epoch in range(1, EPOCHS + 1):
        film.add(epoch, np.full((8, 8, 1), epoch, np.uint8))
    return config


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and not path.name.startswith((".lock", ".tmp"))}


def epochs_in(folder):
    return [epoch for epoch, _ in sample_files.list_samples(folder)]


def lose_the_machine(tmp_path):
    for name in ("checkpoints", "samples"):
        shutil.rmtree(tmp_path / name)


def set_epoch(folder, epoch, name=checkpoints.STATE_FILE):
    """Makes a state, or weights, another epoch's, with its checksum."""
    path = pathlib.Path(folder, name)
    path.write_bytes(path.read_bytes()[:-40])
    with h5py.File(path, "r+") as file:
        file.attrs["epoch"] = epoch
    files.seal(path)


def fails(monkeypatch, when):
    """No file gets its name where `when(path)` says so."""
    replace = os.replace

    def failing(source, target):
        if when(pathlib.Path(target)):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        replace(source, target)
    monkeypatch.setattr(files.os, "replace", failing)


# --- without training: what is copied and fetched ---

def test_a_new_machine_gets_the_run_back(finished, tmp_path, capsys):
    assert launch(finished) == 0
    before = {name: contents(tmp_path / name) for name in ("checkpoints", "samples")}
    for name in before:
        assert contents(tmp_path / "drive" / name) == before[name]
    lose_the_machine(tmp_path)
    assert launch(finished) == 0
    assert "fetching the run from" in capsys.readouterr().out
    assert {name: contents(tmp_path / name) for name in before} == before
    assert not [*tmp_path.rglob(".lock"), *tmp_path.rglob(".tmp*")]


def test_what_is_there_already_is_not_copied_again(finished, tmp_path, monkeypatch):
    launch(finished)
    (tmp_path / "checkpoints" / checkpoints.CRITIC_FILE).touch()
    copied, copy = [], drive.copy_file
    monkeypatch.setattr(drive, "copy_file", lambda source, target: copied.append(target.name) or copy(source, target))
    assert launch(finished) == 0
    assert copied == [checkpoints.CRITIC_FILE]


def test_grids_that_are_pictures_stay_on_the_drive_with_a_note(finished, tmp_path, capsys):
    for epoch, layout in ((1, "flat"), (2, "folders")):
        grids.save_sample(tmp_path / "samples", epoch, np.zeros((8, 8, 1), np.uint8), layout)
    launch(finished)
    assert (tmp_path / "drive/samples/00001-00500/sample_00002.png").exists()
    lose_the_machine(tmp_path)
    launch(finished)
    assert f"note: 2 grids stay in {tmp_path / 'drive/samples'}" in capsys.readouterr().err
    assert sample_files.sample_files(tmp_path / "samples") == [tmp_path / "samples/film_00001.webp"]


@pytest.mark.parametrize("there, expected", [(EPOCHS + 2, EPOCHS + 2), (EPOCHS - 2, EPOCHS)])
def test_the_newer_state_wins(finished, tmp_path, there, expected):
    launch(finished)
    set_epoch(tmp_path / "drive/checkpoints", there)
    launch(finished)
    for folder in (tmp_path / "checkpoints", tmp_path / "drive/checkpoints"):
        assert checkpoints.newest_state(folder).epoch == expected


def test_the_state_before_is_kept_on_the_drive(finished, tmp_path):
    launch(finished)
    set_epoch(tmp_path / "checkpoints", EPOCHS + 1)
    launch(finished)
    path = tmp_path / "drive/checkpoints" / checkpoints.STATE_FILE
    assert checkpoints.newest_state(path.parent).epoch == EPOCHS + 1
    path.write_bytes(b"damaged")
    assert checkpoints.newest_state(path.parent).epoch == EPOCHS
    lose_the_machine(tmp_path)
    launch(finished)
    assert checkpoints.newest_state(tmp_path / "checkpoints").epoch == EPOCHS


def test_grids_beyond_the_state_do_not_stay_on_the_drive(finished, tmp_path):
    launch(finished)
    for layout in ("flat", "folders"):
        grids.save_sample(tmp_path / "drive/samples", EPOCHS + 1, np.zeros((8, 8, 1), np.uint8), layout)
    Film(tmp_path / "drive/samples").add(EPOCHS + 1, np.zeros((8, 8, 1), np.uint8))
    launch(finished)
    assert epochs_in(tmp_path / "drive/samples") == list(range(1, EPOCHS + 1))


def test_a_dry_run_looks_at_the_drive_and_writes_nothing(finished, tmp_path, capsys):
    launch(finished)
    lose_the_machine(tmp_path)
    before = contents(tmp_path)
    assert launch(dataclasses.replace(finished, epochs=9), dry_run=True) == 0
    assert "epochs to run: 8 to 9" in capsys.readouterr().out and contents(tmp_path) == before


# --- what is refused ---

def test_the_copy_of_another_run_is_left_alone(finished, tmp_path):
    launch(finished)
    for name in ("checkpoints", "samples"):
        (tmp_path / name / ".run_id").write_text("another\n")
    before = contents(tmp_path)
    for fresh in (False, True):
        with pytest.raises(UserError, match="drive/checkpoints holds another run than .*another --drive_dir"):
            launch(finished, fresh=fresh)
    assert contents(tmp_path) == before


def test_other_settings_than_the_copys_are_refused_on_a_new_machine(finished, tmp_path):
    launch(finished)
    lose_the_machine(tmp_path)
    with pytest.raises(UserError, match="drive/checkpoints holds a run with other settings: batch_size was 4, now 5. "
                                        "Repeat its settings, choose another --drive_dir, or start over"):
        launch(dataclasses.replace(finished, batch_size=5))


def test_a_drive_that_is_not_there_is_not_made(finished, tmp_path):
    for place, words in ((tmp_path / "unmounted/MyDrive", "there is no .*unmounted; mount the drive"),
                         (tmp_path / "checkpoints/config.json", "is a file"), (tmp_path, "copy .* onto itself")):
        before = contents(tmp_path)
        with pytest.raises(UserError, match=words):
            launch(dataclasses.replace(finished, drive_dir=str(place)))
        assert contents(tmp_path) == before
    assert not (tmp_path / "unmounted").exists()


def test_a_damaged_copy_is_told_from_the_run(finished, tmp_path):
    launch(finished)
    (tmp_path / "drive/checkpoints" / checkpoints.STATE_FILE).write_bytes(b"damaged")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="drive/checkpoints/training_state.* damaged.*about the copy.*at epoch 7 and "):
        launch(finished)
    assert contents(tmp_path) == before
    for name in ("checkpoints", "samples"):
        shutil.rmtree(tmp_path / "drive" / name)
    assert launch(finished) == 0
    assert contents(tmp_path / "drive/checkpoints") == contents(tmp_path / "checkpoints")


def test_weights_to_start_from_are_not_wanted_where_the_drive_has_a_state(finished, tmp_path):
    path = tmp_path / "checkpoints/config.json"
    stored = json.loads(path.read_text())
    stored["config"]["init_from"] = "weights that went with the machine"
    path.write_text(json.dumps(stored))
    config = dataclasses.replace(finished, init_from=stored["config"]["init_from"])
    launch(config)
    lose_the_machine(tmp_path)
    assert launch(config) == 0
    assert checkpoints.newest_state(tmp_path / "checkpoints").epoch == EPOCHS


def test_grids_that_cannot_be_listed_do_not_hold_up_the_state(finished, tmp_path, monkeypatch, quick, capsys):
    def failing(self, epoch):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.sample_dir))
    monkeypatch.setattr(RunFolder, "remove_grids_after", failing)
    assert launch(finished) == 0
    assert checkpoints.newest_state(tmp_path / "drive/checkpoints").epoch == EPOCHS
    assert f"note: {tmp_path / 'drive/samples'} cannot be tidied up" in capsys.readouterr().err


@pytest.mark.parametrize("new_machine", [False, True])
def test_a_fresh_start_that_was_killed_before_its_first_copy_is_in_nobodys_way(finished, tmp_path, new_machine):
    grids.save_sample(tmp_path / "samples", EPOCHS, np.zeros((8, 8, 1), np.uint8))
    launch(finished)
    remote = drive.Drive(finished)
    remote.remove_run()
    assert epochs_in(tmp_path / "drive/samples") == list(range(1, EPOCHS + 1))
    if new_machine:
        lose_the_machine(tmp_path)
        assert launching._examine_newest(finished, RunFolder(finished), remote, False)[1:] == (None, None)
    else:
        assert launch(finished) == 0
        assert contents(tmp_path / "drive/checkpoints") == contents(tmp_path / "checkpoints")


def test_two_machines_on_one_drive_are_refused(finished, tmp_path):
    with RunLock(tmp_path / "drive/checkpoints"):
        with pytest.raises(UserError, match=r"drive/checkpoints is in use by process \d+ .*another --drive_dir"):
            launch(finished)


# --- in what order ---

class Killed(BaseException):
    pass


class StepByStep:
    """Takes the place of a `RetryingThread`: its jobs are done here and now, one after another."""

    def __init__(self):
        self.job = None

    def submit(self, function):
        self.job = function

    def work(self):
        while self.job:
            job, self.job = self.job, None
            job()


@pytest.mark.parametrize("has_older_copy", [False, True])
def test_killed_before_any_operation_the_copy_is_whole(finished, tmp_path, monkeypatch, has_older_copy):
    """A process that is killed before its n-th operation on the drive, for all n."""
    if has_older_copy:
        set_epoch(tmp_path / "checkpoints", EPOCHS - 2)
        launch(dataclasses.replace(finished, epochs=EPOCHS - 2))
        set_epoch(tmp_path / "checkpoints", EPOCHS)
        for path in (tmp_path / "checkpoints").iterdir():
            path.touch()
    grids.save_sample(tmp_path / "samples", EPOCHS, np.zeros((8, 8, 1), np.uint8), "flat")
    shutil.copytree(tmp_path / "drive", tmp_path / "before")
    replace, left = os.replace, 0

    def counted(source, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        replace(source, target)
    monkeypatch.setattr(files.os, "replace", counted)
    seen = set()
    for operations in range(100):
        shutil.rmtree(tmp_path / "drive")
        shutil.copytree(tmp_path / "before", tmp_path / "drive")
        there, writer = drive.Drive(finished), StepByStep()
        there.prepare()
        left = operations
        try:
            drive._Copies(there, EPOCHS, writer).request()
            writer.work()
        except Killed:
            pass
        else:
            break
        state = checkpoints.newest_state(tmp_path / "drive/checkpoints")
        seen.add(state and state.epoch)
        if state and state.epoch == EPOCHS:
            assert epochs_in(tmp_path / "drive/samples") == list(range(1, EPOCHS + 1))
        there.folder.check_continues(finished, there.folder.stored_run())
        if state is None:
            there.folder.check_not_begun()
    assert 6 < operations < 99 and seen == ({EPOCHS - 2} if has_older_copy else {None, EPOCHS})
    assert contents(tmp_path / "drive/samples") == contents(tmp_path / "samples")


@pytest.mark.parametrize("has_older_run", [False, True])
def test_killed_before_any_operation_a_fetch_can_be_repeated(finished, tmp_path, monkeypatch, has_older_run):
    """What is older on the machine must neither pass for what the drive has nor take its place there."""
    launch(finished)
    weights = (checkpoints.GENERATOR_FILE, checkpoints.CRITIC_FILE, checkpoints.AVERAGED_FILE)
    for name in (checkpoints.STATE_FILE, *weights):
        set_epoch(tmp_path / "drive/checkpoints", EPOCHS + 2, name)
    if not has_older_run:
        lose_the_machine(tmp_path)
    names = [name for name in ("checkpoints", "samples", "drive") if (tmp_path / name).exists()]
    for name in names:
        shutil.copytree(tmp_path / name, tmp_path / "before" / name)
    expected = without_previous(tmp_path / "drive/checkpoints")
    replace, left = os.replace, 0

    def counted(source, target):
        nonlocal left
        left -= 1
        if left == -1:
            raise Killed
        replace(source, target)
    monkeypatch.setattr(files.os, "replace", counted)
    for operations in range(100):
        for name in ("checkpoints", "samples", "drive"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        for name in names:
            shutil.copytree(tmp_path / "before" / name, tmp_path / name)
        left = operations
        try:
            launching._take_from(drive.Drive(finished), finished, RunFolder(finished), False)
        except Killed:
            left = 10**6
            assert launch(finished) == 0
            assert without_previous(tmp_path / "checkpoints") == expected
            assert without_previous(tmp_path / "drive/checkpoints") == expected
        else:
            break
    assert 6 < operations < 99


def without_previous(folder):
    return {name: content for name, content in contents(folder).items() if name != checkpoints.PREVIOUS_STATE_FILE}


def test_a_state_that_is_replaced_while_the_grids_are_copied_is_copied_as_it_was(finished, tmp_path, monkeypatch):
    """Its successor's grids are not there yet."""
    copy_file, seen = drive.copy_file, []

    def save_another(source, target):
        if source.name.startswith("film") and not seen:
            seen.append(source)
            newer = tmp_path / "newer" / checkpoints.STATE_FILE
            newer.parent.mkdir()
            shutil.copy(tmp_path / "checkpoints" / checkpoints.STATE_FILE, newer)
            set_epoch(newer.parent, EPOCHS + 1)
            os.replace(newer, tmp_path / "checkpoints" / checkpoints.STATE_FILE)
        copy_file(source, target)
    monkeypatch.setattr(drive, "copy_file", save_another)
    there, writer = drive.Drive(finished), StepByStep()
    there.prepare()
    copies = drive._Copies(there, EPOCHS, writer)
    copies.request()
    writer.work()
    assert seen and checkpoints.newest_state(tmp_path / "drive/checkpoints").epoch == EPOCHS
    copies.request()
    writer.work()
    assert checkpoints.newest_state(tmp_path / "drive/checkpoints").epoch == EPOCHS + 1


# --- a drive that fails ---

def test_a_drive_that_fails_to_the_end_gives_one_line_and_the_same_command_makes_up_for_it(
        finished, tmp_path, monkeypatch, quick, capsys):
    monkeypatch.setattr(RetryingThread, "LAST_CHANCE", 0.0)
    with monkeypatch.context() as patched:
        fails(patched, lambda path: "drive" in path.parts and path.name.startswith("film"))
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda argv: launch(finished), ["train.py"])
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and "Traceback" not in "".join(said)
    assert said[-1].startswith(f"train.py: copies in {tmp_path / 'drive'} could not be written: [Errno 5]")
    assert checkpoints.newest_state(tmp_path / "drive/checkpoints") is None
    assert launch(finished) == 0
    assert contents(tmp_path / "drive/checkpoints") == contents(tmp_path / "checkpoints")


# --- training ---

def variables_of(folder):
    found = {}
    with h5py.File(checkpoints.newest_state(folder).path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    found["history"] = np.delete(found["history"], COLUMNS.index("seconds"), axis=1)
    return found


def test_a_run_whose_machine_and_drive_failed_ends_in_the_same_bits(
        tiny, tmp_path, monkeypatch, quick, eagerly, capsys):
    whole = tiny(epochs=4, samples_layout="film", checkpoint_dir=str(tmp_path / "c"), sample_dir=str(tmp_path / "s"))
    launch(whole)
    config = tiny(epochs=2, samples_layout="film", checkpoint_minutes=0.0, drive_dir=str(tmp_path / "drive"))
    failures = iter(range(12))
    with monkeypatch.context() as patched:
        fails(patched, lambda path: "drive" in path.parts and path.name != ".lock" and next(failures, None) is not None)
        assert launch(config) == 0
    assert f"warning: copies in {tmp_path / 'drive'} cannot be written" in capsys.readouterr().err
    Film(tmp_path / "drive/samples").add(3, np.zeros((8, 8, 1), np.uint8))  # copied before a state that was lost
    lose_the_machine(tmp_path)
    assert launch(dataclasses.replace(config, epochs=4)) == 0
    for folder in (tmp_path / "checkpoints", tmp_path / "drive/checkpoints"):
        one, other = variables_of(tmp_path / "c"), variables_of(folder)
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    whole_grids = contents(tmp_path / "s")
    for folder in (tmp_path / "samples", tmp_path / "drive/samples"):
        grids = contents(folder)
        assert grids.keys() == whole_grids.keys()
        assert all(grids[name] == whole_grids[name] for name in grids if name != ".run_id")
    with open(tmp_path / "drive/checkpoints/history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == list("1234")
    assert contents(tmp_path / "drive/checkpoints").keys() == contents(tmp_path / "checkpoints").keys()


@pytest.mark.parametrize("new_machine", [False, True])
def test_fresh_replaces_the_copy_too(finished, tmp_path, eagerly, capsys, new_machine):
    launch(finished)
    if new_machine:
        lose_the_machine(tmp_path)
    config = dataclasses.replace(finished, epochs=1, critic_steps=1, latent_dim=9, samples_layout="folders")
    assert launch(config, fresh=True) == 0
    assert f"replacing the copy of an earlier run in {tmp_path / 'drive'}" in capsys.readouterr().out
    there = tmp_path / "drive"
    assert checkpoints.newest_state(there / "checkpoints").epoch == 1
    assert RunFolder(config).run_id() == (there / "samples/.run_id").read_text().strip()
    assert set(contents(there / "samples")) == {".run_id", "reals.png", "00001-00500/sample_00001.png"}
    assert not (there / "checkpoints" / checkpoints.PREVIOUS_STATE_FILE).exists()


def test_a_run_whose_copy_was_taken_over_stops_and_copies_nothing_more(tiny, tmp_path, monkeypatch, eagerly):
    config = tiny(epochs=3, drive_dir=str(tmp_path / "drive"))

    def lose(self, folder, **options):
        original(self, folder, **options)
        self.lost = "process 7 on elsewhere has taken over" if "drive" in str(folder) else None
    original = launching.RunLock.__init__
    monkeypatch.setattr(RunLock, "__init__", lose)
    with pytest.raises(UserError, match="process 7 on elsewhere has taken over; this one stops"):
        launch(config)
    assert contents(tmp_path / "drive") == {}


def test_each_class_has_its_copy(finished, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(launching, "_launch_one", lambda config, *options: started.append(config.drive_dir) or 1)
    for dry_run, made in ((True, False), (False, True)):
        config = dataclasses.replace(finished, label="each", drive_dir=str(tmp_path / "all"))
        assert launching.launch(config, dry_run=dry_run) == 1
        assert (tmp_path / "all").is_dir() == made
    assert started == [None, str(tmp_path / "all/0")]
