"""A run's copy on a drive: always fit to be continued, on a drive that is slow, fails, or is in use."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import shutil

import h5py
import numpy as np
import pytest
import short_runs
from short_runs import assert_same_arrays, state_in

from wgan.common import cli
from wgan.common.errors import TakenOver, UserError
from wgan.images import grids
from wgan.runs import checkpoints, drive, files, grid_archives, sample_files
from wgan.runs.history import read_history
from wgan.runs.lock import RunLock
from wgan.runs.retrying import RetryingThread
from wgan.runs.run_folder import RunFolder
from wgan.training import launch as launching
from wgan.training.launch import launch

EPOCHS = 7  # of the run that `finished` gives


@pytest.fixture
def finished(finished_toy, tmp_path):
    """The configuration of a run of seven epochs that has ended, with a grid of each; (tmp_path)/drive is empty."""
    (tmp_path / "drive").mkdir()
    return dataclasses.replace(finished_toy(epochs=EPOCHS), drive_dir=str(tmp_path / "drive"))


def save_grid(folder, epoch, level=None):
    grids.save_sample(folder, epoch, np.full((8, 8, 1), level or epoch % 256, np.uint8))


def contents(folder, but=()):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file() and not path.name.startswith((".lock", ".tmp", *but))
    }


def without_previous(folder):
    return contents(folder, [checkpoints.PREVIOUS_STATE_FILE])


def copy(there, epoch):
    """Copies to a drive what it lacks of a run with so many epochs behind it."""
    with drive.copying(there, epoch):
        pass


def pngs(folder):
    """The grids in a folder, in whatever layout, by epoch."""
    return {epoch: where.read_bytes() for epoch, where in sample_files.list_samples(folder)}


def epoch_of(folder):
    state = checkpoints.newest_state(folder)
    return state and state.epoch


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


# --- without training: what is copied and fetched ---


def test_a_new_machine_gets_the_run_back_and_the_grids_stay_on_the_drive(finished, tmp_path, capsys):
    assert launch(finished) == 0
    before, there = without_previous(tmp_path / "checkpoints"), contents(tmp_path / "drive")
    assert contents(tmp_path / "drive/checkpoints") == before
    assert pngs(tmp_path / "drive/samples") == pngs(tmp_path / "samples")
    assert set(contents(tmp_path / "drive/samples")) == {".run_id", "reals.png", "grids_00001-00500.zip"}
    lose_the_machine(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/.tmp-7-training_state.weights.h5").write_text("a fetch that was killed")
    assert launch(finished) == 0
    said = capsys.readouterr()
    assert "fetching the run from" in said.out and f"grids stay in {tmp_path / 'drive/samples'}" in said.err
    assert contents(tmp_path / "checkpoints") == before and without_previous(tmp_path / "drive") == there
    assert not [*tmp_path.rglob(".lock"), *tmp_path.rglob(".tmp*")]


def test_an_archive_keeps_the_grids_that_only_the_drive_has(finished, tmp_path):
    launch(finished)
    before = pngs(tmp_path / "samples")
    lose_the_machine(tmp_path)
    launch(finished)
    for epoch in (EPOCHS, EPOCHS + 1, 501):  # one that is there, drawn otherwise; two new ones
        save_grid(tmp_path / "samples", epoch, level=99)
    copy(drive.Drive(finished), 501)
    assert pngs(tmp_path / "drive/samples") == {**before, **pngs(tmp_path / "samples")}
    names = [path.name for path in sample_files.find(tmp_path / "drive/samples").files]
    assert names == ["grids_00001-00500.zip", "grids_00501-01000.zip"]


@pytest.fixture
def copied(monkeypatch):
    """A list that gets the name of each file that is copied, but for states."""
    names = []
    for module, name, target in ((drive, "copy_file", 1), (grid_archives, "update", 0)):

        def noted(*arguments, function=getattr(module, name), target=target):
            names.append(arguments[target].name)
            function(*arguments)

        monkeypatch.setattr(module, name, noted)
    return names


def test_what_is_there_already_is_not_copied_again(finished, tmp_path, copied):
    launch(finished)
    copied.clear()
    (tmp_path / "checkpoints" / checkpoints.CRITIC_FILE).touch()
    assert launch(finished) == 0 and copied == [checkpoints.CRITIC_FILE]
    save_grid(tmp_path / "samples", EPOCHS, level=99)
    assert launch(finished) == 0 and copied[1:] == ["grids_00001-00500.zip"]


def test_each_file_is_fetched_once(finished, tmp_path, copied):
    launch(finished)
    set_epoch(tmp_path / "drive/checkpoints", EPOCHS + 1)
    for lose in (lambda: None, lambda: lose_the_machine(tmp_path)):
        lose()
        copied.clear()
        launch(finished)
        fetched = sorted(name for name in copied if name != ".run_id")
        assert fetched == sorted(contents(tmp_path / "drive/checkpoints", ["training_state", ".run_id"]))


def test_the_newer_state_wins_and_the_one_before_is_kept(finished, tmp_path):
    folders = tmp_path / "checkpoints", tmp_path / "drive/checkpoints"
    launch(finished)
    for ahead, epoch in zip(folders[::-1], (EPOCHS + 1, EPOCHS + 2)):
        set_epoch(ahead, epoch)
        launch(finished)
        assert [epoch_of(folder) for folder in folders] == [epoch, epoch]
    (folders[1] / checkpoints.STATE_FILE).write_bytes(b"damaged")
    lose_the_machine(tmp_path)
    launch(finished)
    assert epoch_of(folders[0]) == EPOCHS + 1


def test_a_state_that_was_lost_here_is_fetched_and_one_that_both_have_lost_is_missed(finished, tmp_path):
    launch(finished)
    here, there = tmp_path / "checkpoints", tmp_path / "drive/checkpoints"
    for path in here.glob("training_state*"):
        path.unlink()
    set_epoch(there, EPOCHS - 1)
    with pytest.raises(UserError, match="has lost training_state"):  # rather than go back
        launch(finished)
    set_epoch(there, EPOCHS)
    assert launch(finished) == 0 and epoch_of(here) == EPOCHS
    for path in (*here.glob("training_state*"), *there.glob("training_state*")):
        path.unlink()
    before = contents(tmp_path)
    with pytest.raises(UserError, match="has lost training_state"):
        launch(finished)
    assert contents(tmp_path) == before


def test_a_dry_run_looks_at_the_drive_and_writes_nothing(finished, tmp_path, capsys):
    launch(finished)
    lose_the_machine(tmp_path)
    before = contents(tmp_path)
    assert launch(dataclasses.replace(finished, epochs=9), dry_run=True) == 0
    assert "epochs to run: 8 to 9" in capsys.readouterr().out and contents(tmp_path) == before


def test_weights_to_start_from_are_not_wanted_where_the_drive_has_a_state(finished, tmp_path):
    path = tmp_path / "checkpoints/config.json"
    stored = json.loads(path.read_text())
    stored["config"]["init_from"] = "weights that went with the machine"
    path.write_text(json.dumps(stored))
    config = dataclasses.replace(finished, init_from=stored["config"]["init_from"])
    launch(config)
    lose_the_machine(tmp_path)
    assert launch(config) == 0 and epoch_of(tmp_path / "checkpoints") == EPOCHS


# --- what is refused ---


def test_a_copy_that_is_not_this_run_s_or_is_in_use_is_left_alone(finished, tmp_path):
    launch(finished)
    with RunLock(tmp_path / "drive/checkpoints"):
        with pytest.raises(UserError, match=r"drive/checkpoints is in use by process \d+ .*another --drive_dir"):
            launch(finished)
    for name in ("checkpoints", "samples"):
        (tmp_path / name / ".run_id").write_text("another\n")
    before = contents(tmp_path)
    for fresh in (False, True):
        with pytest.raises(UserError, match="drive/checkpoints holds another run than .*another --drive_dir"):
            launch(finished, fresh=fresh)
    assert contents(tmp_path) == before
    lose_the_machine(tmp_path)
    with pytest.raises(
        UserError,
        match="drive/checkpoints holds a run with other settings: batch_size was 4, now 5. "
        "Repeat its settings, choose another --drive_dir, or start over",
    ):
        launch(dataclasses.replace(finished, batch_size=5))


def test_a_drive_that_is_not_there_is_not_made(finished, tmp_path):
    before = contents(tmp_path)
    for place, words in (
        (tmp_path / "unmounted/MyDrive", "there is no .*unmounted; mount the drive"),
        (tmp_path / "checkpoints/config.json", "is a file"),
        (tmp_path, "copy .* onto itself"),
        (tmp_path / "checkpoints", "copy .*checkpoints into or onto itself"),
    ):
        with pytest.raises(UserError, match=words):
            launch(dataclasses.replace(finished, drive_dir=str(place)))
    assert contents(tmp_path) == before and not (tmp_path / "unmounted").exists()


def test_a_damaged_copy_is_told_from_the_run(finished, tmp_path):
    launch(finished)
    (tmp_path / "drive/checkpoints" / checkpoints.STATE_FILE).write_bytes(b"damaged")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="drive/checkpoints/training_state.* damaged.*about the copy.*at epoch 7 and "):
        launch(finished)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("new_machine", [False, True])
def test_a_fresh_start_that_was_killed_before_its_first_copy_is_in_nobodys_way(finished, tmp_path, capsys, new_machine):
    launch(finished)
    drive.Drive(finished).remove_run()
    assert len(pngs(tmp_path / "drive/samples")) == EPOCHS
    if new_machine:
        lose_the_machine(tmp_path)
        assert launch(finished, dry_run=True) == 0 and "epochs to run: 1 to 7" in capsys.readouterr().out
    else:
        assert launch(finished) == 0
        assert without_previous(tmp_path / "drive/checkpoints") == without_previous(tmp_path / "checkpoints")


# --- in what order ---


def each_cut(tmp_path, monkeypatch, act):
    """Yields after `act` has failed from its n-th operation on a disk on, for all n from the same beginning."""
    places, before = ("checkpoints", "samples", "drive"), tmp_path / "before"
    for name in places:
        if (tmp_path / name).exists():
            shutil.copytree(tmp_path / name, before / name)
    for operations in range(100):
        for name in places:
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            if (before / name).exists():
                shutil.copytree(before / name, tmp_path / name)
        with monkeypatch.context() as patched, contextlib.suppress(OSError):
            short_runs.failing_disk(
                patched, lambda path, numbers=itertools.count(), most=operations: next(numbers) >= most
            )
            act()
            break
        yield
    assert 6 < operations < 99


def copy_an_older_state(finished, tmp_path):
    """The drive has the run as it was two epochs ago."""
    set_epoch(tmp_path / "checkpoints", EPOCHS - 2)
    launch(dataclasses.replace(finished, epochs=EPOCHS - 2))
    set_epoch(tmp_path / "checkpoints", EPOCHS)
    for path in (tmp_path / "checkpoints").iterdir():
        path.touch()


@pytest.mark.parametrize("has_older_copy", [False, True])
def test_cut_off_before_any_operation_the_copy_is_whole(finished, tmp_path, monkeypatch, quick, has_older_copy):
    if has_older_copy:
        copy_an_older_state(finished, tmp_path)
    monkeypatch.setattr(RetryingThread, "LAST_CHANCE", 0.0)
    there, seen = drive.Drive(finished), set()

    def copy_all():
        there.prepare()
        copy(there, EPOCHS)

    for _ in each_cut(tmp_path, monkeypatch, copy_all):
        epoch = epoch_of(tmp_path / "drive/checkpoints")
        seen.add(epoch)
        if epoch == EPOCHS:
            assert pngs(tmp_path / "drive/samples") == pngs(tmp_path / "samples")
        there.folder.check_continues(finished, there.folder.stored_run())
        if epoch is None:
            there.folder.check_not_begun()
    assert seen == ({EPOCHS - 2} if has_older_copy else {None, EPOCHS})
    assert pngs(tmp_path / "drive/samples") == pngs(tmp_path / "samples")


@pytest.mark.parametrize("has_older_run", [False, True])
def test_cut_off_before_any_operation_a_fetch_can_be_repeated(finished, tmp_path, monkeypatch, has_older_run):
    """What is older on the machine must neither pass for what the drive has nor take its place there."""
    launch(finished)
    weights = (checkpoints.GENERATOR_FILE, checkpoints.CRITIC_FILE, checkpoints.AVERAGED_FILE)
    for name in (checkpoints.STATE_FILE, *weights):
        set_epoch(tmp_path / "drive/checkpoints", EPOCHS + 2, name)
    if not has_older_run:
        lose_the_machine(tmp_path)
    expected = without_previous(tmp_path / "drive/checkpoints")

    def fetch():
        """What a start does where the drive is ahead."""
        there = drive.Drive(finished)
        there.prepare()
        here, state = (checkpoints.newest_state(folder.checkpoint_dir) for folder in (there.local, there.folder))
        there.fetch(state, is_newer=here is None or state.epoch > here.epoch)

    for _ in each_cut(tmp_path, monkeypatch, fetch):
        assert launch(finished) == 0
        for folder in ("checkpoints", "drive/checkpoints"):
            assert without_previous(tmp_path / folder) == expected


def test_a_state_that_is_replaced_while_the_grids_are_copied_is_copied_as_it_was(finished, tmp_path, monkeypatch):
    """Its successor's grids are not there yet."""
    update, newer = grid_archives.update, tmp_path / "newer"
    newer.mkdir()
    shutil.copy(tmp_path / "checkpoints" / checkpoints.STATE_FILE, newer)
    set_epoch(newer, EPOCHS + 1)

    def save_another(*arguments):
        os.replace(newer / checkpoints.STATE_FILE, tmp_path / "checkpoints" / checkpoints.STATE_FILE)
        update(*arguments)

    monkeypatch.setattr(grid_archives, "update", save_another)
    there = drive.Drive(finished)
    there.prepare()
    for epoch in (EPOCHS, EPOCHS + 1):
        copy(there, EPOCHS)
        assert epoch_of(tmp_path / "drive/checkpoints") == epoch


