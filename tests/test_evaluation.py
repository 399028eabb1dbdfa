"""Quality measured during a run and afterwards: it changes nothing, finds the best, and watches the critic."""

import contextlib
import dataclasses
import io
import itertools
import json
import pathlib
import shutil
import time

import h5py
import keras
import numpy as np
import pytest
import short_runs
import tensorflow as tf
from PIL import Image
from short_runs import arrays_in, assert_same_arrays
from test_data_cifar10 import FILES, marked
from toy_recipe import TOY

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.evaluation import callback, evaluator, features, neighbours, report
from wgan.evaluation.evaluate import evaluate
from wgan.images.curves import draw_curves, panels
from wgan.models import networks
from wgan.models.gan import scale
from wgan.models.losses import LOSSES
from wgan.recipes import RECIPES
from wgan.runs import checkpoints
from wgan.runs.history import COLUMNS, History, columns, read_history
from wgan.training.launch import launch
from wgan.training.loop import build_gan


def measured_rows(config):
    rows = read_history(pathlib.Path(config.checkpoint_dir, "history.csv"))
    return {epoch: row for epoch, row in rows.items() if "fid" in row}


def best_of(config):
    """Epoch and FID of the best generator."""
    with h5py.File(pathlib.Path(config.checkpoint_dir, checkpoints.BEST_FILE)) as file:
        return int(file.attrs["epoch"]), float(file.attrs["fid"])


MEASURED = dict(epochs=2, eval_every=1, holdout=20)
LATE = 10_000  # seconds that the clock makes while the real images are examined


@pytest.fixture(autouse=True, scope="module")
def toy_recipe():
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(RECIPES, TOY.name, TOY)
        yield


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """A run of two measured epochs, and what it printed. No test changes it."""
    config = short_runs.elsewhere(
        TrainingConfig.of_recipe(TOY.name, **MEASURED), tmp_path_factory.mktemp("trained_once")
    )
    clock, late, begin = time.monotonic, [0], evaluator.Evaluator.__init__
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(io.StringIO()) as printed:
        patched.setattr(time, "monotonic", lambda: clock() + sum(late))
        patched.setattr(evaluator.Evaluator, "__init__", lambda *args: (late.append(LATE), begin(*args))[1])
        assert launch(config) == 0
    assert late == [0, LATE]
    return config, printed.getvalue().splitlines()


@pytest.fixture
def run(trained_once, own, tmp_path, monkeypatch):
    """A copy of that run, which a test may change; reports on it share one network of features."""
    monkeypatch.setattr(features, "own", lambda: own)
    for name in ("checkpoint_dir", "sample_dir"):
        shutil.copytree(pathlib.Path(trained_once[0].checkpoint_dir).parent / name, tmp_path / name)
    return short_runs.elsewhere(trained_once[0], tmp_path)


def test_measuring_changes_nothing_in_the_training(trained_once, tmp_path):
    unwatched = short_runs.elsewhere(trained_once[0], tmp_path, eval_every=0)
    launch(unwatched)
    first, second = (
        arrays_in(checkpoints.newest_state(run.checkpoint_dir).path) for run in (trained_once[0], unwatched)
    )
    for found in (first, second):
        found.pop("history")
    assert_same_arrays(first, second)
    assert list(measured_rows(trained_once[0])) == [1, 2] and not measured_rows(unwatched)


def test_every_so_many_epochs_and_the_last_are_measured():
    for every, due in ((0, []), (3, [3, 6, 7]), (7, [7]), (9, [7])):
        config = TrainingConfig(epochs=7, eval_every=every)
        assert [number for number in range(1, 8) if callback.is_due(number, config)] == due


def test_work_that_takes_seconds_is_announced(trained_once):
    epochs = ((f"measuring 163 samples after epoch {epoch}", f"epoch {epoch}/2") for epoch in (1, 2))
    beginnings = ["computing the features of 163 real images", *itertools.chain(*epochs), "saving epoch 2", "done"]
    places = [[place for place, line in enumerate(trained_once[1]) if line.startswith(start)] for start in beginnings]
    assert all(len(found) == 1 for found in places) and places == sorted(places)


