"""What nearest neighbours among features say of samples: are they real enough, are all kinds there, are they copies?

Features are arrays [images, dimensions]; distances are Euclidean, in float64.
"""

import dataclasses

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from wgan.evaluation.distances import checked, on_one_thread

K = 3  # the neighbour to which a ball of precision and recall reaches, as in their paper
_MEBIBYTES = 64  # of distances at once


@on_one_thread()
def precision_recall(reals, samples, k=K, real_radii=None):
    """Improved precision and recall (Kynkäänniemi et al. 2019, section 3).

    A ball around each real image reaches to its k-th nearest other real image. Precision, in [0, 1], is the share of
    samples inside any such ball: are they realistic? Recall is the same with reals and samples exchanged: is all of the
    real variety there?

    `reals` and `samples` are [n, dimensions] and [m, dimensions], n and m more than k; `real_radii` are what `radii`
    gives for the reals, where they are known already.
    """
    reals, samples = checked(reals, samples, least=1)
    real_radii = radii(reals, k) if real_radii is None else real_radii
    in_real_ball, is_reached = np.zeros(len(samples), bool), np.zeros(len(reals), bool)
    sample_radii = radii(samples, k)
    for rows, distances in _distances(reals, samples):
        in_real_ball |= (distances <= real_radii[rows, None]).any(axis=0)
        is_reached[rows] = (distances <= sample_radii).any(axis=1)
    return float(in_real_ball.mean()), float(is_reached.mean())


@on_one_thread()
def density_coverage(reals, samples, k=5):
    """Density and coverage (Naeem et al. 2020, equations 3 and 4), sturdier against outliers.

    Density, at least 0, counts in how many real balls a sample lies, on average and divided by k; it may exceed 1.
    Coverage, in [0, 1], is the share of real balls that hold a sample. k is what that paper chose; `reals` and
    `samples` are [n, dimensions] and [m, dimensions], n more than k.
    """
    reals, samples = checked(reals, samples, least=1)
    real_radii, memberships = radii(reals, k), np.zeros(len(reals), int)  # how many samples lie in each ball
    for rows, distances in _distances(reals, samples):
        memberships[rows] = np.count_nonzero(distances <= real_radii[rows, None], axis=1)
    return float(memberships.sum() / (k * len(samples))), float(np.mean(memberships > 0))


@dataclasses.dataclass(frozen=True)
class Copies:
    """Which training image each sample is nearest to, and how near that is.

    Closeness is that distance as a multiple of the distance from that training image to the nearest other one. A
    generator that copies has a share near 1; new images, depending on the features, a half or less.
    """

    nearest: np.ndarray  # int [samples], an index into the training images
    distances: np.ndarray  # float [samples], to it
    closeness: np.ndarray  # float [samples]
    share: float  # of samples whose closeness is below 1: nearer than any training image


@on_one_thread()
def find_copies(training, samples):
    """`Copies` among samples, [m, dimensions], of training images, [n, dimensions], n at least 2.

    This is the authenticity of Alaa et al. (2022, section 3.3).
    """
    checked(training, training)  # one image alone has no other to be near to
    training, samples = checked(training, samples, least=1)
    origin = training.mean(axis=0)  # far from it digits are lost
    search = NearestNeighbors(algorithm="brute").fit(training - origin)
    nearest = search.kneighbors(samples - origin, 1, return_distance=False)[:, 0]
    found, place = np.unique(nearest, return_inverse=True)  # how isolated the other training images are is not needed
    two = search.kneighbors(training[found] - origin, 2, return_distance=False)
    others = np.where(two[:, 0] == found, two[:, 1], two[:, 0])
    # From the differences, so that a copy is at no distance.
    spacing = np.linalg.norm(training[found] - training[others], axis=1)[place]
    distances = np.linalg.norm(samples - training[nearest], axis=1)
    # Twins in the training data have no distance; a sample at their place is a copy, elsewhere it is not.
    closeness = np.divide(distances, spacing, out=np.where(distances > 0, np.inf, 0.0), where=spacing > 0)
    return Copies(nearest, distances, closeness, float(np.mean(closeness < 1)))


@on_one_thread()
def radii(features, k):
    """The distance of each feature to its k-th nearest other one, plus a billionth for rounding: [n]."""
    if len(features) <= k:
        raise ValueError(f"more than {k} images are needed, not {len(features)}")
    features, _ = checked(features, features)
    features = features - features.mean(axis=0)  # far from the origin digits are lost
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    furthest = search.kneighbors(return_distance=False)[:, -1]
    return np.linalg.norm(features - features[furthest], axis=1) * (1 + 1e-9)


def _distances(features, others):
    """Yields (rows as a slice, distances [rows, len(others)]), a block of rows at a time; copies are at no distance."""
    features, others = features - others.mean(axis=0), others - others.mean(axis=0)
    rounding, start = 3e-7 * np.linalg.norm(features, axis=1, keepdims=True), 0
    for block in pairwise_distances_chunked(features, others, working_memory=_MEBIBYTES):
        rows = slice(start, start + len(block))
        block[block < rounding[rows]] = 0
        yield rows, block
        start = rows.stop
