"""`wgan.apps.notebook`: scripts in processes of their own, shown while they run. Small ones stand in for train.py."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from wgan.apps import notebook
from wgan.images import grids
from wgan.runs import lock

ROOT = pathlib.Path(notebook.__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs the signals and named pipes of POSIX")
PATIENCE = 60  # seconds after which a test that hangs fails
HEADER = "epoch,wasserstein_estimate,gradient_penalty,gradient_norm,seconds,fid\n"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Writes a script and gives its command; scripts import this project, and see their folder as `here`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(notebook.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(notebook, "MAX_NAP", 0.01)

    started, start = [], notebook._start
    monkeypatch.setattr(notebook, "_start", lambda *arguments: started.append(start(*arguments)) or started[-1])

    def write(body, name="train.py"):
        begin = f"import os, pathlib, signal, sys\nhere = pathlib.Path({str(tmp_path)!r})\n"
        (tmp_path / name).write_text(begin + textwrap.dedent(body))
        return f"'{tmp_path / name}'"

    yield write
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def shown(tmp_path):
    """A list of all that was shown, which `watch` fills."""

    class Shown(list):
        def watch(self, command, react=lambda content: None):
            def show(content):
                self.append(content)
                react(content)

            return notebook.watch(command, tmp_path / "checkpoints", tmp_path / "samples", 0.01, show)

    return Shown()


def let_go(fifo):
    """Ends a script's wait for this named pipe."""
    with open(fifo, "w"):
        pass


@POSIX
def test_grids_curves_and_lines_are_renewed_while_the_run_goes_on(tmp_path, script, shown):
    for folder in ("checkpoints", "samples"):
        (tmp_path / folder).mkdir()
    grids.save_png(tmp_path / "samples/reals.png", np.zeros((8, 8, 3), np.uint8))
    os.mkfifo(tmp_path / "seen")
    command = script(f"""
        import numpy as np
        from wgan.images import grids
        history = {HEADER!r}
        for epoch in (1, 2):
            history += f"{{epoch}},1.5,0.1,1,0.2,\\n"
            (here / "checkpoints/history.csv").write_text(history + "3,1.")  # a row that is just being written
            grids.save_png(here / f"samples/sample_{{epoch:05d}}.png", np.zeros((8, 8, 3), np.uint8))
            print("epoch", epoch, "of <2>")
            open(here / "seen").read()
    """)
    seen = set()

    def react(content):
        for epoch in (1, 2):
            whole = f"epoch {epoch} of &lt;2&gt;" in content and content.count("<img") == 3
            if whole and f"samples, epoch {epoch}<" in content and epoch not in seen:
                seen.add(epoch)
                let_go(tmp_path / "seen")

    assert shown.watch(command, react) == 0
    assert seen == {1, 2}
    assert len(set(shown)) == len(shown)  # nothing is sent again unchanged
    curves = [re.findall(r"base64,([^\"]+)", content)[-1] for content in shown if content.count("<img") == 3]
    assert len(set(curves)) == 2


def test_a_run_that_fails_raises_its_last_line_and_shows_no_traceback(script, shown):
    command = script("""
        print("reading")
        print("train.py: --epochs is 0; it must be at least 1", file=sys.stderr)
        sys.exit(2)
    """)
    with pytest.raises(notebook.RunFailed) as failure:
        shown.watch(command)
    assert str(failure.value) == "train.py: --epochs is 0; it must be at least 1"
    assert failure.value._render_traceback_() == [str(failure.value)]
    assert "reading" in shown[-1] and "--epochs is 0" in shown[-1]


def test_a_run_that_fails_without_a_word_raises_its_status(script, shown):
    with pytest.raises(notebook.RunFailed, match="exit status 7"):
        shown.watch(script("os._exit(7)"))


INTERRUPTIBLE = """
    def stop(number, frame):
        print("saving", flush=True)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if {slow}:
            return
        print("saved at epoch 3")
        sys.exit(130)
    signal.signal(signal.SIGINT, stop)
    print("own session" if os.getsid(0) == os.getpid() else "the notebook's session")
    while os.getsid(0) == os.getpid():
        signal.pause()
"""


@POSIX
@pytest.mark.parametrize("slow, status, last", [(False, 130, "saved at epoch 3"), (True, -signal.SIGINT, "saving")])
def test_interrupts_go_on_to_the_run_and_its_end_is_awaited(script, shown, slow, status, last):
    def react(content):
        if (content.count("\n") == 0 and "own session" in content) or (slow and content.endswith("saving</pre>")):
            raise KeyboardInterrupt

    assert shown.watch(script(INTERRUPTIBLE.format(slow=slow)), react) == status
    assert shown[-1].endswith(f"{last}</pre>")


@pytest.fixture
def earlier(tmp_path, script):
    """A process that holds the run's folder as a training does, until `let_go(tmp_path / "leave")`."""
    os.mkfifo(tmp_path / "leave")
    holder = script(
        """
        from wgan.runs.lock import RunLock
        with RunLock(here / "checkpoints"):
            open(here / "leave").read()
            print("an earlier end")
    """,
        "holder.py",
    )
    with open(notebook.log_path(tmp_path / "checkpoints"), "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", holder.strip("'")], stdout=log, stderr=subprocess.DEVNULL, start_new_session=True
        )
    while lock.holder(tmp_path / "checkpoints") is None:
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()


@POSIX
def test_a_run_that_outlived_the_kernel_is_shown_to_its_end_and_then_continued(tmp_path, script, shown, earlier):
    told = []

    def react(content):
        if "trains here already" in content and not told:
            told.append(content)
            assert notebook.in_training(tmp_path) == ["checkpoints"]
            let_go(tmp_path / "leave")

    assert shown.watch(script("print('continuing')"), react) == 0
    assert told and f"process {earlier.pid} " in told[0] and earlier.poll() == 0
    assert any("an earlier end" in content and "continuing" not in content for content in shown)
    assert notebook.in_training(tmp_path) == []
    assert "continuing" in shown[-1] and "an earlier end" not in shown[-1] and "already" not in shown[-1]


@POSIX
def test_a_run_that_outlived_the_kernel_can_be_stopped_and_is_not_begun_again(tmp_path, script, shown, earlier):
    def react(content):
        if "trains here already" in content:
            raise KeyboardInterrupt

    assert shown.watch(script("(here / 'begun').touch()"), react) == 130
    assert earlier.wait(PATIENCE) == -signal.SIGINT and not (tmp_path / "begun").exists()


def test_other_scripts_pass_their_output_on_and_fail_with_their_last_line(script, capfd):
    notebook.run(script("print(sys.argv[1:])", "a.py") + " --out 'a b'")
    assert capfd.readouterr().out == "['--out', 'a b']\n"
    with pytest.raises(notebook.RunFailed, match="^generate.py: there is no x$"):
        notebook.run(script("print('begun'); sys.exit('generate.py: there is no x')", "b.py"))
    assert capfd.readouterr().out.startswith("begun\n")
    notebook.run(script("print('hidden')", "c.py"), quiet=True)
    assert capfd.readouterr().out == ""
