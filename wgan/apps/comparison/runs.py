"""Trainings made one after another, each by a process of its own that can be stopped and continued."""

import contextlib
import dataclasses
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys
from typing import NamedTuple

from wgan.common import signals
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.config import TrainingConfig
from wgan.runs import files
from wgan.runs.history import read_history
from wgan.runs.run_folder import RunFolder

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRAIN = ["-m", "wgan.apps.train"]  # after `python`; not train.py, which an installation does not have
STOPPED = tuple(128 + number for number in signals.SIGNALS)
MEASURED = ("fid", "kid", "precision", "recall")
SHORTEST_LOOK = 1.0  # seconds between two looks at a run whose time is limited


class PlannedRun(NamedTuple):
    """One setting with one seed."""

    setting: str  # its name
    summary: str  # what the setting is, in words
    seed: int
    config: TrainingConfig
    folder: pathlib.Path  # holds all of the run
    seconds: float | None = None  # of training, after which the run is stopped; None: it goes to its last epoch

    def __str__(self):
        return f"{self.setting}, seed {self.seed}"

    @property
    def log_path(self):
        return self.folder / "log.txt"

    @property
    def history_path(self):
        return RunFolder(self.config).history_path

    @property
    def command(self):
        """The words that start the run, after `python`: train.py with all that differs from the usual settings."""
        usual, chosen, always = self.config.usual.to_json(), self.config.to_json(), ("recipe", "dataset")
        flags = [f"--{name}={value}" for name, value in chosen.items() if name in always or value != usual[name]]
        return [*TRAIN, *flags]

    def is_finished(self):
        """Whether the run's history has all its epochs, or all its seconds and what was measured after them."""
        if RunFolder(self.config).stored_run() is None:
            return False
        history = read_history(self.history_path)
        if self.config.epochs in history:
            return True
        is_over = self.seconds is not None and trained_seconds(history) >= self.seconds
        return is_over and (not self.config.eval_every or "fid" in history[max(history)])

    def ending_at(self, epochs):
        """The run with an end at so many epochs in place of one by time."""
        return self._replace(config=dataclasses.replace(self.config, epochs=epochs), seconds=None)


def environment():
    """Variables for a process that imports this very package, wherever it lies."""
    found = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": found}


def training_times(history):
    """Seconds of training up to and with each epoch: {epoch: seconds}, for what `read_history` gave.

    An epoch that was measured takes seconds more than its updates do, and that often says nothing of the recipe; it
    counts as at most the median of those that were not. Where all were measured, they count as they are.
    """
    measured = {epoch for epoch, row in history.items() if any(name in row for name in MEASURED)}
    plain = [row["seconds"] for epoch, row in history.items() if epoch not in measured]
    usual = statistics.median_high(plain) if plain else math.inf
    times, total = {}, 0.0
    for epoch, row in history.items():
        total += min(row["seconds"], usual) if epoch in measured else row["seconds"]
        times[epoch] = total
    return times


def trained_seconds(history):
    """Those of the last epoch, 0 where there is none."""
    return max(training_times(history).values(), default=0.0)


def execute(run):
    """Begins or continues a run; all that it prints goes to the end of its log.

    Where its time was over, an epoch follows after which it is measured. Returns its exit status, 128 + the number of a
    signal that stopped it or that came to this process meanwhile, and the last line that it printed.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *run.command]
    received, processes = [], []

    def receive(number, frame):  # hands it on to the run, which saves before it stops
        received.append(number)
        for process in processes:
            _send(process, number)

    with open(run.log_path, "ab") as log:
        log.write(f"$ {' '.join(command)}\n".encode(errors="replace"))
        if run.seconds is not None:
            log.write(f"(ends after {run.seconds:g} seconds of training, not at its last epoch)\n".encode())
        log.flush()
        start = log.tell()
        # Of its own session, since a terminal would send it Ctrl-C too, and the second one stops it unsaved.
        options = dict(stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment())
        with signals.handled(receive):
            process = subprocess.Popen(command, **options)
            processes.append(process)
            for number in tuple(received):  # came before there was a process
                _send(process, number)
            status = _wait(run, process, received)
    if received:
        status = 128 + received[0]
    if status == 0 and run.seconds is not None and not run.is_finished():
        return execute(run.ending_at(max(read_history(run.history_path), default=0) + 1))  # the last one is measured
    last_line = one_line(["it printed nothing", *files.last_lines(run.log_path, start)][-1])
    return (status if status >= 0 else 128 - status), last_line


def _send(process, number):
    if os.name == "posix":  # Windows gives Ctrl-C to both by itself
        process.send_signal(number)


def _wait(run, process, received):
    """The status with which the process ends, 0 where it was stopped here because its time was over."""
    if run.seconds is None:
        return process.wait()
    while True:
        left = SHORTEST_LOOK
        with contextlib.suppress(OSError, UserError):  # a drive may fail once, and the run goes on meanwhile
            left = run.seconds - trained_seconds(read_history(run.history_path))
        if left <= 0 and not received:  # a second signal would stop it unsaved
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(max(left, SHORTEST_LOOK))  # its time cannot be over sooner
    process.terminate()
    status = process.wait()
    return 0 if status in (-signal.SIGTERM, 128 + signal.SIGTERM) else status


def run_all(runs, publish):
    """Makes the runs that are not finished, in turn.

    After each one, and once where none is left to run, `publish` is called with the failures so far: a dictionary
    from runs to words. Returns the exit status: 0, 1 where runs have failed, or that of a run that a signal stopped.
    """
    pending = [run for run in runs if not run.is_finished()]
    print(f"{len(runs) - len(pending)} of {len(runs)} runs are finished", flush=True)
    failed = {}
    for number, run in enumerate(pending, 1):
        print(f"{number} of {len(pending)}: {run}; {run.log_path}", flush=True)
        status, last_line = execute(run)
        if status in STOPPED:
            print(f"stopped in {run}; the same command continues", file=sys.stderr)
            return status
        if status:
            failed[run] = f"failed with status {status}: {last_line}"
            print(f"{run} {failed[run]}", file=sys.stderr, flush=True)
        publish(failed)
    if not pending:
        publish(failed)
    if failed:
        print(f"{len(failed)} of {len(runs)} runs failed: {'; '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0
