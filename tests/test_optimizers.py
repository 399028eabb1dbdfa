import keras
import numpy as np
import pytest

from wgan.models.optimizers import Adam


@pytest.mark.parametrize("betas", [(0.5, 0.9), (0.0, 0.99)])
def test_adam_makes_the_updates_of_keras_s(betas):
    rng = np.random.default_rng(0)
    start = rng.normal(size=[3, 4]).astype(np.float32)
    gradients = rng.normal(size=[5, 3, 4]).astype(np.float32)
    gradients[2] = 0  # nothing to divide by but epsilon
    results = []
    for kind in (Adam, keras.optimizers.Adam):
        variable = keras.Variable(start)
        rate = keras.optimizers.schedules.PolynomialDecay(0.1, 4)
        optimizer = kind(rate, *betas)
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        results.append([variable.numpy(), *(each.numpy() for each in optimizer.variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert np.abs(results[0][0] - start).max() > 0.1
