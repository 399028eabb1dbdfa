import dataclasses
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading

import psutil
import pytest

from wgan.common.errors import UserError
from wgan.runs import lock
from wgan.runs.lock import Mark, RunLock

ROOT = pathlib.Path(lock.__file__).parent.parent
PATIENCE = 60  # seconds after which a test that hangs fails

# Waits for a line, so that all begin at once; says what came of it; keeps the lock until its input ends.
PROCESS = """
import sys
from wgan.runs import lock
from wgan.common.errors import UserError

def no_waiting(seconds):
    raise AssertionError("waited for a process of this machine")

print("ready", flush=True)
sys.stdin.readline()
try:
    with lock.RunLock(sys.argv[1], wait=no_waiting):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
print("tensorflow" in sys.modules, flush=True)
"""


class Processes:
    """Other processes, each about to lock the same folder."""

    def __init__(self, folder, count):
        command = [sys.executable, "-c", PROCESS, str(folder)]
        self.all = [subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                    for _ in range(count)]
        for process in self.all:
            assert process.stdout.readline() == "ready\n"

    def go(self):
        """Lets all go at once; (the one that holds the folder, what the others say)."""
        for process in self.all:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in self.all]
        assert said.count("held") == 1, said
        return self.all[said.index("held")], [line for line in said if line != "held"]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        for process in self.all:
            process.kill()
            process.communicate()


def no_waiting(seconds):
    raise AssertionError("waited where the answer can be seen")


def mark(**changes):
    """A mark of this process, or, with changes, of another."""
    return dataclasses.replace(Mark.of_this_process(), **changes)


def write(folder, content):
    (folder / ".lock").write_bytes(content.to_bytes() if isinstance(content, Mark) else content)


def claim(folder, content):
    """Puts a claim on the folder's lock file; its path."""
    path = lock._claim_path(folder / ".lock", (folder / ".lock").read_bytes())
    path.write_bytes(content)
    return path


def stored_mark(folder):
    return Mark.parse((folder / ".lock").read_bytes())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


ELSEWHERE = dict(host="colab", machine="another", pid=77)


@pytest.fixture
def dead():
    """The mark of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    ended = mark(pid=process.pid, started=lock._started(psutil.Process(process.pid)))
    assert ended.is_alive()
    process.communicate(b"\n")
    return ended


@pytest.fixture
def no_links(monkeypatch):
    """A drive without hard links."""
    def link(source, target):
        raise OSError(95, "Operation not supported")
    monkeypatch.setattr(lock.os, "link", link)


@pytest.fixture
def rapid(monkeypatch):
    """Heartbeats without a pause."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.001)
    monkeypatch.setattr(lock, "RETRY_SECONDS", 0.001)


@pytest.fixture
def beats(rapid, monkeypatch):
    """A semaphore that each heartbeat written releases, and a list of errors to be raised before that."""
    written, errors, replace = threading.Semaphore(0), [], os.replace

    def replace_or_raise(source, target):
        if errors:
            raise errors.pop()
        replace(source, target)
        written.release()
    monkeypatch.setattr(lock.os, "replace", replace_or_raise)
    return written, errors


@pytest.mark.parametrize("links", [True, False])
def test_holds_the_folder_and_leaves_nothing_behind(tmp_path, request, links):
    if not links:
        request.getfixturevalue("no_links")
    folder = tmp_path / "runs" / "new"
    with RunLock(folder, wait=no_waiting) as held:
        assert names(folder) == [".lock"]
        stored = json.loads((folder / ".lock").read_text())
        assert stored["pid"] == os.getpid() and stored["heartbeat"] == 0
        with pytest.raises(UserError) as refusal:
            RunLock(folder, wait=no_waiting).__enter__()
        assert str(refusal.value).startswith(
            f"{folder} is in use by process {os.getpid()} on {stored['host']}; wait until it has ended")
        assert json.loads((folder / ".lock").read_text()) == stored and held.lost is None
    assert names(folder) == []
    with RunLock(folder, wait=no_waiting):
        assert stored_mark(folder).token != stored["token"]


