"""Files complete or absent, their checksums, and saving them whatever the disk does."""

import contextlib
import errno
import os
import pathlib
import threading
from unittest import mock

import pytest

from wgan.common.errors import TakenOver, UserError
from wgan.runs import files
from wgan.runs.retrying import RetryingThread


class Disk:
    """Calls of `write` note what was written, but for the first few, which fail."""

    def __init__(self, failures=0):
        self.failures, self.written = failures, []

    def write(self, what):
        if self.failures > 0:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left\n, buffer = 0x0")
        self.written.append(what)


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


def test_a_file_that_is_written_halfway_leaves_the_old_one(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), files.atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("number, found", [(errno.EIO, "old"), (errno.ENOSPC, "old"), (errno.EINVAL, "new")])
def test_bytes_that_do_not_reach_the_disk_do_not_take_the_old_files_place(tmp_path, monkeypatch, number, found):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(files.os, "fsync", mock.Mock(side_effect=OSError(number, os.strerror(number))))
    with contextlib.suppress(OSError):
        files.write_text(tmp_path / "a", "new")  # a drive that cannot answer (EINVAL) is taken at its word
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": found}


def test_a_folder_that_has_gone_is_not_made_again(tmp_path):
    with pytest.raises(OSError):
        files.write_text(tmp_path / "gone/a", "text")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    "content, lines",
    [("old\na\n\nb\n", ["a", "b"]), ("old\n" + "x" * 99 + "\nb", ["b"]), ("old\n", []), ("x" * 99, ["x" * 8])],
)
def test_the_last_lines_are_whole_ones_where_there_are_any(tmp_path, content, lines):
    (tmp_path / "log").write_text(content)
    assert files.last_lines(tmp_path / "log", start=4, longest=8) == lines


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
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert files.is_sealed(path) is False
    path.write_bytes(b"x" + whole[1:])
    assert files.is_sealed(path) is False


def test_an_end_that_could_not_be_saved_is_an_error_unless_there_is_one_already():
    with pytest.raises(OSError, match="checkpoints and grids could not be written: .*No space left"):
        with files.TolerantSaver() as saver:
            for kind in ("checkpoints", "history.csv", "grids"):
                saver.save(kind, Disk(failures=kind != "history.csv").write, 1)
    with pytest.raises(KeyError), files.TolerantSaver() as saver:
        saver.save("grids", Disk(failures=1).write, 1)
        raise KeyError


# --- the thread for a slow drive ---


def test_a_failing_drive_is_tried_again_and_named_once(quick, capsys):
    drive = Disk(failures=7)
    with RetryingThread("copies", lambda: [drive.write("a")]) as thread:
        thread.request()
    said = capsys.readouterr().err
    assert drive.written == ["a"]
    assert said.count("warning: copies cannot be written") == said.count("note: writing works again: copies") == 1


def test_requests_hold_up_nothing_and_are_met_together_after_the_job_under_way():
    done, begun, gate = [], threading.Event(), threading.Event()

    def job():
        begun.set()
        gate.wait()
        done.append(asked)
        yield

    asked = 1
    with RetryingThread("copies", job) as thread:
        thread.request()
        begun.wait()
        thread.request()
        thread.request()
        asked = 3
        gate.set()
    assert done[-1] == 3 and len(done) == 2


@pytest.mark.parametrize(
    "error, match",
    [(OSError("too full"), "copies could not be written: too full"), (ZeroDivisionError("a mistake"), "a mistake")],
)
def test_what_fails_to_the_end_is_raised(quick, monkeypatch, error, match):
    monkeypatch.setattr(RetryingThread, "LAST_CHANCE", 0.0)
    job = mock.Mock(side_effect=error)
    with pytest.raises(type(error), match=match), RetryingThread("copies", job) as thread:
        thread.request()


def test_a_drive_that_hangs_for_ever_does_not_keep_the_program(monkeypatch):
    monkeypatch.setattr(RetryingThread, "PATIENCE", 0.01)
    gate = threading.Event()
    with pytest.raises(OSError, match="does not answer"), RetryingThread("copies", lambda: [gate.wait()]) as thread:
        thread.request()
    gate.set()


def test_nothing_follows_the_step_under_way_once_another_process_has_taken_over():
    begun = threading.Event()

    def endless():
        while True:
            begun.set()
            yield

    with pytest.raises(TakenOver), RetryingThread("copies", endless) as thread:
        thread.request()
        begun.wait()
        raise TakenOver("process 7 has taken over")
    assert not any(one.name == "writer of copies" for one in threading.enumerate())
