"""Weights of another architecture are refused with both sides; those of another class are noted."""

import functools
import json
import re
import types

import h5py
import numpy as np
import pytest
from test_launch import keras_2_weights

from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.runs import checkpoints, initial_weights, trained, weights_files
from wgan.runs.run_folder import RunFolder
from wgan.training import launch as launching


@functools.cache
def gan_of(channels=1, **changes):
    """The same networks whenever asked for: what they hold does not matter here, and making them takes a second."""
    from wgan.training.loop import build_gan
    return build_gan(TrainingConfig(dataset="digits", label="3", precision="float32", **{"latent_dim": 8, **changes}),
                     channels)


def save(gan, folder, keras_2=False):
    folder.mkdir(exist_ok=True)
    for name in ("generator", "critic"):
        network = getattr(gan, name)
        if keras_2:
            keras_2_weights(folder / f"{name}.h5", network)
        else:
            network.save_weights(folder / f"{name}.weights.h5")
    return folder


LATENTS = (dict(latent_dim=9), dict(), r"its dense\w*/kernel is 9 x 2048, and that of this run's generator is 8 x 2048 "
           r"\(another --latent_dim\?\)")
COLOURS = (dict(channels=3), dict(), "its images have 3 channels, and those of this run's generator have 1")
GREYS = (dict(), dict(channels=3), "its images have 1 channel, and those of this run's generator have 3")


@pytest.mark.parametrize("keras_2", [False, True], ids=["keras_3", "keras_2"])
@pytest.mark.parametrize("old, new, words", [LATENTS, COLOURS, GREYS])
def test_weights_of_another_architecture_are_refused_with_both_sides(tmp_path, old, new, words, keras_2):
    folder = save(gan_of(**old), tmp_path, keras_2)
    with pytest.raises(UserError) as refusal:
        initial_weights.load_weights(gan_of(**new), folder)
    said = str(refusal.value)
    assert re.search(words, said) and f"{folder}/generator" in said and "does not fit the generator" in said


@pytest.mark.parametrize("old, new", [(32, 64), (64, 32)])
def test_weights_for_images_of_another_size_are_refused_with_both_sizes(tmp_path, old, new):
    with pytest.raises(UserError, match=f"images are of {old} x {old} pixels, and those .* of {new} x {new}"):
        initial_weights.load_weights(gan_of(image_size=new), save(gan_of(image_size=old), tmp_path))


def test_in_the_older_layout_another_size_is_another_number_of_arrays(tmp_path):
    # 5 kernels and 4 normalisations of 4 arrays each; a doubling adds one of both.
    with pytest.raises(UserError, match=r"it has 26 arrays of weights, and this run's generator has 21 .*image_size"):
        initial_weights.load_weights(gan_of(), save(gan_of(image_size=64), tmp_path, keras_2=True))


def test_a_critic_with_layers_beyond_the_networks_is_not_taken_for_a_smaller_one(tmp_path):
    folder = save(gan_of(), tmp_path)
    gan_of(image_size=64).critic.save_weights(folder / "critic.weights.h5")
    with pytest.raises(UserError, match="critic.weights.h5 does not fit the critic: its images are of 64 x 64 pixels"):
        initial_weights.load_weights(gan_of(), folder)


def test_a_layer_that_one_side_has_alone_is_named(tmp_path):
    folder = save(gan_of(), tmp_path)
    with h5py.File(folder / "critic.weights.h5", "r+") as file:
        file["attention/vars/0"] = np.zeros([7, 5], np.float32)
    with pytest.raises(UserError, match="it holds attention/kernel of 7 x 5, and this run's critic has none"):
        initial_weights.load_weights(gan_of(), folder)
    with h5py.File(folder / "critic.weights.h5", "r+") as file:
        del file["attention"], file["conv_4"]
    with pytest.raises(UserError, match="it has no conv_4/kernel, and this run's critic has one of 5 x 5 x 128 x 128"):
        initial_weights.load_weights(gan_of(), folder)


