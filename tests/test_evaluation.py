"""Quality measured during a run and afterwards: it changes nothing, finds the best, and watches the critic."""

import csv
import dataclasses
import json
import pathlib
import shutil
import time
import types

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from test_data_cifar10 import FILES, marked

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.evaluation import evaluator, features
from wgan.evaluation.callback import Evaluation
from wgan.evaluation.evaluate import evaluate
from wgan.images.curves import draw_curves
from wgan.models.gan import scale
from wgan.models.losses import LOSSES
from wgan.models.networks import Critic, Generator
from wgan.recipes import RECIPES
from wgan.runs import checkpoints
from wgan.runs.history import COLUMNS, History, columns
from wgan.training.launch import launch
from wgan.training.loop import build_gan


def measured_rows(config):
    with open(pathlib.Path(config.checkpoint_dir, "history.csv"), newline="") as file:
        return {int(row["epoch"]): row for row in csv.DictReader(file) if row["fid"]}


def trained_variables(config):
    found = {}
    with h5py.File(pathlib.Path(config.checkpoint_dir, checkpoints.STATE_FILE)) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    found.pop("history")
    return found


def elsewhere(config, tmp_path, **changes):
    return dataclasses.replace(config, checkpoint_dir=str(tmp_path / "c2"), sample_dir=str(tmp_path / "s2"), **changes)


@pytest.fixture(scope="module")
def own():
    return features.own()


def test_measuring_changes_nothing_in_the_training(tiny, tmp_path):
    watched = tiny(epochs=4, eval_every=2, holdout=20)
    unwatched = elsewhere(watched, tmp_path, eval_every=0)
    assert launch(watched) == launch(unwatched) == 0
    first, second = trained_variables(watched), trained_variables(unwatched)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert list(measured_rows(watched)) == [2, 4] and not measured_rows(unwatched)


def test_the_last_epoch_is_measured_whatever_the_interval(tiny):
    config = tiny(epochs=3, eval_every=2)
    launch(config)
    assert list(measured_rows(config)) == [2, 3]


def test_work_that_takes_seconds_is_announced(tiny, capsys):
    launch(tiny(epochs=2, eval_every=2))
    lines = capsys.readouterr().out.splitlines()
    beginnings = [
        "computing the features of 183 real images",
        "epoch 1/2",
        "measuring 183 samples after epoch 2",
        "epoch 2/2",
        "saving epoch 2",
        "done",
    ]
    places = [[number for number, line in enumerate(lines) if line.startswith(start)] for start in beginnings]
    assert all(len(found) == 1 for found in places) and places == sorted(places)


def test_no_epoch_s_time_contains_what_is_computed_of_the_real_images(tiny, monkeypatch):
    clock, late = time.monotonic, [0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + sum(late))
    monkeypatch.setattr(evaluator.Evaluator, "prepare", lambda self: late.append(10_000))
    config = tiny(epochs=1, eval_every=1)
    launch(config)
    assert len(late) == 2 and float(measured_rows(config)[1]["seconds"]) < 10_000


@pytest.mark.slow
def test_a_run_in_pieces_measures_the_same(tiny, tmp_path):
    whole = tiny(epochs=4, eval_every=2)
    pieces = elsewhere(whole, tmp_path)
    launch(whole)
    launch(dataclasses.replace(pieces, epochs=2))
    launch(pieces)
    one, other = measured_rows(whole), measured_rows(pieces)
    assert list(one) == list(other)
    for epoch in one:
        assert [one[epoch][name] for name in whole.recipe_spec.measures] == [
            other[epoch][name] for name in whole.recipe_spec.measures
        ]


