"""One generator for all classes: the losses, the penalty, labels all the way, and that the class decides."""

import dataclasses
import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_conditional
from PIL import Image, ImageSequence

from wgan import data
from wgan.apps import demo, export_formats, export_model, generate, library, run_summary
from wgan.apps.image_sampler import ImageSampler
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.evaluation import callback, evaluate, evaluator, report
from wgan.images import grids
from wgan.models import randomness
from wgan.models.conditional import ConditionalGAN, for_labels
from wgan.models.constraints import GradientPenalty, ZeroCentredPenalty
from wgan.models.gan import scale
from wgan.models.losses import LOSSES
from wgan.models.networks import plain, resnet
from wgan.recipes import RECIPES
from wgan.runs import initial_weights, run_images, trained
from wgan.runs.history import read_history
from wgan.training.batches import epoch_batches
from wgan.training.launch import launch
from wgan.training.loop import batches_of_run, build_gan

CLASSES = ("black", "grey", "white")


@pytest.mark.parametrize("parts", [dict(loss="relativistic"), dict(gan="semi_supervised")])
def test_parts_that_do_not_go_with_classes_are_refused(parts):
    with pytest.raises(ValueError, match="^a: "):
        dataclasses.replace(RECIPES["wgan_gp_conditional"], name="a", **parts)


def test_a_program_cannot_pair_images_of_different_classes():
    with pytest.raises(ValueError, match="relativistic"):
        ConditionalGAN(None, None, LOSSES["relativistic"], class_frequencies=(1, 1))


def test_the_losses_are_their_formulas(float64, conditional):
    """Of a critic with D(x, y) = w_y x + b_y, whose gradient is w_y everywhere."""
    networks, rng = toy_conditional.networks_of(conditional(), 1, 3), np.random.default_rng(0)
    gan = ConditionalGAN(*networks, constraint=GradientPenalty(10.0), class_frequencies=(1, 1, 1))
    reals, fakes = batches = rng.uniform(-1, 1, [2, 4, 28, 28, 1])
    labels, latents = np.array([0, 2, 2, 1]), rng.normal(size=[4, 2])
    gan.critic(reals)
    gan.critic.set_weights([rng.normal(size=[784, 3]) / 28, rng.normal(size=3)])
    weights, bias = gan.critic.get_weights()
    of_reals, of_fakes = (images.reshape(4, -1) @ weights + bias for images in (reals, fakes))
    rows = np.arange(4)

    def cross_entropy(scores):
        return -np.log(np.exp(scores[rows, labels]) / np.exp(scores).sum(axis=1)).mean()

    norms = np.sqrt((weights[:, labels] ** 2).sum(axis=0))
    wasserstein = of_fakes[rows, labels].mean() - of_reals[rows, labels].mean()
    expected = wasserstein + 10 * ((norms - 1) ** 2).mean() + cross_entropy(of_reals)
    given = tf.constant(labels, tf.int32)
    loss, figures = gan.critic_loss(
        tf.constant(reals), tf.constant(fakes), tf.constant(np.full([4, 1, 1, 1], 0.5)), None, given
    )
    assert float(loss) == float(figures["critic_loss"]) == pytest.approx(expected)
    assert float(figures["class_loss"]) == pytest.approx(cross_entropy(of_reals))
    for kind, scores in (("real", of_reals), ("fake", of_fakes)):
        assert float(figures[f"critic_{kind}"]) == pytest.approx(scores[rows, labels].mean())
        assert float(figures[f"accuracy_{kind}"]) == (scores.argmax(axis=1) == labels).mean()
    term, _ = ZeroCentredPenalty(3.0, on_samples=True).term(
        for_labels(gan.critic, given), *map(tf.constant, batches), None
    )
    assert float(term) == pytest.approx(3 * (norms**2).mean())
    expected = cross_entropy(of_fakes) - of_fakes[rows, labels].mean()
    assert float(gan.generator_loss(tf.constant(fakes), [latents, given], None)) == pytest.approx(expected)


