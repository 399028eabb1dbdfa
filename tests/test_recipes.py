"""Every recipe: its networks, its constraint, and that it learns."""

import dataclasses
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wgan import data, recipes
from wgan.apps.export_gif import main as main_export
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.data import gaussian
from wgan.evaluation.distances import frechet_distance
from wgan.images import distribution
from wgan.models import losses, networks, randomness
from wgan.models.constraints import CONSTRAINTS, Clipping, WholeBatchPenalty, critic_gradients
from wgan.models.layers import StatelessDropout
from wgan.models.losses import LOSSES
from wgan.models.networks import Critic
from wgan.recipes import RECIPES
from wgan.recipes.recipe import FIGURES, SETTINGS
from wgan.runs import class_folders
from wgan.runs.history import read_history
from wgan.training.batches import epoch_batches
from wgan.training.launch import launch
from wgan.training.loop import GANS, build_gan

ON_IMAGES = [name for name, recipe in RECIPES.items() if not recipe.is_1d]
RNG = np.random.default_rng(0)


def config_of(name, **values):
    dataset = {} if RECIPES[name].is_1d else {"dataset": "digits"}
    settings = {"precision": "float32", "eval_every": 0, **dataset, **values}
    config = TrainingConfig.of_recipe(name, **settings)
    config.check()
    return config


def test_every_recipe_is_there_and_the_main_one_comes_first():
    assert list(RECIPES)[0] == "wgan_gp"
    images = "wgan_gp wgan_gp_fast wgan_gp_article wgan_gp_paper wgan_clip lsgan_mlp sgan gan_mlp dcgan"
    assert set(RECIPES) == {*images.split(), "wgan_gp_conditional", "gaussian_1d", "sngan", "r1gan", "r3gan"}


def test_settings_and_figures_are_those_of_parts_that_there_are():
    parts = {*networks.NETWORKS, *LOSSES, *CONSTRAINTS, *GANS}
    assert {*SETTINGS, *FIGURES} <= parts
    assert {name for names in SETTINGS.values() for name in names} <= TrainingConfig().to_json().keys()


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(loss="wasserstien"), "recipe new: loss is 'wasserstien' (did you mean \"wasserstein\"?); it may be"),
        (dict(networks="big"), "recipe new: networks is 'big'; it may be convolutional, "),
        (dict(constraint="clip"), "recipe new: constraint is 'clip'"),
        (dict(network_options=dict(width=3)), "recipe new: got an unexpected keyword argument 'width'"),
        (dict(defaults=dict(bach_size=3)), "no setting is called 'bach_size' (did you mean \"batch_size\"?) among the"),
    ],
)
def test_a_slip_in_a_recipe_is_one_line(monkeypatch, changes, message):
    monkeypatch.setitem(RECIPES, "new", dataclasses.replace(RECIPES["wgan_gp"], name="new", **changes))
    with pytest.raises(UserError) as error:
        build_gan(config_of("new"), channels=1)
    assert message in str(error.value)


def test_a_file_of_recipes_with_a_slip_is_named(tmp_path):
    shutil.copytree(pathlib.Path(recipes.__file__).parents[1], tmp_path / "wgan")
    for code, words in (
        ("RECIPES", "two recipes are called wgan_gp, in catalogue.py and mine.py"),
        ("RECIPES; RECIPES = RECIPES[0]", "RECIPES in mine.py is a recipe, not a tuple of them: put a comma after Rec"),
    ):
        (tmp_path / "wgan/recipes/mine.py").write_text(f"from wgan.recipes.catalogue import {code}")
        program = [sys.executable, "-c", "import wgan.recipes"]
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
        assert done.stderr.splitlines()[-1].startswith(f"ValueError: {words}")


