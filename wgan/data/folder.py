"""The user's own images: all in one folder, or one folder per class.

Where data_dir has sub-folders with images, they are the classes. Images that lie beside them, in data_dir itself,
belong to no class: label "all" takes them too, and says so. Sub-folders of class folders are not read, and neither is
what this program has written. What is left out is named.
"""

import collections
import concurrent.futures
import itertools
import math
import os
import pathlib
import re
import shutil
import tempfile
import unicodedata
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wgan.common.errors import UserError
from wgan.common.messages import listed, one_line
from wgan.data import image_files, labels, own_files
from wgan.data.dataset import Dataset
from wgan.data.imageset import ImageSet

MIN_IMAGES = 16
MAX_BYTES_IN_MEMORY = 4 * 2**30  # 1.4 million images of 32x32, 87,000 of 128x128
DARKEST_WHITE = 32  # of 255: a set without a brighter value is nearly black
MAX_ENTRIES_LOOKED_AT = 20_000  # below class folders
READ_AHEAD = 1000  # images
_NO_IMAGES = ("thumbs.db", "desktop.ini")


class Listing(NamedTuple):
    """What is in a folder, by name and in order, without hidden entries and the folders of runs."""

    path: str
    files: list[str]
    folders: list[str]
    unusable: list[str]  # what is neither, each with its reason: "a.png (a link to nothing)"
    failure: str = ""  # why the folder could not be listed

    def image_names(self):
        """The files that are images by their suffix, or else by how they begin."""
        with image_files.usual_pillow():
            return [name for name in self.files if self._is_image(name)]

    def holds_image(self):
        """Whether there is an image that may be trained on: suffixes first, since they cost little."""
        with image_files.usual_pillow():
            return any(
                self._is_image(name) and not image_files.is_own(os.path.join(self.path, name))
                for name in sorted(self.files, key=_has_suffix, reverse=True)
            )

    def _is_image(self, name):
        return _has_suffix(name) or image_files.looks_like_an_image(os.path.join(self.path, name))


