import numpy as np
import pytest
from prdc import compute_prdc

from wgan.evaluation.distances import frechet_distance, kernel_distance
from wgan.evaluation.neighbours import density_coverage, find_copies, precision_recall, radii


def naive_distances(points, others):
    return np.sqrt(np.sum((points[:, None] - others[None]) ** 2, axis=2))


def naive_radii(points, k):
    return np.sort(naive_distances(points, points), axis=1)[:, k]  # the first is its own


def naive_copies(training, samples):
    table = naive_distances(samples, training)
    nearest = table.argmin(axis=1)
    return nearest, table.min(axis=1) / naive_radii(training, 1)[nearest]


def overlapping(seed=0, counts=(40, 33)):
    """Two sets of which each covers a part of the other."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=[counts[0], 3]), rng.normal(size=[counts[1], 3]) * 0.8 + [2.5, 0, 0]


@pytest.mark.parametrize("shift", [0, 1000])
@pytest.mark.parametrize("counts", [(40, 33), (700, 900)])
@pytest.mark.parametrize("k", [3, 5])
def test_figures_are_those_of_the_package_of_naeem_et_al(k, counts, shift):
    points = overlapping(counts=counts)
    theirs = compute_prdc(*points, k)
    shares = theirs["precision"], theirs["recall"]
    assert all(0 < share < 1 for share in shares)
    reals, samples = (each + shift for each in points)
    np.testing.assert_allclose(precision_recall(reals, samples, k), shares, rtol=1e-12)
    np.testing.assert_allclose(precision_recall(reals, samples, k, radii(reals, k)), shares, rtol=1e-12)
    np.testing.assert_allclose(density_coverage(reals, samples, k), (theirs["density"], theirs["coverage"]), rtol=1e-12)
    np.testing.assert_allclose(radii(reals, k), naive_radii(reals, k), rtol=1e-8)


def test_numbers_of_neighbours_are_those_of_the_papers_where_none_is_given():
    reals, samples = overlapping()
    assert precision_recall(reals, samples) == precision_recall(reals, samples, 3)
    assert density_coverage(reals, samples) == density_coverage(reals, samples, 5)


def test_copies_are_those_of_their_definition():
    training, samples = (points.astype("float32") for points in overlapping())
    found = find_copies(training, samples)
    nearest, closeness = naive_copies(training.astype("float64"), samples.astype("float64"))
    np.testing.assert_array_equal(found.nearest, nearest)
    np.testing.assert_allclose(found.closeness, closeness, rtol=1e-10)
    assert found.share == np.mean(closeness < 1) and 0 < found.share < 1


def test_images_at_the_same_place_have_balls_of_no_radius_that_hold_their_copies():
    reals = np.array([[1.1, 0.3], [4.0, 4.0], [1.1, 0.3], [1.1, 0.3], [1.1, 0.3]])
    np.testing.assert_array_equal(radii(reals, 3)[[0, 2, 3, 4]], 0)
    assert precision_recall(np.delete(reals, 1, axis=0) + 0.1, np.repeat(reals[:1], 5, axis=0) + 0.1) == (1, 1)


def test_one_outlier_makes_samples_precise_but_not_dense():
    rng = np.random.default_rng(10)
    reals = np.vstack([rng.normal(size=[200, 3]), [[100, 0, 0]]])
    samples = rng.normal(size=[150, 3]) + [50, 0, 0]  # in the outlier's ball, which reaches to the others
    assert precision_recall(reals, samples)[0] == 1
    np.testing.assert_allclose(density_coverage(reals, samples, k=5), (1 / 5, 1 / 201), rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_exact_copies_are_found_with_the_images_they_copy():
    rng = np.random.default_rng(13)
    # Far from the origin, where rounding could push a squared distance to either side of zero.
    training = (rng.normal(size=[300, 64]) + 30).astype("float32")
    chosen = rng.integers(300, size=500)
    found = find_copies(training, training[chosen])
    np.testing.assert_array_equal(found.nearest, chosen)
    np.testing.assert_array_equal(found.closeness, 0)
    assert found.share == 1


@pytest.mark.filterwarnings("error")
def test_a_sample_at_the_place_of_twins_is_a_copy_and_one_beside_them_is_not():
    training = np.array([[0.3, 0.1], [0.3, 0.1], [5.0, 5.0], [6.0, 5.0]])
    samples = np.array([[0.3, 0.1], [0.3, 0.101], [5.25, 5.0], [6.0, 5.0], [6.0, 7.0], [6.0, 6.0]])
    found = find_copies(training, samples)
    assert set(found.nearest[:2]) <= {0, 1}
    np.testing.assert_array_equal(found.nearest[2:], [2, 3, 3, 3])
    np.testing.assert_allclose(found.closeness, [0, np.inf, 0.25, 0, 2, 1], rtol=1e-10)
    assert found.share == 3 / 6


def test_too_few_images_are_refused_and_one_more_is_enough():
    points = np.random.default_rng(20).normal(size=[9, 2])
    for sets in ((points[:3], points), (points, points[:3])):
        with pytest.raises(ValueError, match="more than 3 images"):
            precision_recall(*sets)
    with pytest.raises(ValueError, match="more than 5 images"):
        density_coverage(points[:5], points)
    with pytest.raises(ValueError):
        find_copies(points[:1], points)
    assert precision_recall(points[:4], points[:4]) == (1, 1)
    assert density_coverage(points[:6], points[:1])[1] > 0
    assert find_copies(points[:2], points[:1]).share == 1


@pytest.mark.parametrize(
    "figures", [precision_recall, density_coverage, find_copies, frechet_distance, kernel_distance]
)
@pytest.mark.parametrize("shape", [(8,), (8, 3), (8, 2, 2), ()])
def test_other_shapes_are_refused(figures, shape):
    for sets in ((np.zeros([8, 4]), np.zeros(shape)), (np.zeros(shape), np.zeros([8, 4]))):
        with pytest.raises(ValueError, match="must be"):
            figures(*sets)
