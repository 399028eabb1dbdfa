"""Labels as users give them: a class name, its number, or "all"."""

from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, listed, one_line

ALL = "all"
EACH = "each"  # one after another


def is_each(label):
    """Whether a label, a text or None, stands for the classes one after another."""
    return str(label).strip().casefold() == EACH


def resolve(label, class_names, dataset, default=ALL):
    """The canonical form of a label: the class name, or "all". Given back it means the same.

    Where names are numbers that stand at other places, such as of class folders "1" and "3", only names count.

    Args:
        label: None, a class name in any case, a number as text, or "all".
        class_names: the names; a number is an index into them.
        dataset: the data set's name, for the message.
        default: what None means.

    Raises:
        UserError: no class has that name or number; the message lists the classes. Or one of several is called "all"
            or "each".
    """
    for name in class_names:
        if name.casefold() in (ALL, EACH) and len(class_names) > 1:
            raise UserError(f"{dataset} has a class called {name}, which stands for all classes: rename it")
    if label is None:
        return default
    text = str(label) if str(label) in class_names else str(label).strip()
    if text.casefold() == ALL:
        return ALL
    matching = [text] if text in class_names else [name for name in class_names if name.casefold() == text.casefold()]
    if not matching and _have_places(class_names) and text.isascii() and text.isdigit() and len(text) < 10:
        matching = class_names[int(text) : int(text) + 1]
    if len(matching) == 1:
        return matching[0]
    choices = f"choose one of {_valid(class_names)}" if class_names else "leave --label out, or use --label all"
    raise UserError(f"{dataset} has no class {one_line(label)!r}{did_you_mean(text, class_names)}: {choices}")


def of_all(numbers, names):
    """The fields of an `ImageSet` for these labels, int32 [N]; there are none where an image, with -1, has no class."""
    return {"labels": numbers, "label_names": names} if (numbers >= 0).all() else {}


def _have_places(class_names):
    """Whether a number can only mean a place: no name is another place's number."""
    return all(name == str(place) for place, name in enumerate(class_names) if name.isdigit())


def _valid(class_names):
    if not _have_places(class_names) or all(map(str.isdigit, class_names)):
        return f"{listed(class_names, most=30)} or {ALL}"
    numbered = [f"{number} {name}" for number, name in enumerate(class_names)]
    return f"{listed(numbered, most=30)} or {ALL} (a number or a name)"
