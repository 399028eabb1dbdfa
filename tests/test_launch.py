"""The real loop on a handful of images: what it writes, how it goes on, what it refuses."""

import csv
import dataclasses
import json
import pathlib
import types

import numpy as np
import pytest
import short_runs
from PIL import Image
from short_runs import assert_same_state, begin, state_in

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import grids
from wgan.models import networks, randomness
from wgan.runs import checkpoints, sample_files
from wgan.runs.history import columns
from wgan.training import callbacks
from wgan.training.launch import launch


def rows_of(config):
    with open(pathlib.Path(config.checkpoint_dir, "history.csv"), newline="") as file:
        return list(csv.reader(file))


def without_seconds(rows):
    return [[cell for column, cell in zip(rows[0], row) if column != "seconds"] for row in rows]


def grids_of(config):
    return {path.name: path.read_bytes() for path in sorted(pathlib.Path(config.sample_dir).glob("*.png"))}


def assert_same_result(one, other):
    assert_same_state(one, other)
    assert grids_of(one) == grids_of(other)
    assert without_seconds(rows_of(one)) == without_seconds(rows_of(other))


def everything_below(folder):
    return {path: path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}


def test_a_run_leaves_all_its_files_and_no_others(finished_toy, tmp_path):
    config = finished_toy(epochs=3)
    weights = "generator generator_ema critic training_state training_state.previous".split()
    names = {*(f"{name}.weights.h5" for name in weights), "history.csv", "history.png", "config.json", ".run_id"}
    assert {path.name for path in pathlib.Path(config.checkpoint_dir).iterdir()} == names
    assert {path.name for path in pathlib.Path(config.sample_dir).iterdir()} - set(grids_of(config)) == {".run_id"}
    assert list(grids_of(config)) == ["reals.png", "sample_00001.png", "sample_00002.png", "sample_00003.png"]
    with Image.open(tmp_path / "samples/sample_00003.png") as grid:
        assert grid.size == (62, 32) and grid.mode == "L"
    rows = rows_of(config)
    recipe = config.recipe_spec
    assert rows[0] == list(columns(recipe)) and [row[0] for row in rows[1:]] == ["1", "2", "3"]
    for row in rows[1:]:
        for name, value in zip(rows[0], row):
            assert value == "" if name in recipe.measures else np.isfinite(float(value))  # eval_every is 0
    stored = json.loads((tmp_path / "checkpoints/config.json").read_text())
    assert stored["config"]["seed"] == 0 and stored["config"]["label"] == "3"
    assert set(stored["starts"][0]) - {"environment"} == {"epoch", "time", "device", "python", "tensorflow", "keras"}


def test_saved_generator_draws_the_last_grid(finished_toy):
    config = finished_toy()
    generator, _ = networks.build(config, channels=1)
    latents = randomness.normal(
        [2, config.latent_dim], randomness.stream(config.seed, 0, randomness.Purpose.PREVIEW_LATENTS)
    )
    generator(latents)
    generator.load_weights(pathlib.Path(config.checkpoint_dir, checkpoints.AVERAGED_FILE))
    grid = grids.image_grid(grids.to_uint8(generator(latents)), columns=2)
    with Image.open(sample_files.sample_path(config.sample_dir, 2)) as saved:
        assert np.abs(np.asarray(saved).astype(int) - grid[:, :, 0]).max() <= 1


@pytest.mark.parametrize(
    "networks, precision, stops",
    [
        ("toy", "float32", (2, 4)),
        ("conditional", "float32", (2, 4)),
        pytest.param("toy", "bfloat16", (1, 4), marks=pytest.mark.slow),
        pytest.param("toy", "float16", (1, 4), marks=pytest.mark.slow),
    ],
)
def test_a_run_in_pieces_ends_in_the_same_bits(request, tmp_path, networks, precision, stops):
    whole = request.getfixturevalue(networks)(epochs=4, precision=precision)
    launch(whole)
    pieces = short_runs.elsewhere(whole, tmp_path)
    for epochs in stops:
        launch(dataclasses.replace(pieces, epochs=epochs))
    assert_same_result(whole, pieces)