def test_the_figures_are_those_of_the_weights_that_were_saved(tiny, own):
    config = tiny(epochs=2, eval_every=2)
    launch(config)
    generator = Generator(config.latent_dim, channels=1)
    generator(tf.zeros([1, config.latent_dim]))
    generator.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.AVERAGED_FILE))
    reals = data.load("digits", None, "3", "all").images
    again = evaluator.Evaluator(own, reals).figures(evaluator.Sampler(generator, len(reals), config.seed)())
    row = measured_rows(config)[2]
    for name in evaluator.FIGURES:
        assert float(row[name]) == pytest.approx(again[name], rel=1e-6, abs=1e-9)


def test_the_critic_s_estimates_are_those_of_the_weights_that_were_saved(tiny):
    config = tiny(epochs=2, eval_every=2, holdout=20)
    launch(config)
    generator, critic = Generator(config.latent_dim, channels=1), Critic(channels=1)
    critic(generator(tf.zeros([1, config.latent_dim])))
    generator.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.AVERAGED_FILE))
    critic.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.CRITIC_FILE))
    image_set, row = data.load_for_run(config), measured_rows(config)[2]
    samples = evaluator.Sampler(generator, len(image_set.images), config.seed)()

    def score(images):
        return critic(scale(tf.constant(images))).numpy().mean(dtype=float)

    for name, images in (("training_estimate", image_set.images), ("heldout_estimate", image_set.heldout)):
        assert float(row[name]) == pytest.approx(score(images) - score(samples), rel=1e-4, abs=1e-6)


def test_the_best_generator_is_the_one_with_the_lowest_fid(tiny):
    config = tiny(epochs=6, eval_every=1)
    launch(config)
    fids = {epoch: float(row["fid"]) for epoch, row in measured_rows(config).items()}
    best = min(fids, key=fids.get)
    with h5py.File(pathlib.Path(config.checkpoint_dir, checkpoints.BEST_FILE)) as file:
        assert file.attrs["epoch"] == best and file.attrs["fid"] == pytest.approx(fids[best], rel=1e-6)


@pytest.mark.slow
def test_a_continued_run_remembers_the_best(tiny, monkeypatch):
    fids = iter([3.0, 5.0, 4.0, 2.0])
    monkeypatch.setattr(
        evaluator.Evaluator, "figures", lambda self, images: dict.fromkeys(evaluator.FIGURES, next(fids))
    )
    monkeypatch.setattr(evaluator.Evaluator, "prepare", lambda self: None)
    noted = []
    for epochs in (1, 2, 3, 4):
        config = tiny(epochs=epochs, eval_every=1)
        launch(config)
        with h5py.File(pathlib.Path(config.checkpoint_dir, checkpoints.BEST_FILE)) as file:
            noted.append(int(file.attrs["epoch"]))
    assert noted == [1, 1, 1, 4]


def test_a_critic_that_memorises_scores_held_out_images_lower(tiny):
    config = tiny(holdout=160)
    image_set, gan = data.load_for_run(config), build_gan(config, 1)
    watcher = Evaluation(config, image_set, History(), None)
    watcher.set_model(gan)
    watcher.on_train_begin()
    optimizer = keras.optimizers.Adam(1e-3)

    @tf.function
    def learn_by_heart():
        with tf.GradientTape() as tape:
            known, unknown = gan.critic(scale(image_set.images)), gan.critic(scale(image_set.heldout))
            loss = tf.reduce_mean(tf.nn.softplus(-known)) + tf.reduce_mean(tf.nn.softplus(unknown))
        optimizer.apply(tape.gradient(loss, gan.critic.trainable_variables), gan.critic.trainable_variables)

    def gap():
        estimates = watcher._critic_estimates(image_set.images)
        return estimates["training_estimate"] - estimates["heldout_estimate"]

    assert abs(gap()) < 0.5
    for _ in range(100):
        learn_by_heart()
    assert gap() > 2


@pytest.mark.parametrize("recipe, sign", [("wgan_gp", 1), ("wgan_gp_article", -1)])
def test_estimates_of_a_critic_that_scores_real_images_down_have_the_papers_sign_too(recipe, sign):
    config = TrainingConfig.of_recipe(recipe)
    watcher = Evaluation.__new__(Evaluation)
    watcher._reals, watcher._heldout, watcher._config = 3.0, 2.0, config
    watcher._mean_logit = lambda score: sign * score
    watcher._model = types.SimpleNamespace(objective=LOSSES[config.recipe_spec.loss])
    assert watcher._critic_estimates(1.0) == {"training_estimate": 2.0, "heldout_estimate": 1.0}


