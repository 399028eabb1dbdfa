"""How the hosts of a run find each other: all agree, or each ends with a line that says why not."""

import json
import signal
import socket
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
from several_hosts import ROOT, local_hosts

from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.training import distribution
from wgan.training.hosts import Hosts, Meeting, NothingToDo, from_environment
from wgan.training.launch import launch

FACTS = {"batch_size": 128, "seed": 0}


def meet(hosts, facts, seconds):
    """As a run does, which tells the others of its own errors."""
    meeting = Meeting(hosts, seconds)
    try:
        meeting.hold(facts)
    except UserError as error:
        meeting.leave(2, error)
        raise


def connected(address):
    """A connection to the chief, once it listens."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            return socket.create_connection((host, int(port)))
        except ConnectionRefusedError:
            continue


def results(*arguments):
    """What a meeting comes to for hosts that come at once: None, or what is said."""

    def result(argument):
        try:
            meet(*argument)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(result, arguments))


def test_hosts_that_agree_meet():
    addresses = local_hosts.free_addresses(3)
    assert results(*((Hosts(addresses, number), FACTS, 30) for number in range(3))) == [None] * 3


def test_a_difference_is_named_on_all_hosts_with_both_values():
    addresses = local_hosts.free_addresses(3)
    others = {**FACTS, "batch_size": 64}
    found = results(*((Hosts(addresses, number), others if number == 2 else FACTS, 30) for number in range(3)))
    place = f"host 2 ({addresses[2]}) and 128 on the chief ({addresses[0]})"
    assert found == [f"batch_size is 64 on {place}; make them equal"] * 3


def test_two_processes_with_one_number_are_told():
    """The second cannot have the port of the first, so its address is another one."""
    addresses = local_hosts.free_addresses(4)
    hosts = [Hosts(addresses[:3], 0), Hosts(addresses[:3], 1), Hosts((addresses[0], addresses[3], addresses[2]), 1)]
    found = results(*((each, FACTS, 30) for each in hosts))
    assert (
        found
        == [f"two processes are host 1 ({addresses[1]}), or it was started twice; give each its own index in TF_CONFIG"]
        * 3
    )


@pytest.mark.parametrize("number, error", [(0, UserError), (1, UserError), (0, NothingToDo)])
def test_a_host_that_ends_tells_the_others_why(number, error, capfd):
    """At once, though one of four is not there yet."""
    addresses = local_hosts.free_addresses(4)
    hosts = [Hosts(addresses, each) for each in range(3)]
    with ThreadPoolExecutor(3) as pool:
        left = pool.submit(Meeting(hosts.pop(number), 30).leave, 2 if error is UserError else 0, "no\nroom")
        others = [pool.submit(meet, each, FACTS, 30) for each in hosts]
        told = r"^(the chief|host 1) \(127.0.0.1:\d+\) ends: no room$"
        with pytest.raises(error, match=told):
            others[1].result()
        with connected(addresses[0]) as last:
            last.sendall(json.dumps([3, FACTS, None]).encode() + b"\n")
            with pytest.raises(error, match=told):
                others[0].result()
            left.result()
    assert capfd.readouterr().err.startswith("no room; telling the other hosts")


def test_a_host_that_is_started_again_is_let_in():
    addresses = local_hosts.free_addresses(3)
    with ThreadPoolExecutor(3) as pool:
        chief = pool.submit(meet, Hosts(addresses, 0), FACTS, 30)
        with connected(addresses[0]) as gone:
            gone.sendall(json.dumps([1, FACTS, None]).encode() + b"\n")
        with connected(addresses[0]) as last:  # the last one that is missed, but for the one that has gone
            last.sendall(json.dumps([2, FACTS, None]).encode() + b"\n")
            again = pool.submit(meet, Hosts(addresses, 1), FACTS, 30)
            assert [each.result() for each in (chief, again)] == [None] * 2


@pytest.mark.parametrize("number, missing", [(0, "host 1"), (1, "the chief")])
def test_a_host_that_does_not_come_is_named(number, missing):
    addresses = local_hosts.free_addresses(2)
    with pytest.raises(UserError, match=f"^not here within --worker_timeout: {missing} "):
        meet(Hosts(addresses, number), FACTS, 0.1)


@pytest.fixture
def as_host(toy, monkeypatch):
    """Runs the toy recipe as one of two hosts; the other, a function of a `Hosts`, is a thread. What both come to."""

    def result(number, other, **changes):
        addresses = local_hosts.free_addresses(2)
        monkeypatch.setenv("TF_CONFIG", local_hosts.environment(addresses, number)["TF_CONFIG"])
        with ThreadPoolExecutor(1) as pool:
            called = pool.submit(other, Hosts(addresses, 1 - number))
            return outcome(launch, toy(distribute="multi_worker", **changes)), outcome(called.result)

    return result


def outcome(call, *arguments):
    """What a call gives, or the error that it raises."""
    try:
        return call(*arguments)
    except (UserError, NothingToDo) as error:
        return error


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_that_is_refused_on_one_host_tells_the_other(as_host, number):
    refused, told = as_host(number, lambda other: meet(other, FACTS, 30), label="horse")
    assert isinstance(refused, UserError) and isinstance(told, UserError)
    assert "horse" in str(refused) and str(told).endswith(f" ends: {refused}")


def test_hosts_compare_settings_code_versions_and_gpus_but_not_what_the_chief_alone_reads():
    noted = types.SimpleNamespace(hold=lambda facts: vars(noted).update(facts=facts))
    config = TrainingConfig(init_from="/of/the/chief.h5", data_dir="/of/this/host", epochs=7)
    distribution.meet(noted, config, {"the images' SHA-256": "a"})
    facts = noted.facts
    assert facts.keys() >= {"batch_size", "seed", "precision", "TensorFlow's version", "Keras's version"}
    assert (facts["epochs"], facts["the images' SHA-256"], facts["the number of GPUs"]) == (7, "a", 0)
    assert len(facts["the SHA-256 of this project's code"]) == 64
    assert not facts.keys() & {"init_from", "data_dir", "checkpoint_dir"}


def test_a_finished_run_ends_well_on_the_other_hosts(finished_toy, as_host):
    finished_toy(epochs=3)
    status, told = as_host(0, lambda other: meet(other, FACTS, 30), epochs=3)
    assert status == 0 and isinstance(told, NothingToDo) and str(told).endswith(" ends: the run is finished")


def test_a_chief_whose_run_is_finished_ends_its_other_hosts_well(as_host):
    assert as_host(1, lambda chief: Meeting(chief, 30).leave(0, "the run is finished")) == (0, None)


def test_a_chief_that_never_comes_ends_the_run(as_host):
    late, _ = as_host(1, lambda chief: None, worker_timeout=0.001)
    assert isinstance(late, UserError) and str(late).startswith("not here within --worker_timeout: the chief")


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"[1, 2, null]\n", b"[" * 60_000 + b"\n"])
def test_somebody_else_who_calls_changes_nothing(said):
    addresses = local_hosts.free_addresses(2)

    def call():
        with connected(addresses[0]) as connection:
            connection.sendall(said)

    with ThreadPoolExecutor(2) as pool:
        chief = pool.submit(meet, Hosts(addresses, 0), FACTS, 30)
        pool.submit(call).result()
        meet(Hosts(addresses, 1), FACTS, 30)
        chief.result()


@pytest.fixture
def taken():
    """An address whose port another program listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_chief_whose_port_is_in_use_says_so(taken):
    with pytest.raises(UserError, match=f"^port {taken[10:]}, .* the chief .* is in use by another program"):
        meet(Hosts((taken, "127.0.0.1:1"), 0), FACTS, 30)