def test_each_loss_and_the_measured_scores_are_of_the_critic_with_and_without_dropout():
    keras.utils.set_random_seed(0)
    networks = plain.Generator(4, 1, num_classes=3), plain.Critic(channels=1, dropout=0.5, num_classes=3)
    gan, rng = ConditionalGAN(*networks, class_frequencies=(1, 1, 1)), np.random.default_rng(0)
    images, labels = rng.integers(0, 256, [4, 32, 32, 1], np.uint8), np.array([0, 2, 2, 1], np.int32)
    reals, epsilon = scale(images), tf.ones([4, 1, 1, 1])
    for loss in (
        lambda seed: gan.critic_loss(reals, -reals, epsilon, seed, labels)[0],
        lambda seed: gan.generator_loss(reals, [None, labels], seed),
    ):
        found = [float(loss(seed)) for seed in (None, tf.constant([1, 2], tf.int64), tf.constant([1, 3], tf.int64))]
        assert len(set(found)) == 3
    expected = gan.critic(reals).numpy()[range(4), labels]
    np.testing.assert_allclose(callback.scores(gan)(images, labels), expected, atol=1e-5)


@pytest.mark.parametrize("family", [plain, pytest.param(resnet, marks=pytest.mark.slow)])
def test_the_penalty_is_taken_at_images_of_the_given_classes(float64, family):
    """Slopes along random directions are those of finite differences, and the penalty is that of these gradients."""
    keras.utils.set_random_seed(0)
    critic, step, rng = family.Critic(channels=1, num_classes=3), 1e-7, np.random.default_rng(0)
    reals, fakes, directions = (tf.constant(rng.uniform(-1, 1, [2, 32, 32, 1])) for _ in range(3))
    epsilon, labels = tf.constant(rng.uniform(size=[2, 1, 1, 1])), tf.constant([0, 2])
    score, points = for_labels(critic, labels), epsilon * reals + (1 - epsilon) * fakes
    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = score(points)
    np.testing.assert_allclose(logits, critic(points).numpy()[[0, 1], labels])
    gradients = tape.gradient(logits, points).numpy()
    difference = score(points + step * directions) - score(points - step * directions)
    np.testing.assert_allclose((gradients * directions.numpy()).sum(axis=(1, 2, 3)), difference / (2 * step), rtol=1e-6)
    norms = np.sqrt((gradients**2).sum(axis=(1, 2, 3)))
    term, figures = GradientPenalty(10.0).term(score, reals, fakes, epsilon)
    assert float(term) == pytest.approx(10 * ((norms - 1) ** 2).mean()) and float(term) > 0.1
    assert float(figures["gradient_norm"]) == pytest.approx(norms.mean())


def test_labels_are_as_frequent_as_asked_for_and_a_function_of_the_seed():
    seed = tf.constant([3, 4], tf.int64)
    drawn = randomness.labels(20_000, (30, 0, 10), seed).numpy()
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), [0.75, 0, 0.25], atol=0.02)
    np.testing.assert_array_equal(drawn, randomness.labels(20_000, (30, 0, 10), seed))


def test_batches_of_several_arrays_take_the_same_rows_and_the_usual_images():
    images, labels = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1), np.arange(40, dtype=np.int32) % 7
    paired = epoch_batches((images, labels), 5, (2, 8), range(1, 3)).as_numpy_iterator()
    for (_, alone), (_, reals, numbers) in zip(
        epoch_batches(images, 5, (2, 8), range(1, 3)).as_numpy_iterator(), paired, strict=True
    ):
        np.testing.assert_array_equal(reals, alone)
        np.testing.assert_array_equal(numbers, reals[..., 0, 0, 0] % 7)


