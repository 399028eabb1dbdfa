"""`--label each`: the folder of every class's run, by the class's name alone. Needs no TensorFlow.

What is added to a data set begins, and everything else goes on where it was: no folder depends on other classes.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re

from wgan.common.errors import UserError
from wgan.runs import checkpoints
from wgan.runs.run_folder import RunFolder

_PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,59}")
# Names that are plain, and yet would meet another folder: those of Windows's devices, those that `folder_name` gives
# other names, and those of earlier versions, which began with the class's number.
_TAKEN_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])|.*-[0-9a-f]{8}|[0-9]+_.*")
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


def run_of_class(config, class_name, fresh=False):
    """The configuration of one class's run.

    Args:
        config: a `TrainingConfig` with the folders that those of the classes are in.
        class_name: the class, in canonical form.
        fresh: whether the run is to begin anew, so that a damaged one does not matter.

    Raises:
        UserError: a run that may be this class's has a damaged configuration file.
    """
    inner = folder_name(class_name)
    if not _is_begun(config, inner):
        inner = _numbered_folder(config, class_name, fresh) or inner
    return dataclasses.replace(
        config,
        label=class_name,
        **{
            place: os.path.join(getattr(config, place), inner)
            for place in ("checkpoint_dir", "sample_dir", "drive_dir")
            if getattr(config, place)
        },
    )


def _is_begun(config, inner):
    return any(folder.config_path.exists() for folder in _run_folders(config, inner))


def _run_folders(config, inner):
    """Where the run of an inner folder may lie: in the checkpoint folder, or as a copy on the drive."""
    places = [pathlib.Path(config.checkpoint_dir, inner)]
    if config.drive_dir:
        places.append(pathlib.Path(config.drive_dir, inner, "checkpoints"))
    return [RunFolder(dataclasses.replace(config, checkpoint_dir=str(place))) for place in places]


def _numbered_folder(config, class_name, fresh):
    """The folder in which an earlier version began the run, which named it by the class's number too; else None.

    Where a class was added since, there may be two: the one that came further goes on.
    """
    tail = "_" + re.sub("[^A-Za-z0-9-]+", "_", class_name)
    found = {}
    for inner in _numbered_names(config, tail):
        for folder in _run_folders(config, inner):
            with contextlib.suppress(*[UserError] if fresh else []):
                stored = folder.stored_run()
                if stored and stored["config"].get("label") == class_name:
                    state = checkpoints.newest_state(folder.checkpoint_dir)
                    found[inner] = max(found.get(inner, 0), state.epoch if state else 0)
    return max(sorted(found), key=found.get, default=None)


def _numbered_names(config, tail):
    """The folders that are called by a number and `tail`."""
    names = {
        path.name
        for place in (config.checkpoint_dir, config.drive_dir)
        if place
        for path in pathlib.Path(place).glob("[0-9]*")
    }
    return sorted(name for name in names if name.endswith(tail) and name.removesuffix(tail).isdecimal())
