import numpy as np
import pytest
import scipy.linalg

from wgan.evaluation import distances
from wgan.evaluation.distances import frechet_distance, kernel_distance, kernel_sums_within


def _correlated(rng, count, dimensions, shift=0.0):
    return rng.normal(size=[count, dimensions]) @ rng.normal(size=[dimensions, dimensions]) + shift


def _fit(features):
    return features.mean(axis=0), np.cov(features, rowvar=False)


def _mean_term_and_traces(features, others):
    (mean, covariance), (other_mean, other_covariance) = _fit(features), _fit(others)
    return np.sum((mean - other_mean) ** 2) + np.trace(covariance) + np.trace(other_covariance)


def test_frechet_distance_is_the_formula_with_a_matrix_root():
    rng = np.random.default_rng(0)
    features, others = _correlated(rng, 60, 6), _correlated(rng, 85, 6, shift=0.7)
    root = scipy.linalg.sqrtm(_fit(features)[1] @ _fit(others)[1])
    expected = _mean_term_and_traces(features, others) - 2 * np.trace(root).real
    np.testing.assert_allclose(frechet_distance(features, others), expected, rtol=1e-9)


@pytest.mark.parametrize("count", [5, 300])
def test_identical_sets_are_at_no_frechet_distance_in_any_order(count):
    features = _correlated(np.random.default_rng(2), count, 20)
    negligible = 1e-12 * features.var(axis=0).sum()
    assert 0 <= frechet_distance(features, features) < negligible
    assert 0 <= frechet_distance(features, features[::-1]) < negligible


def test_frechet_distance_is_exact_with_fewer_images_than_dimensions():
    rng = np.random.default_rng(7)
    features, others = _correlated(rng, 5, 40), _correlated(rng, 7, 40, shift=0.5)
    eigenvalues = np.linalg.eigvals(_fit(features)[1] @ _fit(others)[1]).real
    # Five centred images span four dimensions: the other eigenvalues are zero, and their roots only rounding.
    expected = _mean_term_and_traces(features, others) - 2 * np.sqrt(np.sort(eigenvalues)[-4:]).sum()
    np.testing.assert_allclose(frechet_distance(features, others), expected, rtol=1e-9)


def test_constant_and_repeated_dimensions_do_no_harm():
    rng = np.random.default_rng(9)
    features, others = _correlated(rng, 40, 5), _correlated(rng, 30, 5, shift=0.4)
    plain = frechet_distance(features, others)
    padded = [np.pad(points, [(0, 0), (0, 3)], constant_values=2.0) for points in (features, others)]
    np.testing.assert_allclose(frechet_distance(*padded), plain, rtol=1e-10)
    repeated = [np.tile(points, 2) for points in (features, others)]
    np.testing.assert_allclose(frechet_distance(*repeated), 2 * plain, rtol=1e-10)


def test_frechet_distance_loses_little_far_from_the_origin():
    rng = np.random.default_rng(10)
    features, others = _correlated(rng, 200, 10), _correlated(rng, 150, 10, shift=0.2)
    np.testing.assert_allclose(
        frechet_distance(features + 1e6, others + 1e6), frechet_distance(features, others), rtol=1e-8
    )


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_distances_are_computed_in_double_precision(distance, dtype):
    features, others = np.random.default_rng(11).uniform(0, 200, [2, 50, 7]).astype(dtype)
    assert distance(features, others) == distance(features.astype(np.float64), others.astype(np.float64))


@pytest.mark.parametrize("distance, least", [(frechet_distance, 2), (kernel_distance, 3)])
def test_distances_refuse_too_few_images_and_take_just_enough(distance, least):
    points = np.random.default_rng(12).normal(size=[9, 4])
    for sets in ((points[: least - 1], points), (points, points[: least - 1]), (points[:0], points)):
        with pytest.raises(ValueError, match=f"at least {least} images"):
            distance(*sets)
    assert np.all(np.isfinite(distance(points[:least], points[-least:])))


def _naive_kid(features, others):
    """The unbiased estimate, one pair at a time."""
    kernel = lambda x, y: (sum(a * b for a, b in zip(x, y)) / len(x) + 1) ** 3
    within = lambda points: np.mean(
        [kernel(x, y) for i, x in enumerate(points) for j, y in enumerate(points) if i != j]
    )
    between = np.mean([kernel(x, y) for x in features for y in others])
    return within(features) + within(others) - 2 * between


def _two_sets(seed=13, counts=(9, 6)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=[counts[0], 5]), rng.normal(size=[counts[1], 5]) * 1.3 + 0.5


def test_known_kernel_sums_are_used_and_give_the_same():
    features, others = _two_sets()
    usual, within = kernel_distance(features, others), kernel_sums_within(features)
    assert kernel_distance(features, others, within) == usual
    more = kernel_distance(features, others, within + 1)[0]  # each of n sums is over n - 1 others
    np.testing.assert_allclose(more - usual[0], 1 / (len(features) - 1), rtol=1e-10)


@pytest.mark.parametrize("counts", [(9, 6), (4, 8), (3, 3)])
def test_standard_error_is_the_jackknife_that_leaves_each_image_out(counts):
    features, others = _two_sets(counts=counts)

    def variance(values):
        return (len(values) - 1) / len(values) * np.sum((values - np.mean(values)) ** 2)

    without_one = [_naive_kid(np.delete(features, index, axis=0), others) for index in range(counts[0])]
    without_other = [_naive_kid(features, np.delete(others, index, axis=0)) for index in range(counts[1])]
    expected = np.sqrt(variance(without_one) + variance(without_other))
    np.testing.assert_allclose(kernel_distance(features, others)[1], expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_kernel_distance_is_the_naive_double_loop_whatever_the_size_of_the_blocks(monkeypatch, rows):
    features, others = _two_sets(counts=(40, 31))
    usual = kernel_distance(features, others)
    monkeypatch.setattr(distances, "ROWS_AT_ONCE", rows)
    np.testing.assert_allclose(kernel_distance(features, others), usual, rtol=1e-10)
    np.testing.assert_allclose(usual[0], _naive_kid(features, others), rtol=1e-10)
