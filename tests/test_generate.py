"""Samples of a trained generator: the same for the same seed, in every form of output, or one clear line."""

import json
import shutil
from unittest import mock

import numpy as np
import pytest
import scipy.special
import scipy.stats
from PIL import Image
from test_export_gif import read_frames

from wgan.apps import generate, image_sampler, walks
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import grids
from wgan.runs import initial_weights, trained


@pytest.fixture(scope="module")
def generator(run_with_weights):
    return trained.locate(run_with_weights).load()


def read_png(path):
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


# --- latents ---


def test_a_latent_is_a_function_of_seed_and_number():
    whole = image_sampler.draw_latents(5, 0, 200, 8)
    for first, count in ((0, 1), (0, 64), (63, 2), (64, 64), (130, 70)):
        np.testing.assert_array_equal(image_sampler.draw_latents(5, first, count, 8), whole[first : first + count])
    assert whole.dtype == np.float32 and len(np.unique(whole)) == whole.size
    assert np.isin(image_sampler.draw_latents(6, 0, 200, 8), whole).mean() < 0.01


@pytest.mark.parametrize(
    "truncation, distribution, expected",
    [
        (None, "normal", scipy.stats.norm),
        (0.5, "normal", scipy.stats.truncnorm(-0.5, 0.5)),
        (2.0, "normal", scipy.stats.truncnorm(-2, 2)),
        (None, "uniform", scipy.stats.uniform(-1, 2)),
        (0.25, "uniform", scipy.stats.uniform(-0.25, 0.5)),
        (3.0, "uniform", scipy.stats.uniform(-1, 2)),
    ],
)
def test_latents_have_the_truncated_distribution(truncation, distribution, expected):
    drawn = image_sampler.draw_latents(1, 0, 1000, 100, truncation, distribution).astype(np.float64).ravel()
    assert scipy.stats.kstest(drawn, expected.cdf).pvalue > 0.001
    assert truncation is None or abs(drawn).max() <= truncation


def test_truncation_keeps_the_rank_of_every_number_and_is_finite_at_its_extremes():
    free, cut, none, all_of_it = (
        image_sampler.draw_latents(1, 0, 50, 8, truncation).astype(np.float64)
        for truncation in (None, 1.5, 1e-300, 1e300)
    )
    share = (scipy.special.ndtr(cut) - scipy.special.ndtr(-1.5)) / (1 - 2 * scipy.special.ndtr(-1.5))
    np.testing.assert_allclose(share, scipy.special.ndtr(free), atol=1e-6)
    assert abs(none).max() == 0
    np.testing.assert_allclose(all_of_it, free)


def test_a_generator_s_own_distribution_is_drawn_from(generator, monkeypatch):
    monkeypatch.setattr(generator, "latent_distribution", "uniform", raising=False)
    assert image_sampler.ImageSampler(generator, 4).distribution == "uniform"


# --- interpolation ---


def test_slerp_turns_at_constant_speed_on_the_sphere():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 5, 8))
    end *= np.linalg.norm(start, axis=1, keepdims=True) / np.linalg.norm(end, axis=1, keepdims=True)
    angle = np.arccos((start * end).sum(axis=1) / (start * start).sum(axis=1))
    for share in (0, 0.25, 0.6, 1):
        between = walks.slerp(start, end, share)
        np.testing.assert_allclose(np.linalg.norm(between, axis=1), np.linalg.norm(start, axis=1))
        turned = np.arccos(np.clip((start * between).sum(axis=1) / (start * start).sum(axis=1), -1, 1))
        np.testing.assert_allclose(turned, share * angle, atol=1e-7)
        plane = np.stack([start, end, between], axis=1)  # three vectors in one plane have no volume
        np.testing.assert_allclose(np.linalg.svd(plane, compute_uv=False)[:, 2], 0, atol=1e-12)


@pytest.mark.parametrize(
    "start, end, middle",
    [
        ([3.0, 0], [0, 1.0], [2**0.5, 2**0.5]),  # lengths change in a line
        ([2.0, 0], [2.0, 0], [2.0, 0]),
        ([2.0, 0], [-2.0, 0], [0, 0]),
        ([0.0, 0], [0, 0], [0, 0]),  # no arc
        ([1.0, 0], [1.0, 1e-9], [1.0, 5e-10]),
    ],
)
def test_slerp_of_any_two_vectors(start, end, middle):
    for share, expected in ((0, start), (0.5, middle), (1, end)):
        found = walks.slerp(np.array([start]), np.array([end]), share)
        np.testing.assert_allclose(found, [expected], atol=1e-12)


def test_a_walk_passes_every_station_and_closes():
    stations = np.random.default_rng(0).normal(size=(3, 2, 8))
    way = np.stack(list(walks.closed_walk(stations, 4)))
    assert way.shape == (12, 2, 8)
    np.testing.assert_allclose(way[::4], stations)
    np.testing.assert_allclose(way[11], walks.slerp(stations[2], stations[0], 0.75))


