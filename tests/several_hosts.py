"""Runs on several hosts, each a process on this machine."""

import pathlib
import subprocess
import sys

import forked
import short_runs
import two_devices

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import local_hosts

STARTED = []


def kill_all():
    """Ends what a test has left."""
    while STARTED:
        host = STARTED.pop()
        host.kill()
        host.wait()


def start(folder, **changes):
    """Two hosts of a run of the toy recipe in a folder; the chief is the first. Only the chief is given that folder."""
    addresses = local_hosts.free_addresses(2)
    return [
        start_one(place, addresses, number, **changes) for number, place in enumerate((folder, folder / "of_others"))
    ]


def start_one(folder, addresses, number, **changes):
    """One host of such a run."""
    STARTED.append(forked.Script(*command(folder, changes), environment=local_hosts.environment(addresses, number)))
    return STARTED[-1]


def run_by_launcher(folder, **changes):
    """The same run to its end as a user starts it, both hosts with the same words; the exit status."""
    words = [sys.executable, local_hosts.__file__, "--", *command(folder, changes)]
    return subprocess.run(words, timeout=200).returncode


def command(folder, changes):
    """The script of the toy recipe and its flags."""
    fields = short_runs.settings(folder, **{**two_devices.DESCENT, "distribute": "multi_worker", **changes})
    wanted = {name: fields[name] for name in fields if name not in short_runs.SHORT or name in changes}
    return [str(ROOT / "tests/toy_recipe.py"), *short_runs.flags(wanted)]


def wait_for_epoch(chief):
    """Reads what the chief says until an epoch is over."""
    while not (line := chief.read_line()).startswith("epoch "):
        assert line, "the chief has ended"


def ends(hosts):
    """The exit status of each, and the last line that it says."""
    return [(host.status, (said.splitlines() or [""])[-1]) for host in hosts for said in [host.read_to_end()]]
