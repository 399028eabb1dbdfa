"""The entry scripts' common habits: flags in groups, help to read, errors in one line."""

import dataclasses
import os
import shutil
import signal
import sys
import textwrap

from absl import flags

from wgan.common import options, output, startup
from wgan.common.errors import UserError

_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
_HELP_WORDS = ("-h", "-help", "--help", "--helpfull", "--helpshort", "-?")


class FlagGroups:
    """Headings and the flags below them, in the order in which `--help` shows them."""

    def __init__(self, description, *declarations, **explained):
        """`description` says in a line or two what the script does, for the head of the help; `declarations` are
        dataclasses whose fields are made by `wgan.common.options.option`, a flag each; `explained` are headings for the
        end of the help, with lists of (name, explanation)."""
        self._description = description
        self._explained = explained
        self._groups = {}
        self._values = flags.FlagValues()  # of its own: absl's global one would mix up two scripts
        for declaration in declarations:
            texts = options.help_texts(declaration)
            for field in dataclasses.fields(declaration):
                kind = options.value_type(field)
                self.define(field.metadata["group"], field.name, kind, field.default, texts[field.name])

    def define(self, group, name, kind, default, help_text):
        """Declares one more flag of type `kind` (bool, int, float or str) under the heading `group`."""
        _DEFINE[kind](name, default, help_text, flag_values=self._values)
        self._groups.setdefault(group, []).append(name)

    def parse(self, argv, given_alone=False):
        """Reads `argv`, which begins with the script's name; `given_alone` leaves out the flags that are not in it.

        Returns:
            A dictionary from the flags' names to their values.

        Raises:
            UserError: an unknown flag, a value of the wrong type, or words that belong to no flag.
            SystemExit: with status 0, after `--help`.
        """
        if any(word in _HELP_WORDS for word in argv[1:]):
            print(self.help_text())
            raise SystemExit(0)
        try:
            rest = self._values(argv)[1:]
        except flags.Error as error:
            raise UserError(f"{error} (--help lists the flags)") from None
        if rest:
            raise UserError(f"{rest[0]!r} belongs to no flag (--help lists the flags)")
        found = (self._values[name] for names in self._groups.values() for name in names)
        return {flag.name: flag.value for flag in found if flag.present or not given_alone}

    def help_text(self):
        """The description, then each heading with its flags, defaults and explanations."""
        width = max(20, min(100, shutil.get_terminal_size().columns))
        sections = {
            group: [_title_and_help(self._values[name]) for name in names] for group, names in self._groups.items()
        }
        lines = [textwrap.fill(self._description, width)]
        for heading, entries in {**sections, **self._explained}.items():
            lines += ["", f"{heading}:"]
            for title, text in entries:
                lines += [f"  {title}", textwrap.indent(textwrap.fill(text, width - 6), " " * 6)]
        return "\n".join(lines)


def _title_and_help(flag):
    default = "" if flag.default is None or flag.default is False else f" [{flag.default}]"
    return f"--{flag.name}{default}", flag.help


def run(main, argv=None):
    """Calls `main(argv)`, by default with the command line, and exits with its status.

    What the user can mend becomes one line and status 2. That nobody reads the output any more changes nothing.
    """
    try:
        with output.tolerant():
            status = _status(main, sys.argv if argv is None else argv)
    finally:
        output.drop_unwritable()
    raise SystemExit(status)


def _status(main, argv):
    script = os.path.basename(argv[0])
    startup.settle()
    try:
        return main(argv)
    except (UserError, OSError) as error:
        print(f"{script}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"{script}: interrupted", file=sys.stderr)
        return 128 + (error.args or [signal.SIGINT])[0]  # which `signals.end` tells