@pytest.mark.parametrize("name", ON_IMAGES)
@pytest.mark.parametrize("channels", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_networks_fit_together(name, channels):
    config = config_of(name)
    generator, critic = networks.build(config, channels)
    size = config.image_size
    images = generator(randomness.latents(3, generator, tf.constant([1, 2], tf.int64)))
    assert images.shape == (3, size, size, channels) and images.dtype == tf.float32
    assert np.abs(images.numpy()).max() <= 1
    logits = critic(images)
    assert (logits[0] if isinstance(logits, tuple) else logits).shape == (3,)


@pytest.mark.parametrize(
    "name, generator, critic",
    [
        # Counted by hand from the articles' descriptions; batch normalisation counts four times its channels.
        ("lsgan_mlp", 101 * 256 + 257 * 512 + 513 * 1024, 1025 * 512 + 513 * 256 + 257),
        ("gan_mlp", 101 * 256 + 257 * 256 + 257 * 784, 785 * 256 + 257 * 256 + 257),
        (
            "dcgan",
            101 * 3136 + 4 + 9 * 50 + 50 + 200 + 9 * 50 * 25 + 25 + 100 + 4 * 25 + 1,
            25 * 32 + 32 + 25 * 32 * 64 + 64 + (7 * 7 * 64 + 1) * 1024 + 1025,
        ),
        (
            "sgan",
            101 * 8192 + 512 + 9 * 128 * 128 + 128 + 512 + 9 * 128 * 64 + 64 + 256 + 9 * 64 + 1,
            9 * 16 + 16 + 9 * 16 * 32 + 32 + 128 + 9 * 32 * 64 + 64 + 256 + 9 * 64 * 128 + 128 + 512 + 513 + 513 * 11,
        ),
        ("gaussian_1d", 2 * 16 + 17 * 16 + 17, 2 * 16 + 17 * 16 + 17),
    ],
)
def test_networks_have_the_articles_sizes(name, generator, critic):
    gan = build_gan(config_of(name), 1, [1] * 10)
    assert gan.generator.count_params() == generator
    assert gan.critic.count_params() == critic


def test_class_loss_and_accuracy_are_the_formulas():
    logits, labels = RNG.normal(size=[40, 11]), RNG.integers(0, 11, 40)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.mean(np.log(probabilities[np.arange(40), labels]))
    assert float(losses.class_loss(tf.constant(logits), tf.constant(labels, tf.int32))) == pytest.approx(expected)
    share = np.mean(logits.argmax(1) == labels)
    assert float(losses.accuracy(tf.constant(logits), tf.constant(labels, tf.int32))) == pytest.approx(share)


def test_the_articles_penalty_is_of_the_whole_batchs_gradient(float64):
    critic = Critic(channels=1, bounded=True)
    reals, fakes = (tf.constant(RNG.uniform(-1, 1, [4, 32, 32, 1])) for _ in range(2))
    weights = tf.constant(RNG.uniform(size=[4, 1, 1, 1]))
    term, figures = WholeBatchPenalty(10.0).term(critic, reals, fakes, weights)
    points = weights * reals + (1 - weights) * fakes
    norm = np.linalg.norm(critic_gradients(critic, points).numpy())  # of all images as one long vector
    assert float(term) == pytest.approx(4 * 10 * (norm - 1) ** 2, rel=1e-9)
    assert float(figures["gradient_norm"]) == pytest.approx(norm, rel=1e-9)
    assert np.abs(critic(100 * points).numpy()).max() <= 1


def test_clipped_weights_stay_within_the_bound_after_every_update(eagerly):
    gan = build_gan(config_of("wgan_clip", batch_size=4, clip_bound=0.005), channels=1)
    images = data.load("digits", None, "3", "all").images
    largest = []
    clip = gan.constraint.after_update
    gan.constraint.after_update = lambda critic: (
        clip(critic),
        largest.append(max(np.abs(variable.numpy()).max() for variable in critic.trainable_variables)),
    )
    gan.train_step((tf.constant(1, tf.int64), tf.constant(images[:20].reshape(5, 4, 32, 32, 1))))
    assert len(largest) == 5
    assert largest == pytest.approx([0.005] * 5, rel=1e-6)  # the initial weights lie beyond it
    assert isinstance(gan.critic_optimizer, keras.optimizers.RMSprop)
    assert isinstance(gan.constraint, Clipping)


def test_the_spectral_estimate_moves_once_in_each_critic_update_and_is_part_of_the_state(eagerly, tmp_path):
    images = data.load("digits", None, "3", "all").images[:8].reshape(2, 4, 32, 32, 1)
    gan = build_gan(config_of("sngan", batch_size=4, critic_steps=2), channels=1)
    estimates = {variable.path: variable for variable in gan.variables if variable.name == "u"}
    assert len(estimates) == 5  # four convolutions and the last layer
    kernel, u = gan.critic.conv_1.layer.kernel, gan.critic.conv_1.u
    seen, update = [], gan.critic_optimizer.apply
    gan.critic_optimizer.apply = lambda *args: (seen.append((kernel.numpy(), u.numpy())), update(*args))
    gan.train_step((tf.constant(1, tf.int64), tf.constant(images)))
    (_, first), (matrix, second) = seen
    moved = matrix.reshape(25, 32).T @ matrix.reshape(25, 32) @ first
    np.testing.assert_allclose(second, moved / np.linalg.norm(moved), rtol=1e-4)
    np.testing.assert_array_equal(second, u.numpy())  # the generator's update leaves it alone
    gan.save_weights(tmp_path / "state.weights.h5")
    other = build_gan(config_of("sngan", batch_size=4, seed=1), channels=1)
    other.load_weights(tmp_path / "state.weights.h5")
    for one, again in zip(gan.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), again.numpy())