def test_leaves_the_folder_when_the_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        1 / 0
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        RunLock(tmp_path / "file" / "run").__enter__()


class SlowFile:
    """A file opened for writing, to which something happens when a part has been written."""

    def __init__(self, path, mode, then):
        self.file, self.then = open(path, mode), then

    def write(self, content):
        self.file.write(content[:10])
        self.file.flush()
        self.then()
        self.file.write(content[10:])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.file.close()


def test_a_lock_that_cannot_be_written_whole_is_not_left_behind(tmp_path, monkeypatch, no_links):
    def fail():
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(lock, "open", lambda path, mode: SlowFile(path, mode, fail), raising=False)
    with pytest.raises(OSError, match="No space"):
        RunLock(tmp_path).__enter__()
    assert names(tmp_path) == []


def test_a_lock_taken_over_while_it_was_being_written_is_not_held(tmp_path, monkeypatch, no_links):
    quicker = RunLock(tmp_path, wait=lambda seconds: None)

    def be_overtaken():
        monkeypatch.delattr(lock, "open")
        quicker.__enter__()
    monkeypatch.setattr(lock, "open", lambda path, mode: SlowFile(path, mode, be_overtaken), raising=False)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} on "):
        RunLock(tmp_path, wait=no_waiting).__enter__()
    assert stored_mark(tmp_path).token == quicker._mark.token and names(tmp_path) == [".lock"]
    quicker.__exit__(None, None, None)


def test_a_name_that_is_taken_but_holds_no_file_ends_in_one_line(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="comes and goes"):
        RunLock(tmp_path, wait=no_waiting).__enter__()


def test_of_several_processes_one_holds_and_a_killed_one_gives_way_at_once(tmp_path):
    with Processes(tmp_path, 3) as others:
        holder, refusals = others.go()
        with pytest.raises(UserError) as refusal:
            RunLock(tmp_path, wait=no_waiting).__enter__()
        assert f"in use by process {holder.pid} on " in str(refusal.value)
        assert refusals == [str(refusal.value)] * 2
        holder.kill()
        if hasattr(os, "waitid"):  # dead, but still in the table of processes
            os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        else:
            holder.wait()
        assert names(tmp_path) == [".lock"]
        with RunLock(tmp_path, wait=no_waiting):
            assert stored_mark(tmp_path).pid == os.getpid()
    assert names(tmp_path) == []


def test_of_several_processes_one_takes_over_and_leaves_when_told(tmp_path, dead):
    write(tmp_path, dead)
    with Processes(tmp_path, 3) as others:
        holder, _ = others.go()
        assert stored_mark(tmp_path).pid == holder.pid and names(tmp_path) == [".lock"]
        assert holder.communicate()[0] == "False\n"  # no TensorFlow
        assert names(tmp_path) == []


def test_a_reused_process_number_is_not_the_holder(tmp_path):
    write(tmp_path, mark(started=mark().started - 60))
    with RunLock(tmp_path, wait=no_waiting):
        assert stored_mark(tmp_path).started == mark().started


@pytest.mark.skipif(not psutil.LINUX, reason="where the start is counted from boot")
def test_the_start_does_not_depend_on_the_clock():
    ticks = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert lock._started(psutil.Process()) == pytest.approx(ticks / os.sysconf("SC_CLK_TCK"), abs=0.1)


@pytest.mark.parametrize("number", [-1, 0, 10 ** 30])
def test_a_number_that_no_process_can_have_is_no_crash(number):
    assert not mark(pid=number, started=-1.0).is_alive()


