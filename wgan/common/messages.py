"""Text for messages of one line."""

import difflib


def one_line(text, longest=300):
    """Any text, made safe to print on one line: a file name may hold line breaks or undecodable bytes."""
    text = " ".join(str(text).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def did_you_mean(given, names):
    """' (did you mean "horse"?)' where one of the names is near what was given, else ''."""
    by_folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(str(given).casefold(), by_folded, n=1)
    return f' (did you mean "{one_line(by_folded[near[0]])}"?)' if near else ""


def listed(names, most=5):
    """'a, b, c and 4 more': the names as one phrase, the first few of them."""
    names = [one_line(name, longest=80) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
