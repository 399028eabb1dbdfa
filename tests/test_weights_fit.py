"""Weights of another architecture are refused with the difference; those of another class are noted."""

import functools
import types

import h5py
import numpy as np
import pytest
import short_runs

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.runs import checkpoints, initial_weights
from wgan.training import launch as launching


@functools.cache
def gan_of(channels=1, **changes):
    """The same networks whenever asked for: what they hold does not matter here, and making them takes a second."""
    from wgan.training.loop import build_gan

    return build_gan(
        TrainingConfig(dataset="digits", label="3", precision="float32", **{"latent_dim": 8, **changes}), channels
    )


def save(gan, folder):
    folder.mkdir(exist_ok=True)
    for name in ("generator", "critic"):
        getattr(gan, name).save_weights(folder / f"{name}.weights.h5")
    return folder


@pytest.mark.parametrize(
    "old, new, words",
    [
        (dict(latent_dim=9), dict(), "kernels that are missing: 8 x 2048; kernels that are too many: 9 x 2048 "),
        (dict(channels=3), dict(), "kernels that are missing: 5 x 5 x 1 x 32; .*many: 5 x 5 x 3 x 32 "),
        (dict(image_size=64), dict(), "kernels that are missing: none; .*many: 5 x 5 x 128 x 128 .*image_size"),
        (dict(), dict(image_size=64), "kernels that are missing: 5 x 5 x 128 x 128; .*many: none .*image_size"),
    ],
)
def test_weights_of_another_architecture_are_refused_with_the_difference(tmp_path, old, new, words):
    folder = save(gan_of(**old), tmp_path)
    with pytest.raises(UserError, match=f"^{folder}/generator.*h5 does not fit the generator: {words}[^\n]*$"):
        initial_weights.load_weights(gan_of(**new), folder)


def test_a_critic_with_the_same_kernels_in_other_layers_is_refused_with_the_flags(tmp_path):
    folder = save(gan_of(), tmp_path)
    with pytest.raises(UserError, match="critic.weights.h5 does not fit the critic: .*or --critic_norm"):
        initial_weights.load_weights(gan_of(critic_norm="spectral"), folder)


def test_what_keras_stores_besides_layers_is_no_difference(tmp_path):
    gan = gan_of()
    folder = save(gan, tmp_path)
    with h5py.File(folder / "critic.weights.h5", "r+") as file:
        file["dropout/seed_generator/vars/0"] = np.zeros([2], np.uint32)
        file["optimizer/vars/2"] = np.zeros([5, 5, 1, 32], np.float32)
    initial_weights.load_weights(gan, folder)


def test_a_state_of_another_versions_networks_is_refused(tmp_path):
    path = tmp_path / checkpoints.STATE_FILE
    for changes in (dict(latent_dim=9), dict(image_size=64)):
        gan_of(**changes).save_weights(path)
        with pytest.raises(UserError, match="does not fit this version's networks: .*the version that began it"):
            checkpoints.restore(gan_of(), types.SimpleNamespace(path=path, attempt=0))


def external_link(file, dataset, elsewhere):
    del file[dataset]
    file[dataset] = h5py.ExternalLink(str(elsewhere), dataset)


def numbers_in_another_file(file, dataset, elsewhere):
    shape = file[dataset].shape
    del file[dataset]
    file.create_dataset(dataset, shape, np.float32, external=[(str(elsewhere), 0, 2**20)])


def virtual_numbers(file, dataset, elsewhere):
    layout = h5py.VirtualLayout(file[dataset].shape, np.float32)
    layout[...] = h5py.VirtualSource(str(elsewhere), dataset, layout.shape)
    del file[dataset]
    file.create_virtual_dataset(dataset, layout)


def not_finite(file, dataset, elsewhere):
    file[dataset][...] = np.nan


@pytest.mark.parametrize("change", [external_link, numbers_in_another_file, virtual_numbers, not_finite])
def test_weights_hold_finite_numbers_of_their_own(tmp_path, change):
    """Of a bias: kernels that lie elsewhere are missing already when shapes are compared."""
    folder = save(gan_of(), tmp_path)
    (path,) = folder.glob("critic*")
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        arrays = []
        file.visititems(lambda name, item: arrays.append(name) if getattr(item, "ndim", 0) == 1 else None)
        change(file, arrays[0], elsewhere)
    with pytest.raises(UserError, match=f"^{path} does not fit the critic: [^\n]+$"):
        initial_weights.load_weights(gan_of(seed=2), folder)  # not one that is saved here


def begin_in(folder, **changes):
    settings = dict(dataset="digits", label="3", checkpoint_dir=str(folder), sample_dir=str(folder))
    image_set = data.ImageSet(np.zeros([20, 32, 32, 1], np.uint8), "digits", "3")
    short_runs.begin(TrainingConfig(**{**settings, **changes}), image_set)


def test_fine_tuning_on_another_class_is_noted_with_both(tiny, tmp_path, capsys):
    old = save(gan_of(), tmp_path / "old")
    begin_in(old)
    for place in (old, old / "generator.weights.h5"):
        assert launching.launch(tiny(label="5", init_from=str(place)), dry_run=True) == 0
        assert f"note: {place} was trained on 3 of digits, this run is on 5 of digits\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "stored", [dict(), None, "damaged", dict(label=None)], ids=["same", "no_configuration", "damaged", "no_label"]
)
def test_no_note_where_the_classes_are_the_same_or_not_known(tmp_path, stored):
    if stored == "damaged":
        (tmp_path / "config.json").write_text('{"config": ')
    elif stored is not None:
        begin_in(tmp_path, **stored)
    config = TrainingConfig(dataset="digits", label="3", init_from=str(tmp_path))
    assert initial_weights.note_of_other_images(config) is None