@pytest.mark.parametrize("there", [ELSEWHERE, dict(machine="another"), dict(host="another")])
def test_a_holder_elsewhere_whose_heart_beats_is_left_alone(tmp_path, capsys, there):
    holder, waited = mark(**there), []
    write(tmp_path, holder)

    def wait(seconds):
        waited.append(seconds)
        write(tmp_path, dataclasses.replace(holder, heartbeat=holder.heartbeat + 1))
    with pytest.raises(UserError, match=f"in use by process {holder.pid} on {holder.host}; "):
        RunLock(tmp_path, wait=wait).__enter__()
    assert waited == [lock.MISSED_SECONDS] and lock.MISSED_SECONDS > lock.HEARTBEAT_SECONDS + lock.RETRY_SECONDS
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"process {holder.pid} on {holder.host}," in err and f"waiting {waited[0]:.0f} seconds" in err
    assert stored_mark(tmp_path).token == holder.token and names(tmp_path) == [".lock"]


def test_a_holder_elsewhere_whose_heart_stands_still_is_replaced(tmp_path, capsys):
    write(tmp_path, mark(**ELSEWHERE))
    waited = []
    with RunLock(tmp_path, wait=waited.append):
        assert stored_mark(tmp_path).pid == os.getpid() and names(tmp_path) == [".lock"]
    assert waited == [lock.MISSED_SECONDS]
    assert "taken over" in capsys.readouterr().err.splitlines()[1]


def test_a_holder_elsewhere_that_ends_meanwhile_gives_way(tmp_path):
    write(tmp_path, mark(**ELSEWHERE))
    with RunLock(tmp_path, wait=lambda seconds: (tmp_path / ".lock").unlink()):
        assert stored_mark(tmp_path).pid == os.getpid()


def test_the_wait_can_be_interrupted(tmp_path):
    write(tmp_path, mark(**ELSEWHERE))

    def interrupt(seconds):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        RunLock(tmp_path, wait=interrupt).__enter__()
    assert stored_mark(tmp_path).pid == 77 and names(tmp_path) == [".lock"]


def test_a_host_name_cannot_break_the_line(tmp_path):
    assert str(mark(host="a\nb\x1b[1m", pid=5)) == "process 5 on a b?[1m"


DAMAGED = [b"", b"{", b"\xff\xfe", b"null", b"[]", b'{"pid": 1}', b"[" * 100_000, mark().to_bytes()[:-5],
           mark().to_bytes().replace(b'"pid": ', b'"pid": "x", "x": ')]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_lock_is_replaced_after_a_wait(tmp_path, capsys, content):
    write(tmp_path, content)
    waited = []
    with RunLock(tmp_path, wait=waited.append):
        assert stored_mark(tmp_path).pid == os.getpid() and names(tmp_path) == [".lock"]
    assert waited == [lock.MISSED_SECONDS]
    assert "another run (its mark is damaged)" in capsys.readouterr().err


def test_a_half_written_lock_that_becomes_whole_is_left_alone(tmp_path):
    write(tmp_path, mark(**ELSEWHERE).to_bytes()[:20])
    with pytest.raises(UserError, match="process 77 on colab"):
        RunLock(tmp_path, wait=lambda seconds: write(tmp_path, mark(**ELSEWHERE))).__enter__()
    assert stored_mark(tmp_path).pid == 77


def compete(folder, count, wait, held):
    """Has so many threads lock the folder at once, and sets `held` when one does; all that hold it in the end."""
    start, winners, errors = threading.Barrier(count), [], []

    def contend():
        contender = RunLock(folder, wait=wait)
        start.wait(PATIENCE)
        try:
            winners.append(contender.__enter__())
            held.set()
        except UserError:
            pass
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=contend) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not errors
    return winners


@pytest.fixture
def often_switched():
    """Threads take turns a thousand times more often than usual."""
    earlier = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(earlier)