def test_rows_and_grids_beyond_the_restored_state_are_replaced(finished_toy, tmp_path):
    whole = finished_toy(epochs=3)
    cut = short_runs.elsewhere(whole, tmp_path)
    launch(dataclasses.replace(cut, epochs=1))
    with open(pathlib.Path(cut.checkpoint_dir, "history.csv"), "a") as file:
        file.write("2,0,0,0,0,0,0,0,0\n3,0,0,0")
    pathlib.Path(cut.sample_dir, "sample_00002.png").write_bytes(b"of an epoch that was not saved")
    pathlib.Path(cut.sample_dir, "sample_00007.png").write_bytes(b"likewise")
    launch(cut)
    assert_same_result(whole, cut)


def test_a_finished_run_says_so_and_changes_nothing(finished_toy, tmp_path, capsys):
    config = finished_toy()
    before = everything_below(tmp_path)
    assert launch(config) == 0
    assert "finished" in capsys.readouterr().out
    assert everything_below(tmp_path) == before


def test_what_does_not_decide_the_result_may_change(toy, finished_toy, tmp_path):
    finished_toy(epochs=1)
    launch(toy(epochs=4, sample_every=2, checkpoint_minutes=0.0))
    assert list(grids_of(toy())) == ["reals.png", "sample_00001.png", "sample_00002.png", "sample_00004.png"]
    assert (tmp_path / "checkpoints" / checkpoints.PREVIOUS_STATE_FILE).exists()


@pytest.mark.parametrize(
    "changes, fresh, words",
    [
        (dict(batch_size=5, seed=7), False, "batch_size was 4, now 5.*seed was 0, now 7.*--fresh"),
        (dict(label="all"), False, "label was 3, now all"),
        (dict(learning_rate=2e-3), False, "learning_rate was 0.001, now 0.002"),
        (dict(critic_learning_rate=2e-3), False, "critic_learning_rate was 0.001, now 0.002"),
        (dict(label="horse"), True, "horse"),
        (dict(sample_dir="{}/checkpoints/config.json/samples"), False, "--sample_dir .*config.json is a file"),
        (dict(checkpoint_dir="{}/new"), False, "holds grids of a run that is not in"),
        (dict(checkpoint_dir="{}/new"), True, "holds grids of a run that is not in"),
        (dict(init_from="{}/checkpoints"), True, "would overwrite these weights"),
    ],
)
def test_what_is_refused_changes_nothing(toy, finished_toy, tmp_path, changes, fresh, words):
    finished_toy(epochs=1)
    before = everything_below(tmp_path)
    places = {name: value.format(tmp_path) for name, value in changes.items() if isinstance(value, str)}
    with pytest.raises(UserError, match=words):
        launch(toy(**{**changes, **places}), fresh=fresh)
    assert everything_below(tmp_path) == before


def test_a_continued_run_keeps_its_precision_unless_told_otherwise(toy, capsys):
    launch(toy(epochs=1, precision="bfloat16"))
    launch(toy(epochs=2, precision="auto"))
    assert capsys.readouterr().out.count("in bfloat16") == 2
    with pytest.raises(UserError, match="precision was bfloat16, now float32"):
        launch(toy(epochs=3, precision="float32"))


def test_fresh_starts_over_and_says_what_it_replaces(toy, finished_toy, capsys):
    finished_toy(epochs=3)
    for name in ("evaluation.json", "nearest.png"):
        pathlib.Path(toy().checkpoint_dir, name).write_text("of the earlier generator")
    assert launch(toy(epochs=1, seed=9), fresh=True) == 0
    assert not [*pathlib.Path(toy().checkpoint_dir).glob("[en][ve]a*")]
    printed = capsys.readouterr().out
    assert "replacing 10 files of an earlier run" in printed and "and 4 images in" in printed
    assert list(grids_of(toy())) == ["reals.png", "sample_00001.png"]
    assert len(rows_of(toy())) == 2


