"""A setting that has another value for the length of a block."""

import contextlib


@contextlib.contextmanager
def changed(ask, put, value):
    """In this block `ask()` tells `value`, which `put` sets; then what it told before."""
    earlier = ask()
    put(value)
    try:
        yield
    finally:
        put(earlier)