def test_a_program_of_its_own_trains_a_conditional_gan(conditional):
    keras.utils.set_random_seed(0)
    labels = np.arange(30, dtype=np.int32) % 3
    images = np.repeat(100 * labels, 28 * 28).astype(np.uint8).reshape(30, 28, 28, 1)
    gan = ConditionalGAN(*toy_conditional.networks_of(conditional(), 1, 3), class_frequencies=(1, 1, 1), ema_decay=0.9)
    gan.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)))
    batches = epoch_batches((images, labels), 1, (5, 8), range(1, 11))
    history = gan.fit(batches, epochs=10, steps_per_epoch=1, shuffle=False, verbose=0).history
    assert history["class_loss"][-1] < 0.8 * history["class_loss"][0]
    assert gan.sampling_generator([tf.zeros([2, 2]), tf.constant([0, 2])]).shape == (2, 28, 28, 1)


def test_samples_of_a_critics_update_have_the_classes_of_the_real_images(conditional, eagerly, monkeypatch):
    config = conditional(critic_steps=2)
    image_set = data.load_for_run(config)
    gan, asked = build_gan(config, 1, image_set.class_counts), []
    original = gan.generator.call

    def noting(inputs, training=False):
        asked.append(inputs[1].numpy())
        return original(inputs, training)

    monkeypatch.setattr(gan.generator, "call", noting)
    [element] = batches_of_run(config, image_set, range(1, 2))
    gan.train_step(element)
    np.testing.assert_array_equal(asked[0], np.ravel(element[2]))
    assert len(asked) == 2 and asked[1].shape == (config.batch_size,)  # the generator's own update


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on three classes, of images that are black, grey or white but for some noise."""
    folder, rng = tmp_path_factory.mktemp("shades"), np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (folder / "images" / name).mkdir(parents=True)
        for image in range(20):
            pixels = rng.integers(0, 20, [28, 28]) + 115 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name / f"{image}.png")
    with toy_conditional.registered():
        assert launch(config_of(folder, epochs=300, sample_every=300, eval_every=300, holdout=6)) == 0
    return folder


def config_of(folder, **changes):
    settings = dict(dataset="folder", data_dir=f"{folder}/images", learning_rate=1e-2, critic_steps=3, batch_size=12)
    return toy_conditional.config(folder, **{**settings, **changes})


def brightness(images):
    """The mean of all pixels of each image, 0 to 255."""
    return images.mean(axis=(1, 2, 3))


def test_the_class_that_is_asked_for_is_drawn(conditional, run):
    generator = library.load_generator(run / "checkpoints")
    for number in range(3):
        drawn = library.draw_samples(generator, 50, label=number)
        assert abs(brightness(drawn).mean() - (10 + 115 * number)) < 40
    sampler = ImageSampler(generator, 64)
    between = sampler(sampler.latents(0, 0, 50), np.array([[0.5, 0.0, 0.5]] * 50))
    assert 40 < brightness(between).mean() < 210
    in_turn = library.draw_samples(generator, 7)
    np.testing.assert_array_equal(in_turn[1::3], library.draw_samples(generator, 7, label=1)[1::3])
    with pytest.raises(UserError, match="label is 3, and the generator knows the classes of number 0 to 2"):
        library.draw_samples(generator, label=3)
    with pytest.raises(UserError, match="label is 'white', and"):
        library.draw_samples(generator, label="white")
    with pytest.raises(ValueError, match=r"give \[latents, labels\]"):
        generator(sampler.latents(0, 0, 2))


def test_a_run_notes_its_classes_measures_itself_and_draws_a_row_per_class(run):
    stored = json.loads((run / "checkpoints/config.json").read_text())
    assert stored["images"]["classes"] == list(CLASSES)
    figures = read_history(run / "checkpoints/history.csv")[300]
    assert figures["fid"] > 0 and figures["class_loss"] < 0.5
    assert figures["accuracy_real"] > 0.8 and figures["accuracy_fake"] > 0.8
    with Image.open(run / "samples/sample_00300.png") as grid, Image.open(run / "samples/reals.png") as reals:
        assert grid.size == reals.size == (3 * 30 + 2, 3 * 30 + 2)
        for rows in (np.asarray(grid, float), np.asarray(reals, float)):
            means = [rows[2 + 30 * row : 30 + 30 * row, 2:30].mean() for row in range(3)]
            assert means == sorted(means) and means[2] > means[0] + 100


@pytest.fixture
def draw(conditional, run, run_script, tmp_path):
    """Runs generate.py with the run's weights; the arrays that it writes."""

    def drawn(*words):
        status, _, err = run_script(generate, "--weights", run / "checkpoints", "--out", tmp_path / "a.npz", *words)
        assert (status, err) == (0, "")
        with np.load(tmp_path / "a.npz") as arrays:
            return dict(arrays)

    return drawn


