"""A run on a small disk of its own that is really full: no replaced functions stand for the file system."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from wgan.common import cli
from wgan.runs import checkpoints
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
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(place)], capture_output=True, text=True
    )
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


def between_epochs(monkeypatch, act):
    """Has `act(epoch)` called after all callbacks have seen the end of an epoch."""
    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", lambda self, epoch, logs: act(epoch + 1))


def open_files_on(disk):
    """What this process has open there; a name that ends in (deleted) takes room all the same."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return [path for path in found if path.startswith(f"{disk}/") and not path.endswith(("ballast", ".lock"))]


def test_a_full_disk_stops_nothing_and_the_run_is_saved_once_there_is_room(tiny, small_disk, monkeypatch, capsys):
    folder, ballast, saved = small_disk / "checkpoints", Ballast(small_disk), {}

    def act(epoch):
        saved[epoch] = checkpoints.newest_state(folder).epoch
        if epoch == 2:
            ballast.fill()
        if epoch == 4:
            assert not open_files_on(small_disk)
            ballast.path.unlink()

    between_epochs(monkeypatch, act)
    assert launch(tiny(epochs=6, checkpoint_minutes=0.0, checkpoint_dir=str(folder))) == 0
    assert saved == {1: 1, 2: 2, 3: 2, 4: 2, 5: 5, 6: 6}
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 6
    assert not list(folder.glob(".tmp-*"))
    said = [line for line in capsys.readouterr().err.splitlines() if "checkpoints" in line]
    assert said == [
        f"warning: checkpoints cannot be written ([Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}: "
        f"'{folder / checkpoints.AVERAGED_FILE}'); the training goes on and tries again",
        "note: writing works again: checkpoints, after 2 failed saves",
    ]


def test_a_disk_that_stays_full_gives_one_line_and_no_good_exit(tiny, small_disk, monkeypatch, capsys):
    folder, ballast = small_disk / "checkpoints", Ballast(small_disk)
    config = tiny(epochs=4, checkpoint_minutes=0.0, checkpoint_dir=str(folder))
    # Enough for the weights, and for half of a state.
    between_epochs(monkeypatch, lambda epoch: epoch == 2 and ballast.fill(leaving=8 * 2**20))
    for _ in range(2):  # the second time, the disk is full from the beginning
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda argv: launch(config), ["train.py"])
        said = capsys.readouterr().err
        last = said.splitlines()[-1]
        assert ended.value.code == 2 and last.startswith("train.py: ") and os.strerror(errno.ENOSPC) in last
        assert "Traceback" not in said
        assert checkpoints.newest_state(folder).epoch == 2
        assert not open_files_on(small_disk) and not list(folder.glob(".tmp-*"))
        ballast.fill()