def test_another_host_whose_port_is_in_use_tells_all(taken):
    addresses = (*local_hosts.free_addresses(2), taken)
    reason = f"port {taken[10:]}, which TF_CONFIG gives host 2 ({taken}), is in use by another program"
    told = f"host 2 ({taken}) ends: {reason}"
    assert results(*((Hosts(addresses, number), FACTS, 30) for number in range(3))) == [told, told, reason]
    assert results((Hosts(addresses, 2), FACTS, 0.1)) == [reason]  # also where there is no chief


def test_a_chief_with_an_address_of_ipv6_is_found():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    _, port = local_hosts.free_addresses(1)[0].split(":")
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(meet, Hosts((f"::1:{port}", "127.0.0.1:1"), 0), {}, 30)
        with connected(f"::1:{port}") as host:
            host.sendall(b"[1, {}, null]\n")
            assert chief.result() is None


def cluster(index=0, kind="worker", **hosts):
    return json.dumps({"cluster": hosts, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "needs TF_CONFIG in the environment"),
        ("{", "it must be like"),
        ("[]", "it must be like"),
        (cluster(worker=["a:1", "b:2"], index=2), "it must be like"),
        (cluster(worker=["a:1", "b"]), "it must be like"),
        (cluster(worker=["a:1", "b:70000"]), "it must be like"),
        (cluster(worker=["a:1", "[::1]:2"]), "it must be like"),
        (cluster(worker=["a:1"], ps=["b:1"]), "it must be like"),
        (cluster(chief=["a:1", "b:1"], worker=["c:1"]), "names 2 chiefs"),
        (cluster(worker=["a:1"]), "two hosts or more"),
        (cluster(worker=["a:1", "a:1"]), "two hosts or more"),
    ],
)
def test_what_the_environment_says_wrongly_is_refused(monkeypatch, text, words):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=words):
        from_environment()


def test_a_chief_of_its_own_comes_first(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster(chief=["a:1"], worker=["b:1", "c:1"], index=1))
    assert from_environment() == Hosts(("a:1", "b:1", "c:1"), 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_launcher_passes_a_signal_on_to_every_host(tmp_path, number):
    script = tmp_path / "host.py"
    script.write_text(
        "import json, os, signal, sys\n"
        "signal.alarm(120)\n"
        "signal.signal(int(sys.argv[1]), lambda number, frame: sys.exit(128 + number))\n"
        "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"
        "os.write(1, b'%d\\n' % index)  # at once: both hosts write into one pipe\n"
        "while True: signal.pause()\n"
    )
    words = [sys.executable, str(ROOT / "tools/local_hosts.py"), "--", str(script), str(int(number))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as launcher:
        assert sorted(launcher.stdout.readline() for _ in range(2)) == ["0\n", "1\n"]
        launcher.send_signal(number)
        launcher.communicate(timeout=60)  # to the end of what all processes may say
        assert launcher.returncode == 128 + number


@pytest.mark.parametrize("status", [0, 3])
def test_the_launcher_ends_as_its_hosts_do(tmp_path, status):
    script = tmp_path / "host.py"
    script.write_text(
        "import json, os, sys\n"
        "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"
        "sys.exit(index * int(sys.argv[1]))\n"
    )
    words = [sys.executable, str(ROOT / "tools/local_hosts.py"), "--", str(script), str(status)]
    assert subprocess.run(words, timeout=60).returncode == status