# --- a drive that fails ---


def test_a_drive_that_fails_to_the_end_gives_one_line_and_the_same_command_makes_up_for_it(
    finished, tmp_path, monkeypatch, quick, capsys
):
    monkeypatch.setattr(RetryingThread, "LAST_CHANCE", 0.0)
    with monkeypatch.context() as patched:
        short_runs.failing_disk(patched, lambda path: path.name.startswith("grids"))
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda argv: launch(finished), ["train.py"])
    said = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and "Traceback" not in "".join(said)
    assert said[-1].startswith(f"train.py: copies in {tmp_path / 'drive'} could not be written: [Errno 5]")
    assert epoch_of(tmp_path / "drive/checkpoints") is None
    assert launch(finished) == 0
    assert without_previous(tmp_path / "drive/checkpoints") == without_previous(tmp_path / "checkpoints")


# --- training ---


def test_a_run_whose_machine_and_drive_failed_ends_in_the_same_bits(toy, tmp_path, monkeypatch, quick, capsys):
    whole = toy(epochs=2, checkpoint_dir=str(tmp_path / "c"), sample_dir=str(tmp_path / "s"))
    launch(whole)
    config = toy(epochs=1, drive_dir=str(tmp_path / "drive"))
    failures = iter(range(12))
    with monkeypatch.context() as patched:
        short_runs.failing_disk(
            patched, lambda path: "drive" in path.parts and path.name != ".lock" and next(failures, None) is not None
        )
        assert launch(config) == 0
    assert f"warning: copies in {tmp_path / 'drive'} cannot be written" in capsys.readouterr().err
    for epoch in (2, 3):  # copied before a state that was lost
        save_grid(tmp_path / "samples", epoch)
    copy(drive.Drive(config), 3)
    assert list(pngs(tmp_path / "drive/samples")) == [1, 2, 3]
    lose_the_machine(tmp_path)
    assert launch(dataclasses.replace(config, epochs=2)) == 0
    for folder in (tmp_path / "checkpoints", tmp_path / "drive/checkpoints"):
        assert_same_arrays(state_in(tmp_path / "c"), state_in(folder))
    assert pngs(tmp_path / "drive/samples") == pngs(tmp_path / "s")
    assert list(read_history(tmp_path / "drive/checkpoints/history.csv")) == [1, 2]
    assert contents(tmp_path / "drive/checkpoints").keys() == contents(tmp_path / "checkpoints").keys()