# --- images ---


def test_images_are_the_generator_s_in_inference_mode(generator):
    latents = image_sampler.draw_latents(3, 0, 10, 8)
    expected = grids.to_uint8(generator(latents, training=False).numpy())
    drawn = image_sampler.ImageSampler(generator, 4)(latents)
    assert drawn.shape == (10, 32, 32, 1) and drawn.dtype == np.uint8 and drawn.std() > 20
    assert abs(drawn.astype(int) - expected).max() <= 1
    assert abs(grids.to_uint8(generator(latents, training=True).numpy()).astype(int) - expected).max() > 20


def test_a_image_does_not_depend_on_how_many_are_drawn(generator):
    latents = image_sampler.draw_latents(3, 0, 20, 8)
    images = image_sampler.ImageSampler(generator, 8)
    whole = images(latents)
    for count in (1, 8, 11):
        np.testing.assert_array_equal(images(latents[:count]), whole[:count])
    for batch_size in (1, 3, 64):  # other shapes may be added up in another order
        assert abs(image_sampler.ImageSampler(generator, batch_size)(latents).astype(int) - whole).max() <= 1


@pytest.fixture
def draw(run_script, run_with_weights):
    """Runs generate.py with the weights of a run; what it prints, which is one line."""

    def run(*words):
        status, printed, err = run_script(generate, "--weights", run_with_weights, *words)
        assert (status, err, len(printed.splitlines())) == (0, "", 1)
        return printed

    return run


def test_grid_arrays_and_single_images_hold_the_same_samples(draw, run_with_weights, tmp_path):
    for out in ("a.npz", "a.png", "single/"):
        same = ("--num", 10, "--seed", 4, "--truncation", 1.5, "--batch_size", 4)
        printed = draw(*same, "--out", f"{tmp_path}/{out}")
        assert f"10 samples of seed 4, generator {run_with_weights / 'generator_ema.weights.h5'}, epoch 7" in printed
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        drawn, latents = arrays["images"], arrays["latents"]
    assert drawn.shape == (10, 32, 32, 1) and drawn.dtype == np.uint8
    np.testing.assert_array_equal(latents, image_sampler.draw_latents(4, 0, 10, 8, 1.5))
    np.testing.assert_array_equal(read_png(tmp_path / "a.png"), grids.image_grid(drawn, 4))
    assert len(list((tmp_path / "single").iterdir())) == 10
    for number, image in enumerate(drawn, start=1):
        np.testing.assert_array_equal(read_png(tmp_path / f"single/{number:06d}.png"), image)


def test_the_folder_s_generator_is_the_average_and_a_file_is_taken_at_its_word(draw, run_with_weights, tmp_path):
    drawn = []
    for name in ("", "generator_ema.weights.h5", "generator.weights.h5"):
        options = ("--num", 3, "--columns", 2, "--out", tmp_path / "a.png")
        draw("--weights", run_with_weights / name, *options)
        drawn.append(read_png(tmp_path / "a.png"))
    average, same, plain = drawn
    assert average.shape == (70, 70, 1)
    assert (average == same).all() and (average != plain).any()


def test_an_animation_begins_with_the_grid_and_comes_back_to_it(draw, tmp_path):
    options = ("--num", 4, "--batch_size", 8, "--seed", 2)
    animation = ("--interpolate", 3, "--frames", 5, "--fps", 10, "--out", tmp_path / "a.webp")
    assert "15 frames through 3 latents" in draw(*options, *animation)
    draw(*options, "--out", tmp_path / "a.png")
    frames, durations = read_frames(tmp_path / "a.webp")
    frames = np.array(frames, int)
    assert durations == [100] * 15 and frames.shape == (15, 70 * 7, 70 * 7, 3)
    grid = read_png(tmp_path / "a.png").repeat(7, 0).repeat(7, 1).astype(int)
    assert abs(frames[0] - grid).max() <= 1
    steps = [abs(after - before).mean() for before, after in zip(frames, np.roll(frames, -1, axis=0))]
    assert min(steps) > 0 and steps[-1] < 3 * np.median(steps)


def test_a_gif_and_an_mp4_of_one_walk(draw, tmp_path):
    options = ("--num", 1, "--interpolate", 2, "--frames", 3)
    draw(*options, "--out", tmp_path / "a.gif")
    frames, durations = read_frames(tmp_path / "a.gif")
    assert np.shape(frames) == (6, 384, 384, 3) and durations == [50] * 6
    pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg, the extra for .mp4, is not installed")
    import imageio.v3

    draw(*options, "--out", tmp_path / "a.mp4")
    assert imageio.v3.imread(tmp_path / "a.mp4", plugin="FFMPEG").shape == (6, 512, 512, 3)


