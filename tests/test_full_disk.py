"""A run on a small disk of its own that is really full: no replaced functions stand for the file system."""

import contextlib
import errno
import os
import shutil
import subprocess
import threading

import h5py
import pytest

from wgan.common import cli
from wgan.runs import checkpoints, files
from wgan.training import callbacks
from wgan.training.launch import launch

# A state of the small networks takes 16 MB, and a run wants room for three: two states and the weights.
DISK_SIZE = "64m"


@pytest.fixture
def small_disk(tmp_path):
    """The path of a file system of 64 MB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("a small disk is mounted with the command mount, which is not here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(place)],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not permitted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class Ballast:
    """A file that takes all the room that is left."""

    def __init__(self, disk):
        self.path = disk / "ballast"

    def fill(self, leaving=0):
        """Takes all but `leaving` bytes."""
        with open(self.path, "wb", buffering=0) as file:
            for size in (2**20, 2**12):  # down to the last page
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
            file.truncate(file.tell() - leaving)

    def remove(self):
        self.path.unlink()


class Watch:
    """Takes the place of the end of an epoch in `Checkpoints`, so that a test acts between two epochs.

    Attributes:
        epochs: those that came to their end.
        warned: set once a warning has been given.
    """

    def __init__(self, monkeypatch, at_epoch_end):
        self.epochs, self.warned = [], threading.Event()
        save, say = callbacks.Checkpoints.on_epoch_end, files._say

        def on_epoch_end(callback, epoch, logs=None):
            self._writer = callback._writer
            self.epochs.append(epoch + 1)
            at_epoch_end(epoch + 1)
            save(callback, epoch, logs)

        def say_and_tell(line):
            say(line)
            self.warned.set()
        monkeypatch.setattr(callbacks.Checkpoints, "on_epoch_end", on_epoch_end)
        monkeypatch.setattr(files, "_say", say_and_tell)
        monkeypatch.setattr(files.BackgroundWriter, "FIRST_PAUSE", 0.01)
        monkeypatch.setattr(files.BackgroundWriter, "LONGEST_PAUSE", 0.01)

    def until_all_is_written(self):
        done = threading.Event()
        self._writer.submit(done.set)
        done.wait()


def open_files_on(disk):
    """What this process has open there; a name that ends in (deleted) takes room all the same."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return [path for path in found if path.startswith(f"{disk}/") and not path.endswith(("ballast", ".lock"))]


def test_a_full_disk_holds_up_nothing_and_the_run_is_saved_once_there_is_room(tiny, small_disk, monkeypatch, capsys):
    folder, ballast, saved = small_disk / "checkpoints", Ballast(small_disk), {}

    def between(epoch):
        if epoch == 3:
            watch.until_all_is_written()
            ballast.fill()
        if epoch in (4, 5):
            watch.warned.wait()
            saved[epoch] = checkpoints.newest_state(folder).epoch
        if epoch == 6:
            ballast.path.unlink()
        if epoch == 7:
            watch.until_all_is_written()
            saved[epoch] = checkpoints.newest_state(folder).epoch
    watch = Watch(monkeypatch, between)
    assert launch(tiny(epochs=8, checkpoint_minutes=0.0, checkpoint_dir=str(folder))) == 0
    assert watch.epochs == list(range(1, 9))
    assert saved == {4: 2, 5: 2, 7: 6} and checkpoints.newest_state(folder).epoch == 8
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 8
    assert not list(folder.glob(".tmp-*"))
    said = [line for line in capsys.readouterr().err.splitlines() if "written" in line]
    assert said == [f"warning: checkpoints cannot be written ([Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}: "
                    f"'{folder / checkpoints.AVERAGED_FILE}'); the training goes on and tries again",
                    "note: checkpoints are being written again"]


def test_what_failed_is_closed_though_another_thread_closes_a_file_of_its_own_meanwhile(tmp_path, monkeypatch):
    list_files = h5py.h5f.get_obj_ids

    class Disk:  # that fills up while a network is being saved
        def save_weights(self, path):
            self.left_open = h5py.File(path, "w")
            raise OSError(errno.ENOSPC, "too full")

    def list_files_and_close_one(*kinds):
        with h5py.File(tmp_path / "other.h5", "w"):
            return list_files(*kinds)
    disk = Disk()
    monkeypatch.setattr(h5py.h5f, "get_obj_ids", list_files_and_close_one)
    with pytest.raises(OSError) as failed:
        checkpoints._write_weights(disk, tmp_path / "a.weights.h5")
    assert failed.value.errno == errno.ENOSPC
    assert not disk.left_open and not open_files_on(tmp_path)


def test_a_disk_that_stays_full_gives_one_line_and_no_good_exit(tiny, small_disk, monkeypatch, capsys):
    folder, ballast, held = small_disk / "checkpoints", Ballast(small_disk), []
    config = tiny(epochs=4, checkpoint_minutes=0.0, checkpoint_dir=str(folder))
    write = checkpoints.write_checkpoint

    def between(epoch):
        if epoch == 3:
            watch.until_all_is_written()
            ballast.fill(leaving=8 * 2**20)  # enough for the weights, and for half of a state

    def write_and_look(*args):
        held.append(open_files_on(folder))  # by what failed before
        write(*args)
    watch = Watch(monkeypatch, between)
    monkeypatch.setattr(checkpoints, "write_checkpoint", write_and_look)
    monkeypatch.setattr(files.BackgroundWriter, "LAST_CHANCE", 3.0)
    for leaving in (8 * 2**20, 0):  # the second time, the disk is full from the beginning
        if not leaving:
            ballast.fill()
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda argv: launch(config), ["train.py"])
        said = capsys.readouterr().err
        last = said.splitlines()[-1]
        assert ended.value.code == 2 and last.startswith("train.py: ") and os.strerror(errno.ENOSPC) in last
        assert "Traceback" not in said
        assert checkpoints.newest_state(folder).epoch == 2
    assert watch.epochs == [1, 2, 3, 4]
    assert len(held) >= 4 and not any(held)
    assert not list(folder.glob(".tmp-*"))