@pytest.mark.parametrize("new_machine", [False, True])
def test_fresh_replaces_the_copy_too(finished, tmp_path, eagerly, capsys, new_machine):
    launch(finished)
    if new_machine:
        lose_the_machine(tmp_path)
    config = dataclasses.replace(finished, epochs=1, latent_dim=9)
    assert launch(config, fresh=True) == 0
    assert f"replacing the copy of an earlier run in {tmp_path / 'drive'}" in capsys.readouterr().out
    there = tmp_path / "drive"
    assert epoch_of(there / "checkpoints") == 1 and list(pngs(there / "samples")) == [1]
    assert RunFolder(config).run_id() == (there / "samples/.run_id").read_text().strip()
    assert not (there / "checkpoints" / checkpoints.PREVIOUS_STATE_FILE).exists()


def test_nothing_is_copied_or_removed_where_another_run_has_taken_the_drive_over(finished, tmp_path):
    remote = drive.Drive(finished)
    remote.prepare()
    remote.lock.lost = "process 7 on elsewhere has taken over"
    save_grid(tmp_path / "drive/samples", EPOCHS + 1)  # what it has written
    (tmp_path / "drive/checkpoints/.tmp-7-config.json").write_text("{")
    before = set((tmp_path / "drive").rglob("*"))
    with pytest.raises(TakenOver, match="process 7 on elsewhere"):
        copy(remote, EPOCHS)
    assert set((tmp_path / "drive").rglob("*")) == before


def test_each_class_has_its_copy(finished, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(launching, "_launch_one", lambda config, *options: started.append(config.drive_dir) or 1)
    for dry_run, made in ((True, False), (False, True)):
        config = dataclasses.replace(finished, label="each", drive_dir=str(tmp_path / "all"))
        assert launching.launch(config, dry_run=dry_run) == 1
        assert (tmp_path / "all").is_dir() == made
    assert started == [None, str(tmp_path / "all/0")]