def test_no_epoch_s_time_contains_what_is_computed_of_the_real_images(trained_once):
    assert all(row["seconds"] < LATE for row in measured_rows(trained_once[0]).values())


def test_the_figures_and_the_critic_s_estimates_are_those_of_the_weights_that_were_saved(trained_once, own):
    config, _ = trained_once
    generator, critic = networks.build(config, 1)
    critic(generator(tf.zeros([1, config.latent_dim])))
    generator.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.AVERAGED_FILE))
    critic.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.CRITIC_FILE))
    image_set, row = data.load_for_run(config), measured_rows(config)[2]
    samples = evaluator.Sampler(generator, len(image_set.images), config.seed)()
    again = evaluator.Evaluator(own, image_set.images).figures(samples)
    for name in evaluator.FIGURES:
        assert float(row[name]) == pytest.approx(again[name], rel=1e-6, abs=1e-9)

    def score(images):
        return critic(scale(tf.constant(images))).numpy().mean(dtype=float)

    for name, images in (("training_estimate", image_set.images), ("heldout_estimate", image_set.heldout)):
        assert float(row[name]) == pytest.approx(score(images) - score(samples), rel=1e-4, abs=1e-6)


def test_the_best_generator_is_the_one_with_the_lowest_fid(trained_once):
    fids = {epoch: row["fid"] for epoch, row in measured_rows(trained_once[0]).items()}
    best = min(fids, key=fids.get)
    assert best_of(trained_once[0]) == (best, pytest.approx(fids[best], rel=1e-6))


def test_a_continued_run_compares_with_the_best_that_is_there(toy, monkeypatch):
    """After the third epoch the file is damaged."""
    fids = iter([3.0, 5.0, 2.0, 4.0, 4.5])
    monkeypatch.setattr(
        evaluator.Evaluator, "figures", lambda self, images: dict.fromkeys(evaluator.FIGURES, next(fids))
    )
    noted = []
    for epochs in (2, 3):
        config = toy(epochs=epochs, eval_every=1)
        launch(config)
        noted.append(best_of(config)[0])
    pathlib.Path(config.checkpoint_dir, checkpoints.BEST_FILE).write_bytes(b"damaged")
    launch(toy(epochs=5, eval_every=1))
    assert [*noted, best_of(config)[0]] == [1, 3, 4]


def test_a_critic_that_memorises_scores_held_out_images_lower():
    config = TrainingConfig.of_recipe(TOY.name, holdout=160)
    image_set, gan = data.load_for_run(config), build_gan(config, 1)
    scores, optimizer = callback.scores(gan), keras.optimizers.Adam(1e-2)

    @tf.function
    def learn_by_heart():
        with tf.GradientTape() as tape:
            known, unknown = gan.critic(scale(image_set.images)), gan.critic(scale(image_set.heldout))
            loss = tf.reduce_mean(tf.nn.softplus(-known)) + tf.reduce_mean(tf.nn.softplus(unknown))
        optimizer.apply(tape.gradient(loss, gan.critic.trainable_variables), gan.critic.trainable_variables)

    def gap():
        known = [image_set.images]
        found = callback.critic_estimates(scores, 1, known, known, [image_set.heldout])
        return found["training_estimate"] - found["heldout_estimate"]

    assert abs(gap()) < 0.5
    for _ in range(100):
        learn_by_heart()
    assert gap() > 2


@pytest.mark.parametrize("recipe, sign", [("wgan_gp", 1), ("wgan_gp_article", -1)])
def test_estimates_of_a_critic_that_scores_real_images_down_have_the_papers_sign_too(recipe, sign):
    real_sign = LOSSES[RECIPES[recipe].loss].real_sign
    found = callback.critic_estimates(lambda score: sign * score, real_sign, samples=[1.0], reals=[3.0], heldout=[2.0])
    assert found == {"training_estimate": 2.0, "heldout_estimate": 1.0}


