"""The hosts of a run on several machines: who they are, and that they agree before TensorFlow connects them."""

import contextlib
import dataclasses
import errno
import json
import os
import select
import socket
import sys
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


class NothingToDo(Exception):
    """Another host ends before the meeting, since all is done; the message is what it says."""


class Meeting:
    """The hosts of a run, before TensorFlow connects them: all agree, or all end."""

    def __init__(self, hosts, seconds):
        """Args: a `Hosts`; how long to wait for the others."""
        self._hosts, self._seconds = hosts, seconds if 0 < seconds < 10**6 else 0
        self.is_over = False  # once true, nothing more can be said there

    def hold(self, facts):
        """Waits until all hosts are there and the chief has found that they agree.

        Args:
            facts: what must be the same on all of them, {name: JSON value}.

        Raises:
            UserError: a host did not come or ends, they do not agree, or this host's port is in use.
            NothingToDo: see there.
        """
        self._say(facts, None)

    def leave(self, status, line):
        """Tells the others that this host ends, with its exit status and a reason, unless the meeting is over."""
        if self.is_over:
            return
        line = one_line(line)
        print(f"{line}; telling the other hosts, within {self._seconds / 60:g} minutes", file=sys.stderr, flush=True)
        with contextlib.suppress(UserError, NothingToDo):  # what they say does not matter any more
            self._say({}, (status, f"{self._hosts.name(self._hosts.number)} ends: {line}"))

    def _say(self, facts, end):
        """For all hosts; `end` is the exit status and the line that this one ends with, or None."""
        deadline = time.monotonic() + self._seconds
        if self._hosts.is_chief:
            self.is_over = True  # also where its port is in use: nobody can be told
            with _own_port(self._hosts) as listener:
                end = _receive(self._hosts, facts, end, listener, deadline)
        else:
            with contextlib.nullcontext() if end else _own_port(self._hosts):  # which TensorFlow needs later
                self.is_over = True
                end = _report(self._hosts, [facts, end], deadline)
        if end:
            raise (UserError if end[0] else NothingToDo)(end[1])


def _own_port(hosts):
    """A socket that listens at the port, of IPv6 as well where the machine has that."""
    port, both = int(hosts.addresses[hosts.number].rpartition(":")[2]), socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        reason = "in use by another program" if error.errno == errno.EADDRINUSE else one_line(error)
        raise UserError(f"port {port}, which TF_CONFIG gives {hosts.name(hosts.number)}, is {reason}") from error


def _receive(hosts, facts, end, listener, deadline):
    """The chief's part: hears every other host, and tells all how this ends; None: they agree."""
    others, there = set(range(1, len(hosts.addresses))), {}  # the connection of each host
    with contextlib.ExitStack() as connections:
        while (there := there if end else _not_gone(there)).keys() != others:  # once told how this ends, one may go
            listener.settimeout(_left(deadline))
            try:
                connection = connections.enter_context(listener.accept()[0])
            except TimeoutError:
                missing = ", ".join(map(hosts.name, sorted(others - there.keys())))
                end = end or (2, f"not here within --worker_timeout: {missing}")
                break
            connection.settimeout(min(SECONDS_FOR_A_LINE, _left(deadline)))
            with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):  # not a host of this run
                file = connections.enter_context(connection.makefile(encoding="utf-8"))
                number, theirs, their_end = json.loads(file.readline(MAX_LINE))
                if number not in others or not isinstance(theirs, dict):
                    continue
                is_twice = number in there and not _has_gone(there[number])
                end = end or their_end or _difference(hosts, number, theirs, facts, is_twice)
                there[None if is_twice else number] = connection
                if end:
                    _answer(there, end)
                if is_twice:
                    break
        _answer(there, end)
    return end


def _answer(there, end):
    for connection in there.values():
        with contextlib.suppress(OSError):  # it has been told, or has ended
            connection.sendall(json.dumps(end).encode() + b"\n")


def _not_gone(there):
    return {number: connection for number, connection in there.items() if not _has_gone(connection)}


def _has_gone(connection):
    """Whether the process at the other end, which has nothing more to say, has ended: then its end can be read."""
    return bool(select.select([connection], [], [], 0)[0])


def _difference(hosts, number, theirs, facts, is_twice):
    """The exit status and what is wrong with what another host has, or None."""
    if is_twice:
        who = hosts.name(number)
        return 2, f"two processes are {who}, or it was started twice; give each its own index in TF_CONFIG"
    for name, value in facts.items():
        if theirs.get(name) != value:
            words = f"{name} is {one_line(theirs.get(name))} on {hosts.name(number)} and {value} on {hosts.name(0)}"
            return 2, f"{words}; make them equal"
    return None


def _report(hosts, said, deadline):
    """Every other host's part."""
    host, _, port = hosts.addresses[0].rpartition(":")
    while True:
        try:
            with (
                socket.create_connection((host, int(port)), timeout=_left(deadline)) as connection,
                connection.makefile("rw", encoding="utf-8") as file,
            ):
                file.write(json.dumps([hosts.number, *said]) + "\n")
                file.flush()
                return json.loads(file.readline())
        except (OSError, ValueError):  # it is not there yet
            if time.monotonic() >= deadline:
                return 2, f"not here within --worker_timeout: {hosts.name(0)}"
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)


def _left(deadline):
    return max(0.01, deadline - time.monotonic())