@pytest.mark.parametrize(
    "label, labels",
    [
        (None, [0, 1, 2, 0]),
        ("all", [0, 1, 2, 0]),
        ("White", [2] * 4),
        ("1", [1] * 4),
        ("Each", [0] * 4 + [1] * 4 + [2] * 4),
        ("white,black", [2] * 4 + [0] * 4),
    ],
)
def test_samples_are_of_the_classes_that_are_asked_for(draw, label, labels):
    arrays = draw("--num", 4, *([] if label is None else ["--label", label]))
    np.testing.assert_array_equal(arrays["labels"], labels)
    assert (abs(brightness(arrays["images"]) - (10 + 115 * arrays["labels"])) < 60).all()
    for start in range(0, len(labels), 4):
        np.testing.assert_array_equal(arrays["latents"][start : start + 4], arrays["latents"][:4])


def test_a_grid_has_a_row_per_class_and_single_images_are_numbered_through(draw, run, run_script, tmp_path):
    images = draw("--num", 2, "--label", "each")["images"]
    for out in ("a.png", "single/"):
        words = ("--weights", run / "checkpoints", "--num", 2, "--label", "each", "--out", f"{tmp_path}/{out}")
        assert "2 samples of each of 3 classes of seed 0" in run_script(generate, *words)[1]
    with Image.open(tmp_path / "a.png") as grid:
        np.testing.assert_array_equal(np.asarray(grid), grids.image_grid(images, 2)[..., 0])
    for number, image in enumerate(images, start=1):
        with Image.open(tmp_path / f"single/{number:06d}.png") as single:
            np.testing.assert_array_equal(np.asarray(single), image[..., 0])


def test_an_animation_goes_from_class_to_class_with_the_same_latents(conditional, run, run_script, tmp_path):
    words = ("--num", 1, "--label", "black,white", "--interpolate", 1, "--frames", 4, "--out", tmp_path / "a.webp")
    status, printed, _ = run_script(generate, "--weights", run / "checkpoints", *words)
    assert status == 0 and "8 frames through 2 classes" in printed
    with Image.open(tmp_path / "a.webp") as animation:
        levels = [np.asarray(frame.convert("L"), float).mean() for frame in ImageSequence.Iterator(animation)]
    assert len(levels) == 8 and levels[4] > levels[0] + 150
    assert levels[:5] == sorted(levels[:5]) and levels[4:] == sorted(levels[4:], reverse=True)
    words = ("--num", 1, "--label", "each", "--frames", 1, "--out", tmp_path / "b.webp", "--interpolate")
    for points, visited in ((2, 3), (4, 6)):  # each class as often, so that the way back leads to another one
        printed = run_script(generate, "--weights", run / "checkpoints", *words, points)[1]
        assert f"{visited} frames through {visited} points" in printed


