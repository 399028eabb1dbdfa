"""Files complete or absent, their checksums, and the thread that writes them whatever the disk does."""

import contextlib
import errno
import os
import pathlib
import threading
import weakref

import pytest

from wgan.common.errors import TakenOver, UserError
from wgan.runs import files


def no_space():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def quick(monkeypatch):
    """Tries again without a pause."""
    monkeypatch.setattr(files.BackgroundWriter, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(files.BackgroundWriter, "LONGEST_PAUSE", 0.0)


def test_a_folder_that_cannot_be_made_or_written_to_is_named_as_the_user_knows_it(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    files.check_writable(tmp_path / "new" / "newer", "--out a")
    with pytest.raises(UserError, match="--out a: .*file is a file, not a folder"):
        files.check_writable(file / "new", "--out a")
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="--out a: .* cannot be written to"):
        files.check_writable(tmp_path, "--out a")
    monkeypatch.setattr(pathlib.Path, "exists", lambda path: False)  # as on a Windows drive that is not there
    with pytest.raises(UserError, match="--out a: there is no /; choose another place"):
        files.check_writable(tmp_path, "--out a")


class Disk:
    """Jobs that note what was written, while the disk works."""

    def __init__(self, failures=0):
        self.failures, self.written, self.tries = failures, [], 0
        self.asked = threading.Semaphore(0)

    def write(self, what):
        self.tries += 1
        self.asked.release()
        if self.tries <= self.failures:
            raise no_space()
        self.written.append(what)


def test_a_file_that_is_written_halfway_leaves_the_old_one(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), files.atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("number, found", [(errno.EIO, "old"), (errno.ENOSPC, "old"), (errno.EINVAL, "new")])
def test_bytes_that_do_not_reach_the_disk_do_not_take_the_old_files_place(tmp_path, monkeypatch, number, found):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(files.os, "fsync", fsync)
    with contextlib.suppress(OSError):
        files.write_text(tmp_path / "a", "new")  # a drive that cannot answer (EINVAL) is taken at its word
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": found}


def test_a_folder_that_has_gone_is_not_made_again(tmp_path):
    with pytest.raises(OSError):
        files.write_text(tmp_path / "gone/a", "text")
    assert not (tmp_path / "gone").exists()


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    for name in (".tmp-12-sample_00001.png", "sample_00001.png", ".run_id", "tmp-mine"):
        (tmp_path / name).write_text("")
    files.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"sample_00001.png", ".run_id", "tmp-mine"}


