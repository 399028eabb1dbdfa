"""The user's own pictures: all in one folder, or one folder per class.

Where data_dir has sub-folders with pictures, they are the classes. Pictures that lie beside them, in
data_dir itself, belong to no class: label "all" takes them too, and says so. Sub-folders of class
folders are not read, and neither is what this program has written. What is left out is named.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import logging
import math
import os
import pathlib
import re
import shutil
import tempfile
import threading
import unicodedata
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile
from tqdm import tqdm

from wgan.common.errors import UserError
from wgan.common.messages import listed, one_line
from wgan.data import labels, own_files, pictures
from wgan.data.imageset import ImageSet

FEWEST = 16
MOST_IN_MEMORY = 4 * 2**30  # bytes: 1.4 million pictures of 32x32, 87,000 of 128x128
DARKEST_WHITE = 32  # of 255: a set without a brighter value is nearly black
MOST_ENTRIES_LOOKED_AT = 20_000  # below class folders
_NO_PICTURES = frozenset({"thumbs.db", "desktop.ini"})
_one_changes_pillow = threading.Lock()


class Entries(NamedTuple):
    """What is in a folder, by name and in order, without hidden entries and the folders of runs.

    Attributes:
        files, folders: the names.
        unusable: names that are neither, each with its reason: "loop (Too many levels of symbolic links)".
    """

    files: list[str]
    folders: list[str]
    unusable: list[str]


def check(data_dir, label, split):
    """The canonical label, once the folder is known to hold pictures; see `wgan.data.check`."""
    if split != "all":
        raise UserError(f"a folder of pictures has no train and test split, so split {split!r} cannot be "
                        f"used: use split 'all'")
    if data_dir is None:
        raise UserError("--dataset folder needs --data_dir: the path of the folder with your pictures")
    if not os.path.isdir(data_dir):
        raise UserError(f"--data_dir {one_line(data_dir)} is no folder: "
                        f"give the folder that holds the pictures")
    closed = [reason for reason in _entries(data_dir).unusable if reason.startswith("all of it")]
    if closed:
        raise UserError(f"--data_dir {one_line(data_dir)} could not be read, {closed[0]}: check its permissions")
    if own_files.is_run_folder(data_dir):
        raise UserError(f"--data_dir {one_line(data_dir)} is a folder that a run writes to, which is no set of "
                        "pictures to train on: give a folder that holds nothing but your pictures")
    class_names = _class_names(data_dir)
    if not class_names and not _holds_picture(data_dir):
        raise UserError(f"--data_dir {one_line(data_dir)} holds no pictures, nor do the folders in it"
                        f"{_about_deeper(data_dir)}: give the folder that holds them")
    return _resolve(label, class_names, data_dir)


def check_apart(data_dir, places):
    """Raises UserError where a run would write among the pictures.

    Args:
        data_dir: the folder of pictures.
        places: (flag, path) of the folders that the run writes to.
    """
    read = [os.path.realpath(data_dir), *(os.path.realpath(os.path.join(data_dir, name))
                                          for name in _class_names(data_dir))]
    read += [os.path.dirname(folder) for folder in read if own_files.is_named_for_grids(folder)]
    for flag, place in places:
        if os.path.realpath(place) in read:
            raise UserError(f"{flag} {one_line(place)} holds pictures of --data_dir: give the run a folder of its own, "
                            "so that it never trains on what it writes")


def holds(path):
    """Whether there are pictures in a folder, or in the folders in it."""
    return os.path.isdir(path) and bool(_class_names(path) or _holds_picture(path))


def similar_class(data_dir, class_name):
    """The following class folder; None for "all", or where there is no other."""
    return labels.following(class_name, _class_names(data_dir))


def class_names_in(data_dir):
    """The names of the class folders."""
    check(data_dir, labels.ALL, "all")
    return tuple(_class_names(data_dir))


def load(data_dir, class_name, split, size):
    """The pictures as uint8 [N, size, size, C]: C is 1 if every picture is grey, else 3."""
    shown = f"folder {one_line(data_dir)}"
    names, notices = _files(data_dir, class_name)
    images, left_out, remarks = _read_all(data_dir, names, size)
    reasons = _reasons(left_out)
    if len(images) < FEWEST:
        why = "".join(f"; {reason}" for reason in reasons)
        raise UserError(f"{shown}, {one_line(class_name)}: too few pictures: {len(images)} could be read, "
                        f"at least {FEWEST} are needed{why}; add pictures")
    if _is_grey(images):
        images = np.ascontiguousarray(images[..., :1])
    numbers, class_names = _numbers([name for name in names if name not in left_out])
    return ImageSet(images, f"{shown}, {one_line(class_name)}", class_name, (*notices, *reasons, *remarks),
                    labels=numbers, label_names=class_names)


def _reasons(left_out):
    """A line for each kind of reason: `left_out` has it by the name of each picture that was not read."""
    by_reason = {}
    for name, reason in left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"{_count(names)} left out ({listed(names)}): {reason}" for reason, names in by_reason.items()]


def _count(names):
    return f"{len(names)} picture{'' if len(names) == 1 else 's'}"


def _numbers(names):
    """The class of each file as int32 [N], and the classes' names; None and none where some have no class folder."""
    if not all("/" in name for name in names):
        return None, ()
    of_files = [name.split("/")[0] for name in names]
    places = {name: place for place, name in enumerate(dict.fromkeys(of_files))}  # in the order of the files
    return np.array([places[name] for name in of_files], np.int32), tuple(places)


