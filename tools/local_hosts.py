"""Starts a run on several hosts on this machine alone, each a process, to try `--distribute multi_worker`.

    python tools/local_hosts.py --hosts 2 -- train.py --distribute multi_worker --dataset digits --epochs 20

They share the machine's cores, so this is slower than one process. Ctrl-C and SIGTERM go on to each of them.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time


def free_addresses(count):
    """Addresses on this machine with ports that nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = tuple("{}:{}".format(*each.getsockname()) for each in sockets)
    for each in sockets:
        each.close()
    return addresses


def environment(addresses, number):
    """The environment of a host's process."""
    task = {"type": "worker", "index": number}
    return {**os.environ, "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("command", nargs="+", help="-- train.py and its flags")
    given = parser.parse_args()
    addresses, signals = free_addresses(given.hosts), []
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), lambda number, frame: signals.append(number))
    processes = [  # in sessions of their own: a terminal's Ctrl-C would come twice, and the second stops without saving
        subprocess.Popen([sys.executable, *given.command], env=environment(addresses, number), start_new_session=True)
        for number in range(given.hosts)
    ]
    while any(process.poll() is None for process in processes):
        while signals:
            number = signals.pop()
            for process in processes:
                process.send_signal(number)  # which does nothing to one that has ended
        time.sleep(0.1)
    return max(abs(process.returncode) for process in processes)


if __name__ == "__main__":
    sys.exit(main())
