import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from unittest import mock

import filelock
import pytest

from wgan.common.errors import TakenOver, UserError
from wgan.runs import lock
from wgan.runs.lock import RunLock

EARLIER_VERSION = '{"host": "a", "machine": "b", "pid": 1, "started": 0.5, "token": "c", "heartbeat": 7}\n'


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.06)


def lock_elsewhere(folder, **options):
    """Locks a folder as another machine does; the lease."""
    with mock.patch("socket.gethostname", return_value="elsewhere"):
        return filelock.SoftFileLease(folder / ".lock", lease_duration=lock.LEASE_SECONDS, **options).acquire().lock


def copy_lock(source, folder):
    """Replaces a folder's lock file by a copy of another one, which has no heartbeat."""
    shutil.copyfile(source / ".lock", folder / "new")
    os.replace(folder / "new", folder / ".lock")


def look(folder):
    with contextlib.suppress(FileNotFoundError):
        return (folder / ".lock").stat().st_mtime_ns


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


def await_heartbeats(folder, count):
    for _ in range(count):
        before = look(folder)
        until(lambda: look(folder) not in (before, None))


def test_a_second_run_is_refused_and_the_first_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.delattr(os, "link")  # not every disk has hard links
    folder = tmp_path / "runs" / "new"
    with pytest.raises(ZeroDivisionError), RunLock(folder) as held:
        with pytest.raises(UserError) as refused:
            RunLock(folder, advice="another --drive_dir").__enter__()
        assert str(refused.value) == (
            f"{folder} is in use by process {os.getpid()} on {socket.gethostname()}; wait "
            "until it has ended, stop it, or choose another --drive_dir"
        )
        assert held.lost is None
        1 / 0
    assert list(folder.iterdir()) == [] and capsys.readouterr().err == ""


def test_a_killed_process_of_this_machine_gives_way_at_once(tmp_path, capsys):
    code = f"from wgan.runs.lock import RunLock; RunLock({str(tmp_path)!r}).__enter__(); print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    assert lock.holder(tmp_path).pid == process.pid
    with pytest.raises(UserError, match=f"in use by process {process.pid} on "):
        RunLock(tmp_path).__enter__()
    process.kill()
    process.stdout.read()  # it has ended, though its parent has not asked yet
    with RunLock(tmp_path):
        assert lock.holder(tmp_path).pid == os.getpid()
    process.communicate()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("lease", [30, 29])  # the latter is another version's
def test_a_holder_elsewhere_whose_heart_beats_is_left_alone(tmp_path, monkeypatch, lease):
    with lock_elsewhere(tmp_path, heartbeat_interval=0.01):
        monkeypatch.setattr(lock, "LEASE_SECONDS", lease)
        with pytest.raises(UserError, match=f"in use by process {os.getpid()} on elsewhere; "):
            RunLock(tmp_path).__enter__()


def test_a_holder_elsewhere_whose_heart_stands_still_is_replaced(tmp_path, quick):
    with lock_elsewhere(tmp_path):
        copy_lock(tmp_path, tmp_path)
    with RunLock(tmp_path):
        assert lock.holder(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "\0" * 5000, EARLIER_VERSION])
def test_an_unreadable_lock_is_replaced_after_a_while(tmp_path, capsys, quick, content):
    (tmp_path / ".lock").write_text(content)
    assert lock.holder(tmp_path) is None
    with RunLock(tmp_path):
        assert lock.holder(tmp_path).pid == os.getpid()
    assert content or "locked by another run, which cannot be seen from here" in capsys.readouterr().err


def test_a_lost_lock_is_noticed_and_left_to_its_taker(tmp_path, quick):
    folder = tmp_path / "run"
    with RunLock(folder) as held, lock_elsewhere(tmp_path):
        copy_lock(tmp_path, folder)
        until(lambda: held.lost)
        assert held.lost.startswith(f"process {os.getpid()} on elsewhere has taken over {folder}")
    assert look(folder)


def test_a_run_that_was_suspended_looks_before_its_next_heartbeat(tmp_path, monkeypatch):
    with RunLock(tmp_path / "run") as held, lock_elsewhere(tmp_path):
        copy_lock(tmp_path, tmp_path / "run")
        monkeypatch.setattr(lock, "LEASE_SECONDS", 0)  # as if a lease had passed since the last look
        with pytest.raises(TakenOver, match=f"^process {os.getpid()} on elsewhere has taken over"):
            held.check()


@pytest.mark.parametrize("harm", ["removed", "mounted anew", "cannot be touched"])
def test_a_lock_that_nobody_has_taken_is_restored(tmp_path, quick, monkeypatch, harm):
    with RunLock(tmp_path) as held:
        if harm == "removed":
            (tmp_path / ".lock").unlink()
        elif harm == "mounted anew":
            copy_lock(tmp_path, tmp_path)
        else:
            monkeypatch.setattr(os, "utime", mock.Mock(side_effect=OSError))
        await_heartbeats(tmp_path, 3)
        assert held.lost is None
    assert list(tmp_path.iterdir()) == []


def test_a_drive_that_is_gone_for_a_while_is_not_made_anew(tmp_path, quick):
    drive, clock = tmp_path / "drive", tmp_path / "clock"
    with RunLock(drive) as held, RunLock(clock):
        shutil.rmtree(drive)
        await_heartbeats(clock, 10)
        assert not drive.exists()
        drive.mkdir()
        await_heartbeats(drive, 1)
        assert held.lost is None


def test_the_holder_is_told_as_long_as_it_lives(tmp_path):
    assert lock.holder(tmp_path) is None
    with RunLock(tmp_path):
        assert lock.holder(tmp_path).is_alive()
        os.utime(tmp_path / ".lock", (0, 0))  # of an earlier process with the same number
        assert lock.holder(tmp_path) is None
    with lock_elsewhere(tmp_path):
        assert lock.holder(tmp_path) is None


def test_a_drive_that_hangs_does_not_keep_the_program_from_ending(tmp_path, monkeypatch):
    recovered, release = threading.Event(), filelock.SoftFileLease.release

    def hang(lease, *args, **options):
        if tmp_path in pathlib.Path(lease.lock_file).parents:  # not one that an earlier test has left, now collected
            recovered.wait(60)
        else:
            release(lease, *args, **options)

    monkeypatch.setattr(filelock.SoftFileLease, "release", hang)
    monkeypatch.setattr(lock, "LEAVING_SECONDS", 0.01)
    with RunLock(tmp_path):
        pass
    assert look(tmp_path)  # the program came here all the same
    recovered.set()
