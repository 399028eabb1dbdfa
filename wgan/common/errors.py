"""Errors, and the one among them that a user is meant to read."""

import contextlib
import struct
import zipfile
import zlib

from wgan.common.messages import one_line

# What reading a damaged zip file raises, by what is damaged.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, ValueError)


class UserError(Exception):
    """Something the user can mend. The message is one line, which scripts print: what is wrong, and how to mend it."""


class TakenOver(UserError):
    """Another process has the run's folder now: nothing more may be written there."""


class NumbersWentWrong(Exception):
    """A figure of an epoch or a weight is infinite, not a number, or beyond all measure. The message says which."""


@contextlib.contextmanager
def readable(path):
    """Where the system cannot read this file or folder in the block, UserError in place of its error."""
    try:
        yield
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise UserError(f"{one_line(path)} could not be read ({reason}): check it and its permissions") from error