def test_images_set_aside_are_recorded_never_trained_on_and_the_same_whatever_the_seed(trained_once):
    config, _ = trained_once
    stored = json.loads(pathlib.Path(config.checkpoint_dir, "config.json").read_text())["images"]
    everything = data.load("digits", None, "3", "all", config.image_size).images
    loaded = data.load_for_run(dataclasses.replace(config, seed=5))
    assert stored["count"] == len(everything) - 20 == len(loaded.images)
    assert len(set(stored["set_aside"])) == stored["held_out"] == 20
    np.testing.assert_array_equal(loaded.heldout, everything[stored["set_aside"]])
    np.testing.assert_array_equal(loaded.images, np.delete(everything, stored["set_aside"], axis=0))


def test_with_the_training_split_the_test_images_are_held_out(tmp_path):
    for number, name in enumerate(FILES):
        (tmp_path / name).write_bytes(marked([number, 7], number))
    config = TrainingConfig(data_dir=str(tmp_path), label="all", split="train")
    loaded = data.load_for_run(config)
    test = data.load("cifar10", tmp_path, "all", "test")
    assert len(loaded.images) == 10 and len(loaded.heldout) == 2 and test.name == "cifar10 all, test"
    np.testing.assert_array_equal(loaded.heldout, test.images)
    (tmp_path / FILES[-1]).unlink()
    without = data.load_for_run(config)
    assert without.heldout is None and len(without.images) == 10
    assert "not watched on held-out images" in without.notices[0] and "test_batch" in without.notices[0]


def test_a_holdout_that_leaves_too_few_images_is_refused(toy):
    with pytest.raises(UserError, match="--holdout 170 leaves fewer than 16 of the 183"):
        launch(toy(holdout=170))