def test_discriminator_of_sgan_has_an_output_more_than_there_are_classes_and_drops_whole_channels():
    images = tf.random.normal([6, 32, 32, 1], seed=1)
    for number in (3, 10):
        critic = build_gan(config_of("sgan"), 1, [5] * number).critic
        validity, classes = critic(images)
        assert critic.num_classes == number and validity.shape == (6,) and classes.shape == (6, number + 1)
    dropped = critic.dropout(tf.ones([6, 4, 4, 50]), seed=tf.constant([1, 2], tf.int64)).numpy()
    per_channel = dropped.reshape(6, 16, 50)
    assert (per_channel == per_channel[:, :1]).all()
    assert 0.1 < (per_channel == 0).mean() < 0.4


def test_generators_update_in_sgan_climbs_the_validity_alone(eagerly):
    gan = build_gan(config_of("sgan", batch_size=4), 1, [1] * 10)
    gan.critic.classes.kernel.assign(np.nan * np.ones(gan.critic.classes.kernel.shape))
    assert np.isfinite(float(gan.update_generator(4, tf.constant(1, tf.int64))))
    assert np.isfinite(gan.generator.dense.kernel.numpy()).all()


def test_clipping_may_be_had_with_adam_and_its_betas():
    gan = build_gan(config_of("wgan_clip", optimizer="adam", beta_1=0.5), channels=1)
    assert gan.critic_optimizer.beta_1 == 0.5 and isinstance(gan.constraint, Clipping)


def test_what_names_real_images_is_normalised_by_real_images_alone(eagerly):
    def statistics_after(fakes):
        gan = build_gan(config_of("sgan", batch_size=4), 1, [1] * 10)
        reals = tf.random.stateless_uniform([4, 32, 32, 1], [1, 2])
        before = gan.critic.norms[1].moving_mean.numpy()
        shown, labels = tf.zeros([4, 32, 32, 1], tf.uint8), tf.constant([0, 1, 2, 3])
        gan.critic_loss(reals, fakes, None, tf.constant([5, 6], tf.int64), shown, labels)
        after = gan.critic.norms[1].moving_mean.numpy()
        assert (after != before).any()
        gan.update_generator(4, tf.constant(1, tf.int64))
        np.testing.assert_array_equal(gan.critic.norms[1].moving_mean.numpy(), after)
        return [norm.moving_mean.numpy() for norm in gan.critic.norms[1:]]

    for with_black, with_white in zip(
        statistics_after(tf.fill([4, 32, 32, 1], -1.0)), statistics_after(tf.ones([4, 32, 32, 1]))
    ):
        np.testing.assert_array_equal(with_black, with_white)


def test_no_two_layers_of_the_discriminator_drop_by_the_same_numbers(eagerly, monkeypatch):
    gan, seeds, drop = build_gan(config_of("sgan", batch_size=4), 1, [1] * 10), [], StatelessDropout.call

    def note(self, inputs, seed=None):
        seeds.append(tuple(seed.numpy()))
        return drop(self, inputs, seed=seed)

    monkeypatch.setattr(StatelessDropout, "call", note)
    images = tf.zeros([4, 32, 32, 1])
    gan.critic_loss(images, images, None, tf.constant([5, 6], tf.int64), images, tf.constant([0, 1, 2, 3]))
    assert len(seeds) == len(set(seeds)) == 3 * len(gan.critic.convs)


def test_the_classifier_alone_learns_from_labels_and_leaves_the_gan_alone(eagerly):
    gan = build_gan(config_of("sgan", batch_size=16), 1, [1] * 10)
    images = data.load("digits", None, "all", "all")
    reals = tf.cast(images.images[:16], tf.float32) / 127.5 - 1
    labels = tf.constant(images.labels[:16])
    critic = [variable.numpy() for variable in gan.critic.variables]
    class_losses = []
    for step in range(30):
        gan.update_classifier(reals, labels, tf.constant([step, 0], tf.int64))
        class_losses.append(float(losses.class_loss(gan.classifier(reals, training=True)[1], labels)))
    assert class_losses[-1] < class_losses[0] / 2
    for before, variable in zip(critic, gan.critic.variables):
        np.testing.assert_array_equal(before, variable.numpy())


