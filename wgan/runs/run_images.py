"""The images of a run that was trained earlier, found again from any working folder. Needs no TensorFlow."""

import contextlib
import dataclasses
import os

from wgan import data
from wgan.common.errors import UserError
from wgan.common.messages import one_line


def load(config, stored_images, checkpoint_dir, data_dir=None, other_images=False):
    """Loads the images that a run was trained on, which its stored fingerprint tells from all others.

    Args:
        config, stored_images: what `wgan.runs.trained.read_run` gave.
        checkpoint_dir: the run's folder.
        data_dir: where the images are; None: look where they were, and where they are if moved together with the run.
        other_images: whether to give others where these are not found.

    Returns:
        The configuration with the `data_dir` of what was found, the `ImageSet`, and whether it is the run's.

    Raises:
        UserError: there are no images, or others only.
    """
    others, failure = None, None
    for place in _places(config, checkpoint_dir) if data_dir is None else [os.path.expanduser(data_dir)]:
        found = dataclasses.replace(config, data_dir=place)
        try:
            image_set = data.load_for_run(found)
        except UserError as error:
            failure = failure or error
            continue
        if _is_same(image_set, stored_images, config):
            return found, image_set, True
        others = others or (found, image_set, False)
    if others is None:
        raise _not_found(config, checkpoint_dir, data_dir, failure)
    if not other_images:
        raise _differ(others, stored_images, checkpoint_dir)
    return others


def _is_same(image_set, stored, config):
    """Whether these are the images; where one generator draws all classes, with the same labels."""
    if config.recipe_spec.is_conditional and data.fingerprint(image_set.labels) != stored.get("labels_sha256"):
        return False
    return data.fingerprint(image_set.images) == stored["sha256"]


def _places(config, checkpoint_dir):
    """Where the images may be: as in training, and as far from the run's folder as they were then."""
    if config.data_dir is None:
        return [None]
    places = [config.data_dir]
    with contextlib.suppress(ValueError):  # on another drive of Windows
        way = os.path.relpath(config.data_dir, config.checkpoint_dir)
        places.append(os.path.normpath(os.path.join(checkpoint_dir, way)))
    there = [place for place in places if os.path.exists(place)]
    return there[:1] if len(there) == 2 and os.path.samefile(*there) else there


def _not_found(config, checkpoint_dir, data_dir, failure):
    """The error for images that cannot be read, or are not where they were."""
    if data_dir is not None or config.data_dir is None:
        return failure
    wrong = f"cannot be used ({failure})" if failure else "is not there"
    return UserError(
        f"the run in {one_line(checkpoint_dir)} was trained on images in {one_line(config.data_dir)}, which {wrong}; "
        "say with --data_dir where they are now"
    )


def _differ(others, stored_images, checkpoint_dir):
    config, image_set, _ = others
    where = "" if config.data_dir is None else f" in {one_line(config.data_dir)}"
    labelled = ", with the labels," if config.recipe_spec.is_conditional else ""
    return UserError(
        f"the {len(image_set.images):,} images{where} are not the {stored_images['count']:,}{labelled} that the run "
        f"in {one_line(checkpoint_dir)} was trained on: give those with --data_dir, or measure against "
        "these with --other_images"
    )