def test_curves_show_what_was_measured_and_bear_what_was_not(tmp_path):
    rows = np.ones((5, len(COLUMNS)))
    rows[:, 0] = range(1, 6)
    rows[:, COLUMNS.index("fid") :] = np.nan
    shown = columns(RECIPES["wgan_gp"])
    draw_curves(rows, tmp_path / "without.png", shown)
    rows[[1, 3], COLUMNS.index("fid") :] = 2.0
    draw_curves(rows, tmp_path / "with.png", shown)
    with Image.open(tmp_path / "without.png") as without, Image.open(tmp_path / "with.png") as drawn:
        assert without.size == drawn.size
        difference = np.abs(np.asarray(without, int) - np.asarray(drawn)).sum(axis=2)
    height, width = difference.shape
    panels = [difference[height // 2 :, left : left + width // 3] for left in range(0, width - 2, width // 3)]
    panels.append(difference[: height // 2, : width // 3])
    assert all(np.count_nonzero(panel) > 50 for panel in panels)  # FID, KID, precision and recall; the estimates


def test_curves_of_a_critic_that_estimates_no_distance_show_what_it_scores():
    shown, rows = columns(RECIPES["sngan"]), np.full((5, len(COLUMNS)), np.nan)
    titles = [title for title, _ in panels(shown, History(rows))]
    assert titles[:2] == ["D of real images and of samples", "losses"]
    rows[2, COLUMNS.index("heldout_estimate")] = 1.0
    assert "D of real images less D of samples" in [title for title, _ in panels(shown, History(rows))]


def test_what_a_state_has_no_column_of_was_not_measured():
    history = History([(1, 2, 3, 4, 5, 6, 7, 8, 9)])
    assert history.column("seconds")[0] == 9 and np.isnan(history.column("fid")[0])


def test_a_report_names_features_counts_and_reference_beside_the_yardsticks(run, capsys):
    found = evaluate(run.checkpoint_dir, "generator_best.weights.h5", samples=100)
    printed = capsys.readouterr().out
    assert [row["name"] for row in found["rows"]] == ["samples", "half of the real images", "4", "noise"]
    assert found["rows"][0]["images"] == found["rows"][0]["reals"] == 100
    counts = dict(images=100, training_images=163, searched_for_copies=163)
    assert found["reference"] == {"name": "digits 3, 20 set aside", **counts, "images_of_the_run": True}
    for phrase in ("100 of the 163 images", "not comparable", "256 features", "digits 3", "epoch "):
        assert phrase in printed
    stored = json.loads(pathlib.Path(run.checkpoint_dir, "evaluation.json").read_text())
    assert stored["rows"] == found["rows"]
    with Image.open(pathlib.Path(run.checkpoint_dir, "nearest.png")) as image:
        assert image.size == (8 * 30 + 2, 8 * 30 + 2)  # 32 pairs, four a row


@pytest.mark.slow
def test_the_yardsticks_stand_in_the_order_of_their_quality(run):
    rows = {row["name"]: row for row in evaluate(run.checkpoint_dir, "generator.weights.h5")["rows"]}
    assert rows["half of the real images"]["kid"] < rows["4"]["kid"] < rows["noise"]["kid"]
    assert rows["half of the real images"]["precision"] > 0.5 > rows["noise"]["precision"]


def quick(run, **options):
    """A small report without yardsticks."""
    return evaluate(
        run.checkpoint_dir, **{"weights": "generator.weights.h5", "samples": 20, "yardsticks": False, **options}
    )


def test_as_many_samples_are_drawn_as_there_are_images_as_in_training(run):
    row = quick(run, samples=None)["rows"][0]
    assert row["images"] == row["reals"] == 163


def test_samples_in_grey_are_shown_beside_images_in_colour():
    samples, training = np.zeros([1, 4, 4, 1], np.uint8), np.full([2, 4, 4, 3], 200, np.uint8)
    copies = neighbours.Copies(distances=np.zeros(1), nearest=np.array([1]), closeness=np.zeros(1), share=1.0)
    grid = report.closest_pairs(samples, training, copies)
    assert grid.shape[2] == 3 and (grid[2:6, 2:6] == 0).all() and (grid[2:6, 8:12] == 200).all()


def test_a_report_repeats_leaves_the_run_alone_and_another_seed_gives_another(run, tmp_path):
    before = {path: path.read_bytes() for path in pathlib.Path(run.checkpoint_dir).iterdir()}
    one, same, other = (quick(run, seed=seed, output_dir=tmp_path / "report") for seed in (3, 3, 4))
    assert one == same and one["rows"] != other["rows"] and len(one["rows"]) == 1
    assert {path: path.read_bytes() for path in pathlib.Path(run.checkpoint_dir).iterdir()} == before
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"evaluation.json", "nearest.png"}


def change_description(run, before, after):
    path = pathlib.Path(run.checkpoint_dir, "config.json")
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_other_images_than_the_run_s_are_named(run, capsys):
    change_description(run, '"sha256": "', '"sha256": "0')
    with pytest.raises(UserError, match="the 163 images are not the 163 that the run in .* with --other_images"):
        quick(run)
    assert not pathlib.Path(run.checkpoint_dir, "evaluation.json").exists()
    assert not quick(run, other_images=True)["reference"]["images_of_the_run"]
    assert "not the images of the run" in capsys.readouterr().err


@pytest.mark.slow
def test_inception_features_go_through_the_whole_report(run, monkeypatch):
    random_weights = features.inception(weights=None)
    monkeypatch.setattr(features, "inception", lambda: random_weights)
    found = quick(run, features="inception")
    assert "2048 features" in found["features"] and np.isfinite(found["rows"][0]["fid"])


@pytest.mark.parametrize(
    "options, phrase",
    [
        (dict(weights="generator_ema.h5"), "there is no .*generator_ema.h5; --weights may be generator.weights.h5 or"),
        (dict(features="inceptoin"), 'did you mean "inception"'),
        (dict(samples=3), "--samples is 3"),
        (dict(seed=-1), "--seed is -1"),
        (dict(weights="config.json"), "not an HDF5 weights file"),
        (dict(weights="/elsewhere/generator.weights.h5"), "--weights is /elsewhere.*: give the name of a file alone"),
        (dict(weights="critic.weights.h5"), "does not fit the run's generator: .*kernels that are missing"),
        (dict(data_dir="/nowhere"), "does not exist"),
        (dict(output_dir=__file__), "--output_dir .* is a file, not a folder"),
    ],
)
def test_what_cannot_be_measured_gets_a_clear_line(run, options, phrase):
    with pytest.raises(UserError, match=phrase):
        quick(run, **options)


def test_a_folder_without_a_run_gets_a_clear_line():
    with pytest.raises(UserError, match="nowhere holds no run"):
        evaluate("nowhere")
