"""What nearest neighbours among features say of samples: are they real enough, are all kinds there, are they copies?

Features are arrays [images, dimensions]; distances are Euclidean, in float64.
"""

import dataclasses

import numpy as np

from wgan.evaluation.distances import ROWS_AT_ONCE, checked, on_one_thread

K = 3  # the neighbour to which a ball of precision and recall reaches, as in their paper


@on_one_thread()
def precision_recall(reals, samples, k=K, real_radii=None):
    """Improved precision and recall (Kynkäänniemi et al. 2019, section 3).

    A ball around each real image reaches to its k-th nearest other real image. Precision is the share of
    samples inside any such ball: are they realistic? Recall is the same with reals and samples
    exchanged: is all of the real variety there?

    Args:
        reals, samples: [n, dimensions] and [m, dimensions], n and m more than k.
        real_radii: `square_radii(reals, k)`, where it is known already.

    Returns:
        Two floats in [0, 1].
    """
    real_radii = square_radii(reals, k) if real_radii is None else real_radii
    sample_radii = square_radii(samples, k)
    in_real_ball = np.zeros(len(samples), bool)
    has_reached = np.zeros(len(reals), bool)
    for start, squares in _square_distances(reals, samples):
        in_real_ball |= (squares <= real_radii[start:start + len(squares), None]).any(axis=0)
        has_reached[start:start + len(squares)] = (squares <= sample_radii).any(axis=1)
    return float(in_real_ball.mean()), float(has_reached.mean())


@on_one_thread()
def density_coverage(reals, samples, k=5):
    """Density and coverage (Naeem et al. 2020, equations 3 and 4), sturdier against outliers.

    Density counts in how many real balls a sample lies, on average and divided by k; it may exceed 1.
    Coverage is the share of real balls that hold a sample. k is what that paper chose.

    Args:
        reals, samples: [n, dimensions] and [m, dimensions], n more than k.

    Returns:
        Two floats, the first at least 0, the second in [0, 1].
    """
    radii = square_radii(reals, k)
    memberships, covered = 0, 0
    for start, squares in _square_distances(reals, samples):
        inside = squares <= radii[start:start + len(squares), None]
        memberships += np.count_nonzero(inside)
        covered += np.count_nonzero(inside.any(axis=1))
    return float(memberships / (k * len(samples))), float(covered / len(reals))


@dataclasses.dataclass(frozen=True)
class Copies:
    """Which training image each sample is nearest to, and how near that is.

    Attributes:
        nearest: int [samples], an index into the training images.
        distances: float [samples], to it.
        closeness: float [samples]: that distance as a multiple of the distance from that training image to
            the nearest other one. Below 1 the sample is nearer than any training image.
        share: the share of samples whose closeness is below 1. A generator that copies comes near 1. What to
            expect of new images depends on the features (a half or less): compare with that of real images.
    """

    nearest: np.ndarray
    distances: np.ndarray
    closeness: np.ndarray
    share: float


@on_one_thread()
def find_copies(training, samples):
    """Compares samples with their nearest training images: the authenticity of Alaa et al. (2022, section 3.3).

    Args:
        training, samples: [n, dimensions] and [m, dimensions], n at least 2.

    Returns:
        `Copies`.
    """
    checked(training, training)  # one image alone has no other to be near to
    nearest, squares = _nearest(samples, training)
    found, place = np.unique(nearest, return_inverse=True)  # how isolated the other training images are is not needed
    spacing = np.sqrt(_nearest(np.asarray(training)[found], training, excluded=found)[1])[place]
    distances = np.sqrt(squares)
    # Twins in the training data have no distance; a sample at their place is a copy, elsewhere it is not.
    closeness = np.divide(distances, spacing, out=np.where(distances > 0, np.inf, 0.0), where=spacing > 0)
    return Copies(nearest, distances, closeness, float(np.mean(closeness < 1)))


def _nearest(features, others, excluded=None):
    """For each feature the index of the nearest other, and the squared distance; `excluded` names one not to count."""
    nearest, smallest = [], []
    for start, squares in _square_distances(features, others):
        rows = np.arange(len(squares))
        if excluded is not None:
            squares[rows, excluded[start:start + len(squares)]] = np.inf
        nearest.append(squares.argmin(axis=1))
        smallest.append(squares[rows, nearest[-1]])
    return np.concatenate(nearest), np.concatenate(smallest)


@on_one_thread()
def square_radii(features, k):
    """The squared distance of each feature to its k-th nearest other one: [n]."""
    if len(features) <= k:
        raise ValueError(f"more than {k} images are needed, not {len(features)}")
    radii = []
    for start, squares in _square_distances(features, features):
        rows = np.arange(len(squares))
        squares[rows, start + rows] = np.inf  # not to itself
        radii.append(np.partition(squares, k - 1, axis=1)[:, k - 1])
    return np.concatenate(radii)


def _square_distances(features, others):
    """Yields (first row, squared distances [rows, len(others)]), a block of rows at a time.

    |x|^2 + |y|^2 - 2 x y loses digits where x and y are far from the origin, so that is moved among them, and
    where they are almost the same: what is within rounding of zero becomes zero, so that a copy is at no distance.
    """
    features, others = checked(features, others, least=1)
    features, others = features - others.mean(axis=0), others - others.mean(axis=0)
    other_norms = np.sum(others**2, axis=1)
    for start in range(0, len(features), ROWS_AT_ONCE):
        block = features[start:start + ROWS_AT_ONCE]
        lengths = np.sum(block**2, axis=1)[:, None] + other_norms
        squares = lengths - 2 * block @ others.T
        squares[squares < 1e-13 * lengths] = 0
        yield start, squares
