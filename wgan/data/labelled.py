"""Which images keep their labels, for learning from few of them."""

import dataclasses

import numpy as np

from wgan.common.errors import UserError

CHOICE_SEED = 0  # not the run's: runs with several seeds learn from the same labels
UNKNOWN = -1


def keep(image_set, per_class):
    """Hides all labels but `per_class` of each class, chosen at random but always the same.

    Args:
        image_set: an `ImageSet`.
        per_class: how many, as text; or "all".

    Returns:
        An `ImageSet` whose other labels are `UNKNOWN`.

    Raises:
        UserError: there are no labels, or a class has fewer.
    """
    if per_class == "all":
        return image_set
    if image_set.labels is None:
        raise UserError(f"--labels_per_class {per_class}: {image_set.name} has no labels; leave the flag out")
    rng = np.random.default_rng(CHOICE_SEED)
    kept = np.full_like(image_set.labels, UNKNOWN)
    for number in np.unique(image_set.labels):
        places = np.flatnonzero(image_set.labels == number)
        if len(places) < int(per_class):
            raise UserError(f"--labels_per_class {per_class}: {image_set.name} has only {len(places)} images of "
                            f"{image_set.label_names[number]}; choose a smaller number")
        chosen = rng.choice(places, int(per_class), replace=False)
        kept[chosen] = number
    return dataclasses.replace(image_set, labels=kept, name=f"{image_set.name}, {per_class} labels a class")
