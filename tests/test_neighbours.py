import numpy as np
import pytest
from scipy.special import betainc

from wgan.evaluation import neighbours
from wgan.evaluation.neighbours import density_coverage, find_copies, precision_recall, square_radii


def _distance(x, y):
    return np.sqrt(np.sum((x - y) ** 2))


def _naive_radii(points, k):
    return [sorted(_distance(x, y) for j, y in enumerate(points) if j != i)[k - 1] for i, x in enumerate(points)]


def _naive_inside(points, others, k):
    """Which of the others lies in which point's ball: [points, others]."""
    return np.array([[_distance(x, y) <= radius for y in others]
                     for x, radius in zip(points, _naive_radii(points, k))])


def _naive_precision_recall(reals, samples, k):
    return (_naive_inside(reals, samples, k).any(axis=0).mean(), _naive_inside(samples, reals, k).any(axis=0).mean())


def _naive_density_coverage(reals, samples, k):
    inside = _naive_inside(reals, samples, k)
    return inside.sum() / (k * len(samples)), inside.any(axis=1).mean()


def _naive_copies(training, samples):
    table = np.array([[_distance(sample, image) for image in training] for sample in samples])
    nearest = table.argmin(axis=1)
    closeness = table.min(axis=1) / np.array(_naive_radii(training, 1))[nearest]
    return nearest, closeness, np.mean(closeness < 1)


