"""The feature network, how it is trained, and what is made of images before it sees them."""

import keras
import numpy as np
import pytest

from tools import train_feature_network
from wgan.evaluation import feature_network, features


def random_images(count, size=32, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), np.uint8)


def test_features_are_float32_and_the_same_in_any_batch(own):
    found = own(random_images(7))
    assert found.shape == (7, feature_network.FEATURES) and found.dtype == np.float32
    np.testing.assert_allclose(own(random_images(7)[3:4])[0], found[3], rtol=1e-4, atol=1e-5)


def test_more_images_than_a_batch_keep_their_order(own, monkeypatch):
    found = own(random_images(7))
    monkeypatch.setattr(own, "batch", 3)
    np.testing.assert_allclose(own(random_images(7)), found, rtol=1e-4, atol=1e-5)


def test_grey_images_count_as_colour(own):
    grey = random_images(3, channels=1)
    np.testing.assert_array_equal(own(grey), own(np.repeat(grey, 3, axis=-1)))


def test_large_images_are_reduced_without_aliasing(own):
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255  # every other column: reduced properly they are grey, picked out they are black or white
    grey, black = np.full((1, 32, 32, 3), 127, np.uint8), np.zeros((1, 32, 32, 3), np.uint8)
    to_grey, to_black = np.abs(own(stripes) - own(grey)).sum(), np.abs(own(stripes) - own(black)).sum()
    assert to_grey < 0.2 * to_black


def test_features_do_not_depend_on_the_precision_of_the_training(own):
    keras.config.set_dtype_policy("mixed_bfloat16")
    np.testing.assert_array_equal(features.own()(random_images(4)), own(random_images(4)))


def test_the_shipped_network_is_as_small_as_promised_and_says_where_it_comes_from():
    assert feature_network.WEIGHTS.stat().st_size < 5e6
    made = feature_network.provenance()
    assert made["bytes"] == feature_network.WEIGHTS.stat().st_size
    assert "JPEG" in made["trained_on"] and made["minutes"] < 60 and made["test_accuracy"] >= 0.9


@pytest.mark.slow
def test_the_shipped_network_is_as_accurate_as_it_says(official):
    images, labels = train_feature_network.labelled_images(official, "test")
    assert len(images) == 10_000
    found = train_feature_network.accuracy(feature_network.load_feature_network(), images, labels)
    assert found == pytest.approx(feature_network.provenance()["test_accuracy"], abs=0.001)


def test_inception_takes_small_grey_images_and_computes_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    extract = features.inception(weights=None)
    found = extract(random_images(2, channels=1))
    assert found.shape == (2, 2048) and found.dtype == np.float32 and np.isfinite(found).all()
    assert "random" in extract.description and "published" in extract.caveat
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_training_learns_and_repeats_to_the_bit(monkeypatch):
    monkeypatch.setattr(train_feature_network, "BATCH", 10)
    monkeypatch.setattr(train_feature_network, "WHOLE_EPOCHS", 1)
    labels = np.arange(30) % 10
    images = np.broadcast_to(np.uint8(20 + 23 * labels)[:, None, None, None], (30, 32, 32, 3)).copy()
    (first, losses), (second, _) = (train_feature_network.train(images, labels, epochs=3, seed=5) for _ in range(2))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert losses[-1] < losses[0]


def test_weights_are_stored_in_half_and_load_as_they_were(tmp_path, monkeypatch):
    network = feature_network.FeatureNetwork()
    images = np.float32(random_images(3)) / 127.5 - 1
    logits = network(images)
    network.compile("sgd", "mse")
    train_feature_network.write(network, tmp_path, {})
    monkeypatch.setattr(feature_network, "WEIGHTS", tmp_path / feature_network.WEIGHTS.name)
    np.testing.assert_allclose(feature_network.load_feature_network()(images), logits, atol=2e-3 * np.abs(logits).max())
    assert (tmp_path / feature_network.WEIGHTS.name).stat().st_size < 2.2 * network.count_params()
