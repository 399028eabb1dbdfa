"""Distances between two sets of features, arrays [images, dimensions], in float64: FID and KID."""

import contextlib

import numpy as np
from threadpoolctl import threadpool_limits

ROWS_AT_ONCE = 128  # of a matrix of pairs: 6,000 images a side then fit a cache


@contextlib.contextmanager
def on_one_thread():
    """Keeps linear algebra to one thread: on matrices so small two wait for each other where other programs run."""
    with threadpool_limits(1, "blas"):
        yield


@on_one_thread()
def frechet_distance(features, others):
    """FID (Heusel et al. 2017): the Fréchet distance between the normal distributions fitted to both sets.

    |mean - mean'|^2 + tr(C + C' - 2 (C C')^(1/2)). With C = R^T R from the QR decomposition of the centred
    features, the trace of the root is the sum of the singular values of R R'^T. Neither a covariance nor
    a matrix root is formed, so it stays exact where there are fewer images than dimensions.

    The distance grows as the number of images falls: compare only values from the same numbers.

    Args:
        features, others: [n, dimensions] and [m, dimensions], n and m at least 2; else ValueError.

    Returns:
        A float, at least 0.
    """
    features, others = checked(features, others)
    (mean, factor), (other_mean, other_factor) = _normal_fit(features), _normal_fit(others)
    traces = np.sum(factor**2) + np.sum(other_factor**2)
    root_trace = np.linalg.svd(factor @ other_factor.T, compute_uv=False).sum()
    return max(0.0, float(np.sum((mean - other_mean) ** 2) + traces - 2 * root_trace))


def _normal_fit(features):
    """Mean [dimensions] and a factor R with R^T R = the covariance (of n - 1)."""
    mean = features.mean(axis=0)
    return mean, np.linalg.qr((features - mean) / np.sqrt(len(features) - 1), mode="r")


@on_one_thread()
def kernel_distance(features, others, within=None):
    """KID (Bińkowski et al. 2018): the squared maximum mean discrepancy, with its standard error.

    The kernel is (x y / dimensions + 1)^3 and the estimate has no bias: pairs of a feature with itself
    are left out. It may therefore fall below zero. All pairs are used rather than random subsets.

    The standard error is the jackknife's: the estimate without each image in turn, for either set.

    Args:
        features, others: [n, dimensions] and [m, dimensions], n and m at least 3; else ValueError.
        within: `kernel_sums_within(features)`, where it is known already.

    Returns:
        Two floats: the estimate, and its standard error.
    """
    features, others = checked(features, others, least=3)
    within = kernel_sums_within(features) if within is None else within
    other_within = kernel_sums_within(others)
    between, other_between = _kernel_sums(features, others)
    n, m = len(features), len(others)

    def estimate(within_sum, n, other_within_sum, m, between_sum):
        return within_sum / (n * (n - 1)) + other_within_sum / (m * (m - 1)) - 2 * between_sum / (n * m)

    sums = within.sum(), other_within.sum(), between.sum()
    without_one = estimate(sums[0] - 2 * within, n - 1, sums[1], m, sums[2] - between)
    without_other = estimate(sums[0], n, sums[1] - 2 * other_within, m - 1, sums[2] - other_between)
    variance = _jackknife_variance(without_one) + _jackknife_variance(without_other)
    return float(estimate(sums[0], n, sums[1], m, sums[2])), float(np.sqrt(variance))


def _jackknife_variance(without_one):
    n = len(without_one)
    return (n - 1) / n * np.sum((without_one - without_one.mean()) ** 2)


@on_one_thread()
def kernel_sums_within(features):
    """Each feature's sum of KID's kernel with all other features: float64 [n], for [n, dimensions]."""
    features = np.asarray(features, np.float64)
    return _kernel_sums(features, features)[0] - (np.sum(features**2, axis=1) / features.shape[1] + 1) ** 3


def _kernel_sums(features, others):
    """Each feature's sum of kernels with all others, and each other's with all features: [n] and [m]."""
    sums, other_sums = np.empty(len(features)), np.zeros(len(others))
    for start in range(0, len(features), ROWS_AT_ONCE):
        kernels = _kernel(features[start : start + ROWS_AT_ONCE], others)
        sums[start : start + ROWS_AT_ONCE] = kernels.sum(axis=1)
        other_sums += kernels.sum(axis=0)
    return sums, other_sums


def _kernel(features, others):
    base = features @ others.T / features.shape[1] + 1
    return base * base * base  # several times faster than a power


def checked(features, others, least=2):
    """Both sets in float64, or ValueError where they are no sets of at least `least` finite features each."""
    features, others = np.asarray(features, np.float64), np.asarray(others, np.float64)
    if features.ndim != 2 or others.ndim != 2 or features.shape[1] != others.shape[1]:
        raise ValueError(
            f"features must be [n, dimensions] and [m, dimensions], not {list(features.shape)} and {list(others.shape)}"
        )
    if min(len(features), len(others)) < least:
        raise ValueError(f"at least {least} images a set are needed, not {len(features)} and {len(others)}")
    if not (np.isfinite(features).all() and np.isfinite(others).all()):
        raise ValueError("some features are not finite")
    return features, others