def test_what_keras_stores_besides_layers_is_no_difference(tmp_path):
    gan = gan_of()
    folder = save(gan, tmp_path)
    with h5py.File(folder / "critic.weights.h5", "r+") as file:
        file["dropout/seed_generator/vars/0"] = np.zeros([2], np.uint32)
        file["optimizer/vars/2"] = np.zeros([5, 5, 1, 32], np.float32)
    initial_weights.load_weights(gan, folder)


def test_where_the_difference_cannot_be_told_keras_has_the_say(tmp_path):
    gan = gan_of()
    folder = save(gan, tmp_path, keras_2=True)
    with h5py.File(folder / "generator.h5", "r+") as file:
        file.attrs["layer_names"] = 5
    weights_files.check_fits(folder / "generator.h5", gan.generator, "this run's generator")
    with pytest.raises(UserError, match="does not fit the generator"):
        initial_weights.load_weights(gan, folder)


def test_a_state_of_another_versions_networks_is_refused_with_both_sides(tmp_path):
    path = tmp_path / checkpoints.STATE_FILE
    gan_of(latent_dim=9).save_weights(path)
    with pytest.raises(UserError, match="generator/dense/kernel is 9 x 2048, and that of this version's networks is "
                                        r"8 x 2048.*the version that began it"):
        checkpoints.restore(gan_of(), types.SimpleNamespace(path=path, attempt=0))


def test_a_state_with_a_layer_that_this_version_does_not_know_is_refused(tmp_path):
    path = tmp_path / checkpoints.STATE_FILE
    gan_of(image_size=64).save_weights(path)
    with pytest.raises(UserError, match="images are of 64 x 64 pixels, and those of this version's networks of 32 x"):
        checkpoints.restore(gan_of(), types.SimpleNamespace(path=path, attempt=0))


def test_an_evaluated_generator_of_another_architecture_is_refused_with_both_sides(tmp_path):
    path = tmp_path / "generator.weights.h5"
    gan_of().generator.save_weights(path)
    config = TrainingConfig(dataset="digits", latent_dim=8)
    trained.load_generator(config, 1, path)
    with pytest.raises(UserError, match="its images have 1 channel, and those of the run's generator have 3"):
        trained.load_generator(config, 3, path)


def write_config(folder, **changes):
    config = TrainingConfig(**{**dict(dataset="digits", label="3", checkpoint_dir=str(folder)), **changes})
    images = types.SimpleNamespace(name="digits", images=np.zeros([20, 32, 32, 1], np.uint8), heldout=None,
                                   heldout_indices=(), labels=None, label_names=())
    RunFolder(config).write_config(config, images, "0" * 64, {"epoch": 0})


def test_fine_tuning_on_another_class_is_noted_with_both(tiny, tmp_path, capsys):
    old = save(gan_of(), tmp_path / "old")
    write_config(old)
    for place in (old, old / "generator.weights.h5"):
        assert launching.launch(tiny(label="5", init_from=str(place)), dry_run=True) == 0
        assert f"note: {place} was trained on 3 of digits, this run is on 5 of digits\n" in capsys.readouterr().err


@pytest.mark.parametrize("stored", [
    dict(), None, "damaged", dict(label=None)], ids=["same", "no_configuration", "damaged", "no_label"])
def test_no_note_where_the_classes_are_the_same_or_not_known(tmp_path, stored):
    if stored == "damaged":
        (tmp_path / "config.json").write_text('{"config": ')
    elif stored is not None:
        write_config(tmp_path, **stored)
    config = TrainingConfig(dataset="digits", label="3", init_from=str(tmp_path))
    assert initial_weights.note_of_other_images(config) is None


def test_a_note_on_another_data_set_stays_on_one_line(tmp_path):
    write_config(tmp_path, dataset="folder", label="3")
    stored = json.loads((tmp_path / "config.json").read_text())
    stored["config"]["label"] = "two\nlines"
    (tmp_path / "config.json").write_text(json.dumps(stored))
    config = TrainingConfig(dataset="digits", label="3", init_from=str(tmp_path))
    assert initial_weights.note_of_other_images(config) == (
        f"{tmp_path} was trained on two lines of folder, this run is on 3 of digits")