def test_labelled_batches_hold_labelled_images_alone_with_their_own_labels():
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    labels = np.full(100, -1, np.int32)
    labels[[3, 50, 99]] = [0, 5, 9]
    expected = {3: 0, 50: 5, 99: 9}
    for _, reals, shown, numbers in epoch_batches(images, 0, (2, 8), range(1, 4), labels=labels).as_numpy_iterator():
        assert reals.shape == shown.shape == (2, 8, 1, 1, 1) and numbers.shape == (2, 8)
        assert all(expected[int(image)] == number for image, number in zip(shown.ravel(), numbers.ravel()))
        assert len(np.unique(reals)) > 10  # the others come from all images


def test_few_labels_are_the_same_ones_again_and_as_many_of_each_class():
    first, second = (data.load_for_run(config_of("sgan", labels_per_class="7", holdout=200)) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert [(first.labels == number).sum() for number in range(10)] == [7] * 10
    assert (first.heldout_labels >= 0).all() and len(first.heldout_labels) == 200


def test_labels_belong_to_their_images():
    images = data.load("digits", None, "all", "all")
    for number in range(10):
        alone = data.load("digits", None, str(number), "all")
        np.testing.assert_array_equal(images.images[images.labels == number], alone.images)
        assert set(alone.labels) == {number}


@pytest.mark.parametrize(
    "name, values, message",
    [
        ("wgan_gp", dict(optimizer="sgd", beta_1=0.5), "--beta_1 is for --optimizer adam, not for sgd"),
        ("wgan_clip", dict(beta_2=0.99), "--beta_2 is for --optimizer adam, not for rmsprop"),
        ("wgan_gp", dict(clip_bound=0.1), "--recipe wgan_gp takes no --clip_bound"),
        ("dcgan", dict(gradient_penalty_weight=5.0), "--recipe dcgan takes no --gradient_penalty_weight"),
        ("sngan", dict(gradient_penalty_weight=5.0), "--recipe sngan takes no --gradient_penalty_weight"),
        ("r1gan", dict(penalty="one_sided"), "--recipe r1gan takes no --penalty"),
        ("r3gan", dict(generator_batch_size=32), "--recipe r3gan takes no --generator_batch_size"),
        ("wgan_gp", dict(image_size=28), "--recipe wgan_gp draws images of 32 or 64 or 128 pixels a side, not 28"),
        ("gaussian_1d", dict(dataset="mnist"), "makes numbers on a line: its --dataset is gaussian"),
        ("wgan_gp", dict(dataset="gaussian"), "makes images, and gaussian has none"),
        ("wgan_clip", dict(momentum=0.5), "--momentum is for --optimizer sgd, not for rmsprop"),
        ("sgan", dict(labels_per_class="few"), "--labels_per_class is 'few'"),
        ("sgan", dict(flips="on"), "--recipe sgan takes no --flips"),
        ("sgan", dict(augment="cutout"), "--recipe sgan takes no --augment"),
        ("sgan", dict(labels_per_class="0"), "--labels_per_class is '0'"),
        ("dcgan", dict(step_decay=0.5), "--step_decay and --step_epochs go together"),
        ("dcgan", dict(step_decay=1.0001, step_epochs=5), "--step_decay is 1.0001; it must be at most 1"),
        ("wgan_gp", dict(network="resnet", critic_dropout=0.5), "--critic_dropout is for --network plain"),
        ("gaussian_1d", dict(data_dir="."), "--recipe gaussian_1d takes no --data_dir"),
        ("wgan_gp", dict(epochs=101, decay_epochs=100), "at --decay_epochs 100 .* give --epochs up to 100"),
        ("wgan_gp", dict(augment="color,blur"), "has 'blur'; it may be none, or a list of color, translation, cutout"),
        ("wgan_gp", dict(augment="color,"), "--augment has ''"),
        ("wgan_gp", dict(augment="none,color"), "--augment has 'none'; it may be none alone, or color, "),
        ("wgan_gp", dict(network="vit"), "--network is 'vit'; choose one of plain, resnet"),
        ("wgan_gp", dict(holdout=5, split="train"), "--split train already holds"),
        ("wgan_gp", dict(distribute="mirrored", precision="float16"), "excludes --precision float16: one device's"),
        ("wgan_gp", dict(distribute="mirrored", xla="on"), "excludes --xla on: it compiles"),
        ("wgan_gp_article", dict(distribute="mirrored"), "excludes --recipe wgan_gp_article: its penalty"),
        ("wgan_gp", dict(distribute="multi_worker", label="each"), "excludes --label each: start a run for each class"),
        ("wgan_gp_conditional", dict(label="3"), "learns all classes with one generator"),
        ("wgan_gp_conditional", dict(labels_per_class="5"), "--recipe wgan_gp_conditional takes no --labels_per_class"),
        ("wgan_gp_article", dict(drift_weight=1e-3), "--recipe wgan_gp_article takes no --drift_weight"),
        ("wgan_gp", dict(xla="on", deterministic=True), "--xla on and --deterministic exclude each other"),
        ("dcgan", dict(step_decay=0.5, step_epochs=5, decay_epochs=20000), "choose one"),
        ("gaussian_1d", dict(step_epochs=0), "together; --recipe gaussian_1d has steps of its own, .* leaves out"),
        ("gaussian_1d", dict(decay_epochs=20000), "has steps of its own, which --step_epochs 0 --step_decay 1 leaves"),
    ],
)
def test_settings_without_effect_are_refused(name, values, message):
    with pytest.raises(UserError, match=message):
        config_of(name, **values)


def test_the_distance_on_a_line_is_scipys():
    from scipy.stats import wasserstein_distance

    points = RNG.normal(0.5, 2, [1000, 1])
    found = distribution.figures(points)
    expected = wasserstein_distance(points.ravel(), gaussian.quantiles(1000).ravel())
    assert found["wasserstein_distance"] == pytest.approx(expected, rel=1e-6)
    assert found["mean"] == pytest.approx(points.mean()) and found["std"] == pytest.approx(points.std())
    many = gaussian.quantiles(gaussian.COUNT)
    assert distribution.figures(many)["wasserstein_distance"] == 0
    assert many.mean() == pytest.approx(-1, abs=1e-4) and many.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_gaussian_1d_comes_near_its_target_within_the_articles_budget(seed):
    config = config_of("gaussian_1d", seed=seed)
    assert (config.epochs, config.critic_steps, config.batch_size) == (10_000, 2, 200)
    gan, reals = build_gan(config, 1), data.load_for_run(config).images
    latents = randomness.latents(10_000, gan.generator, tf.constant([seed, 99], tf.int64))
    before = distribution.figures(gan.sampling_generator(latents).numpy())["wasserstein_distance"]
    step = tf.function(gan.train_step)
    for element in epoch_batches(reals, seed, (config.critic_steps, config.batch_size), range(1, config.epochs + 1)):
        step(element)
    after = distribution.figures(gan.sampling_generator(latents).numpy())["wasserstein_distance"]
    assert after < 0.15 < before


def pixel_distance(images, reals):
    """The Frechet distance between images of 8x8 blocks: coarse, and enough to see noise turn into digits."""
    coarse = [
        np.asarray(each, np.float64).reshape(len(each), 4, len(each[0]) // 4, 4, -1).mean((2, 4)).reshape(-1, 16)
        for each in (images, reals)
    ]
    return frechet_distance(*coarse)


@pytest.mark.parametrize(
    "name, epochs, values",
    [
        ("wgan_gp_fast", 80, dict(batch_size=16)),
        ("wgan_clip", 120, dict(batch_size=16, critic_steps=2, learning_rate=5e-4)),
        ("sngan", 80, dict(batch_size=16)),
        ("r1gan", 80, dict(batch_size=16)),
        ("r3gan", 80, dict(batch_size=16)),
        ("lsgan_mlp", 300, {}),
        ("gan_mlp", 300, dict(batch_size=32)),
        ("dcgan", 120, dict(batch_size=16, learning_rate=1e-3)),
        ("sgan", 60, dict(batch_size=16)),
    ],
)
@pytest.mark.slow
def test_a_short_run_brings_the_samples_nearer_to_the_digits(name, epochs, values):
    """Each run is so long, and looked at so often, that the outcome does not hang on how a processor rounds: some
    samples come and go."""
    config = config_of(name, label="all", **values)
    reals = data.load_for_run(config)
    gan = build_gan(config, 1, reals.class_counts)
    latents = randomness.latents(500, gan.generator, tf.constant([0, 99], tf.int64))
    draw = tf.function(lambda: gan.sampling_generator(latents, training=False))
    target = reals.images / 127.5 - 1
    distances = [pixel_distance(draw().numpy(), target)]
    step = tf.function(gan.train_step)
    labels = reals.labels if config.recipe_spec.wants_labels else None
    for element in epoch_batches(
        reals.images, 0, (config.critic_steps, config.batch_size), range(1, epochs + 1), labels=labels
    ):
        logs = step(element)
        if int(element[0]) % (epochs // 4) == 0:
            distances.append(pixel_distance(draw().numpy(), target))
    assert set(logs) == set(config.recipe_spec.figures)
    assert min(distances[2:]) < 0.6 * distances[0]


@pytest.mark.slow
def test_the_articles_critic_learns_its_penalty():
    """Its samples wander on few digits and updates; what improves from the start is what its critic is held to."""
    config = config_of("wgan_gp_article", label="all", batch_size=16, critic_steps=2)
    reals = data.load_for_run(config)
    gan = build_gan(config, 1, reals.class_counts)
    step = tf.function(gan.train_step)
    penalties = [
        float(step(element)["gradient_penalty"])
        for element in epoch_batches(reals.images, 0, (config.critic_steps, config.batch_size), range(1, 41))
    ]
    assert np.mean(penalties[-5:]) < np.mean(penalties[:5]) / 2


@pytest.mark.slow
def test_sgan_learns_the_classes_and_so_does_the_classifier_alone(tmp_path):
    folders = dict(checkpoint_dir=f"{tmp_path}/c", sample_dir=f"{tmp_path}/s")
    lengths = dict(epochs=60, batch_size=32, holdout=300, eval_every=60, sample_every=60)
    config = config_of("sgan", label="all", **lengths, **folders)
    assert launch(config) == 0
    rows = read_history(f"{config.checkpoint_dir}/history.csv")
    assert rows[60]["heldout_accuracy"] > 0.3 and rows[60]["heldout_accuracy_alone"] > 0.3
    assert rows[60]["accuracy_real"] > 0.3 > rows[1]["accuracy_real"]
    assert "wasserstein_estimate" not in rows[1]


def test_each_class_gets_a_generator_and_a_row(toy, tmp_path, capsys):
    images = tmp_path / "images"
    for number, name in enumerate(("cats & dogs", "horses")):
        (images / name).mkdir(parents=True)
        for image in range(20):
            pixels = RNG.integers(0, 256, [32, 32, 3] if number else [32, 32], dtype=np.uint8)  # one class is grey
            Image.fromarray(pixels).save(images / name / f"{image}.png")
    folders = dict(data_dir=str(images), checkpoint_dir=f"{tmp_path}/c", sample_dir=f"{tmp_path}/s")
    config = toy(dataset="folder", label="each", **folders)
    assert launch(config) == 0
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted(
        [class_folders.folder_name("cats & dogs"), "horses"]
    )
    with Image.open(tmp_path / "s" / "each.png") as grid:
        assert grid.size == (10 * 30 + 2, 2 * 30 + 2)
    assert launch(config) == 0  # both are finished
    assert capsys.readouterr().out.count("finished: the run in") == 2
    before = {path: path.read_bytes() for path in (tmp_path / "c").rglob("*") if path.is_file()}
    shutil.copytree(images / "horses", images / "a class that comes first")
    assert launch(config) == 0
    printed = capsys.readouterr().out
    assert printed.count("finished: the run in") == 2 and "a class that comes first, cats & dogs, horses" in printed
    assert before.items() <= {path: path.read_bytes() for path in before}.items()
    assert len(list((tmp_path / "c").iterdir())) == 3


def test_a_point_run_draws_its_distribution_and_goes_on_where_it_stopped(tmp_path):
    folders = dict(checkpoint_dir=f"{tmp_path}/c", sample_dir=f"{tmp_path}/s")
    config = config_of("gaussian_1d", epochs=3, sample_every=1, eval_every=2, **folders)
    assert launch(config) == 0
    assert launch(dataclasses.replace(config, epochs=4)) == 0
    assert sorted(path.name for path in (tmp_path / "s").glob("*.png")) == [
        "reals.png",
        *(f"sample_{epoch:05d}.png" for epoch in range(1, 5)),
    ]
    rows = read_history(tmp_path / "c/history.csv")
    assert [epoch for epoch, row in rows.items() if "wasserstein_distance" in row] == [2, 3, 4]
    assert main_export(["export_gif.py", "--sample_dir", str(tmp_path / "s"), "--output", str(tmp_path / "o.gif")]) == 0
