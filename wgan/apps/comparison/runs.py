"""Trainings made one after another, each by a process of its own that can be stopped and continued."""

import dataclasses
import math
import os
import pathlib
import signal
import statistics
import subprocess
import sys

from wgan.common.messages import one_line
from wgan.config import TrainingConfig
from wgan.runs.history import read_history
from wgan.runs.run_folder import RunFolder

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRAIN = ["-m", "wgan.apps.train"]  # after `python`; not train.py, which an installation does not have
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
STOPPED = tuple(128 + number for number in SIGNALS)
MEASURED = ("fid", "kid", "precision", "recall")
SHORTEST_LOOK = 1.0  # seconds between two looks at a run whose time is limited


@dataclasses.dataclass(frozen=True)
class Run:
    """One setting with one seed.

    Attributes:
        setting: its name.
        summary: what the setting is, in words.
        seed: of the run.
        config: a checked `TrainingConfig`.
        folder: holds all of the run.
        seconds: of training, after which the run is stopped; None: it goes to its last epoch.
    """

    setting: str
    summary: str
    seed: int
    config: TrainingConfig
    folder: pathlib.Path
    seconds: float | None = None

    def __str__(self):
        return f"{self.setting}, seed {self.seed}"

    @property
    def log_path(self):
        return self.folder / "log.txt"

    @property
    def history_path(self):
        return RunFolder(self.config).history_path


def command_of(run):
    """The words that start the run: train.py with all that differs from its recipe's settings."""
    usual, chosen = TrainingConfig.of_recipe(run.config.recipe).to_json(), run.config.to_json()
    differing = {name: value for name, value in chosen.items() if value != usual[name] or name == "recipe"}
    return [sys.executable, *TRAIN, *(f"--{name}={value}" for name, value in differing.items())]


def environment():
    """Variables for a process that imports this very package, wherever it lies."""
    found = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": found}


def is_finished(run):
    """Whether the run's history has all its epochs, or all its seconds."""
    if RunFolder(run.config).stored_run() is None:
        return False
    history = read_history(run.history_path)
    return run.config.epochs in history or (run.seconds is not None and trained_seconds(history) >= run.seconds)


def training_times(history):
    """Seconds of training up to and with each epoch: {epoch: seconds}, for what `read_history` gave.

    An epoch that was measured takes seconds more than its updates do, and that often says nothing of the recipe; it
    counts as at most the median of those that were not. Where all were measured, they count as they are.
    """
    plain = [row["seconds"] for row in history.values() if not _is_measured(row)]
    usual = statistics.median_high(plain) if plain else math.inf
    times, total = {}, 0.0
    for epoch, row in history.items():
        total += min(row["seconds"], usual) if _is_measured(row) else row["seconds"]
        times[epoch] = total
    return times


def trained_seconds(history):
    """Those of the last epoch, 0 where there is none."""
    return max(training_times(history).values(), default=0.0)


def _is_measured(row):
    return any(name in row for name in MEASURED)


def execute(run):
    """Begins or continues a run; all that it prints goes to the end of its log.

    Returns:
        Its exit status (0 where its time was over, 128 + the number of a signal that stopped it otherwise, or that
        came to this process meanwhile), and the last line that it printed.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    command = command_of(run)
    with open(run.log_path, "ab") as log:
        log.write(f"$ {' '.join(command)}\n".encode(errors="replace"))
        log.flush()
        start = log.tell()
        status = _run_to_its_end(run, command, log)
    return status, _last_line(run.log_path, start)


def _run_to_its_end(run, command, log):
    """Runs a command and hands it the signals that come meanwhile: it saves before it stops."""
    received, process = [], None

    def receive(number, frame):
        received.append(number)
        if process is not None:
            pass_on(number)

    def pass_on(number):
        if os.name == "posix":  # Windows gives Ctrl-C to both by itself
            process.send_signal(number)

    earlier = {
        number: signal.signal(number, receive) for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN
    }  # under nohup they stay ignored
    try:
        # Of its own session, since a terminal would send it Ctrl-C too, and the second one stops it unsaved.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment()
        )
        for number in tuple(received):  # came before there was a process
            pass_on(number)
        status = _wait(run, process, received)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    if received:
        return 128 + received[0]
    return status if status >= 0 else 128 - status


def _wait(run, process, received):
    """The status with which the process ends, 0 where it was stopped here because its time was over."""
    if run.seconds is None:
        return process.wait()
    while True:
        left = run.seconds - trained_seconds(read_history(run.history_path))
        if left <= 0 and not received:  # a second signal would stop it unsaved
            break
        try:  # its time cannot be over sooner
            return process.wait(max(left, SHORTEST_LOOK))
        except subprocess.TimeoutExpired:
            continue
    process.terminate()
    status = process.wait()
    return 0 if status in (-signal.SIGTERM, 128 + signal.SIGTERM) else status


def _last_line(path, start, longest=4096):
    """The last line of a file that is not empty, from byte `start` on."""
    with open(path, "rb") as file:
        file.seek(max(start, path.stat().st_size - longest))
        lines = file.read().decode(errors="replace").split("\n")
    return next((one_line(line) for line in reversed(lines) if line.strip()), "it printed nothing")


def run_all(runs, publish):
    """Makes the runs that are not finished, in turn.

    Args:
        runs: a list of `Run`s.
        publish: called after each run, and once where nothing is left to run, with the failures so far: a
            dictionary from runs to words.

    Returns:
        The exit status: 0, 1 where runs have failed, or that of a run which was stopped by a signal.
    """
    pending = [run for run in runs if not is_finished(run)]
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
