"""Runs on several hosts, each a process on this machine."""

import pathlib
import subprocess
import sys
import threading

import short_runs
import two_devices

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from local_hosts import environment, free_addresses

STARTED = []


def kill_all():
    """Ends what a test has left."""
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


def start(folder, numbers=(0, 1), **changes):
    """Two hosts' processes, or some of them, of a run of the toy recipe in a folder; the chief is the first.

    Only the chief is given that folder.
    """
    addresses = free_addresses(2)
    return [
        _start(
            [sys.executable, *command(folder if number == 0 else folder / "of_others", changes)],
            environment(addresses, number),
        )
        for number in numbers
    ]


def start_by_launcher(folder, **changes):
    """A process that starts both hosts, with the same words."""
    return _start([sys.executable, str(ROOT / "tools/local_hosts.py"), "--", *command(folder, changes)])


def command(folder, changes):
    """The script of the toy recipe and its flags."""
    fields = short_runs.settings(folder, **{**two_devices.DESCENT, "distribute": "multi_worker", **changes})
    wanted = {name: fields[name] for name in fields if name not in short_runs.SHORT or name in changes}
    return [str(ROOT / "tests/toy_recipe.py"), *short_runs.flags(wanted)]


def _start(words, environment=None):
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    STARTED.append(process)
    return process


def wait_for_epoch(chief):
    """Reads what the chief says until an epoch is over."""
    watchdog = threading.Timer(200, chief.kill)
    watchdog.daemon = True
    watchdog.start()
    while not chief.stdout.readline().startswith("epoch "):
        assert chief.poll() is None
    watchdog.cancel()


def ends(processes, seconds=200):
    """The exit status of each, and the last line that it says."""
    return [
        (process.returncode, (said.splitlines() or [""])[-1])
        for process in processes
        for said in [process.communicate(timeout=seconds)[0]]
    ]
