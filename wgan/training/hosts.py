"""The hosts of a run on several machines: who they are, and that they agree before TensorFlow connects them."""

import contextlib
import dataclasses
import errno
import json
import os
import socket
import time

from wgan.common.errors import UserError
from wgan.common.messages import one_line

SECONDS_BETWEEN_ATTEMPTS = 0.2
SECONDS_FOR_A_LINE, MAX_LINE = 5, 2**16  # of what another host says
FORM = '{"cluster": {"worker": ["host_a:2222", "host_b:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Hosts:
    """All hosts of a run, as `host:port`, and which of them this one is. The first one is the chief."""

    addresses: tuple[str, ...]
    number: int

    @property
    def is_chief(self):
        """Whether this host leads the run: it alone writes, measures and prints."""
        return self.number == 0

    def name(self, number):
        """A host in words."""
        return f"{'the chief' if number == 0 else f'host {number}'} ({one_line(self.addresses[number], longest=80)})"


def from_environment():
    """The `Hosts` that the environment variable TF_CONFIG names, as TensorFlow reads it.

    Raises:
        UserError: it is missing, malformed, or names more than one chief or fewer than two hosts.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise UserError(f"--distribute multi_worker needs TF_CONFIG in the environment, such as {FORM}")
    try:
        stored = json.loads(text)
        cluster, kind, index = stored["cluster"], stored["task"]["type"], stored["task"]["index"]
        chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
        place = {"chief": 0, "worker": len(chiefs)}[kind] + index
        addresses = tuple(map(_checked_address, [*chiefs, *workers]))
        if isinstance(index, bool) or not 0 <= index < len(cluster[kind]) or cluster.keys() - {"chief", "worker"}:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"TF_CONFIG is {one_line(text, longest=200)}; it must be like {FORM}") from error
    if len(chiefs) > 1:
        raise UserError(f"TF_CONFIG names {len(chiefs)} chiefs; name one, or workers alone")
    if not 2 <= len(addresses) == len(set(addresses)):
        raise UserError("TF_CONFIG must name two hosts or more, each with an address of its own")
    return Hosts(addresses, place)


def _checked_address(address):
    host, _, port = address.rpartition(":")
    if not host or "[" in host or not 0 < int(port) < 2**16:  # addresses of IPv6 need names
        raise ValueError
    return address


def meet(hosts, facts, seconds):
    """Waits until all hosts are there and the chief has found that they agree.

    Args:
        hosts: a `Hosts`.
        facts: what must be the same on all of them, {name: JSON value}.
        seconds: how long to wait.

    Raises:
        UserError: a host did not come, they do not agree, or this host's port is in use.
    """
    deadline = time.monotonic() + seconds
    with _own_port(hosts) as listener:
        if hosts.is_chief:
            _receive(hosts, facts, listener, deadline)
        else:
            _report(hosts, facts, deadline)


@contextlib.contextmanager
def _own_port(hosts):
    port = int(hosts.addresses[hosts.number].rpartition(":")[2])
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError as error:
            reason = "in use by another program" if error.errno == errno.EADDRINUSE else one_line(error)
            raise UserError(f"port {port}, which TF_CONFIG gives {hosts.name(hosts.number)}, is {reason}") from error
        yield listener


def _receive(hosts, facts, listener, deadline):
    """The chief's part: hears what every other host has, and tells all whether they agree."""
    listener.listen(len(hosts.addresses))
    others = set(range(1, len(hosts.addresses)))
    with contextlib.ExitStack() as connections:
        replies, heard, refusal = [], set(), None
        while heard != others and len(replies) <= len(heard):  # not where two are the same
            listener.settimeout(_left(deadline))
            try:
                connection = connections.enter_context(listener.accept()[0])
            except TimeoutError as error:
                missing = ", ".join(map(hosts.name, sorted(others - heard)))
                raise UserError(f"not here within --worker_timeout: {missing}") from error
            connection.settimeout(min(SECONDS_FOR_A_LINE, _left(deadline)))
            with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):  # it is no host of this run
                file = connections.enter_context(connection.makefile("rw", encoding="utf-8"))
                number, theirs = json.loads(file.readline(MAX_LINE))
                if number in others and isinstance(theirs, dict):
                    refusal = refusal or _difference(hosts, number, theirs, facts, number in heard)
                    heard.add(number)
                    replies.append(file)
        for file in replies:
            with contextlib.suppress(OSError):
                file.write(json.dumps(refusal) + "\n")
                file.flush()
    if refusal:
        raise UserError(refusal)


def _difference(hosts, number, theirs, facts, is_there):
    """What is wrong with what another host has, or None."""
    if is_there:
        who = hosts.name(number)
        return f"two processes are {who}, or it was started twice; give each its own index in TF_CONFIG"
    for name, value in facts.items():
        if theirs.get(name) != value:
            words = f"{name} is {one_line(theirs.get(name))} on {hosts.name(number)} and {value} on {hosts.name(0)}"
            return f"{words}; make them equal"
    return None


def _report(hosts, facts, deadline):
    """Every other host's part."""
    host, _, port = hosts.addresses[0].rpartition(":")
    while True:
        try:
            with (
                socket.create_connection((host, int(port)), timeout=_left(deadline)) as connection,
                connection.makefile("rw", encoding="utf-8") as file,
            ):
                file.write(json.dumps([hosts.number, facts]) + "\n")
                file.flush()
                refusal = json.loads(file.readline())
            break
        except (OSError, ValueError) as error:  # it is not there yet
            if time.monotonic() >= deadline:
                raise UserError(f"not here within --worker_timeout: {hosts.name(0)}") from error
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
    if refusal:
        raise UserError(refusal)


def _left(deadline):
    return max(0.01, deadline - time.monotonic())
