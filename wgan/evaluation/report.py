"""A report on samples: every figure beside the yardsticks by which to judge it."""

import numpy as np

from wgan.evaluation import distances, neighbours
from wgan.images.grids import image_grid

PAIRS_SHOWN = 32
# By the name of a figure in a row: the head of its column, and how it is written.
_COLUMNS = {
    "images": ("images", "{images:,}"),
    "reals": ("of reals", "{reals:,}"),
    "fid": ("FID", "{fid:.3g}"),
    "kid": ("KID", "{kid:.3g} ± {kid_error:.1g}"),
    "precision": ("precision", "{precision:.1%}"),
    "recall": ("recall", "{recall:.1%}"),
    "density": ("density", "{density:.2f}"),
    "coverage": ("coverage", "{coverage:.1%}"),
    "copies": ("nearer than reals", "{copies:.1%}"),
}
COLUMNS = (*_COLUMNS, "kid_error")


def figures(reals, samples, real_kernel_sums=None, real_radii=None):
    """FID, KID with its standard error, precision and recall between two sets of at least 4 features, [n, dimensions].

    `real_kernel_sums` and `real_radii` are of the reals, where they are known already: see `distances.kernel_distance`
    and `neighbours.precision_recall`.
    """
    kid, kid_error = distances.kernel_distance(reals, samples, real_kernel_sums)
    precision, recall = neighbours.precision_recall(reals, samples, real_radii=real_radii)
    return {
        "fid": distances.frechet_distance(reals, samples),
        "kid": kid,
        "kid_error": kid_error,
        "precision": precision,
        "recall": recall,
    }


def make_row(name, reals, samples, training=None):
    """Every figure of a set of features, a dictionary of the `COLUMNS` with its name; and `neighbours.Copies`.

    `reals` and `samples` are [n, dimensions] and [m, dimensions], at least 6 each. Copies are looked for among all
    training images, whose features are `training`; None: among the reals.
    """
    copies = neighbours.find_copies(reals if training is None else training, samples)
    density, coverage = neighbours.density_coverage(reals, samples)
    counts = {"name": name, "reals": len(reals), "images": len(samples)}
    others = {"density": density, "coverage": coverage, "copies": copies.share}
    return {**counts, **figures(reals, samples), **others}, copies


def with_mean(rows, num_classes):
    """The rows of classes, and one of their mean figures, where there are any; its FID is the intra-class FID.

    All are marked by `is_class`. `num_classes` is how many there are, with those that have no row. The KIDs' errors are
    not independent, since all classes are drawn from the same latents: their mean is the most that the mean's can be.
    """
    rows = list(rows)
    if not rows:
        return []
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "name"}
    counts = {name: round(means[name]) for name in ("reals", "images")}
    name = "mean of the classes" if len(rows) == num_classes else f"mean of {len(rows)} of {num_classes} classes"
    return [{**row, "is_class": True} for row in (*rows, {"name": name, **means, **counts})]


def yardsticks(extract, reals, images, other):
    """Yields rows that say what the figures are worth: half of the real images against the other; another class; noise.

    `reals` are the features that an `Extractor` makes of `images`, uint8 [N, size, size, channels]; `other` is an
    `ImageSet` of another class, or None.
    """
    order = np.random.default_rng(0).permutation(len(reals))
    half, rest = np.array_split(reals[order], 2)
    yield make_row("half of the real images", rest, half)[0]
    if other is not None:
        yield make_row(other.class_name, reals, extract(other.images[: len(reals)]))[0]
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    yield make_row("noise", reals, extract(noise))[0]


def closest_pairs(samples, training, copies):
    """A grid of the samples nearest to training images, each with that image to its right, four pairs a row.

    Both are uint8 [., size, size, 1 or 3]; `copies` is what `find_copies` said of them.
    """
    # By distance: by closeness, training images that are unlike all others would fill the grid.
    closest = np.argsort(copies.distances, kind="stable")[:PAIRS_SHOWN]
    pairs = np.stack(np.broadcast_arrays(samples[closest], training[copies.nearest[closest]]), axis=1)
    return image_grid(pairs.reshape(-1, *pairs.shape[2:]), columns=8)


def as_table(rows):
    """The rows as text: a table in Markdown that can also be read as it stands."""
    cells = [["", *(head for head, _ in _COLUMNS.values())]]
    cells += [[row["name"], *(pattern.format(**row) for _, pattern in _COLUMNS.values())] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_text(found):
    """What `evaluation.json` holds, for a terminal."""
    weights, reference = found["weights"], found["reference"]
    epoch = f", epoch {weights['epoch']:.0f}" if "epoch" in weights else ""
    part = f"{reference['images']:,} of the " if reference["images"] < reference["training_images"] else ""
    few = reference["searched_for_copies"] < reference["training_images"]
    searched = f"; copies are looked for among {reference['searched_for_copies']:,}" if few else ""
    return (
        f"generator: {weights['file']}{epoch}, latents of seed {found['latents_seed']}\n"
        f"reference: {reference['name']}: {part}{reference['training_images']:,} images{searched}\n"
        f"features: {found['features']}\n"
        f"note: {found['caveat']}\n\n{as_table(found['rows'])}"
    )
