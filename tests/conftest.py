"""What several test modules share."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest

from wgan.config import TrainingConfig


@pytest.fixture
def tiny(tmp_path):
    """Makes configurations of a run that takes moments: the embedded digits, batches of 4."""
    def make(**changes):
        settings = dict(dataset="digits", label="3", epochs=2, batch_size=4, critic_steps=2, latent_dim=8,
                        precision="float32", eval_every=0,
                        checkpoint_dir=str(tmp_path / "checkpoints"), sample_dir=str(tmp_path / "samples"))
        return TrainingConfig(**{**settings, **changes})
    return make


@pytest.fixture(autouse=True)
def usual_precision():
    """A run sets Keras's precision for the whole process; the next test begins with the usual one."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture
def float64():
    """Layers made in the test compute in double precision."""
    import keras
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(earlier)
