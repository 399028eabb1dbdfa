"""train.py as a user starts it."""

import logging
import os
import signal
import subprocess
import sys
import threading

import pytest
import tensorflow as tf
from short_runs import ROOT

from wgan.apps import train
from wgan.common import signals, startup
from wgan.recipes import RECIPES
from wgan.runs.history import read_history
from wgan.training.callbacks import StopOnSignal


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--epochs 0", "--epochs is 0; it must be at least 1"),
        ("--epochs many", "many"),
        ("--epoch 5", "Did you mean: epochs"),
        ("5", "'5' belongs to no flag"),
        ("--label 10", "10"),
        ("--label hrose", "horse"),
        ("--learning_rate -1", "--learning_rate is -1.0; it must be more than 0"),
        ("--learning_rate nan", "--learning_rate is nan; it must be a finite number"),
        ("--dataset cifar", "--dataset is 'cifar' (did you mean \"cifar10\"?); choose one of cifar10, mnist"),
        ("--dataset digits --split train", "split"),
        ("--data_dir /no/such/folder", "/no/such/folder"),
        ("--critic_steps 256", "--critic_steps is 256; it must be less than 256"),
        ("--init_from /no/such/generator.h5", "/no/such/generator.h5"),
        ("--checkpoint_dir=", "--checkpoint_dir is empty"),
    ],
)
def test_a_wrong_flag_is_answered_in_one_line(refusal, flags, words):
    assert words in refusal(train, *flags.split())


def test_help_shows_every_flag_with_its_default(run_script):
    status, out, _ = run_script(train, "--help")
    assert status == 0
    for words in ("--label", "--epochs [12000]", "--batch_size [32]", "--seed [0]", "--dry_run", "Data:"):
        assert words in out
    assert all(recipe.summary in " ".join(out.split()) for recipe in RECIPES.values())


def start(tmp_path, script, *arguments):
    places = ("--checkpoint_dir", tmp_path / "c", "--sample_dir", tmp_path / "s")
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([sys.executable, "-u", script, *arguments, *places], cwd=ROOT, **pipes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize(
    "number, status", [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)]
)
def test_a_signal_saves_and_the_same_command_goes_on(toy, run_script, tmp_path, number, status):
    with start(tmp_path, "tests/toy_recipe.py", "--epochs", "1000000", "--sample_every", "1000000") as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                process.send_signal(number)
                break
        out, err = process.communicate()
    assert process.returncode == status
    assert "Traceback" not in err
    saved = int(out.split("saved at epoch ")[1].split(";")[0])
    assert len((tmp_path / "c/history.csv").read_text().splitlines()) == saved + 1

    places = (f"--checkpoint_dir={tmp_path / 'c'}", f"--sample_dir={tmp_path / 's'}")
    status, out, err = run_script(train, "--recipe=toy", f"--epochs={saved + 1}", "--sample_every=1000000", *places)
    assert status == 0, err
    assert f"continuing the run in {tmp_path / 'c'} after epoch {saved}" in out


@pytest.mark.slow
def test_deterministic_runs(tmp_path):
    """In a process of its own: TensorFlow cannot go back."""
    words = "--dataset digits --label 3 --batch_size 4 --critic_steps 1 --epochs 2 --deterministic".split()
    with start(tmp_path, "train.py", *words) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "done: 2 epochs" in out


@pytest.mark.slow
def test_on_real_horses_the_estimate_rises_while_the_critic_learns_then_turns(official, tmp_path):
    words = "--label=7", "--epochs=20", "--precision=float32", f"--data_dir={official}"
    with start(tmp_path, "train.py", *words) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "cifar10 horse" in out and "6000 images" in out
    rows = read_history(tmp_path / "c/history.csv").values()
    estimates, norms = ([row[name] for row in rows] for name in ("wasserstein_estimate", "gradient_norm"))
    assert len(rows) == 20
    assert 0 < estimates[0] < 2  # the critic knows nothing yet
    assert max(estimates) > 5  # it tells noise from horses
    assert estimates[-1] < max(estimates)  # and the generator has begun to follow
    assert norms[0] < 0.5 and 0.7 < norms[-1] < 2  # the penalty has pulled the slope towards 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_what_was_ignored_before_stays_ignored_as_under_nohup():
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopOnSignal() as stop:
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            signal.raise_signal(signal.SIGHUP)
        assert stop.signal_number is None
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_a_signal_is_told_at_once_in_the_middle_of_a_long_call_of_tensorflow():
    told = tf.queue.FIFOQueue(1, tf.int32)
    otherwise = threading.Timer(60, told.enqueue, [-1])  # so that a failure does not hang
    otherwise.start()
    try:
        with signals.handled(lambda *_: None), signals.noticed(told.enqueue):
            threading.Thread(target=signal.raise_signal, args=[signal.SIGTERM]).start()
            assert told.dequeue() == signal.SIGTERM  # in which Python calls no handler
    finally:
        otherwise.cancel()


def test_the_second_signal_ends_the_program_in_the_middle_of_such_a_call():
    code = """
import signal, threading
import tensorflow as tf
from wgan.training.callbacks import StopOnSignal

def come_twice(number):  # in a thread of the data set's, for which the main thread waits within TensorFlow
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    threading.Event().wait()

with StopOnSignal():
    data = tf.data.Dataset.range(1).map(lambda number: tf.numpy_function(come_twice, [number], tf.int64))
    next(iter(data.prefetch(1)))
"""
    program = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert program.returncode == 128 + signal.SIGTERM
    assert "stopping after this epoch; once more to stop without saving" in program.stderr


def test_a_closed_terminal_does_not_keep_the_state_from_being_saved(monkeypatch):
    def gone(*arguments):
        raise OSError(5, "Input/output error")

    with StopOnSignal() as stop:
        monkeypatch.setattr(os, "write", gone)
        signal.raise_signal(signal.SIGINT)
        monkeypatch.undo()
        assert stop.signal_number == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # the second one ends the program


def test_no_script_warns_of_functions_that_are_traced_for_each_class(monkeypatch):
    warned = []
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "handlers", [handler := logging.Handler()])
    monkeypatch.setattr(handler, "emit", lambda record: warned.append(record.getMessage()))

    def retrace(function):
        for _ in range(9):
            tf.function(function, autograph=False)()
        return warned

    assert retrace(lambda: tf.zeros([]))  # of each function TensorFlow warns twice, and then no more
    warned.clear()
    startup.settle()
    assert not retrace(lambda: tf.ones([]))
