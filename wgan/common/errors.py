"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend; the message is one line: what is wrong, and how to mend it.

    The entry scripts print it and exit with a non-zero status; no traceback is shown.
    """


class TakenOver(UserError):
    """Another process has the run's folder now: nothing more may be written there."""


class NumbersWentWrong(Exception):
    """A figure of an epoch or a weight is infinite, not a number, or beyond all measure. The message says which."""