def _resolve(label, class_names, data_dir):
    dataset = f"folder {one_line(data_dir)}"
    if not class_names:
        if label is not None and str(label).strip().casefold() != labels.ALL:
            raise UserError(f"{dataset} has no class {one_line(label)!r}: its pictures are not in class "
                            f"folders, so leave --label out, or use --label all")
        return labels.ALL
    class_name = labels.resolve(label, class_names, dataset)
    if class_name.casefold() == labels.ALL and label is not None and str(label).strip().isdigit():
        raise UserError(f"{dataset} has a class folder called 'all', which stands for all classes: rename it")
    return class_name


def _files(data_dir, class_name):
    """The files to read, as names relative to data_dir in a fixed order, and notices about what is not read."""
    top = _entries(data_dir) if class_name == labels.ALL else Entries([], [class_name], [])
    found = {inner: _entries(os.path.join(data_dir, inner)) for inner in top.folders}
    loose = _picture_names(data_dir, top)
    names = [f"{inner}/{name}" for inner, entries in found.items()
             for name in _picture_names(os.path.join(data_dir, inner), entries)]
    unusable = top.unusable + [f"{inner}/{name}" for inner, entries in found.items() for name in entries.unusable]
    notices = []
    if loose and names:
        notices.append(f"{one_line(data_dir)} has pictures beside its class folders, which label 'all' takes "
                       f"too: {listed(loose)}")
    if unusable:
        notices.append(f"passed over: {listed(unusable)}")
    deeper = _deeper(data_dir, {inner: entries.folders for inner, entries in found.items()})
    return loose + names, [*notices, *([deeper] if deeper else [])]


def _about_deeper(data_dir):
    entries = {inner: _entries(os.path.join(data_dir, inner)).folders for inner in _entries(data_dir).folders}
    return f" ({_deeper(data_dir, entries) or 'folders further down are not read'})"