def test_an_interrupted_drawing_keeps_the_old_file(run_script, run_with_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(image_sampler.ImageSampler, "__call__", mock.Mock(side_effect=KeyboardInterrupt))
    for name, extra in (("a.png", ()), ("a.npz", ()), ("a.gif", ("--interpolate", 2))):
        (tmp_path / name).write_bytes(b"old")
        status, _, err = run_script(generate, "--weights", run_with_weights, "--out", tmp_path / name, *extra)
        assert status == 130 and "interrupted" in err and (tmp_path / name).read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3


# --- bad input ---


@pytest.mark.parametrize(
    "flags, phrase",
    [
        ("--num 0", "--num is 0; it must be at least 1"),
        ("--num many", "num"),
        ("--columns -1", "--columns is -1"),
        ("--seed -1", "--seed is -1"),
        ("--batch_size 0", "--batch_size is 0"),
        ("--truncation 0", "--truncation is 0"),
        ("--truncation nan", "--truncation is nan"),
        ("--out a.jpg", "give a .png, an .npz, a folder"),
        ("--out samples", "give a .png"),
        ("--out=", "--out is empty"),
        ("--fps 10", "--frames and --fps are of an animation: give --interpolate, or leave them out"),
        ("--out a.gif", "needs --interpolate"),
        ("--interpolate 3", "--out must end in"),
        ("--interpolate 1", "--interpolate is 1"),
        ("--frames 0", "--frames is 0"),
        ("--num 1000000", "GB in one file"),
        ("stray", "stray"),
        ("--label=3", "--label is for a run of wgan_gp_conditional"),
        ("--interpolate 2 --out a.gif --fps 51", "--fps must be"),
        ("--interpolate 2 --out a.gif --num 100000", "more than 8192 a side"),
        ("--interpolate 2 --out a.gif --frames 60000", "ask for 120000 frames; choose fewer, 100000 at most"),
        ("--interpolate 2 --out a.gif --num 1 --frames 50000", "GB of memory for a .gif"),
        ("--out file/a.png", "is a file"),
        ("--out file/", "is a file"),
        ("--out full", "holds samples already"),
        ("--weights nowhere", "there is no"),
        ("--weights full", "holds no run"),
    ],
)
def test_bad_flags_are_refused_in_one_line(refusal, run_with_weights, tmp_path, flags, phrase):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/000005.png").write_bytes(b"old")
    assert phrase in refusal(generate, "--weights", run_with_weights, *flags.split())


def test_weights_that_cannot_be_used_are_refused(refusal, run_with_weights, tmp_path):
    lone, other = tmp_path / "generator.weights.h5", tmp_path / "other"
    shutil.copy(run_with_weights / "generator.weights.h5", lone)
    shutil.copytree(run_with_weights, other)
    settings = (other / "config.json").read_text()
    (other / "config.json").write_text(settings.replace('"latent_dim": 8', '"latent_dim": 9'))
    (other / "half.h5").write_bytes(lone.read_bytes()[:5000])
    for place, phrase in (
        (lone, "holds no run"),
        (other, "does not fit"),
        (other / "config.json", "not an HDF5"),
        (other / "half.h5", "not an HDF5"),
        (run_with_weights / "critic.weights.h5", "does not fit"),
        (run_with_weights / "training_state.weights.h5", "does not fit"),
    ):
        assert phrase in refusal(generate, "--weights", place)


@pytest.mark.parametrize("levels", ["", "recipe/seed_0/"])
def test_a_folder_of_runs_has_them_listed(run_with_weights, tmp_path, levels):
    for name in ("cats", "dogs"):
        shutil.copytree(run_with_weights, tmp_path / "each" / levels / name)
    (tmp_path / "each/samples").mkdir()
    named = f"{levels}cats, {levels}dogs: name one of them, as in"
    with pytest.raises(UserError, match=f"{named} --weights .*each/{levels}cats"):
        trained.locate(tmp_path / "each")
    with pytest.raises(UserError, match=f"{named} --checkpoint_dir .*each/{levels}cats"):
        trained.read_run(tmp_path / "each")
    with pytest.raises(UserError, match=f"{named} --init_from .*each/{levels}cats"):
        initial_weights.find_weights(tmp_path / "each")


def test_a_folder_of_grids_is_recognised(tmp_path):
    (tmp_path / ".run_id").write_text("mark")
    with pytest.raises(UserError, match="holds the grids of a run: give the run's checkpoint folder with --weights"):
        trained.locate(tmp_path)


def test_a_run_without_weights_and_one_without_images_are_named(run_with_weights, tmp_path):
    shutil.copy(run_with_weights / "config.json", tmp_path)
    with pytest.raises(UserError, match="has no weights: they come with its first checkpoint"):
        trained.locate(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    stored["config"] = TrainingConfig.of_recipe("gaussian_1d").to_json()
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match="holds a run on numbers, not on images"):
        trained.locate(tmp_path)
    stored["config"]["recipe"] = "mine"
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match="of the recipe 'mine', which is not known here: add the recipe again"):
        trained.locate(tmp_path)