def _overlapping(seed=0, counts=(40, 33)):
    """Two sets of which each covers a part of the other."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=[counts[0], 3]), rng.normal(size=[counts[1], 3]) * 0.8 + [2.5, 0, 0]


def _clusters(seed, centres, count):
    """`count` points around each of the chosen corners, which are far apart."""
    corners = 100 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]])[centres]
    return (np.random.default_rng(seed).normal(size=[count, len(centres), 3]) + corners).reshape(-1, 3)


@pytest.mark.parametrize("k", [1, 3, 39])
def test_radii_reach_to_the_kth_nearest_other_point(k):
    points = _overlapping()[0]
    np.testing.assert_allclose(np.sqrt(square_radii(points, k)), _naive_radii(points, k), rtol=1e-10)


def test_radius_is_nothing_where_others_lie_at_the_same_place():
    points = np.array([[1.1, 0.3], [4.0, 4.0], [1.1, 0.3], [1.1, 0.3]])
    np.testing.assert_array_equal(square_radii(points, 2)[[0, 2, 3]], 0)
    np.testing.assert_allclose(square_radii(points, 3), np.full(4, 2.9**2 + 3.7**2), rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_precision_and_recall_are_the_naive_loop(k):
    reals, samples = _overlapping()
    expected = _naive_precision_recall(reals, samples, k)
    assert precision_recall(reals, samples, k) == expected
    assert all(0 < share < 1 for share in expected)


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_density_and_coverage_are_the_naive_loop(k):
    reals, samples = _overlapping()
    expected = _naive_density_coverage(reals, samples, k)
    np.testing.assert_allclose(density_coverage(reals, samples, k), expected, rtol=1e-12)
    assert 0 < expected[1] < 1


def test_numbers_of_neighbours_are_those_of_the_papers_where_none_is_given():
    reals, samples = _overlapping()
    assert precision_recall(reals, samples) == _naive_precision_recall(reals, samples, 3)
    np.testing.assert_allclose(density_coverage(reals, samples), _naive_density_coverage(reals, samples, 5),
                               rtol=1e-12)


def test_copies_are_those_of_the_naive_loop():
    training, samples = _overlapping()
    found = find_copies(training, samples)
    nearest, closeness, share = _naive_copies(training, samples)
    np.testing.assert_array_equal(found.nearest, nearest)
    np.testing.assert_allclose(found.closeness, closeness, rtol=1e-10)
    assert found.share == share
    assert 0 < share < 1


@pytest.mark.parametrize("rows", [1, 7, 33, 1000])
def test_results_do_not_depend_on_the_size_of_the_blocks(monkeypatch, rows):
    monkeypatch.setattr(neighbours, "ROWS_AT_ONCE", rows)
    reals, samples = _overlapping()
    assert precision_recall(reals, samples) == _naive_precision_recall(reals, samples, 3)
    np.testing.assert_allclose(density_coverage(reals, samples), _naive_density_coverage(reals, samples, 5),
                               rtol=1e-12)
    found, (nearest, closeness, share) = find_copies(reals, samples), _naive_copies(reals, samples)
    np.testing.assert_array_equal(found.nearest, nearest)
    np.testing.assert_allclose(found.closeness, closeness, rtol=1e-10)
    assert found.share == share


def test_precision_and_recall_are_exchanged_with_the_sets():
    reals, samples = _overlapping(seed=1)
    precision, recall = precision_recall(reals, samples)
    assert precision != recall
    assert precision_recall(samples, reals) == (recall, precision)


def test_radii_known_already_take_the_place_of_their_computation():
    reals, samples = _overlapping(seed=2)
    for k in (2, 3):
        assert precision_recall(reals, samples, k, square_radii(reals, k)) == precision_recall(reals, samples, k)
    nothing = precision_recall(reals, samples, real_radii=np.zeros(len(reals)))
    assert nothing == (0, precision_recall(reals, samples)[1])


def test_identical_sets_are_perfect():
    # Of whole numbers, so that distances are exact: every ball holds its own image and k others.
    reals = np.random.default_rng(3).integers(0, 10_000, [300, 4])
    assert precision_recall(reals, reals) == (1, 1)
    density, coverage = density_coverage(reals, reals, k=4)
    np.testing.assert_allclose(density, 5 / 4, rtol=1e-12)
    assert coverage == 1


def test_a_ball_holds_the_points_of_its_surface():
    reals, samples = np.array([[0.0], [1.0]]), np.array([[2.0], [4.0]])
    assert precision_recall(reals, samples, k=1) == (1 / 2, 1)
    assert density_coverage(reals, samples, k=1) == (1 / 2, 1 / 2)


def test_sets_far_apart_have_nothing_in_common():
    reals, samples = _clusters(4, [0], 50), _clusters(5, [3], 60)
    assert precision_recall(reals, samples) == (0, 0)
    assert density_coverage(reals, samples) == (0, 0)
    assert find_copies(reals, samples).share == 0


def test_dropped_kinds_cost_recall_and_coverage_but_no_precision():
    reals, samples = _clusters(6, [0, 1, 2, 3], 100), _clusters(7, [1, 3], 200)
    whole = _clusters(8, [0, 1, 2, 3], 100)
    precision, recall = precision_recall(reals, samples)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5 < 0.9 < precision_recall(reals, whole)[1]
    density, coverage = density_coverage(reals, samples)
    assert 0.85 < density < 1.15
    assert 0.45 < coverage <= 0.5 < 0.9 < density_coverage(reals, whole)[1]


def test_noise_costs_precision_and_a_narrow_choice_costs_recall():
    rng = np.random.default_rng(9)
    reals, samples = rng.normal(size=[2, 400, 4])
    precision, recall = precision_recall(reals, samples)
    assert min(precision, recall) > 0.8
    noisy = precision_recall(reals, samples + rng.normal(scale=3, size=samples.shape))
    assert noisy[0] < 0.5 * precision
    assert noisy[1] > 0.8 * recall
    narrow = precision_recall(reals, 0.2 * samples)
    assert narrow[0] > 0.95
    assert narrow[1] < 0.3 * recall


def test_one_outlier_makes_samples_precise_but_not_dense():
    rng = np.random.default_rng(10)
    reals = np.vstack([rng.normal(size=[200, 3]), [[100, 0, 0]]])
    samples = rng.normal(size=[150, 3]) + [50, 0, 0]  # in the outlier's ball, which reaches to the others
    assert precision_recall(reals, samples)[0] == 1
    density, coverage = density_coverage(reals, samples, k=5)
    np.testing.assert_allclose(density, 1 / 5, rtol=1e-12)
    assert coverage == 1 / 201
    np.testing.assert_allclose(density_coverage(reals[:-1], samples), 0)


def test_density_of_the_same_distribution_is_near_one():
    rng = np.random.default_rng(11)
    values = [density_coverage(*rng.normal(size=[2, 200, 5]))[0] for _ in range(20)]
    np.testing.assert_allclose(np.mean(values), 1, atol=0.05)


def test_density_may_exceed_one():
    rng = np.random.default_rng(12)
    reals = rng.normal(size=[200, 20])
    assert density_coverage(reals, 0.1 * rng.normal(size=[200, 20]))[0] > 2


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


def test_copies_with_a_little_noise_are_found():
    rng = np.random.default_rng(14)
    training, chosen = rng.normal(size=[300, 16]), rng.integers(300, size=200)
    noise = rng.normal(scale=1e-3, size=[200, 16])
    found = find_copies(training, training[chosen] + noise)
    np.testing.assert_array_equal(found.nearest, chosen)
    spacing = np.array(_naive_radii(training, 1))[chosen]
    np.testing.assert_allclose(found.closeness, np.linalg.norm(noise, axis=1) / spacing, rtol=1e-6)
    assert found.share == 1


def test_share_of_copies_counts_all_samples_alike():
    rng = np.random.default_rng(15)
    training, fresh = rng.normal(size=[2, 400, 4])
    alone = find_copies(training, fresh).share
    mixed = find_copies(training, np.vstack([fresh, training])).share
    np.testing.assert_allclose(mixed, (alone + 1) / 2, rtol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_new_samples_are_copies_as_often_as_neighbours_are_mutual(dimensions):
    """A new sample comes nearer than all others where it and its nearest image are each other's nearest.

    On a flat torus, which has no edges, that is as likely as a ball is large beside its union with an equal
    ball around a point of its surface: 2/3 along a line, 0.62 and 0.59 in two and three dimensions, and
    ever nearer a half. The share is of 6,000 samples, which are not quite independent.
    """
    rng = np.random.default_rng(16)

    def draw(count):
        angles = rng.uniform(0, 2 * np.pi, [count, dimensions])
        return np.hstack([np.cos(angles), np.sin(angles)])

    share = np.mean([find_copies(draw(1000), draw(1000)).share for _ in range(6)])
    overlap = betainc((dimensions + 1) / 2, 1 / 2, 3 / 4)
    np.testing.assert_allclose(share, 1 / (2 - overlap), atol=0.025)


def test_new_samples_of_a_normal_distribution_are_copies_about_half_of_the_time():
    rng = np.random.default_rng(17)
    shares = [find_copies(*rng.normal(size=[2, 500, 4])).share for _ in range(6)]
    np.testing.assert_allclose(np.mean(shares), 0.5, atol=0.05)


@pytest.mark.filterwarnings("error")
def test_a_sample_at_the_place_of_twins_is_a_copy_and_one_beside_them_is_not():
    training = np.array([[0.3, 0.1], [0.3, 0.1], [5.0, 5.0], [6.0, 5.0]])
    samples = np.array([[0.3, 0.1], [0.3, 0.101], [5.25, 5.0], [6.0, 5.0], [6.0, 7.0]])
    with np.errstate(all="raise"):
        found = find_copies(training, samples)
    assert set(found.nearest[:2]) <= {0, 1}
    np.testing.assert_array_equal(found.nearest[2:], [2, 3, 3])
    np.testing.assert_allclose(found.closeness, [0, np.inf, 0.25, 0, 2], rtol=1e-10)
    assert found.share == 3 / 5


def test_a_sample_as_far_away_as_the_next_image_is_no_copy():
    found = find_copies(np.array([[0.0], [2.0], [7.0]]), np.array([[-2.0], [10.0]]))
    np.testing.assert_array_equal(found.closeness, [1, 3 / 5])
    assert found.share == 1 / 2


def test_neighbours_are_computed_in_double_precision():
    reals, samples = np.random.default_rng(18).uniform(100, 101, [2, 60, 16]).astype("float32")
    doubles = reals.astype("float64"), samples.astype("float64")
    np.testing.assert_array_equal(find_copies(reals, samples).closeness, find_copies(*doubles).closeness)
    np.testing.assert_array_equal(square_radii(reals, 3), square_radii(doubles[0], 3))
    np.testing.assert_allclose(np.sqrt(square_radii(reals, 3)), _naive_radii(doubles[0], 3), rtol=1e-9)


def test_shift_and_scale_of_both_sets_change_nothing():
    reals, samples = _overlapping(seed=19)
    for figures in (precision_recall, density_coverage, lambda *sets: find_copies(*sets).share):
        assert figures(50 - 3 * reals, 50 - 3 * samples) == figures(reals, samples)


def test_too_few_images_are_refused_and_one_more_is_enough():
    points = np.random.default_rng(20).normal(size=[9, 2])
    for sets in ((points[:3], points), (points, points[:3])):
        with pytest.raises(ValueError, match="more than 3 images"):
            precision_recall(*sets)
    with pytest.raises(ValueError, match="more than 5 images"):
        density_coverage(points[:5], points)
    assert precision_recall(points[:4], points[:4]) == (1, 1)
    assert density_coverage(points[:6], points[:1])[1] > 0


def test_one_training_image_says_nothing_of_copies_and_two_are_enough():
    with pytest.raises(ValueError):
        find_copies(np.array([[0.0]]), np.array([[3.0], [4.0]]))
    found = find_copies(np.array([[0.0], [1.0]]), np.array([[3.0], [0.5]]))
    np.testing.assert_array_equal(found.closeness, [2, 0.5])


@pytest.mark.parametrize("figures", [precision_recall, density_coverage, find_copies])
@pytest.mark.parametrize("shape", [(8,), (8, 3), (8, 2, 2)])
def test_other_shapes_are_refused(figures, shape):
    for sets in ((np.zeros([8, 4]), np.zeros(shape)), (np.zeros(shape), np.zeros([8, 4]))):
        with pytest.raises(ValueError, match="must be"):
            figures(*sets)