def _deeper(data_dir, folders):
    """A sentence on pictures too far down to be read; None where none was found.

    Args:
        data_dir: the folder of pictures.
        folders: names of the folders that are in each folder in it.
    """
    waiting = collections.deque(f"{inner}/{name}" for inner, names in folders.items() for name in names)
    seen = {os.path.realpath(os.path.join(data_dir, name)) for name in ("", *folders)}  # links may lead back
    counts, left = {}, MOST_ENTRIES_LOOKED_AT
    while waiting and left > 0:
        name = waiting.popleft()
        path = os.path.join(data_dir, name)
        if os.path.realpath(path) not in seen and not own_files.is_run_folder(path):
            seen.add(os.path.realpath(path))
            counts[name], inner, looked_at = _glance(path, left)
            waiting += [f"{name}/{folder}" for folder in inner]
            left -= looked_at
    examples = [folder for folder, count in counts.items() if count]
    if not examples:
        return None
    more = "at least " if left <= 0 else ""
    return (f"{more}{sum(counts.values())} pictures further down are not read ({listed(examples)}): move them up, or "
            "give the folder above them as --data_dir")


def _glance(folder, most):
    """The number of pictures by their suffixes and the folders among a folder's first entries; how many these are."""
    count, inner, looked_at = 0, [], 1
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in itertools.islice((entry for entry in found if not _is_hidden(entry.name)), most):
            looked_at += 1
            if _is_folder(entry):
                inner.append(entry.name)
            else:
                count += _has_suffix(entry.name)
    return count, sorted(inner, key=_natural), looked_at


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def _read_all(data_dir, names, size):
    """Reads all pictures on several threads.

    Only the small results are kept; there are as many full-size pictures in memory as threads.

    Returns:
        uint8 [N, size, size, 3] in the order of the names; the reason by the name of each file that is left out; and
        lines on what was done to the others.
    """
    images, left_out, paged = _room_for((len(names), size, size, 3)), {}, []
    places, levels = {}, {True: {}, False: {}}
    with _usual_pillow():
        for name, picture in _pictures(data_dir, names, size):
            if isinstance(picture, pictures.NotRead):
                left_out[name] = str(picture)
                continue
            places[name] = len(places)
            images[places[name]] = picture.pixels
            if picture.levels:
                levels[picture.is_fractions][name] = picture.levels
            if picture.has_more:
                paged.append(name)
        images = images[:len(places)]
        remarks = [line for alike in levels.values() for line in _on_one_scale(images, data_dir, alike, places)]
    if paged:
        remarks.append(f"of {_count(paged)} the first page or frame alone is read: {listed(paged)}")
    if len(images) and images.max() < DARKEST_WHITE:
        remarks.append(f"the pictures are nearly black: no value is above {images.max()} of 255")
    return images, left_out, remarks


def _pictures(data_dir, names, size, levels=None):
    """Yields each name with its `pictures.Picture`, or with the `pictures.NotRead` that says why there is none."""
    def read(name):
        try:
            return pictures.read(os.path.join(data_dir, *name.split("/")), size, levels)
        except pictures.NotRead as reason:
            return reason

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        # disable=None: no bar where standard error is no terminal.
        yield from zip(names, tqdm(pool.map(read, names), "reading pictures", len(names), leave=False, disable=None,
                                   delay=2))


def _on_one_scale(images, data_dir, levels, places):
    """Brings pictures of more than 8 bits to the scale of their whole set; a list with a line that says so.

    Args:
        images: uint8 [N, size, size, 3], each such picture scaled by its own values; changed in place.
        levels: `pictures.Picture.levels` by the name of each such picture; all whole numbers, or all fractions.
        places: where each picture stands in `images`.
    """
    if not levels:
        return []
    of_set = min(low for low, _ in levels.values()), max(high for _, high in levels.values())
    other = [name for name, own in levels.items() if pictures.full_scale(own) != pictures.full_scale(of_set)]
    for name, picture in _pictures(data_dir, other, images.shape[1], of_set):
        if isinstance(picture, pictures.NotRead):
            raise UserError(f"{one_line(name)} has changed while it was read: {picture}")
        images[places[name]] = picture.pixels
    low, high = pictures.full_scale(of_set)
    return [f"{_count(levels)} of more than 8 bits: values from {low:g} to {high:g} are taken as black to white"]


