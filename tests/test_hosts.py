"""How the hosts of a run find each other: all agree, or each ends with a line that says why not."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from several_hosts import free_addresses

from wgan.common.errors import UserError
from wgan.training.hosts import Hosts, from_environment, meet

FACTS = {"batch_size": 128, "seed": 0}


def results(*arguments):
    """What `meet` comes to for hosts that call it at once: None, or what it says."""

    def result(argument):
        try:
            meet(*argument)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(result, arguments))


def test_hosts_that_agree_meet():
    addresses = free_addresses(3)
    assert results(*((Hosts(addresses, number), FACTS, 30) for number in range(3))) == [None] * 3


def test_a_difference_is_named_on_all_hosts_with_both_values():
    addresses = free_addresses(3)
    others = {**FACTS, "batch_size": 64}
    found = results(*((Hosts(addresses, number), others if number == 2 else FACTS, 30) for number in range(3)))
    place = f"host 2 ({addresses[2]}) and 128 on the chief ({addresses[0]})"
    assert found == [f"batch_size is 64 on {place}; make them equal"] * 3


def test_two_processes_with_one_number_are_told():
    """The second cannot have the port of the first, so its address is another one."""
    addresses = free_addresses(4)
    hosts = [Hosts(addresses[:3], 0), Hosts(addresses[:3], 1), Hosts((addresses[0], addresses[3], addresses[2]), 1)]
    found = results(*((each, FACTS, 30) for each in hosts))
    assert (
        found
        == [f"two processes are host 1 ({addresses[1]}), or it was started twice; give each its own index in TF_CONFIG"]
        * 3
    )


@pytest.mark.parametrize("number, missing", [(0, "host 1"), (1, "the chief")])
def test_a_host_that_does_not_come_is_named(number, missing):
    addresses = free_addresses(2)
    with pytest.raises(UserError, match=f"^not here within --worker_timeout: {missing} "):
        meet(Hosts(addresses, number), FACTS, 0.1)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"[1, 2]\n", b"[" * 60_000 + b"\n"])
def test_somebody_else_who_calls_changes_nothing(said):
    addresses = free_addresses(2)

    def call():
        while True:
            try:
                with socket.create_connection(addresses[0].split(":")) as connection:
                    return connection.sendall(said)
            except ConnectionRefusedError:
                continue

    with ThreadPoolExecutor(2) as pool:
        chief = pool.submit(meet, Hosts(addresses, 0), FACTS, 30)
        pool.submit(call).result()
        meet(Hosts(addresses, 1), FACTS, 30)
        chief.result()


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"^port {port}, .* is in use by another program"):
            meet(Hosts((f"127.0.0.1:{port}", "127.0.0.1:1"), 0), FACTS, 30)


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
