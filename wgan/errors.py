"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend; the message is one line: what is wrong, and how to mend it.

    The entry scripts print it and exit with a non-zero status; no traceback is shown.
    """