@pytest.mark.parametrize("begin", ["nothing", "dead", "claimed", "elsewhere", "nothing, no links", "dead, no links"])
def test_of_several_that_begin_at_once_one_wins(tmp_path, dead, often_switched, request, begin):
    count, wait, held = 4, no_waiting, threading.Event()
    if begin == "elsewhere":
        together = threading.Barrier(count)  # all wait, and then find the same
        wait = lambda seconds: together.wait(PATIENCE)
    if "no links" in begin:
        request.getfixturevalue("no_links")
        wait = lambda seconds: held.wait(PATIENCE)  # for whoever writes what was met half-written
    for round_number in range(60):
        if "nothing" not in begin:
            there = ELSEWHERE if begin == "elsewhere" else dict(pid=dead.pid, started=dead.started)
            write(tmp_path, mark(**there))
        if begin == "claimed":
            claim(tmp_path, dead.to_bytes())
        winners = compete(tmp_path, count, wait, held)
        assert len(winners) == 1, f"{len(winners)} hold the folder in round {round_number}"
        assert stored_mark(tmp_path).token == winners[0]._mark.token and names(tmp_path) == [".lock"]
        winners[0].__exit__(None, None, None)
        held.clear()


def test_a_claim_that_comes_after_another_was_carried_out_is_withdrawn(tmp_path, dead, monkeypatch):
    write(tmp_path, dead)
    quicker, link = RunLock(tmp_path, wait=no_waiting), os.link

    def be_overtaken(source, target):
        if "after" in target.name:
            monkeypatch.setattr(lock.os, "link", link)
            quicker.__enter__()
        link(source, target)
    monkeypatch.setattr(lock.os, "link", be_overtaken)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} on "):
        RunLock(tmp_path, wait=no_waiting).__enter__()
    assert stored_mark(tmp_path).token == quicker._mark.token and names(tmp_path) == [".lock"]
    quicker.__exit__(None, None, None)


def test_a_holder_elsewhere_that_revives_during_the_claim_keeps_its_lock(tmp_path, monkeypatch):
    write(tmp_path, mark(**ELSEWHERE))
    link = os.link

    def revive(source, target):
        if "after" in target.name:
            write(tmp_path, mark(**ELSEWHERE, heartbeat=1))
        link(source, target)
    monkeypatch.setattr(lock.os, "link", revive)
    waits = iter([lambda: None, lambda: write(tmp_path, mark(**ELSEWHERE, heartbeat=2))])
    with pytest.raises(UserError, match="process 77 on colab"):
        RunLock(tmp_path, wait=lambda seconds: next(waits)()).__enter__()
    assert stored_mark(tmp_path).heartbeat == 2 and names(tmp_path) == [".lock"]


def test_a_claim_of_a_live_process_is_respected(tmp_path, dead):
    write(tmp_path, dead)
    path = claim(tmp_path, mark().to_bytes())
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} on "):
        RunLock(tmp_path, wait=no_waiting).__enter__()
    assert stored_mark(tmp_path) == dead and names(tmp_path) == [".lock", path.name]


def test_a_claim_that_is_carried_out_while_it_is_looked_for_is_not_missed(tmp_path, monkeypatch):
    write(tmp_path, mark(**ELSEWHERE))
    path, read = claim(tmp_path, mark().to_bytes()), lock._read

    def read_too_late(wanted):
        if wanted == path and path.exists():
            path.replace(tmp_path / ".lock")
        return read(wanted)
    monkeypatch.setattr(lock, "_read", read_too_late)
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} on "):
        RunLock(tmp_path, wait=no_waiting).__enter__()
    assert names(tmp_path) == [".lock"]


def test_a_claim_left_half_written_is_waited_for_once(tmp_path, dead):
    write(tmp_path, b"")
    claim(tmp_path, b"")
    waited = []
    with RunLock(tmp_path, wait=waited.append):
        assert names(tmp_path) == [".lock"]
    assert waited == [lock.MISSED_SECONDS]


def test_heartbeats_outlast_errors_of_the_drive(tmp_path, beats):
    written, errors = beats
    errors += [OSError(5, "Input/output error"), OSError(107, "Transport endpoint is not connected")]
    with RunLock(tmp_path) as held:
        for _ in range(3):
            assert written.acquire(timeout=PATIENCE)
        assert not errors and held.lost is None
        assert stored_mark(tmp_path).heartbeat >= 3 and stored_mark(tmp_path).pid == os.getpid()
    assert names(tmp_path) == []