@pytest.mark.parametrize(
    "flags, words",
    [
        (
            ["--label=whit"],
            "has no class 'whit' (did you mean \"white\"?): choose one of 0 black, 1 grey, 2 white or all",
        ),
        (["--label=7"], "(a number or a name); each draws a row of every class"),
        (["--label=all,grey"], "--label all stands alone"),
        (["--label=each", "--columns=2"], "leave --columns out"),
        (["--label=grey", "--interpolate=1", "--out=a.gif"], "or --label must name several classes"),
    ],
)
def test_classes_that_cannot_be_drawn_are_refused(conditional, run, refusal, flags, words):
    assert words in refusal(generate, "--weights", run / "checkpoints", *flags)


def test_labels_reach_a_generator_as_numbers_and_shares_as_shares():
    class Generator:
        latent_dim, num_classes = 2, 3

        def __call__(self, inputs, training):
            seen.append([each.dtype for each in inputs])
            return tf.zeros([4, 8, 8, 1])

    seen, sampler = [], ImageSampler(Generator(), 4)
    for labels in (None, [0, 1, 2, 0, 1], sampler.shares([0, 1, 2, 0, 1])):
        assert sampler(np.zeros([5, 2]), labels).shape == (5, 8, 8, 1)
    assert seen == [[tf.float32, tf.int32], [tf.float32, tf.float32]]


def test_each_class_is_measured_against_its_own_images(conditional, run, tmp_path, monkeypatch):
    asked = []

    class Noting(evaluator.Sampler):
        def __init__(self, generator, count, seed, labels):
            super().__init__(generator, count, seed, labels)
            asked.append(np.bincount(labels, minlength=3))

    monkeypatch.setattr(evaluator, "Sampler", Noting)
    found = evaluate.evaluate(f"{run}/checkpoints", output_dir=str(tmp_path), samples=80, yardsticks=False)
    together, *alone = asked
    assert abs(together - sum(alone) * 80 / 54).max() <= 1  # as frequent as in the data
    whole, *rows, mean = found["rows"]
    assert [row["name"] for row in rows] == list(CLASSES) and mean["name"] == "mean of the classes"
    assert whole["images"] == 80 and 16 <= min(row["images"] for row in rows) == min(row["reals"] for row in rows)
    assert mean["fid"] == pytest.approx(np.mean([row["fid"] for row in rows]))
    source = trained.locate(shutil.copytree(run / "checkpoints", tmp_path / "copy"))
    for further, said in ([], False), ([whole], True):
        stored = {**found, "rows": [*found["rows"], *further]}
        source.path.with_name("evaluation.json").write_text(json.dumps(stored), encoding="utf-8")
        _, worth, _ = run_summary.summarize(source)
        assert "lines with the names of classes" in worth and ("last lines are for comparison" in worth) == said
    assert "mean of the classes" in report.as_table(found["rows"])


def test_images_with_other_labels_are_not_those_of_the_run(conditional, run):
    config, stored = trained.read_run(run / "checkpoints")
    assert run_images.load(config, stored, run / "checkpoints")[2]
    with pytest.raises(UserError, match="the 54 images in .* are not the 54, with the labels, that the run in"):
        run_images.load(config, {**stored, "labels_sha256": "another"}, run / "checkpoints")


def test_the_mean_of_the_classes_says_which_are_in_it():
    row = dict(name="a", **dict.fromkeys(report.COLUMNS, 2.0))
    *_, mean = report.with_mean([row, {**row, "name": "b", "fid": 4.0}], 3)
    assert (mean["name"], mean["fid"], mean["is_class"]) == ("mean of 2 of 3 classes", 3.0, True)
    assert mean["kid_error"] == 2.0
    assert report.with_mean([], 3) == []


