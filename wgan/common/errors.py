"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend. The message is one line, which scripts print: what is wrong, and how to mend it."""


class TakenOver(UserError):
    """Another process has the run's folder now: nothing more may be written there."""


class NumbersWentWrong(Exception):
    """A figure of an epoch or a weight is infinite, not a number, or beyond all measure. The message says which."""
