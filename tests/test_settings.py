"""How the settings reach optimizers and networks."""

import os

import numpy as np
import pytest

from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.training.loop import build_gan


def test_each_network_has_its_own_learning_rate(toy):
    gan = build_gan(toy(learning_rate=1e-4, critic_learning_rate=4e-4), channels=1)
    assert float(gan.generator_optimizer.learning_rate) == pytest.approx(1e-4)
    assert float(gan.critic_optimizer.learning_rate) == pytest.approx(4e-4)
    gan = build_gan(toy(learning_rate=3e-4), channels=1)
    assert float(gan.critic_optimizer.learning_rate) == pytest.approx(3e-4)


def test_both_learning_rates_fall_in_a_line_to_zero_at_the_same_epoch(toy):
    gan = build_gan(toy(learning_rate=1e-3, decay_epochs=100, critic_steps=5), channels=1)
    for epoch, expected in ((0, 1e-3), (25, 7.5e-4), (100, 0)):
        gan.generator_optimizer.iterations.assign(epoch)
        gan.critic_optimizer.iterations.assign(5 * epoch)
        rates = [float(optimizer.learning_rate) for optimizer in (gan.generator_optimizer, gan.critic_optimizer)]
        np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("changes", [{}, dict(critic_learning_rate=1e-4, data_dir="images")])
def test_settings_come_back_from_json(toy, changes):
    config = toy(**changes)
    assert TrainingConfig.from_json(config.to_json()) == config


def test_a_setting_that_follows_another_is_the_same_spelled_out(toy):
    earlier = toy(learning_rate=1e-4, batch_size=8)
    spelled_out = toy(learning_rate=1e-4, critic_learning_rate=1e-4, batch_size=8, generator_batch_size=8)
    assert spelled_out.differences(earlier) == []
    assert toy(learning_rate=2e-4, batch_size=8).differences(earlier) == ["learning_rate was 0.0001, now 0.0002"]
    assert toy(learning_rate=1e-4, batch_size=8, generator_batch_size=4).differences(earlier) == [
        "generator_batch_size was 8, now 4"
    ]


def test_augmentations_are_named_in_any_order(toy):
    assert toy(augment="cutout, color").augmentation == ("cutout", "color")
    assert toy().augmentation == ()


def test_a_data_set_may_have_settings_of_its_own_which_flags_override():
    config = TrainingConfig.of_recipe("wgan_gp", dataset="digits", epochs=20)
    assert (config.epochs, config.critic_learning_rate) == (20, 4e-4)
    assert TrainingConfig.of_recipe("wgan_gp", dataset="digits").epochs == 300
    assert TrainingConfig.of_recipe("wgan_gp", dataset="mnist").epochs == TrainingConfig().epochs
    assert TrainingConfig.of_recipe("lsgan_mlp", dataset="digits").epochs == 18_750  # of that recipe alone
    config.check()


@pytest.mark.parametrize(
    "values, message",
    [
        (dict(epochs="ten"), "--epochs is 'ten'; it must be of the type int"),
        (dict(epochs=None), "--epochs is None; it must be of the type int"),
        (dict(learning_rate="fast"), "--learning_rate is 'fast'; it must be of the type float"),
        (dict(gradient_penalty_weight=10**400), "it must be a finite number"),
        (dict(deterministic=1), "--deterministic is 1; it must be of the type bool"),
        (dict(batch_size=True), "--batch_size is True"),
        (dict(checkpoint_dir=["a"]), "--checkpoint_dir is ['a']; it must be of the type str"),
        (dict(dataset=["cifar10"]), "--dataset is ['cifar10']; it must be of the type str"),
        (dict(learnig_rate=1e-3), "no setting is called 'learnig_rate' (did you mean \"learning_rate\"?)"),
    ],
)
def test_in_a_program_a_wrong_setting_is_one_line_too(values, message):
    with pytest.raises(UserError) as error:
        TrainingConfig.of_recipe("wgan_gp", **values).check()
    assert message in str(error.value)


def test_a_path_or_a_number_may_stand_for_a_text(tmp_path):
    (tmp_path / "run").mkdir()
    [entry] = os.scandir(tmp_path)
    config = TrainingConfig(checkpoint_dir=tmp_path, sample_dir=entry, label=np.int64(7), labels_per_class=10)
    assert (config.checkpoint_dir, config.sample_dir) == (str(tmp_path), str(tmp_path / "run"))
    assert (config.label, config.labels_per_class) == ("7", "10")
