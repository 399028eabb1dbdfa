"""The user's own pictures: all in one folder, or one folder per class.

Where data_dir has sub-folders with pictures, they are the classes. Pictures that lie beside them, in
data_dir itself, belong to no class: label "all" takes them too, and says so. Sub-folders of class
folders are not read.
"""

import concurrent.futures
import contextlib
import logging
import math
import os
import re
import shutil
import tempfile
import unicodedata
import warnings

import numpy as np
from PIL import Image, ImageFile
from tqdm import tqdm

from wgan.data import labels, pictures
from wgan.data.imageset import ImageSet
from wgan.errors import UserError
from wgan.messages import listed, one_line

FEWEST = 16
MOST_IN_MEMORY = 4 * 2**30  # bytes: 1.4 million pictures of 32x32, 87,000 of 128x128
_NO_PICTURES = frozenset({"thumbs.db", "desktop.ini"})


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
    class_names = _class_names(data_dir)
    if not class_names and not _holds_picture(data_dir):
        raise UserError(f"--data_dir {one_line(data_dir)} holds no pictures, nor do the folders in it "
                        f"(folders further down are not read): give the folder that holds them")
    return _resolve(label, class_names, data_dir)


def similar_class(data_dir, class_name):
    """The following class folder; None for "all", or where there is no other."""
    return labels.following(class_name, _class_names(data_dir))


def class_names_in(data_dir):
    """The names of the class folders."""
    return tuple(_class_names(data_dir))


def load(data_dir, class_name, split, size):
    """The pictures as uint8 [N, size, size, C]: C is 1 if every picture is grey, else 3."""
    shown = f"folder {one_line(data_dir)}"
    names, notices = _files(data_dir, class_name)
    images, broken = _read_all(data_dir, names, size)
    if len(images) < FEWEST:
        why = f"; {len(broken)} could not be read: {listed(broken)}" if broken else ""
        raise UserError(f"{shown}, {one_line(class_name)}: too few pictures: {len(images)} could be read, "
                        f"at least {FEWEST} are needed{why}: add pictures")
    if broken:
        noun = "picture" if len(broken) == 1 else "pictures"
        notices.append(f"{len(broken)} {noun} could not be read and left out: {listed(broken)}")
    if _is_grey(images):
        images = np.ascontiguousarray(images[..., :1])
    left_out = set(broken)
    numbers, class_names = _numbers([name for name in names if name not in left_out])
    return ImageSet(images, f"{shown}, {one_line(class_name)}", class_name, tuple(notices), labels=numbers,
                    label_names=class_names)


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
    """The files to read, as names relative to data_dir in a fixed order, and notices about them."""
    if class_name != labels.ALL:
        return _inside(class_name, _picture_names(os.path.join(data_dir, class_name))), []
    loose = _picture_names(data_dir)
    names, notices = list(loose), []
    class_names = _class_names(data_dir)
    for inner in class_names:
        names += _inside(inner, _picture_names(os.path.join(data_dir, inner)))
    if loose and class_names:
        notices.append(f"{one_line(data_dir)} has pictures beside its class folders, which label 'all' takes "
                       f"too: {listed(loose)}")
    return names, notices


def _inside(folder, names):
    return [f"{folder}/{name}" for name in names]


def _read_all(data_dir, names, size):
    """Reads all pictures on several threads.

    Only the small results are kept; there are as many full-size pictures in memory as threads.

    Returns:
        uint8 [N, size, size, 3] in the order of the names, and the names of the broken files.
    """
    def read(name):
        try:
            return pictures.read(os.path.join(data_dir, *name.split("/")), size)
        except Exception:  # Pillow and its codecs raise many kinds for a broken file
            return None

    images = _room_for((len(names), size, size, 3))
    broken = []
    threads = concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    with _usual_pillow(), threads as pool:
        # disable=None: no bar where standard error is no terminal.
        bar = tqdm(pool.map(read, names), "reading pictures", len(names), leave=False, disable=None, delay=2)
        for index, image in enumerate(bar):
            if image is None:
                broken.append(names[index])
            else:
                images[index - len(broken)] = image
    return images[:len(names) - len(broken)], broken


@contextlib.contextmanager
def _usual_pillow():
    """Which pictures are broken does not depend on what the calling program has set.

    Pillow's remarks about large pictures and odd tags stay off the terminal: nobody can act on them.
    """
    logger = logging.getLogger("PIL")
    earlier = logger.level, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    logger.setLevel(logging.CRITICAL + 1)
    Image.MAX_IMAGE_PIXELS = pictures.MOST_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
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
    return [name for name in _entries(data_dir, "is_dir") if _holds_picture(os.path.join(data_dir, name))]


def _holds_picture(folder):
    """Whether a folder holds a picture: suffixes first, since they cost nothing."""
    names = _entries(folder, "is_file")
    return any(map(_has_suffix, names)) or any(_begins_like_one(folder, name) for name in names)


def _picture_names(folder):
    return [name for name in _entries(folder, "is_file")
            if _has_suffix(name) or _begins_like_one(folder, name)]


def _has_suffix(name):
    return os.path.splitext(name)[1].lower() in pictures.suffixes()


def _begins_like_one(folder, name):
    return pictures.is_signed_picture(os.path.join(folder, name))


def _entries(folder, kind):
    """The names of one kind ("is_file" or "is_dir") in a folder, in order, without hidden ones."""
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if not _is_hidden(entry.name) and getattr(entry, kind)()]
    except OSError as error:
        raise UserError(f"{one_line(folder)} could not be read ({one_line(error.strerror or error)}): "
                        f"check its permissions") from error
    return sorted(names, key=_natural)


def _is_hidden(name):
    return name.startswith(".") or name.lower() in _NO_PICTURES


def _natural(name):
    """A sort key that puts a2 before a10, the same on every system.

    Systems list files in orders of their own, and macOS stores accents decomposed.
    """
    composed = unicodedata.normalize("NFC", name)
    parts = re.split(r"([0-9]+)", composed.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], composed, name