@pytest.mark.parametrize(
    "name", ["samples/sample_00001.png", "samples/00001-00500/sample_00001.png", "samples/reals.png"]
)
def test_images_that_no_run_is_known_to_have_written_are_not_even_replaced_when_asked(toy, tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"precious")
    for fresh in (True, False):
        with pytest.raises(UserError, match="nothing shows that a run wrote it"):
            launch(toy(), fresh=fresh)
    assert everything_below(tmp_path) == {tmp_path / name: b"precious"}


def test_a_configuration_that_makes_no_sense_is_named(toy, finished_toy, tmp_path):
    finished_toy()
    path = tmp_path / "checkpoints/config.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "images": {**stored["images"], "classes": None}}))
    with pytest.raises(UserError, match="config.json cannot be read .*restore it"):
        launch(toy(epochs=4))


def test_files_that_belong_to_no_run_are_not_overwritten(toy, tmp_path):
    path = tmp_path / "checkpoints/generator.weights.h5"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    with pytest.raises(UserError, match="in the way"):
        launch(toy())
    assert everything_below(tmp_path) == {path: b"precious"}


def test_a_run_whose_folders_were_moved_goes_on(toy, finished_toy, tmp_path):
    finished_toy(epochs=1)
    (tmp_path / "checkpoints").rename(tmp_path / "c")
    (tmp_path / "samples").rename(tmp_path / "s")
    moved = toy(epochs=2, checkpoint_dir=str(tmp_path / "c"), sample_dir=str(tmp_path / "s"))
    assert launch(moved) == 0
    assert list(grids_of(moved)) == ["reals.png", "sample_00001.png", "sample_00002.png"]


def test_a_run_that_lost_its_state_is_not_started_over_unasked(toy, finished_toy, tmp_path):
    finished_toy(epochs=3)
    for path in (tmp_path / "checkpoints").glob("*.h5"):
        path.unlink()
    before = everything_below(tmp_path)
    with pytest.raises(UserError, match="cannot be continued"):
        launch(toy(epochs=4))
    assert everything_below(tmp_path) == before