@contextlib.contextmanager
def _usual_pillow():
    """Which pictures are broken does not depend on what the calling program has set.

    Pillow's remarks about large pictures and odd tags stay off the terminal: nobody can act on them. Of several threads
    that load pictures one does so at a time: else the last to leave would restore what another one had set.
    """
    logger = logging.getLogger("PIL")
    with _one_changes_pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        earlier = logger.level, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        logger.setLevel(logging.CRITICAL + 1)
        Image.MAX_IMAGE_PIXELS = pictures.MOST_PIXELS
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            logger.setLevel(earlier[0])
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = earlier[1:]


def _room_for(shape):
    """A uint8 array in memory; beyond `MOST_IN_MEMORY`, one in a temporary file that goes with it."""
    size = math.prod(shape)
    if size <= MOST_IN_MEMORY:
        return np.empty(shape, np.uint8)
    if shutil.disk_usage(tempfile.gettempdir()).free < size:  # a full disk would end the program without a word
        raise UserError(f"{shape[0]:,} pictures need {size / 1e9:.1f} GB in {tempfile.gettempdir()}, which has less: "
                        "make room there, name another place in the variable TMPDIR, or use fewer pictures")
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _is_grey(images):
    return all(bool((part == part[..., :1]).all()) for part in np.array_split(images, 1 + len(images) // 1000))


def _class_names(data_dir):
    """The sub-folders that hold pictures, in order."""
    return [name for name in _entries(data_dir).folders if _holds_picture(os.path.join(data_dir, name))]


def _holds_picture(folder):
    """Whether a folder holds a picture that may be trained on: suffixes first, since they cost little."""
    names = _entries(folder).files
    telling, others = ([name for name in names if _has_suffix(name) == telling] for telling in (True, False))
    with _usual_pillow():
        return (any(not pictures.is_own(os.path.join(folder, name)) for name in telling)
                or any(_begins_like_one(folder, name) for name in others))


def _picture_names(folder, entries):
    return [name for name in entries.files if _has_suffix(name) or _begins_like_one(folder, name)]


def _has_suffix(name):
    return os.path.splitext(name)[1].lower() in pictures.suffixes()


def _begins_like_one(folder, name):
    return pictures.is_signed_picture(os.path.join(folder, name))


def _entries(folder):
    """The `Entries` of a folder; one that may not be opened is unusable itself, and has none."""
    files, folders, unusable = [], [], []
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not _is_hidden(entry.name)),
                             key=lambda entry: _natural(entry.name))
    except OSError as error:
        return Entries([], [], [f"all of it ({one_line(error.strerror or error)})"])
    for entry in entries:
        try:
            kind = files if entry.is_file() else folders if entry.is_dir() else None
        except OSError as error:
            unusable.append(f"{entry.name} ({one_line(error.strerror or error)})")
            continue
        if kind is folders and entry.is_symlink() and _leads_back(entry.path):
            unusable.append(f"{entry.name} (a link to a folder that it lies in)")
            continue
        if kind is None and (entry.is_symlink() or _has_suffix(entry.name)):
            unusable.append(f"{entry.name} ({'a link to nothing' if entry.is_symlink() else 'no file'})")
        elif kind is files or kind is folders and not own_files.is_run_folder(entry.path):
            kind.append(entry.name)
    return Entries(files, folders, unusable)


def _leads_back(link):
    """Whether a link to a folder leads to one that it lies in: its pictures would be there twice."""
    return pathlib.Path(os.path.realpath(os.path.dirname(link))).is_relative_to(os.path.realpath(link))


def _is_hidden(name):
    return name.startswith(".") or name.lower() in _NO_PICTURES


def _natural(name):
    """A sort key that puts a2 before a10, the same on every system.

    Systems list files in orders of their own, and macOS stores accents decomposed.
    """
    composed = unicodedata.normalize("NFC", name)
    parts = re.split(r"([0-9]+)", composed.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], composed, name
