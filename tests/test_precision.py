"""Half-precision layers against float32 ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from wgan import load_generator
from wgan.config import TrainingConfig
from wgan.data import ImageSet
from wgan.models import precision
from wgan.models.constraints import critic_gradients
from wgan.models.gan import GAN, scale
from wgan.models.networks import Critic, Generator
from wgan.recipes import RECIPES
from wgan.training import loop
from wgan.training.batches import epoch_batches

OF_EACH_KIND = {(each.networks, each.loss, each.constraint, each.gan): each.name for each in RECIPES.values()}.values()
IMAGES = np.random.default_rng(0).integers(0, 256, [24, 32, 32, 3], dtype=np.uint8)


def make_gan(kind, critic_steps=2, **settings):
    keras.utils.set_random_seed(3)
    with precision.policy_scope(kind):
        gan = GAN(Generator(latent_dim=8), Critic(), seed=3, critic_steps=critic_steps, **settings)
        optimizers = [keras.optimizers.Adam(2e-4, 0.5, 0.9) for _ in range(2)]
        gan.compile(*(map(keras.optimizers.LossScaleOptimizer, optimizers) if kind == "float16" else optimizers))
    return gan


def relative_error(values, expected):
    values, expected = (
        np.concatenate([np.asarray(part, np.float64).ravel() for part in parts]) for parts in (values, expected)
    )
    return np.linalg.norm(values - expected) / np.linalg.norm(expected)


def unscaled_gradients(loss, variables, largest_scale):
    """Gradients by way of a loss scale, which is halved until all are finite: what Keras's loss-scaling
    optimizer settles on."""
    scale_of_loss = largest_scale
    while scale_of_loss >= 1:
        with tf.GradientTape() as tape:
            scaled = loss() * scale_of_loss
        gradients = [gradient / scale_of_loss for gradient in tape.gradient(scaled, variables)]
        if all(np.isfinite(gradient.numpy()).all() for gradient in gradients):
            return gradients
        scale_of_loss /= 2
    raise AssertionError("no scale gives finite gradients")


def test_after_a_run_in_half_precision_generators_and_all_else_compute_in_float32(finished_toy):
    config = finished_toy(epochs=1, precision="bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    with precision.policy_scope("bfloat16"):
        generator = load_generator(config.checkpoint_dir)
    assert generator.last.compute_dtype == "float32"


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_layers_compute_in_half_precision_and_all_else_in_float32(kind):
    gan = make_gan(kind)
    assert gan.critic.conv_1.compute_dtype == kind and gan.generator.conv_3.compute_dtype == kind
    assert {variable.dtype for variable in gan.trainable_variables} == {"float32"}
    fakes = gan.generator(tf.zeros([2, 8]))
    assert fakes.dtype == tf.float32
    assert gan.critic(fakes).dtype == tf.float32
    assert critic_gradients(gan.critic, fakes).dtype == tf.float32


@pytest.mark.parametrize("kind", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("recipe", OF_EACH_KIND)
def test_every_kind_of_recipe_takes_a_step_in_half_precision(recipe, kind):
    """What `auto` chooses depends on the machine: none may be the first on which data types do not fit."""
    config = TrainingConfig.of_recipe(recipe, precision=kind, batch_size=4, critic_steps=1)
    points = RECIPES[recipe].is_1d
    reals = np.zeros([8, 1], np.float32) if points else np.zeros([8, *[config.image_size] * 2, 3], np.uint8)
    image_set = ImageSet(reals, "", "all", labels=np.arange(8, dtype=np.int32) % 2, label_names=("a", "b"))
    gan = loop.build_gan(config, reals.shape[-1], image_set.class_counts)
    [batch] = loop.batches_of_run(config, image_set, range(1, 2))
    tf.config.run_functions_eagerly(kind == "bfloat16")  # half the time; a loss scale has parts that graphs alone meet
    try:
        figures = tf.function(gan.train_step)(batch)
    finally:
        tf.config.run_functions_eagerly(False)
    assert {figure.dtype for figure in figures.values()} == {tf.float32}


@pytest.mark.parametrize(
    "kind, tolerance, sharpness",
    [
        ("bfloat16", 0.1, 1.0),
        ("float16", 0.05, 1e-4),
        ("float16", 0.05, 30.0),
        pytest.param("bfloat16", 0.1, 1e-4, marks=pytest.mark.slow),
        pytest.param("bfloat16", 0.1, 30.0, marks=pytest.mark.slow),
        pytest.param("float16", 0.05, 1.0, marks=pytest.mark.slow),
    ],
)
def test_critic_gradients_over_the_range_of_slopes_that_a_run_shows(kind, tolerance, sharpness):
    """From slopes well below those of the first epoch to logits of some tens."""
    reals, weights = scale(tf.constant(IMAGES[:8])), tf.reshape(tf.linspace(0.1, 0.9, 8), [8, 1, 1, 1])
    fakes = -0.5 * reals
    results = []
    for used in (kind, "float32"):
        gan = make_gan(used)
        gan.critic.dense.kernel.assign(gan.critic.dense.kernel * sharpness)
        variables = gan.critic.trainable_variables[:-1]  # the loss does not see the last bias
        loss = lambda: gan.critic_loss(reals, fakes, weights, dropout_seed=None)[0]
        gradients = unscaled_gradients(loss, variables, largest_scale=2.0**15 if used == "float16" else 1.0)
        results.append((critic_gradients(gan.critic, reals), gradients))
    (slopes, gradients), (exact_slopes, exact_gradients) = results
    assert relative_error([slopes], [exact_slopes]) < tolerance
    assert relative_error(gradients, exact_gradients) < tolerance


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.slow
def test_training_follows_the_curve_of_float32(kind):
    curves = {}
    for used in (kind, "float32"):
        gan = make_gan(used)
        history = gan.fit(
            epoch_batches(IMAGES, 3, (2, 4), range(1, 6)), epochs=5, steps_per_epoch=1, shuffle=False, verbose=0
        ).history
        curves[used] = np.array([history["wasserstein_estimate"], history["gradient_norm"]])
    assert np.all(np.isfinite(curves[kind]))
    assert relative_error([curves[kind]], [curves["float32"]]) < 0.1
    assert curves["float32"][0].max() > 3 * curves["float32"][0][0]  # a curve with something to follow


@pytest.mark.slow
def test_the_step_compiles_under_xla_to_the_same_numbers():
    logs, averages = [], []
    for xla in (True, False):
        gan = make_gan("float32", critic_steps=1, ema_decay=0.999)
        gan.compile(gan.generator_optimizer, gan.critic_optimizer, jit_compile=xla)
        history = gan.fit(
            epoch_batches(IMAGES, 3, (1, 4), range(1, 2)), epochs=1, steps_per_epoch=1, shuffle=False, verbose=0
        ).history
        logs.append(history)
        averages.append([variable.numpy() for variable in gan.averaged_generator.variables])
    # Adam's first step is as long as the learning rate whatever the gradient, so rounding shows after it.
    for name in logs[0]:
        assert logs[0][name] == pytest.approx(logs[1][name], rel=0.02 if name == "generator_loss" else 1e-4, abs=1e-5)
    assert relative_error(*averages) < 0.01


@pytest.mark.parametrize(
    "gpus, vendor, flags, expected",
    [
        ([], "GenuineIntel", "avx512f avx512_bf16", "float32"),
        ([], "GenuineIntel", "avx512f amx_bf16", "bfloat16"),
        ([], "AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ([], "AuthenticAMD", "avx2", "float32"),
        (["a GPU"], "AuthenticAMD", "avx512_bf16 amx_bf16", "float32"),
    ],
)
def test_auto_takes_bfloat16_on_a_processor_that_is_faster_with_it(monkeypatch, gpus, vendor, flags, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(precision, "processor", lambda: {"vendor_id": vendor, "flags": flags})
    assert precision.resolve("auto") == expected
    assert precision.resolve("float16") == "float16"
