"""Ctrl-C and the system's requests to stop."""

import contextlib
import signal
import socket
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


@contextlib.contextmanager
def noticed(notice):
    """Within the block, another thread calls `notice(number)` as soon as a signal comes that has a handler.

    The handler itself waits until the main thread is back in Python: one call of TensorFlow may take many seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def wait():
        while came := reader.recv(1):
            notice(came[0])

    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        earlier = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(earlier)
            writer.shutdown(socket.SHUT_WR)  # by which the thread ends
            thread.join()


def end(number, frame):
    """A handler by which all end a program as Ctrl-C does: what stands in `finally` is done."""
    raise KeyboardInterrupt(number)