def test_images_set_aside_are_recorded_and_never_trained_on(tiny):
    config = tiny(epochs=1, holdout=20)
    launch(config)
    stored = json.loads(pathlib.Path(config.checkpoint_dir, "config.json").read_text())["images"]
    everything = data.load("digits", None, "3", "all").images
    loaded = data.load_for_run(config)
    assert stored["count"] == len(everything) - 20 == len(loaded.images)
    assert len(set(stored["set_aside"])) == stored["held_out"] == 20
    np.testing.assert_array_equal(loaded.heldout, everything[stored["set_aside"]])
    np.testing.assert_array_equal(loaded.images, np.delete(everything, stored["set_aside"], axis=0))


def test_another_seed_sets_the_same_images_aside(tiny):
    one, other = (data.load_for_run(tiny(holdout=20, seed=seed)) for seed in (0, 1))
    assert one.heldout_indices == other.heldout_indices


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


@pytest.mark.parametrize(
    "changes, phrase",
    [
        (dict(holdout=170), "--holdout 170 leaves fewer than 16 of the 183"),
        (dict(holdout=5, split="train"), "--split train already holds"),
        (dict(holdout=-1), "at least 0"),
        (dict(eval_every=-1), "at least 0"),
    ],
)
def test_impossible_wishes_are_refused(tiny, changes, phrase):
    with pytest.raises(UserError, match=phrase):
        launch(tiny(**changes))


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


def test_a_history_of_an_earlier_version_is_read():
    history = History([(1, 2, 3, 4, 5, 6, 7, 8, 9)])
    assert history.column("seconds")[0] == 9 and np.isnan(history.column("fid")[0])


def test_a_history_is_read_by_the_names_of_its_columns():
    there = History.from_array(np.array([[5.0, 1.0, 7.0, 0.5]]), ["fid", "epoch", "of a later version", "deviation"])
    assert there.column("fid")[0] == 5 and there.column("epoch")[0] == 1 and np.isnan(there.column("seconds")[0])
    assert there.column("std")[0] == 0.5 and there.to_array().shape == (1, len(COLUMNS))  # by its earlier name


MEASURED_TWICE = dict(epochs=2, eval_every=1, holdout=20)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """The folder in which a run of `MEASURED_TWICE` has left its own two."""
    folder = tmp_path_factory.mktemp("trained_once")
    launch(
        TrainingConfig(
            dataset="digits",
            label="3",
            batch_size=4,
            critic_steps=2,
            latent_dim=8,
            precision="float32",
            checkpoint_dir=str(folder / "checkpoints"),
            sample_dir=str(folder / "samples"),
            **MEASURED_TWICE,
        )
    )
    return folder


@pytest.fixture
def run(trained_once, tiny, tmp_path):
    """A copy of that run, which a test may change."""
    for name in ("checkpoints", "samples"):
        shutil.copytree(trained_once / name, tmp_path / name)
    return tiny(**MEASURED_TWICE)


def test_a_report_names_features_counts_and_reference_beside_the_yardsticks(run, capsys):
    found = evaluate(run.checkpoint_dir, "generator_best.weights.h5", samples=100)
    printed = capsys.readouterr().out
    assert [row["name"] for row in found["rows"]] == ["samples", "half of the real images", "4", "noise"]
    assert found["rows"][0]["images"] == found["rows"][0]["reals"] == 100
    assert found["reference"] == {
        "name": "digits 3, 20 set aside",
        "images": 100,
        "training_images": 163,
        "images_of_the_run": True,
    }
    for phrase in ("100 of the 163 images", "not comparable", "256 features", "digits 3", "epoch "):
        assert phrase in printed
    stored = json.loads(pathlib.Path(run.checkpoint_dir, "evaluation.json").read_text())
    assert stored["rows"] == found["rows"]
    with Image.open(pathlib.Path(run.checkpoint_dir, "nearest.png")) as image:
        assert image.size == (8 * 34 + 2, 8 * 34 + 2)  # 32 pairs, four a row


