"""The animation: which epochs it shows, what its frames look like, and what happens on bad input."""

import sys
import weakref

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageSequence
from test_data_folder import png_header

from wgan.apps import export_gif
from wgan.common.errors import UserError
from wgan.images import animation, animation_formats
from wgan.images.animation import choose_frames, write_animation
from wgan.images.grids import save_png
from wgan.runs.sample_files import sample_path


def make_grid(seed=0, height=24, width=30, channels=3, levels=4):
    """Few enough colours that a palette holds them all."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, levels, (height, width, channels)) * (255 // (levels - 1))).astype(np.uint8)


def save_grids(folder, grids):
    """Saves a list of grids as those of the epochs from 1."""
    folder.mkdir(exist_ok=True)
    for epoch, grid in enumerate(grids, start=1):
        save_png(sample_path(folder, epoch), grid.astype(np.uint8))
    return folder


def make_samples(folder, epochs, **options):
    folder.mkdir(exist_ok=True)
    for epoch in epochs:
        save_png(sample_path(folder, epoch), make_grid(seed=epoch, **options))
    return folder


def read_frames(path):
    """All frames as uint8 arrays, and their durations in ms."""
    with Image.open(path) as image:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
    return frames, durations


def animated(tmp_path, suffix=".gif", **looks):
    """The frames of an animation of the grids in tmp_path/s, and their durations in ms."""
    write_animation(tmp_path / "s", tmp_path / f"a{suffix}", **looks)
    return read_frames(tmp_path / f"a{suffix}")


def test_the_home_folder_is_meant_where_the_shell_leaves_its_sign_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_samples(tmp_path / "s", [1, 2])
    assert write_animation("~/s", "~/out/a.gif").path == tmp_path / "out/a.gif"
    assert (tmp_path / "out/a.gif").exists()
    with pytest.raises(UserError, match="no grids .* in ~no-such-user/s"):
        write_animation("~no-such-user/s", "~/out/a.gif")


# --- choosing the epochs ---


@pytest.mark.parametrize(
    "count, most", [(1, 5), (5, 5), (6, 5), (201, 200), (12000, 200), (12000, 11999), (7, 2), (2, 1)]
)
def test_choice_is_distinct_ordered_and_exactly_bounded(count, most):
    epochs = [3 + 10 * number for number in range(count)]
    chosen = choose_frames(epochs, most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen)) and set(chosen) <= set(epochs)
    assert chosen[-1] == epochs[-1]
    assert most == 1 or chosen[0] == epochs[0]


def test_early_epochs_get_more_frames():
    chosen = choose_frames(list(range(1, 12001)), 200)
    steps = np.diff(chosen)
    assert chosen[:3] == [1, 2, 3]
    assert (np.diff(steps) >= -1).all() and steps[-1] > 20 * steps[0]
    assert sum(epoch <= 3000 for epoch in chosen) == pytest.approx(100, abs=2)


# --- what is in the files ---


@pytest.mark.parametrize(
    "suffix, program",
    [
        (".gif", lambda image: image.info["comment"].decode()),
        (".webp", lambda image: image.getexif()[ExifTags.Base.Software]),
    ],
)
def test_it_shows_every_chosen_epoch_loops_and_says_which_program_wrote_it(tmp_path, suffix, program):
    make_samples(tmp_path / "s", [1, 2, 3, 99999, 100000])
    path = tmp_path / f"a{suffix}"
    done = write_animation(tmp_path / "s", path, fps=20, hold=3)
    frames, durations = read_frames(path)
    assert durations == [50, 50, 50, 50, 3000] and len({frame.shape for frame in frames}) == 1
    assert done == (path, 5, 1, 100000, 0, path.stat().st_size)
    with Image.open(path) as image:
        assert image.info["loop"] == 0 and program(image) == "wgan-gp-cifar10"


@pytest.mark.parametrize("suffix, off_by", [(".gif", 4), (".webp", 0)])  # Pillow's palettes have steps of four levels
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_exact_enlargements_of_grids_with_few_colours(tmp_path, suffix, off_by, channels):
    grids = [make_grid(seed, channels=channels) for seed in range(2)]
    grids += [np.full((24, 30, channels), colour) for colour in (0, 100, 255)]
    save_grids(tmp_path / "s", grids)
    frames, _ = animated(tmp_path, suffix, scale=5)
    for grid, frame in zip(grids, frames, strict=True):
        expected = np.broadcast_to(grid, (24, 30, 3)).repeat(5, 0).repeat(5, 1)
        assert frame.shape[1] == 150 and abs(frame[-120:].astype(int) - expected).max() <= off_by
        assert (frame[-120::5, ::5].repeat(5, 0).repeat(5, 1) == frame[-120:]).all()
        assert (frame[0] == 255).all()


def test_one_palette_serves_frames_of_different_colours(tmp_path):
    ramp = np.linspace(0, 255, 138)[:, None].repeat(138, axis=1).astype(np.uint8)
    grids = [np.stack([ramp * (channel == lit) for channel in range(3)], axis=2) for lit in range(3)]
    save_grids(tmp_path / "s", grids)
    for frame, grid in zip(animated(tmp_path, scale=1)[0], grids, strict=True):
        assert abs(frame[-138:].astype(int) - grid).max() <= 8


@pytest.mark.parametrize("flicker", [0, 1])  # of 256 levels
def test_a_gif_does_not_repeat_what_hardly_changes(tmp_path, flicker):
    rng = np.random.default_rng(0)
    still = rng.integers(10, 240, (64, 64, 1))
    grids = [still + rng.integers(-flicker, flicker + 1, still.shape) for _ in range(30)]
    save_grids(tmp_path / "s", grids)
    write_animation(tmp_path / "s", tmp_path / "last.gif", scale=2, max_frames=1)
    last = animated(tmp_path, scale=2)[0][-1][-128::2, ::2].astype(int)
    assert (tmp_path / "a.gif").stat().st_size < 6 * (tmp_path / "last.gif").stat().st_size
    assert abs(last - grids[-1]).max() <= 4


@pytest.mark.parametrize(
    "suffix, width, expected",
    [(".webp", 138, 552), (".webp", 30, 510), (".webp", 700, 700), (".gif", 138, 414), (".gif", 700, 700)],
)
def test_default_enlargement_is_about_512_pixels_wide_and_of_a_gif_400(tmp_path, suffix, width, expected):
    make_samples(tmp_path / "s", [1], width=width)
    assert animated(tmp_path, suffix)[0][0].shape[1] == expected


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_epoch_is_drawn_above_the_grid_dark_on_white(tmp_path, suffix):
    (tmp_path / "s").mkdir()
    for epoch in (7, 8, 123456):
        save_png(sample_path(tmp_path / "s", epoch), make_grid())
    frames, _ = animated(tmp_path, suffix, scale=10)
    assert all((frame[-240:] == frames[0][-240:]).all() for frame in frames)
    strips = [frame[:-240] for frame in frames]
    for strip in strips:
        assert strip.min() < 40 and (strip[0] == 255).all() and (strip == 255).mean() > 0.6
    assert (strips[0] != strips[1]).any() and (strips[1] != strips[2]).any()
    # Right of the text and left of it is nothing: the longest number fits.
    assert (strips[2][:, -3:] == 255).all() and (strips[2][:, :2] == 255).all()


@pytest.mark.parametrize("suffix, expected", [(".gif", {30, 40}), (".webp", {33, 34})])
def test_durations_add_up_when_the_rate_divides_nothing(tmp_path, suffix, expected):
    make_samples(tmp_path / "s", range(1, 32))
    _, durations = animated(tmp_path, suffix, fps=30, hold=0, scale=1)
    assert set(durations) == expected and sum(durations[:30]) == 1000


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_mp4_has_even_sides_and_repeats_the_last_frame(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg, the extra for .mp4, is not installed")
    import imageio.v3

    make_samples(tmp_path / "s", [1, 2, 3, 4], height=25, width=31)
    write_animation(tmp_path / "s", tmp_path / "a.mp4", fps=10, hold=1, scale=5)
    frames = imageio.v3.imread(tmp_path / "a.mp4", plugin="FFMPEG")
    assert len(frames) == 3 + 10
    assert frames.shape[1] % 2 == 0 and frames.shape[2] == 156
    strip_height = frames.shape[1] - 126
    shown = frames[-1][strip_height : strip_height + 125, :155].astype(int)
    assert abs(shown - make_grid(4, height=25, width=31).repeat(5, 0).repeat(5, 1)).mean() < 25


def test_mp4_without_ffmpeg_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    make_samples(tmp_path / "s", [1])
    with pytest.raises(UserError, match="pip install imageio-ffmpeg"):
        write_animation(tmp_path / "s", tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


# --- memory ---


def test_a_video_s_frames_are_dropped_once_they_are_written(tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg, the extra for .mp4, is not installed")
    make_samples(tmp_path / "s", range(1, 11))
    references, alive = [], []
    real_writer = animation_formats.WRITERS[".mp4"]

    def watched(frames):
        for frame in frames:
            references.append(weakref.ref(frame.strip))
            alive.append(sum(reference() is not None for reference in references))
            yield frame

    monkeypatch.setitem(
        animation.WRITERS, ".mp4", lambda path, frames, *rest: real_writer(path, watched(frames), *rest)
    )
    write_animation(tmp_path / "s", tmp_path / "a.mp4", scale=1, hold=0)
    assert len(alive) == 10 and max(alive) <= 2


@pytest.mark.parametrize("suffix, epochs", [(".gif", 40), (".webp", 10)])
def test_more_frames_than_memory_should_hold_are_refused(tmp_path, refusal, suffix, epochs):
    make_samples(tmp_path / "s", range(1, epochs + 1), height=24, width=24)
    said = refusal(export_gif, "--sample_dir=s", f"--output=a{suffix}", "--scale=300")
    assert f"{epochs} frames of 7200x" in said and ".mp4" in said


# --- bad input ---


def test_grids_that_cannot_be_used_are_named_and_skipped(tmp_path, run_script):
    make_samples(tmp_path, [2, 6])
    whole = sample_path(tmp_path, 2).read_bytes()
    sample_path(tmp_path, 1).write_bytes(b"")
    sample_path(tmp_path, 3).write_bytes(whole[: len(whole) // 2])
    sample_path(tmp_path, 4).write_bytes(png_header(50000, 50000))
    sample_path(tmp_path, 5).write_bytes(png_header(9000, 9000))
    make_samples(tmp_path, [7], width=40)
    status, out, err = run_script(export_gif, "--sample_dir", tmp_path, "--output", tmp_path / "a.gif", "--hold", 1)
    assert status == 0 and "2 frames, epochs 2 to 6" in out
    lines = err.splitlines()
    assert len(lines) == 5
    for line, epoch in zip(lines, (1, 3, 4, 5, 7)):
        assert line.startswith(f"export_gif.py: skipped {sample_path(tmp_path, epoch)}: ")
    assert "40x24" in lines[-1]
    assert read_frames(tmp_path / "a.gif")[1] == [50, 1000]  # the last one that is shown is held


@pytest.mark.parametrize("name, words", [("reals.png", "train first"), ("sample_00001.png", "can be read")])
def test_where_no_grid_can_be_used_one_line_says_so_and_the_old_file_stays(tmp_path, run_script, name, words):
    (tmp_path / "a.gif").write_bytes(b"old")
    (tmp_path / name).write_bytes(b"nothing")
    status, out, err = run_script(export_gif, "--sample_dir", tmp_path, "--output", tmp_path / "a.gif")
    assert status == 2 and out == "" and words in err.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"a.gif", name}
    assert (tmp_path / "a.gif").read_bytes() == b"old"


@pytest.mark.parametrize(
    "names, words",
    [
        (["cats/reals.png", "dogs/reals.png"], "cats, dogs: name one of them, as in --sample_dir {}/cats"),
        (["a/seed_0/cats/reals.png"], "a/seed_0/cats: name one of them, as in --sample_dir {}/a/seed_0/cats"),
        (["config.json"], "it holds the weights of a run: give the run's folder of grids"),
    ],
)
def test_a_folder_that_is_not_the_one_meant_is_told(tmp_path, refusal, names, words):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert words.format(tmp_path) in refusal(export_gif, "--sample_dir", tmp_path, "--output=a.gif")


@pytest.mark.parametrize(
    "flag, word",
    [
        ("--fps=0", "--fps"),
        ("--fps=nan", "--fps"),
        ("--fps=51", "--fps"),
        ("--max_frames=0", "--max_frames"),
        ("--hold=-1", "--hold"),
        ("--hold=inf", "--hold"),
        ("--scale=-1", "--scale"),
        ("--scale=100000", "--scale"),
        ("--output=a.avi", ".webp"),
        ("--output=training", ".gif"),
        ("--output=s.gif", "it is a folder"),
        ("--output=file/a.gif", "file"),
    ],
)
def test_bad_flags_are_refused_in_one_line(tmp_path, refusal, flag, word):
    make_samples(tmp_path / "s", [1])
    (tmp_path / "s.gif").mkdir()
    (tmp_path / "file").touch()
    assert word in refusal(export_gif, "--sample_dir=s", "--output=a.gif", flag)


def test_without_flags_the_grids_in_samples_become_training_gif(tmp_path, run_script, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_samples(tmp_path / "samples", [1, 2])
    status, out, err = run_script(export_gif)
    assert (status, err) == (0, "") and out.startswith("wrote training.gif: 2 frames, epochs 1 to 2, ")
    assert (tmp_path / "training.gif").is_file()
