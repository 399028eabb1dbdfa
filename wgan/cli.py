"""The entry scripts' common habits: flags from declarations, help in groups, errors in one line."""

import os
import shutil
import sys
import textwrap

from absl import flags

from wgan.errors import UserError

FLAGS = flags.FLAGS

_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer,
           float: flags.DEFINE_float, str: flags.DEFINE_string}
_HELP_WORDS = ("-h", "-help", "--help", "--helpfull", "--helpshort", "-?")


class FlagGroups:
    """Headings and the flags below them, in the order in which `--help` shows them."""

    def __init__(self, description):
        """Args: description: what the script does, in a line or two, for the head of the help."""
        self.description = description
        self._names = {}

    def define(self, group, name, kind, default, help_text):
        """Declares one flag of type `kind` (bool, int, float or str) under the heading `group`."""
        _DEFINE[kind](name, default, help_text)
        self._names.setdefault(group, []).append(name)

    def parse(self, argv):
        """Reads `argv` (with the script's name first); afterwards `FLAGS.name` holds the values.

        Raises:
            UserError: an unknown flag, a value of the wrong type, or words that belong to no flag.
            SystemExit: with status 0, after `--help`.
        """
        if any(word in _HELP_WORDS for word in argv[1:]):
            print(self.help_text())
            raise SystemExit(0)
        try:
            rest = FLAGS(argv)[1:]
        except flags.Error as error:
            raise UserError(f"{' '.join(str(error).split())} (--help lists the flags)") from None
        if rest:
            raise UserError(f"{rest[0]!r} belongs to no flag (--help lists the flags)")

    def help_text(self):
        """The description, then each heading with its flags, defaults and explanations."""
        width = min(100, shutil.get_terminal_size().columns)
        lines = [textwrap.fill(self.description, width)]
        for group, names in self._names.items():
            lines += ["", f"{group}:"]
            for name in names:
                lines += _flag_lines(FLAGS[name], width)
        return "\n".join(lines)


def _flag_lines(flag, width):
    default = "" if flag.default is None or flag.default is False else f" [{flag.default}]"
    explanation = textwrap.wrap(flag.help, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return [f"  --{flag.name}{default}", *explanation]


def run(main):
    """Calls `main(argv)` and exits with its status; a UserError becomes one line and status 2."""
    try:
        status = main(sys.argv)
    except UserError as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(f"{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr)
        status = 130
    raise SystemExit(status)
