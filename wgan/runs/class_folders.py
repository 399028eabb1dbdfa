"""`--label each`: the folder of every class's run, by the class's name alone. Needs no TensorFlow.

What is added to a data set begins, and everything else goes on where it was: no folder depends on other classes.
"""

import dataclasses
import hashlib
import os
import re

_PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,59}")
# Names that are plain, and yet would meet another folder: Windows's devices, and those that `folder_name` makes.
_TAKEN_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])|.*-[0-9a-f]{8}")
_MAX_READABLE_PART = 40  # characters


def folder_name(class_name):
    """The name of a class's folder, which can be had on every system, and which no other class has.

    A name of small letters, digits, `-` and `_` stands for itself; of any other, what is readable is followed by a
    checksum. So names stay apart that differ in capitals, which some disks do not tell, or in signs that no folder
    can have.
    """
    if _PLAIN_NAME.fullmatch(class_name) and not _TAKEN_NAME.fullmatch(class_name):
        return class_name
    readable = re.sub("[^A-Za-z0-9]+", "_", class_name)[:_MAX_READABLE_PART]
    checksum = hashlib.sha256(class_name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{readable}-{checksum}"


def run_of_class(config, class_name):
    """The configuration of the run of one class, given in canonical form, in folders below those of `config`."""
    folders = {name: getattr(config, name) for name in ("checkpoint_dir", "sample_dir", "drive_dir")}
    inner = {name: os.path.join(folder, folder_name(class_name)) for name, folder in folders.items() if folder}
    return dataclasses.replace(config, label=class_name, **inner)
