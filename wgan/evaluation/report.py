"""A report on samples: every figure beside the yardsticks by which to judge it."""

import numpy as np

from wgan.evaluation import distances, neighbours
from wgan.images.grids import image_grid

COLUMNS = ("fid", "kid", "kid_error", "precision", "recall", "density", "coverage", "copies")
PAIRS_SHOWN = 32


def figures(reals, samples, real_kernel_sums=None, real_radii=None):
    """FID, KID with its standard error, precision and recall between two sets of features.

    Args:
        reals, samples: as in `measure`.
        real_kernel_sums, real_radii: of the reals, where they are known already: see `distances.kernel_distance`
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


def measure(reals, samples):
    """Every metric between two sets of features.

    Args:
        reals, samples: [n, dimensions] and [m, dimensions], at least 6 each.

    Returns:
        A dictionary from the `COLUMNS` (but `copies`) to floats, with both counts.
    """
    density, coverage = neighbours.density_coverage(reals, samples)
    return {
        "reals": len(reals),
        "images": len(samples),
        **figures(reals, samples),
        "density": density,
        "coverage": coverage,
    }


def sample_row(reals, samples, training):
    """The figures of samples, and the comparison with their nearest training images.

    Args:
        reals, samples: as in `measure`.
        training: features of all training images.

    Returns:
        A row as a dictionary, and `neighbours.Copies`.
    """
    copies = neighbours.find_copies(training, samples)
    return {"name": "samples", **measure(reals, samples), "copies": copies.share}, copies


def yardsticks(extract, reals, images, other):
    """What the figures are worth: the best, the nearly right, and the worst that can be expected.

    Args:
        extract: an `Extractor`.
        reals: features of `images`.
        images: uint8 [N, size, size, channels].
        other: an `ImageSet` of another class, or None.

    Yields:
        Rows as dictionaries: one half of the real images against the other; another class; noise.
    """
    order = np.random.default_rng(0).permutation(len(reals))
    half, rest = np.array_split(reals[order], 2)
    yield {"name": "half of the real images", **measure(rest, half), "copies": neighbours.find_copies(rest, half).share}
    if other is not None:
        features = extract(other.images[: len(reals)])
        yield {
            "name": other.class_name,
            **measure(reals, features),
            "copies": neighbours.find_copies(reals, features).share,
        }
    noise = extract(np.random.default_rng(0).integers(0, 256, images.shape, np.uint8))
    yield {"name": "noise", **measure(reals, noise), "copies": neighbours.find_copies(reals, noise).share}


def closest_pairs(samples, training, copies):
    """A grid of the samples that come nearest to training images, each with that image to its right.

    Args:
        samples, training: uint8 [., size, size, channels].
        copies: what `find_copies` said of them.

    Returns:
        uint8 [height, width, channels], four pairs a row.
    """
    # By distance: by closeness, training images that are unlike all others would fill the grid.
    closest = np.argsort(copies.distances, kind="stable")[:PAIRS_SHOWN]
    pairs = np.stack([samples[closest], training[copies.nearest[closest]]], axis=1)
    return image_grid(pairs.reshape(-1, *samples.shape[1:]), columns=8)


def as_table(rows):
    """The rows as text: a table in Markdown that can also be read as it stands."""
    head = ["", "images", "of reals", "FID", "KID", "precision", "recall", "density", "coverage", "nearer than reals"]
    cells = [head, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(row):
    return [
        row["name"],
        f"{row['images']:,}",
        f"{row['reals']:,}",
        f"{row['fid']:.3g}",
        f"{row['kid']:.3g} ± {row['kid_error']:.1g}",
        *(f"{row[name]:.1%}" for name in ("precision", "recall")),
        f"{row['density']:.2f}",
        f"{row['coverage']:.1%}",
        f"{row['copies']:.1%}",
    ]