def test_a_seal_breaks_with_any_bit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)))
    assert files.is_sealed(path) is None
    files.seal(path)
    whole = path.read_bytes()
    assert files.is_sealed(path) is True and whole[:256] == bytes(range(256))
    for place in range(256 + 8, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        assert files.is_sealed(path) is False
    path.write_bytes(b"x" + whole[1:])
    assert files.is_sealed(path) is False


def test_jobs_are_done_in_order_before_the_block_is_left():
    disk = Disk()
    with files.BackgroundWriter("grids") as writer:
        for number in range(50):
            writer.submit(disk.write, number)
    assert disk.written == list(range(50))


def test_of_jobs_with_the_same_key_only_the_newest_that_waits_is_done():
    disk, gate = Disk(), threading.Event()
    with files.BackgroundWriter("grids") as writer:
        writer.submit(gate.wait)
        for number in range(5):
            writer.submit(disk.write, number, key="state")
        gate.set()
    assert disk.written == [4]


def test_a_job_to_be_done_first_goes_before_the_newer_one_of_a_key_that_waited_already():
    """A state that waits and becomes that of a later epoch must not be written before that epoch's best generator."""
    disk, gate = Disk(), threading.Event()
    with files.BackgroundWriter("states") as writer:
        writer.submit(gate.wait)
        writer.submit(disk.write, "state 1", key="state")
        writer.submit(disk.write, "best 2", key="best", first=True)
        writer.submit(disk.write, "state 2", key="state")
        gate.set()
    assert disk.written == ["best 2", "state 2"]


def test_a_job_under_way_is_not_lost_to_a_newer_one_with_its_key():
    disk, begun, gate = Disk(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        gate.wait()
        disk.written.append("first")

    with files.BackgroundWriter("grids") as writer:
        writer.submit(slow, key="state")
        begun.wait()
        writer.submit(disk.write, "second", key="state")
        gate.set()
    assert disk.written == ["first", "second"]


def test_a_failing_disk_is_tried_again_and_named_once(quick, capsys):
    disk = Disk(failures=7)
    with files.BackgroundWriter("grids") as writer:
        writer.submit(disk.write, "a")
        for _ in range(8):
            disk.asked.acquire()
        writer.submit(disk.write, "b")
    said = capsys.readouterr().err
    assert disk.written == ["a", "b"]
    assert said.count("warning: grids cannot be written") == 1 and "No space left" in said
    assert said.count("note: grids are being written again") == 1


def test_nothing_of_a_try_that_failed_is_kept_until_the_next(quick):
    class Array:
        pass
    made, kept = [], []

    def write():
        array = Array()
        if made:
            kept.append(made[0]())
            return
        made.append(weakref.ref(array))
        raise no_space()
    with files.BackgroundWriter("grids") as writer:
        writer.submit(write)
    assert kept == [None]


def test_a_warning_stays_on_one_line(quick, capsys):
    tries = []

    def write():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("file write failed\n, buffer = 0x0")
    with files.BackgroundWriter("grids") as writer:
        writer.submit(write)
    assert "grids cannot be written (file write failed , buffer = 0x0); " in capsys.readouterr().err


def test_after_an_outage_the_newest_state_is_written(quick):
    disk = Disk(failures=3)
    with files.BackgroundWriter("checkpoints") as writer:
        writer.submit(disk.write, 1, key="state")
        disk.asked.acquire()
        writer.submit(disk.write, 2, key="state")
        for _ in range(3):
            disk.asked.acquire()
    assert disk.written[-1] == 2


def test_a_disk_that_fails_to_the_end_is_not_passed_over(quick, monkeypatch):
    monkeypatch.setattr(files.BackgroundWriter, "LAST_CHANCE", 0.0)
    disk = Disk(failures=10**9)
    with pytest.raises(OSError, match="checkpoints could not be written.*No space left"):
        with files.BackgroundWriter("checkpoints") as writer:
            writer.submit(disk.write, 1)
    assert disk.tries >= 1 and not disk.written


def test_a_failing_disk_neither_stops_the_caller_nor_fills_the_memory(quick, monkeypatch, capsys):
    monkeypatch.setattr(files.BackgroundWriter, "MOST_WAITING", 5)
    disk, works = Disk(), threading.Event()

    def write(what):
        if not works.is_set():
            raise no_space()
        disk.write(what)

    with files.BackgroundWriter("grids") as writer:
        for number in range(40):
            writer.submit(write, number)
        works.set()
    assert disk.written == [0, 1, 2, 3, 4]
    assert "35 were given up" in capsys.readouterr().err


def test_a_slow_disk_loses_nothing(monkeypatch):
    monkeypatch.setattr(files.BackgroundWriter, "MOST_WAITING", 3)
    disk = Disk()
    with files.BackgroundWriter("grids") as writer:
        for number in range(30):
            writer.submit(disk.write, number)
    assert disk.written == list(range(30))


def test_a_disk_that_hangs_for_ever_does_not_keep_the_program(monkeypatch):
    monkeypatch.setattr(files.BackgroundWriter, "PATIENCE", 0.01)
    gate = threading.Event()
    with pytest.raises(OSError, match="does not answer"):
        with files.BackgroundWriter("grids") as writer:
            writer.submit(gate.wait)
    gate.set()


def test_a_mistake_in_a_job_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        with files.BackgroundWriter("grids") as writer:
            writer.submit(lambda: 1 / 0)


def test_an_error_in_the_block_is_not_replaced_by_one_of_the_disk(quick, monkeypatch):
    monkeypatch.setattr(files.BackgroundWriter, "LAST_CHANCE", 0.0)
    with pytest.raises(KeyError):
        with files.BackgroundWriter("grids") as writer:
            writer.submit(Disk(failures=10**9).write, 1)
            raise KeyError


def test_what_a_job_wants_to_follow_it_is_not_written_once_another_process_has_taken_over():
    done, begun = [], threading.Event()
    with pytest.raises(TakenOver):
        with files.BackgroundWriter("grids") as writer:
            def step():
                done.append(1)
                begun.set()
                writer.submit(step, key="copy")
            writer.submit(step, key="copy")
            begun.wait()
            raise TakenOver("process 7 has taken over")
    count = len(done)
    assert not writer._thread.is_alive() and len(done) == count
