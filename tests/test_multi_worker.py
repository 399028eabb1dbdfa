"""Runs on two hosts, from their start to a failure of one: nothing hangs, and the same command continues."""

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import forked
import pytest
import several_hosts
import short_runs
import two_devices

from wgan.common.errors import NumbersWentWrong
from wgan.runs import checkpoints
from wgan.training import callbacks
from wgan.training.hosts import Hosts, Meeting

pytestmark = pytest.mark.slow
LOST = "toy_recipe.py: another host has ended or no longer answers; once all are there, the same command on all of them"
LONG = dict(epochs=10**6, sample_every=10**6)


@pytest.fixture(autouse=True)
def ended():
    yield
    several_hosts.kill_all()


def state(folder):
    return short_runs.state_in(folder / "checkpoints")


def begin(folder, monkeypatch):
    """A run of two epochs on one device, which has gone back once, after which other random numbers are drawn."""
    failures = iter([True])

    def fail_once(self, epoch, logs):
        if epoch == 1 and next(failures, False):
            raise NumbersWentWrong("for no reason")

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.WatchNumbers, "on_epoch_end", fail_once)
        settings = two_devices.records_in(folder.parent / "records")
        two_devices.run(folder, [(2, "none")], **settings)
    assert checkpoints.newest_state(folder / "checkpoints").attempt == 1
    return settings


def test_hosts_that_are_lost_and_stopped_continue_to_the_bits_of_two_devices(tmp_path, monkeypatch):
    """A worker is killed, the chief is frozen, one gets a signal; each host reads its rows of records."""
    hosts, devices = tmp_path / "hosts", tmp_path / "devices"
    settings = begin(hosts, monkeypatch)
    shutil.copytree(hosts, devices)
    for number, what in ((1, signal.SIGKILL), (0, signal.SIGSTOP)):
        pair = several_hosts.start(hosts, **settings, **LONG)
        several_hosts.wait_for_epoch(pair[0])
        pair[number].send_signal(what)
        [(status, line)] = several_hosts.ends([pair[1 - number]])
        assert status == 2 and line.startswith(LOST)
        several_hosts.kill_all()

    chief, other = several_hosts.start(hosts, **settings, **LONG)
    several_hosts.wait_for_epoch(chief)
    other.send_signal(signal.SIGTERM)
    (status, line), (status_of_other, _) = several_hosts.ends([chief, other])
    epoch = checkpoints.newest_state(hosts / "checkpoints").epoch
    assert (status, status_of_other) == (143, 143)
    assert line == f"saved at epoch {epoch}; the same command continues"

    end = epoch + 2
    on_devices = forked.Script(two_devices.__file__, devices, end, settings["data_dir"])
    assert several_hosts.run_by_launcher(hosts, **settings, epochs=end) == 0
    assert several_hosts.ends([on_devices])[0][0] == 0
    short_runs.assert_same_arrays(state(hosts), state(devices))
    assert not (hosts / "of_others").exists()


def test_numbers_that_go_wrong_again_and_again_end_all(tmp_path):
    """All hosts go back together until the chief gives up."""
    (status, line), (status_of_other, _) = several_hosts.ends(
        several_hosts.start(tmp_path, epochs=100, critic_steps=8, gradient_penalty_weight=1e12)
    )
    assert (status, status_of_other) == (2, 2)
    assert "the numbers went wrong 4 times" in line


def test_a_host_that_is_lost_after_the_meeting_is_not_awaited_for_ever(tmp_path):
    """TensorFlow would, and would not hear of Ctrl-C."""
    addresses = several_hosts.local_hosts.free_addresses(2)
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(Meeting(Hosts(addresses, 0), 200).hold, {})
        other = several_hosts.start_one(tmp_path, addresses, 1, worker_timeout=0.03)
        [(status, line)] = several_hosts.ends([other])
        assert chief.result() is None and status == 1
    assert line == "connecting the hosts, or ending after 0.03 minutes"