def test_an_estimate_does_not_depend_on_what_a_critic_adds_to_a_class():
    """Held-out images are of other classes than those of training; class 2 has no samples."""
    numbers, classes = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 0, 1])
    arrays = dict(samples=(numbers, classes), reals=(numbers + 1, classes))
    heldout = np.array([4.0, 2.0, 9.0]), np.array([1, 0, 2])
    found = [
        callback.critic_estimates(lambda images, labels: images + added[labels], 1, **arrays, heldout=heldout)
        for added in (np.zeros(3), np.array([5.0, -20.0, 300.0]))
    ]
    expected = {"training_estimate": 1.0, "heldout_estimate": ((2 - 3) + (4 - 7)) / 2}
    assert found == [pytest.approx(expected)] * 2


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("format, name", [("saved_model", "m"), ("litert", "a.tflite"), ("onnx", "a.onnx")])
def test_an_export_takes_latents_and_labels(conditional, run, run_script, tmp_path, format, name):
    """It is refused where samples differ from the original's."""
    if format == "onnx":
        pytest.importorskip("tf2onnx", reason="the extra for ONNX is not installed")
    words = ("--weights", run / "checkpoints", "--format", format, "--out", tmp_path / name)
    status, printed, err = run_script(export_model, *words)
    assert (status, err) == (0, "") and "latents [N, 2] and labels [N] to images [N, 28, 28, 1]" in printed


def test_a_keras_file_keeps_the_classes(tmp_path):
    generator = plain.Generator(4, 1, num_classes=3)
    generator([tf.zeros([1, 4]), tf.constant([1])])
    assert export_formats.write(generator, "keras", tmp_path / "a.keras") < 1e-5


def test_the_page_offers_the_classes(conditional, run, tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    shown = demo.Shown(trained.locate(run / "checkpoints"), None, tmp_path)
    values = [control.value for control in demo.CONTROLS]
    white, in_turn = shown.draw(2, *values), shown.draw(demo.IN_TURN, *values)
    np.testing.assert_array_equal(white, demo.grid(ImageSampler(shown.source.load(), demo.BATCH_SIZE, label=2)))
    assert white.mean() > in_turn.mean() + 50
    other = demo.Shown(trained.locate(shutil.copytree(run / "checkpoints", tmp_path / "checkpoints")), None, tmp_path)
    page = demo.make_page(demo.import_gradio(tmp_path), [shown, other])
    choices = [each for each in page.blocks.values() if hasattr(each, "choices")]
    names = {choice.elem_id: [name for name, _ in choice.choices] for choice in choices if choice.visible}
    assert names["class"] == ["all in turn", *CLASSES]
    assert names["generator"] == [str(run / "checkpoints"), str(tmp_path / "checkpoints")]  # not the same name twice


@pytest.mark.parametrize(
    "folders, images, words",
    [
        (["", "cats"], 16, "not every image of .* has one: put each into the folder of its class"),
        (["cats"], 20, "has one: add another"),
        (["cats", "Each"], 16, "a class called Each, which stands for all classes"),
        (list("abcdefghijklmnopqrst"), 1, "no image to train on is left of [a-t], [a-t], [a-t], [a-t]; add images"),
    ],
)
def test_classes_that_cannot_be_learned_or_asked_for_are_refused(tmp_path, folders, images, words):
    for folder in folders:
        (tmp_path / "images" / folder).mkdir(parents=True, exist_ok=True)
        for number in range(images):
            Image.new("L", (32, 32), 10 * number).save(tmp_path / "images" / folder / f"{number}.png")
    places = dict(data_dir=f"{tmp_path}/images", checkpoint_dir=f"{tmp_path}/c", sample_dir=f"{tmp_path}/s")
    with pytest.raises(UserError, match=words):
        launch(TrainingConfig.of_recipe("wgan_gp_conditional", dataset="folder", holdout=4, **places))


def test_weights_that_learned_other_classes_are_noted(conditional, run, tmp_path):
    config = config_of(tmp_path, init_from=f"{run}/checkpoints", data_dir=f"{run}/images")
    assert initial_weights.note_of_other_images(config, CLASSES) is None
    assert initial_weights.note_of_other_images(config, CLASSES[::-1]) == (
        f"{run}/checkpoints learned the classes black, grey, white, in this order, and this run has white, grey, black"
    )
