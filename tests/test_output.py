"""Runs whose output nobody reads any more, and exceptions that end it: the training is saved all the same."""

import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import short_runs
from PIL import Image
from short_runs import ROOT

from wgan.common import output
from wgan.runs import checkpoints, files
from wgan.training import callbacks
from wgan.training.launch import launch

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files and terminals")


def state_of(config):
    return checkpoints.newest_state(config.checkpoint_dir)


def start(script, *arguments, before=(), **options):
    return subprocess.Popen([*before, sys.executable, str(ROOT / script), *arguments], cwd=ROOT, **options)


def train(folder, *arguments, **options):
    return start(
        "tests/toy_recipe.py", f"--checkpoint_dir={folder}/c", f"--sample_dir={folder}/s", *arguments, **options
    )


def test_a_reader_that_leaves_and_an_encoding_that_lacks_letters_stop_nothing(tmp_path):
    images = tmp_path / "фото" / "кошки"
    images.mkdir(parents=True)
    for number in range(16):
        Image.new("L", (8, 8), 10 * number).save(images / f"{number}.png")
    words = ("--dataset=folder", f"--data_dir={images.parent}", "--label=кошки", "--epochs=4")
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    run = train(tmp_path, *words, **streams, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    first = run.stdout.readline().decode("cp1252")
    run.stdout.close()
    assert r"\u043a\u043e\u0448\u043a\u0438: 16 images" in first
    assert run.wait() == 0
    assert checkpoints.newest_state(tmp_path / "c").epoch == 4


@posix
@pytest.mark.slow
def test_a_terminal_that_is_closed_stops_the_run_with_its_state_saved(tmp_path):
    """The terminal sends SIGHUP, and then answers every write with an error."""
    import fcntl
    import pty
    import struct
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))  # without columns no bar is shown
    take_terminal = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    before = (sys.executable, "-c", take_terminal)
    words = ("--epochs=100000", "--sample_every=1000")
    run = train(tmp_path, *words, before=before, **streams, start_new_session=True)
    os.close(terminal)
    shown = b""
    while b" 1/100000 " not in shown:
        shown += os.read(controller, 4096)
    os.close(controller)
    assert run.wait() == 129
    state = checkpoints.newest_state(tmp_path / "c")
    assert state.epoch == len(state.history.rows) >= 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_on_a_full_disk_stops_nothing(toy, monkeypatch):
    full = open("/dev/full", "w")
    monkeypatch.setattr(sys, "stdout", full)
    monkeypatch.setattr(sys, "stderr", full)
    config = toy()
    assert launch(config) == 0
    monkeypatch.undo()
    with pytest.raises(OSError):  # the calling program's own output does not go elsewhere now
        print("x", file=full, flush=True)
    with contextlib.suppress(OSError):
        full.close()
    assert state_of(config).epoch == 2


@posix
@pytest.mark.parametrize(
    "redirection",
    [">&- 2>&- <&-", *(pytest.param(each, marks=pytest.mark.slow) for each in (">/dev/full 2>&1", "2>&- | true"))],
)
def test_every_script_works_without_anywhere_to_write_to(tmp_path, redirection):
    """By one that needs no TensorFlow: they all run by `cli.run`."""
    script = f"{sys.executable} {ROOT}/examples/earth_mover.py --output {tmp_path}/image.png"
    status = subprocess.run(["bash", "-c", f"set -o pipefail; {script} {redirection}"], cwd=tmp_path).returncode
    assert status == 0
    with Image.open(tmp_path / "image.png") as image:
        image.load()


def test_help_whose_reader_leaves_ends_well():
    help_text = start("train.py", "--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    help_text.stdout.close()
    assert (help_text.stderr.read(), help_text.wait()) == (b"", 0)
    help_text.stderr.close()


def test_streams_are_given_back_as_they_were(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", None)
    with output.tolerant():
        print("é", file=sys.stdout)
        print("nowhere", file=sys.stderr)
    stream.flush()
    assert stream.buffer.getvalue() == b"\\xe9\n"
    assert sys.stdout is stream and stream.errors == "strict" and sys.stderr is None


def test_names_that_are_no_text_can_be_written(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    files.write_text(tmp_path / "a.json", json.dumps([name, "café"], ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name, "café"]


def test_whatever_ends_the_training_the_newest_state_is_saved(finished_toy, tmp_path, monkeypatch):
    """Before the history has the epoch, and after it."""
    whole = finished_toy(epochs=4)
    for callback, error in ((callbacks.WatchNumbers, RuntimeError), (callbacks.Progress, KeyboardInterrupt)):
        broken = short_runs.elsewhere(whole, tmp_path / callback.__name__)
        original = callback.on_epoch_end

        def end(self, epoch, logs):
            if epoch == 2:
                raise error("for no reason")
            original(self, epoch, logs)

        with monkeypatch.context() as patched:
            patched.setattr(callback, "on_epoch_end", end)
            with pytest.raises(error):
                launch(broken)
        assert state_of(broken).epoch == 3
        assert launch(broken) == 0
        assert np.isfinite(state_of(broken).history.column("seconds")).all()
        short_runs.assert_same_state(whole, broken)