def test_a_drive_that_is_gone_is_neither_made_anew_nor_an_error(tmp_path, rapid, monkeypatch):
    folder, tries, read = tmp_path / "drive", threading.Semaphore(0), lock._read

    def count(path):
        tries.release()
        return read(path)
    with RunLock(folder) as held:
        monkeypatch.setattr(lock, "_read", count)
        folder.rename(tmp_path / "elsewhere")
        for _ in range(3):
            assert tries.acquire(timeout=PATIENCE)
        assert not folder.exists() and held.lost is None
    assert not folder.exists()


@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_lock_file_that_was_removed_or_damaged_is_restored(tmp_path, beats, content):
    written, _ = beats
    with RunLock(tmp_path) as held:
        assert written.acquire(timeout=PATIENCE)
        if content is None:
            (tmp_path / ".lock").unlink()
        else:
            write(tmp_path, content)
        while written.acquire(blocking=False):
            pass
        for _ in range(3):
            assert written.acquire(timeout=PATIENCE)
        assert stored_mark(tmp_path).token == held._mark.token and held.lost is None
    assert names(tmp_path) == []


def test_a_lost_lock_is_noticed_once_and_not_removed(tmp_path, rapid, monkeypatch):
    told, taken, read = queue.Queue(), threading.Event(), lock._read

    def read_when_taken(path):
        if threading.current_thread().name == "lock-heartbeat":
            taken.wait(PATIENCE)
        return read(path)
    monkeypatch.setattr(lock, "_read", read_when_taken)
    with RunLock(tmp_path, on_lost=told.put) as held:
        write(tmp_path, mark(**ELSEWHERE))
        taken.set()
        sentence = told.get(timeout=PATIENCE)
        held._thread.join(PATIENCE)
        assert not held._thread.is_alive() and told.empty()
        assert held.lost == sentence
        assert sentence.startswith(f"process 77 on colab has taken over {tmp_path}")
    assert stored_mark(tmp_path).pid == 77 and names(tmp_path) == [".lock"]


def test_a_lock_lost_since_the_last_heartbeat_is_not_removed(tmp_path):
    with RunLock(tmp_path):
        write(tmp_path, mark(**ELSEWHERE))
    assert stored_mark(tmp_path).pid == 77


def test_a_file_that_another_process_has_open_is_tried_again(monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
    refusals = [PermissionError] * 3

    def read():
        if refusals:
            raise refusals.pop()
        return b"content"
    assert lock._patiently(read) == b"content"
    refusals += [PermissionError] * 100
    with pytest.raises(PermissionError):
        lock._patiently(read)


def test_the_holder_is_told_as_long_as_it_lives(tmp_path):
    assert lock.holder(tmp_path) is None
    with RunLock(tmp_path):
        assert lock.holder(tmp_path).pid == os.getpid()
    assert lock.holder(tmp_path) is None
    write(tmp_path, mark(started=mark().started - 1000))  # a process of the same number that has ended
    assert lock.holder(tmp_path) is None
    write(tmp_path, mark(machine="another"))
    assert lock.holder(tmp_path) is None


def test_a_drive_that_hangs_does_not_keep_the_program_from_ending(tmp_path, rapid, monkeypatch):
    begun, recovered, read = threading.Event(), threading.Event(), lock._read

    def hang(path):
        begun.set()
        recovered.wait(PATIENCE)
        return read(path)
    monkeypatch.setattr(lock, "LEAVING_SECONDS", 0.01)
    with RunLock(tmp_path) as held:
        monkeypatch.setattr(lock, "_read", hang)
        assert begun.wait(PATIENCE)  # the heartbeat hangs, and so will the lock's removal
    assert held._thread.is_alive()  # the program came here all the same
    recovered.set()
