"""Starts a run on several hosts on this machine alone, each a process, to try `--distribute multi_worker`.

    python tools/local_hosts.py --hosts 2 -- train.py --distribute multi_worker --dataset digits --epochs 20

They share the machine's cores, so this is slower than one process.
"""

import argparse
import json
import os
import socket
import subprocess
import sys


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
    addresses = free_addresses(given.hosts)
    processes = [
        subprocess.Popen([sys.executable, *given.command], env=environment(addresses, number))
        for number in range(given.hosts)
    ]
    while True:
        try:
            return max(abs(process.wait()) for process in processes)
        except KeyboardInterrupt:  # which every process has got too; each finishes its epoch
            continue


if __name__ == "__main__":
    sys.exit(main())
