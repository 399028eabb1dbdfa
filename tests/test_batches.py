import numpy as np
import pytest

from wgan.training.batches import epoch_batches, epoch_indices


@pytest.mark.parametrize("num_images, num_drawn", [(10, 10), (10, 7), (10, 35), (1, 3)])
def test_each_image_is_drawn_once_before_any_is_drawn_again(num_images, num_drawn):
    indices = epoch_indices(seed=5, epoch=3, num_images=num_images, num_drawn=num_drawn).numpy()
    assert len(indices) == num_drawn
    for start in range(0, num_drawn, num_images):
        shuffle = indices[start : start + num_images]
        assert len(set(shuffle)) == len(shuffle) and set(shuffle) <= set(range(num_images))


def test_order_follows_seed_epoch_and_attempt():
    order = lambda seed, epoch, attempt=0: epoch_indices(seed, epoch, 100, 100, attempt).numpy().tolist()
    assert order(1, 1) == order(1, 1)
    assert order(1, 1) not in (order(1, 2), order(2, 1), order(1, 1, attempt=1))


def test_elements_are_epochs_of_different_batches_and_can_begin_anywhere():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    elements = list(epoch_batches(images, 0, (5, 8), range(1, 5)))
    assert [int(epoch) for epoch, _ in elements] == [1, 2, 3, 4]
    for _, batches in elements:
        assert batches.shape == (5, 8, 1, 1, 1) and batches.dtype == "uint8"
        assert sorted(batches.numpy().flat) == list(range(40))  # five batches share no image
    later = list(epoch_batches(images, 0, (5, 8), range(3, 5)))
    np.testing.assert_array_equal(later[0][1].numpy(), elements[2][1].numpy())


def test_no_thread_tunes_the_pipeline():
    """It would wake up once in a while only, and the end of a training would wait for it."""
    images = np.zeros([8, 1, 1, 1], np.uint8)
    assert epoch_batches(images, 0, (1, 8), range(1, 2)).options().autotune.enabled is False