class ImageFolder(Dataset):
    """A folder of images, or of class folders."""

    has_splits = False

    def check(self, data_dir, label, split):
        """The canonical label, once the folder is known to hold images; see `wgan.data.check`."""
        if data_dir is None:
            raise UserError("--dataset folder needs --data_dir: the path of the folder with your images")
        shown = f"--data_dir {one_line(data_dir)}"
        if not os.path.isdir(data_dir):
            raise UserError(f"{shown} is not a folder: give the folder that holds the images")
        tree = _tree(data_dir)
        if tree[""].failure:
            raise UserError(f"{shown} could not be read ({tree[''].failure}): check its permissions")
        if own_files.is_run_folder(data_dir):
            raise UserError(
                f"{shown} is a folder that a run writes to, which is not a set of images to train on: give a "
                "folder that holds nothing but your images"
            )
        class_names = _class_names(tree)
        if not class_names and not tree[""].holds_image():
            deeper = _deeper(data_dir, tree) or "folders further down are not read"
            raise UserError(
                f"{shown} holds no images, nor do the folders in it ({deeper}): give the folder that holds them"
            )
        named = f"folder {one_line(data_dir)}{'' if class_names else ' (without class folders)'}"
        return labels.resolve(label, class_names, named)

    def class_names_in(self, data_dir):
        """The names of the class folders."""
        return _class_names(_tree(data_dir))

    def load(self, data_dir, class_name, split, size):
        """The images as uint8 [N, size, size, C]: C is 1 if every image is grey, else 3."""
        shown = f"folder {one_line(data_dir)}, {one_line(class_name)}"
        wanted, notices = _files(_tree(data_dir), class_name)
        with image_files.usual_pillow():
            images, names, remarks = _read_all(data_dir, wanted, size)
        check_enough(shown, len(images), remarks)
        if all((part == part[..., :1]).all() for part in np.array_split(images, 1 + len(images) // 1000)):
            images = np.ascontiguousarray(images[..., :1])
        return ImageSet(images, shown, class_name, (*notices, *remarks), **labels.of_all(*labels_of(names)))


FOLDER = ImageFolder("folder")


def each_image(data_dir, size, remarks):
    """All images of a folder in which `check` finds no fault, in their fixed order: (name, uint8 [size, size, 3]).

    Once all have been asked for, the list `remarks` has lines on what is left out and what looks wrong.
    """
    names, notices = _files(_tree(data_dir), labels.ALL)
    count, brightest, left_out, paged = 0, 0, collections.defaultdict(list), []
    with image_files.usual_pillow():
        for name, found in _each_read(data_dir, names, size):
            if isinstance(found, image_files.NotRead):
                left_out[str(found)].append(name)
            elif found.levels:
                left_out["of more than 8 bits, which records do not hold; convert them to 8"].append(name)
            else:
                count, brightest = count + 1, max(brightest, found.pixels.max())
                if found.has_more:
                    paged.append(name)
                yield name, found.pixels
    remarks += [*notices, *_remarks(left_out, paged, brightest if count else None)]
    check_enough(f"folder {one_line(data_dir)}", count, remarks)


def check_enough(shown, count, remarks=()):
    """Raises UserError where so many images are fewer than `MIN_IMAGES`."""
    if count < MIN_IMAGES:
        raise UserError(
            f"{shown}: too few images: {count} could be read, at least {MIN_IMAGES} are "
            f"needed{''.join(f'; {remark}' for remark in remarks)}; add images"
        )


def class_of(name):
    """The class of an image's name, such as "cat/1.png"; "" for loose images."""
    return name.rpartition("/")[0]


def labels_of(names):
    """Of the names of images: their classes, int32 [N], -1 for loose images, and the names of those."""
    of_files = [class_of(name) for name in names]
    label_names = tuple(filter(None, dict.fromkeys(of_files)))  # in the order of the files
    places = {name: place for place, name in enumerate(label_names)} | {"": -1}
    return np.array([places[name] for name in of_files], np.int32), label_names


def check_apart(data_dir, places):
    """Raises UserError where a run would write among the images; `places` are (flag, path) of its folders."""
    read = [os.path.realpath(os.path.join(data_dir, name)) for name in ("", *_class_names(_tree(data_dir)))]
    # A run makes folders with such names for its grids.
    read += [
        os.path.dirname(folder) for folder in read if re.fullmatch("[0-9]{5,}-[0-9]{5,}", os.path.basename(folder))
    ]
    for flag, place in places:
        if os.path.realpath(place) in read:
            raise UserError(
                f"{flag} {one_line(place)} holds images of --data_dir: give the run a folder of its own, "
                "so that it never trains on what it writes"
            )


def _count(names):
    return f"{len(names)} image{'' if len(names) == 1 else 's'}"


def _files(tree, class_name):
    """The files to read, as names relative to data_dir in a fixed order, and notices about what is not read."""
    chosen = {f"{name}/" if name else "": tree[name] for name in tree if class_name in (name, labels.ALL)}
    names = [place + name for place, folder in chosen.items() for name in folder.image_names()]
    loose = [name for name in names if "/" not in name]
    unusable = [place + entry for place, folder in chosen.items() for entry in folder.unusable]
    unusable += [f"{place[:-1]} ({folder.failure})" for place, folder in chosen.items() if folder.failure]
    notices = []
    if 0 < len(loose) < len(names):
        notices.append(
            f"{one_line(tree[''].path)} has images beside its class folders, which label 'all' takes too: "
            f"{listed(loose)}"
        )
    if unusable:
        notices.append(f"passed over: {listed(unusable)}")
    deeper = _deeper(tree[""].path, chosen)
    return names, [*notices, *([deeper] if deeper else [])]


def _deeper(data_dir, folders):
    """A sentence on images too far down to be read; None where none was found. `folders` is {"" or name: `Listing`}."""
    count, examples, left = 0, [], MAX_ENTRIES_LOOKED_AT
    starts = [os.path.join(folder.path, name) for inner, folder in folders.items() if inner for name in folder.folders]
    for place, below, files in itertools.chain.from_iterable(map(os.walk, starts)):
        below[:] = [
            name
            for name in sorted(below, key=_natural)
            if not _is_hidden(name) and not own_files.is_run_folder(os.path.join(place, name))
        ]
        images = sum(_has_suffix(name) and not _is_hidden(name) for name in files[:left])
        if images:
            examples.append(os.path.relpath(place, data_dir).replace(os.sep, "/"))
        count, left = count + images, left - len(files) - 1
        if left <= 0:
            break
    if not count:
        return None
    return (
        f"{'at least ' if left <= 0 else ''}{count} images further down are not read ({listed(examples)}): move "
        "them up, or give the folder above them as --data_dir"
    )


def _read_all(data_dir, names, size):
    """Reads all images on several threads; only the small results are kept.

    Returns uint8 [N, size, size, 3] in the order of the names, the names of those that could be read, and lines on what
    was left out or done to some.
    """
    images, places = _room_for((len(names), size, size, 3)), {}
    left_out, levels, paged = collections.defaultdict(list), {True: {}, False: {}}, []
    for name, found in _each_read(data_dir, names, size):
        if isinstance(found, image_files.NotRead):
            left_out[str(found)].append(name)
            continue
        places[name] = len(places)
        images[places[name]] = found.pixels
        if found.levels:
            levels[found.is_fractions][name] = found.levels
        if found.has_more:
            paged.append(name)
    images = images[: len(places)]
    of_scale = [_on_one_scale(images, data_dir, alike, places) for alike in levels.values() if alike]
    remarks = _remarks(left_out, paged, images.max() if len(images) else None)
    return images, list(places), remarks + of_scale


def _remarks(left_out, paged, brightest):
    """Lines on images left out, by the reason; on those of several pages; and where the largest value of all is low."""
    remarks = [f"{_count(names)} left out ({listed(names)}): {reason}" for reason, names in left_out.items()]
    if paged:
        remarks.append(f"of {_count(paged)} the first page or frame alone is read: {listed(paged)}")
    if brightest is not None and brightest < DARKEST_WHITE:
        remarks.append(f"the images are nearly black: no value is above {brightest} of 255")
    return remarks


def _each_read(data_dir, names, size, levels=None):
    """Yields each name with its `ReadImage`, or with the `NotRead` that says why there is none."""

    def read(name):
        try:
            return image_files.read(os.path.join(data_dir, *name.split("/")), size, levels)
        except image_files.NotRead as reason:
            return reason

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        parts = (names[start : start + READ_AHEAD] for start in range(0, len(names), READ_AHEAD))
        found = itertools.chain.from_iterable(pool.map(read, part) for part in parts)
        # disable=None: no bar where standard error is not a terminal.
        yield from zip(names, tqdm(found, "reading images", len(names), leave=False, disable=None, delay=2))


def _on_one_scale(images, data_dir, levels, places):
    """Brings images of more than 8 bits to the scale of their whole set, and says so in a line.

    `images`, uint8 [N, size, size, 3], are changed in place; each was scaled by its own values. `levels` are the
    `ReadImage.levels` by name, all whole numbers or all fractions; `places` says where each one stands in `images`.
    """
    of_set = min(low for low, _ in levels.values()), max(high for _, high in levels.values())
    other = [name for name, own in levels.items() if image_files.full_scale(own) != image_files.full_scale(of_set)]
    for name, found in _each_read(data_dir, other, images.shape[1], of_set):
        if isinstance(found, image_files.NotRead):
            raise UserError(f"{one_line(name)} has changed while it was read: {found}")
        images[places[name]] = found.pixels
    low, high = image_files.full_scale(of_set)
    return f"{_count(levels)} of more than 8 bits: values from {low:g} to {high:g} are taken as black to white"


def _room_for(shape):
    """A uint8 array in memory; beyond `MAX_BYTES_IN_MEMORY`, one in a temporary file that goes with it."""
    size = math.prod(shape)
    if size <= MAX_BYTES_IN_MEMORY:
        return np.empty(shape, np.uint8)
    if shutil.disk_usage(tempfile.gettempdir()).free < size:  # a full disk would end the program without a word
        raise UserError(
            f"{shape[0]:,} images need {size / 1e9:.1f} GB in {tempfile.gettempdir()}, which has less: "
            "make room there, name another place in the variable TMPDIR, or use fewer images"
        )
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _tree(data_dir):
    """The `Listing` of a folder by the name "", and those of the folders in it by theirs."""
    top = _listed(data_dir)
    return {"": top, **{name: _listed(os.path.join(data_dir, name)) for name in top.folders}}


def _class_names(tree):
    return tuple(name for name, folder in tree.items() if name and folder.holds_image())


def _listed(path):
    found = Listing(path, [], [], [])
    try:
        names = sorted(filter(lambda name: not _is_hidden(name), os.listdir(path)), key=_natural)
    except OSError as error:
        return found._replace(failure=one_line(error.strerror or error))
    for name in names:
        place = os.path.join(path, name)
        if os.path.isfile(place):
            found.files.append(name)
        elif not os.path.isdir(place):
            if os.path.islink(place) or _has_suffix(name):
                found.unusable.append(f"{name} ({'a link to nothing' if os.path.islink(place) else 'no file'})")
        elif pathlib.Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place)):
            found.unusable.append(f"{name} (a link to a folder that it lies in)")
        elif not own_files.is_run_folder(place):
            found.folders.append(name)
    return found


def _has_suffix(name):
    return os.path.splitext(name)[1].lower() in image_files.suffixes()


def _is_hidden(name):
    return name.startswith(".") or name.lower() in _NO_IMAGES


def _natural(name):
    """A sort key that puts a2 before a10, the same on every system: macOS stores accents decomposed."""
    composed = unicodedata.normalize("NFC", name)
    parts = re.split(r"([0-9]+)", composed.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], composed, name
