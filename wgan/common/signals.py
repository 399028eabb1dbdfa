"""Ctrl-C and the system's requests to stop."""

import contextlib
import signal
import threading

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def handled(handler):
    """Within the block, `handler(number, frame)` is called for each of the `SIGNALS`; gives what handled them before.

    What was ignored, as under nohup, stays so. Outside the main thread Python allows no handlers, and nothing changes.
    """
    in_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in SIGNALS if in_main and signal.getsignal(number) != signal.SIG_IGN]
    earlier = {number: signal.signal(number, handler) for number in taken}
    try:
        yield earlier
    finally:
        for number, before in earlier.items():
            signal.signal(number, before)


def end(number, frame):
    """A handler by which all end a program as Ctrl-C does: what stands in `finally` is done."""
    raise KeyboardInterrupt(number)
