"""Images that a run never trains on, to see whether its critic tells them from those it has learned."""

import dataclasses

import numpy as np

from wgan.common.errors import UserError

FEWEST_LEFT = 16
CHOICE_SEED = 0  # not the run's: runs with several seeds set the same images aside


def set_aside(image_set, count):
    """Moves `count` images, chosen at random but always the same, from `images` to `heldout`.

    Args:
        image_set: an `ImageSet`.
        count: at least 1.

    Returns:
        An `ImageSet` whose `heldout_indices` say which they were.

    Raises:
        UserError: hardly any image would be left to train on.
    """
    total = len(image_set.images)
    if total - count < FEWEST_LEFT:
        most = total - FEWEST_LEFT
        raise UserError(f"--holdout {count} leaves fewer than {FEWEST_LEFT} of the {total} images to train "
                        f"on; {f'give at most {most}' if most > 0 else 'leave it out'}")
    chosen = np.sort(np.random.default_rng(CHOICE_SEED).choice(total, count, replace=False))
    labels = image_set.labels
    return dataclasses.replace(
        image_set, images=np.delete(image_set.images, chosen, axis=0), heldout=image_set.images[chosen],
        labels=None if labels is None else np.delete(labels, chosen),
        heldout_labels=None if labels is None else labels[chosen],
        heldout_indices=tuple(map(int, chosen)), name=f"{image_set.name}, {count} set aside")