def test_a_damaged_state_gives_way_to_the_one_before_and_does_not_take_its_place(finished_toy, tmp_path):
    whole = finished_toy(epochs=3)
    cut = short_runs.elsewhere(whole, tmp_path)
    for epochs in (1, 2):
        launch(dataclasses.replace(cut, epochs=epochs))
    state = pathlib.Path(cut.checkpoint_dir, checkpoints.STATE_FILE)
    bits = bytearray(state.read_bytes())
    bits[len(bits) // 2] ^= 1
    state.write_bytes(bits)
    launch(dataclasses.replace(cut, epochs=2))
    state.write_bytes(b"damaged")
    assert checkpoints.newest_state(cut.checkpoint_dir).epoch == 1
    launch(cut)
    assert_same_result(whole, cut)


def test_dry_run_prints_the_plan_and_writes_nothing(toy, tmp_path, capsys):
    assert launch(toy(epochs=1000), dry_run=True) == 0
    printed = capsys.readouterr().out
    assert "learning_rate: 0.001" in printed and "183" in printed and "disk: about" in printed
    assert "critic parameters: 785" in printed and "epochs to run: 1 to 1000" in printed
    assert everything_below(tmp_path) == {}


def test_init_from_starts_with_the_weights_of_another_run(toy, finished_toy, tmp_path):
    finished_toy()
    new = short_runs.elsewhere(
        toy(label="5", init_from=str(tmp_path / "checkpoints"), epochs=1, learning_rate=1e-9), tmp_path
    )
    launch(new)
    then, now = state_in(toy().checkpoint_dir), state_in(new.checkpoint_dir)
    critic = [name for name in then if name.startswith("critic/")]
    assert sum(np.allclose(then[name], now[name], atol=1e-6) for name in critic) == 2
    assert not np.allclose(then["history"][:, 1], now["history"][0, 1])


def test_init_from_names_what_is_missing_or_does_not_fit(toy, finished_toy, tmp_path):
    with pytest.raises(UserError, match="there is no .*generator.weights.h5"):
        launch(toy(init_from=str(tmp_path)))
    with pytest.raises(UserError, match="there is no .*/nowhere; give another run's checkpoint folder"):
        launch(toy(init_from=str(tmp_path / "nowhere")))
    with pytest.raises(
        UserError, match="horses/generator.weights.h5; its generator is without a critic, as the shipped ones are"
    ):
        launch(toy(init_from=str(pathlib.Path(__file__).parents[1] / "pretrained/horses")))
    finished_toy(epochs=1)
    averaged = tmp_path / "checkpoints/generator_ema.weights.h5"
    averaged.touch()
    with pytest.raises(UserError, match="generator_ema.weights.h5 has no critic of its own: give the run's folder, "):
        launch(short_runs.elsewhere(toy(init_from=str(averaged)), tmp_path))
    with pytest.raises(UserError, match="does not fit the generator"):
        launch(short_runs.elsewhere(toy(init_from=str(tmp_path / "checkpoints"), latent_dim=9), tmp_path))
    assert not everything_below(tmp_path / "checkpoint_dir")


def test_the_first_epoch_which_compiles_is_no_measure_of_the_time_left(monkeypatch, capsys):
    clock = iter([0.0, 60.0, 62.0, 64.0])  # a minute of compiling, then two seconds an epoch
    monkeypatch.setattr(callbacks, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(callbacks.Progress, "SECONDS_BETWEEN_LINES", 0)
    progress = callbacks.Progress(first_epoch=5, last_epoch=107)
    progress.on_train_begin()
    for epoch in (4, 5, 6):
        progress.on_epoch_end(epoch, {"wasserstein_estimate": 1.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "epoch 5/107  Wasserstein estimate 1.00  60 s, compiling included"
    assert all("0.50 epochs/s" in line for line in lines[1:])
    assert [line.split()[-2] for line in lines[1:]] == ["03:22", "03:20"]


def images_in_classes(folder, names, count=8):
    """Grey images, each of a brightness of its own, `count` in a folder per class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("L", (32, 32), 20 * number + index).save(folder / name / f"{index + 1}.png")


def learning_classes(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("data_dir", "checkpoint_dir", "sample_dir")}
    return TrainingConfig.of_recipe("sgan", dataset="folder", label="all", **folders)


def test_an_added_class_is_named_where_it_changes_the_images_of_a_run(tmp_path):
    images_in_classes(tmp_path / "data_dir", ["cats", "dogs"])
    config = learning_classes(tmp_path)
    begin(config)
    images_in_classes(tmp_path / "data_dir", ["ants"])
    with pytest.raises(UserError, match=r"these 24 images \(new classes: ants\) differ from the 16"):
        launch(config)


def test_the_same_images_in_other_classes_are_refused_where_classes_are_learned(tmp_path):
    images_in_classes(tmp_path / "data_dir", ["cats", "dogs"])
    begin(learning_classes(tmp_path))
    (tmp_path / "data_dir/cats/8.png").rename(tmp_path / "data_dir/dogs/0.png")  # its place in the order is the same
    with pytest.raises(UserError, match="the labels of these images differ"):
        launch(learning_classes(tmp_path))


def test_a_number_that_has_come_to_mean_another_class_is_refused(tmp_path):
    images_in_classes(tmp_path / "data_dir", ["cats", "dogs"], count=16)
    config = dataclasses.replace(learning_classes(tmp_path), recipe="wgan_gp", label="0")
    begin(dataclasses.replace(config, label=data.check("folder", config.data_dir, "0", "all")))
    images_in_classes(tmp_path / "data_dir", ["ants"])
    with pytest.raises(UserError, match="label was cats, now ants"):
        launch(config)
