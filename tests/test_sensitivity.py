"""The metrics on real images and their own features: every kind of damage is seen, and by the right figure."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from wgan import data
from wgan.evaluation import distances, neighbours


@pytest.fixture(scope="module")
def digits(own):
    """Images of all ten digits and, by digit, their features."""
    sets = {name: data.load("digits", None, name, "all").images for name in "0123456789"}
    return sets, {name: own(images) for name, images in sets.items()}


def both_halves(found, names="0123456789"):
    """Every other image of some digits, and the rest of them."""
    return tuple(np.concatenate([found[name][start::2] for name in names]) for start in (0, 1))


def blurred(images, radius):
    blur = ImageFilter.GaussianBlur(radius)
    return np.stack([np.asarray(Image.fromarray(image[..., 0]).filter(blur))[..., None] for image in images])


def with_noise(images, std):
    noise = np.random.default_rng(0).normal(0, std, images.shape)
    return np.uint8(np.clip(images + noise, 0, 255))


@pytest.mark.parametrize(
    "damage, strengths", [(blurred, (0.5, 1, 2, 4)), (with_noise, (4, 8, 16, 32))]
)  # beyond, the features know only that it is no digit
@pytest.mark.slow
def test_fid_and_kid_grow_with_the_strength_of_blur_and_noise(own, digits, damage, strengths):
    images, found = digits
    reals, _ = both_halves(found)
    _, rest = both_halves(images)
    measured = [own(rest), *(own(damage(rest, strength)) for strength in strengths)]
    fids = [distances.frechet_distance(reals, samples) for samples in measured]
    kids = [distances.kernel_distance(reals, samples)[0] for samples in measured]
    assert fids == sorted(fids) and kids == sorted(kids)
    assert fids[-1] > 10 * fids[0]


def test_dropped_modes_cost_recall_and_coverage_but_no_precision(digits):
    _, found = digits
    reals, samples = both_halves(found)
    _, only_even = both_halves(found, "02468")
    whole, dropped = (neighbours.precision_recall(reals, some) for some in (samples, only_even))
    assert dropped[0] > whole[0] - 0.05
    assert dropped[1] < whole[1] - 0.25
    whole, dropped = (neighbours.density_coverage(reals, some) for some in (samples, only_even))
    assert dropped[1] < whole[1] - 0.25
    fids = [
        distances.frechet_distance(reals, both_halves(found, names)[1])
        for names in ("0123456789", "01234567", "0123", "01")
    ]
    assert fids == sorted(fids)


def test_noise_costs_precision_and_density(own, digits):
    images, found = digits
    reals, rest = both_halves(found)
    noisy = own(with_noise(both_halves(images)[1], 64))
    assert neighbours.precision_recall(reals, noisy)[0] < neighbours.precision_recall(reals, rest)[0] - 0.3
    assert neighbours.density_coverage(reals, noisy)[0] < neighbours.density_coverage(reals, rest)[0] / 2


def test_a_generator_that_copies_is_found_out_though_its_fid_is_perfect(own, digits):
    images, found = digits
    training, fresh = both_halves(found)
    copies = own(with_noise(both_halves(images)[0], 2))
    assert distances.frechet_distance(training, copies) < distances.frechet_distance(training, fresh)
    assert neighbours.find_copies(training, copies).share > 0.9
    assert neighbours.find_copies(training, fresh).share < 0.7
    assert np.mean(neighbours.find_copies(training, copies).nearest == np.arange(len(copies))) > 0.9
