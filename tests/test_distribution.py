"""Training on several devices: as on one but for rounding, and refused where it would be wrong."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import short_runs
import two_devices

from wgan.common.errors import UserError
from wgan.training.launch import launch

HELPER = pathlib.Path(two_devices.__file__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `two_devices.py` leaves."""
    folder = tmp_path_factory.mktemp("two_devices")
    subprocess.run([sys.executable, str(HELPER), str(folder)], check=True)
    return folder


@pytest.fixture
def found(folder):
    return json.loads((folder / "found.json").read_text())


def state(folder):
    return short_runs.state_in(folder / "checkpoints")


@pytest.mark.parametrize("name", two_devices.GANS)
def test_gradients_of_every_update_are_those_of_one_device_and_replicas_stay_alike(found, name):
    one = found[name]
    assert one["updates"] == [two_devices.updates_of_an_epoch(name)] * 2
    assert max(one["gradients"]) < (2e-3 if name == "sgan" else 1e-4)  # whose discriminator's are small differences
    assert min(one["first_alone"]) > 0.1  # the mean over one replica's images is another
    assert one["figures"] < 1e-4 and one["weights"] < 1e-4 and one["alike"]


def test_a_run_in_parts_from_records_ends_in_the_same_bits(folder):
    short_runs.assert_same_arrays(state(folder / "adam_whole"), state(folder / "adam_parts"))


def test_adam_moves_the_weights_as_on_one_device(folder):
    """Adam enlarges rounding, but not that far in four epochs."""
    ones, others = state(folder / "adam_one"), state(folder / "adam_whole")
    weights = [name for name in ones if name.startswith(("generator/", "critic/"))]
    assert weights and ones.keys() == others.keys()
    assert two_devices.distance([ones[name] for name in weights], [others[name] for name in weights]) < 1e-3


def test_real_networks_train_in_graphs_as_on_one_device(folder):
    ones, others = state(folder / "none"), state(folder / "mirrored")
    names = [name for name in ones if name.startswith(("generator/", "critic/", "averaged_generator/"))]
    assert len({name.partition("/")[0] for name in names}) == 3 and ones.keys() == others.keys()
    assert two_devices.distance([ones[name] for name in names], [others[name] for name in names]) < 1e-4


def test_one_device_and_two_continue_each_others_runs(folder):
    ones, others = state(folder / "one"), state(folder / "changing")
    assert ones.keys() == others.keys()
    for key in ones:
        np.testing.assert_allclose(others[key], ones[key], rtol=1e-3, atol=1e-4, err_msg=key, equal_nan=True)


def test_a_batch_that_the_devices_cannot_share_is_refused_with_the_nearest(found):
    of_critic, of_generator = found["refusals"]
    assert of_critic == "--batch_size is 5, which 2 devices cannot share equally; the nearest is 4 or 6"
    assert of_generator.startswith("--generator_batch_size is 7") and of_generator.endswith("6 or 8")


def test_one_device_is_too_few(toy):
    with pytest.raises(UserError, match="for two devices or more, and TensorFlow sees one; leave it out"):
        launch(toy(distribute="mirrored"))
