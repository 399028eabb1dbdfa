"""Runs on two hosts, from their start to a failure of one: nothing hangs, and the same command continues."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import several_hosts
import short_runs
import two_devices

from wgan.common.errors import NumbersWentWrong
from wgan.runs import checkpoints
from wgan.training import callbacks

pytestmark = pytest.mark.slow
LOST = "toy_recipe.py: another host has ended or no longer answers; once all are there, the same command on all of them"


@pytest.fixture(autouse=True)
def ended():
    yield
    several_hosts.kill_all()


def state(folder):
    return short_runs.state_in(folder / "checkpoints")


def test_a_run_whose_hosts_were_killed_and_stopped_ends_in_the_same_bits(tmp_path):
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    chief, other = several_hosts.start(parts, epochs=10**6, sample_every=10**6)
    several_hosts.wait_for_epoch(chief)
    other.kill()
    [(status, line)] = several_hosts.ends([chief])
    assert status == 2 and line.startswith(LOST)
    several_hosts.ends([other])

    chief, other = several_hosts.start(parts, epochs=10**6, sample_every=10**6)
    several_hosts.wait_for_epoch(chief)
    other.send_signal(signal.SIGTERM)
    (status, line), (status_of_other, _) = several_hosts.ends([chief, other])
    epoch = checkpoints.newest_state(parts / "checkpoints").epoch
    assert (status, status_of_other) == (143, 143)
    assert line == f"saved at epoch {epoch}; the same command continues"

    for folder in (parts, whole):
        assert [status for status, _ in several_hosts.ends(several_hosts.start(folder, epochs=epoch + 2))] == [0, 0]
    short_runs.assert_same_arrays(state(parts), state(whole))
    assert not (parts / "of_others").exists() and not (whole / "of_others").exists()


@pytest.mark.parametrize("number, what", [(0, signal.SIGKILL), (1, signal.SIGSTOP)])
def test_a_host_that_is_killed_or_frozen_ends_the_other(tmp_path, number, what):
    hosts = several_hosts.start(tmp_path, epochs=10**6, sample_every=10**6)
    several_hosts.wait_for_epoch(hosts[0])
    hosts[number].send_signal(what)
    [(status, line)] = several_hosts.ends([hosts[1 - number]])
    assert status == 2 and line.startswith(LOST)


def test_numbers_that_go_wrong_again_and_again_end_all(tmp_path):
    """All hosts go back together until the chief gives up."""
    (status, line), (status_of_other, _) = several_hosts.ends(
        several_hosts.start(tmp_path, epochs=100, critic_steps=40, gradient_penalty_weight=1e12)
    )
    assert (status, status_of_other) == (2, 2)
    assert "the numbers went wrong 4 times" in line


@pytest.mark.parametrize("number, missing", [(0, "host 1"), (1, "the chief")])
def test_a_host_that_never_comes_ends_the_wait(tmp_path, number, missing):
    [(status, line)] = several_hosts.ends(several_hosts.start(tmp_path, [number], epochs=2, worker_timeout=0.01))
    assert status == 2 and line.startswith(f"toy_recipe.py: not here within --worker_timeout: {missing}")


def test_two_hosts_continue_a_run_of_one_device_to_its_end_but_for_rounding(tmp_path, monkeypatch):
    """A run that has gone back once, after which other random numbers are drawn, on all hosts."""
    one, two = tmp_path / "one", tmp_path / "two"
    failures = iter([True])

    def fail_once(self, epoch, logs):
        if epoch == 1 and next(failures, False):
            raise NumbersWentWrong("for no reason")

    monkeypatch.setattr(callbacks.WatchNumbers, "on_epoch_end", fail_once)
    two_devices.run(one, [(2, "none")])
    assert checkpoints.newest_state(one / "checkpoints").attempt == 1
    shutil.copytree(one, two)
    two_devices.run(one, [(4, "none")])
    assert [status for status, _ in several_hosts.ends(several_hosts.start(two, epochs=4))] == [0, 0]
    ones, others = state(one), state(two)
    assert ones.keys() == others.keys()
    for name in ones:
        np.testing.assert_allclose(others[name], ones[name], rtol=1e-3, atol=1e-4, err_msg=name, equal_nan=True)


def test_two_hosts_end_in_the_bits_of_two_devices_of_one(tmp_path):
    subprocess.run([sys.executable, two_devices.__file__, str(tmp_path / "devices"), "4"], check=True)
    assert [status for status, _ in several_hosts.ends(several_hosts.start(tmp_path / "hosts", epochs=4))] == [0, 0]
    short_runs.assert_same_arrays(state(tmp_path / "devices"), state(tmp_path / "hosts"))