@pytest.mark.slow
def test_the_yardsticks_stand_in_the_order_of_their_quality(run):
    rows = {row["name"]: row for row in evaluate(run.checkpoint_dir, "generator.weights.h5")["rows"]}
    assert rows["half of the real images"]["kid"] < rows["4"]["kid"] < rows["noise"]["kid"]
    assert rows["half of the real images"]["precision"] > 0.5 > rows["noise"]["precision"]


def test_a_report_repeats_and_another_seed_gives_another(run):
    one, same, other = (
        evaluate(run.checkpoint_dir, "generator.weights.h5", samples=50, seed=seed, yardsticks=False)
        for seed in (3, 3, 4)
    )
    assert one == same and one["rows"] != other["rows"] and len(one["rows"]) == 1


def test_a_report_leaves_the_run_alone_and_goes_where_it_is_sent(run, tmp_path):
    before = {path: path.read_bytes() for path in pathlib.Path(run.checkpoint_dir).iterdir()}
    evaluate(run.checkpoint_dir, "generator.weights.h5", samples=20, yardsticks=False, output_dir=tmp_path / "report")
    assert {path: path.read_bytes() for path in pathlib.Path(run.checkpoint_dir).iterdir()} == before
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"evaluation.json", "nearest.png"}


def test_other_images_than_the_run_s_are_named(run, capsys):
    path = pathlib.Path(run.checkpoint_dir, "config.json")
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(UserError, match="the 163 images are not the 163 that the run in .* with --other_images"):
        evaluate(run.checkpoint_dir, "generator.weights.h5", samples=20, yardsticks=False)
    assert not pathlib.Path(run.checkpoint_dir, "evaluation.json").exists()
    found = evaluate(run.checkpoint_dir, "generator.weights.h5", samples=20, yardsticks=False, other_images=True)
    assert not found["reference"]["images_of_the_run"]
    assert "not the images of the run" in capsys.readouterr().err


@pytest.mark.slow
def test_inception_features_go_through_the_whole_report(run, monkeypatch):
    random_weights = features.inception(weights=None)
    monkeypatch.setattr(features, "inception", lambda: random_weights)
    found = evaluate(run.checkpoint_dir, "generator.weights.h5", samples=16, features="inception", yardsticks=False)
    assert "2048 features" in found["features"] and np.isfinite(found["rows"][0]["fid"])


@pytest.mark.parametrize(
    "arguments, phrase",
    [
        (dict(weights="generator_ema.h5"), "there is no .*generator_ema.h5; --weights may be generator.weights.h5 or"),
        (dict(features="inceptoin"), 'did you mean "inception"'),
        (dict(samples=3), "--samples is 3"),
        (dict(seed=-1), "--seed is -1"),
        (dict(weights="config.json"), "no HDF5 weights file"),
        (dict(weights="critic.weights.h5"), "does not fit the run's generator"),
        (dict(checkpoint_dir="nowhere"), "nowhere holds no run"),
        (dict(data_dir="/nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_measured_gets_a_clear_line(run, arguments, phrase):
    with pytest.raises(UserError, match=phrase):
        evaluate(**{**dict(checkpoint_dir=run.checkpoint_dir, weights="generator.weights.h5"), **arguments})


def test_a_generator_from_a_run_in_half_precision_is_measured_in_full(tiny):
    config = tiny(epochs=1, precision="bfloat16")
    launch(config)
    found = evaluate(config.checkpoint_dir, "generator.weights.h5", samples=20, yardsticks=False)
    assert np.isfinite(found["rows"][0]["fid"])
