"""The animation: which epochs it shows, what its frames look like, and what happens on bad input."""

import os
import subprocess
import sys
import weakref
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageSequence

from wgan.apps import export_gif
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.images import animation, animation_formats
from wgan.images.animation import choose_frames, write_animation
from wgan.images.grids import save_png
from wgan.runs.sample_files import sample_path

SCRIPT = Path(__file__).resolve().parents[1] / "export_gif.py"


def make_grid(seed=0, height=24, width=30, channels=3, levels=4):
    """Few enough colours that a palette holds them all."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, levels, (height, width, channels)) * (255 // (levels - 1))).astype(np.uint8)


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


def run_main(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.run(export_gif.main, ["export_gif.py", *map(str, arguments)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_the_home_folder_is_meant_where_the_shell_leaves_its_sign_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_samples(tmp_path / "s", [1, 2])
    assert write_animation("~/s", "~/out/a.gif").path == tmp_path / "out/a.gif"
    assert (tmp_path / "out/a.gif").exists()


# --- choosing the epochs ---


@pytest.mark.parametrize(
    "count, most",
    [(1, 5), (5, 5), (6, 5), (201, 200), (12000, 200), (12000, 11999), (300, 250), (7, 2), (2, 1), (3, 3)],
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


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_are_exact_enlargements(tmp_path, suffix, channels):
    make_samples(tmp_path / "s", [1, 2, 3], channels=channels)
    output = tmp_path / f"a{suffix}"
    write_animation(tmp_path / "s", output, scale=5)
    frames, _ = read_frames(output)
    assert len(frames) == 3
    for epoch, frame in zip((1, 2, 3), frames):
        grid = np.broadcast_to(make_grid(epoch, channels=channels), (24, 30, 3))
        expected = grid.repeat(5, 0).repeat(5, 1)
        difference = frame[-120:].astype(int) - expected
        # Pillow maps colours to a palette in steps of four levels, so a GIF may be off by that.
        assert frame.shape[1] == 150 and abs(difference).max() <= (4 if suffix == ".gif" else 0)
        assert (frame[-120::5, ::5].repeat(5, 0).repeat(5, 1) == frame[-120:]).all()


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (10, 200, 30)])
def test_gif_of_a_grid_of_one_colour(tmp_path, colour):
    save_png(sample_path(tmp_path, 1), np.full((20, 20, 3), colour, np.uint8))
    save_png(sample_path(tmp_path, 2), make_grid(height=20, width=20))
    write_animation(tmp_path, tmp_path / "a.gif", scale=8)
    frames, _ = read_frames(tmp_path / "a.gif")
    assert len(frames) == 2 and abs(frames[0][-160:].astype(int) - colour).max() <= 4
    assert (frames[0][0] == 255).all()


def test_one_palette_serves_frames_of_different_colours(tmp_path):
    ramp = np.linspace(0, 255, 138)[:, None].repeat(138, axis=1).astype(np.uint8)
    grids = [np.stack([ramp * (channel == lit) for channel in range(3)], axis=2) for lit in range(3)]
    for epoch, grid in enumerate(grids, start=1):
        save_png(sample_path(tmp_path, epoch), grid)
    write_animation(tmp_path, tmp_path / "a.gif", scale=1)
    for frame, grid in zip(read_frames(tmp_path / "a.gif")[0], grids, strict=True):
        assert abs(frame[-138:].astype(int) - grid).max() <= 8


@pytest.mark.parametrize("flicker", [0, 1])  # of 256 levels
def test_a_gif_does_not_repeat_what_hardly_changes(tmp_path, flicker):
    rng = np.random.default_rng(0)
    still = rng.integers(10, 240, (64, 64, 1))
    for epoch in range(1, 31):
        grid = still + rng.integers(-flicker, flicker + 1, still.shape)
        save_png(sample_path(tmp_path, epoch), grid.astype(np.uint8))
    write_animation(tmp_path, tmp_path / "a.gif", scale=2)
    write_animation(tmp_path, tmp_path / "last.gif", scale=2, max_frames=1)
    assert (tmp_path / "a.gif").stat().st_size < 6 * (tmp_path / "last.gif").stat().st_size
    last = read_frames(tmp_path / "a.gif")[0][-1][-128::2, ::2].astype(int)
    assert abs(last - grid).max() <= 4


@pytest.mark.parametrize(
    "suffix, width, expected",
    [(".webp", 138, 552), (".webp", 30, 510), (".webp", 700, 700), (".gif", 138, 414), (".gif", 700, 700)],
)
def test_default_enlargement_is_about_512_pixels_wide_and_of_a_gif_400(tmp_path, suffix, width, expected):
    make_samples(tmp_path / "s", [1], width=width)
    write_animation(tmp_path / "s", tmp_path / f"a{suffix}")
    assert read_frames(tmp_path / f"a{suffix}")[0][0].shape[1] == expected


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_epoch_is_drawn_above_the_grid_dark_on_white(tmp_path, suffix):
    for epoch in (7, 8, 123456):
        save_png(sample_path(tmp_path, epoch), make_grid())
    write_animation(tmp_path, tmp_path / f"a{suffix}", scale=10)
    frames, _ = read_frames(tmp_path / f"a{suffix}")
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
    write_animation(tmp_path / "s", tmp_path / f"a{suffix}", fps=30, hold=0, scale=1)
    durations = read_frames(tmp_path / f"a{suffix}")[1]
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
    make_samples(tmp_path / "s", range(1, 41))
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
    assert len(alive) == 40 and max(alive) <= 2


@pytest.mark.parametrize("suffix, epochs", [(".gif", 40), (".webp", 10)])
def test_more_frames_than_memory_should_hold_are_refused(tmp_path, capsys, suffix, epochs):
    make_samples(tmp_path / "s", range(1, epochs + 1), height=24, width=24)
    status, out, err = run_main(
        capsys, "--sample_dir", tmp_path / "s", "--output", tmp_path / f"a{suffix}", "--scale", 300
    )
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert f"{epochs} frames of 7200x" in err and ".mp4" in err
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


# --- bad input ---


def png_claiming(width, height):
    """A tiny PNG whose header announces a huge image."""

    def chunk(name, payload):
        return len(payload).to_bytes(4, "big") + name + payload + zlib.crc32(name + payload).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_grids_that_cannot_be_used_are_named_and_skipped(tmp_path, capsys):
    make_samples(tmp_path, [2, 6])
    whole = sample_path(tmp_path, 2).read_bytes()
    sample_path(tmp_path, 1).write_bytes(b"")
    sample_path(tmp_path, 3).write_bytes(whole[: len(whole) // 2])
    sample_path(tmp_path, 4).write_bytes(png_claiming(50000, 50000))
    sample_path(tmp_path, 5).write_bytes(png_claiming(9000, 9000))
    make_samples(tmp_path, [7], width=40)
    status, out, err = run_main(capsys, "--sample_dir", tmp_path, "--output", tmp_path / "a.gif", "--hold", 1)
    assert status == 0 and "2 frames, epochs 2 to 6" in out
    lines = err.splitlines()
    assert len(lines) == 5
    for line, epoch in zip(lines, (1, 3, 4, 5, 7)):
        assert line.startswith(f"export_gif.py: skipped {sample_path(tmp_path, epoch)}: ")
    assert "40x24" in lines[-1]
    assert read_frames(tmp_path / "a.gif")[1] == [50, 1000]  # the last one that is shown is held


@pytest.mark.parametrize("name, words", [("reals.png", "train first"), ("sample_00001.png", "can be read")])
def test_where_no_grid_can_be_used_one_line_says_so_and_the_old_file_stays(tmp_path, capsys, name, words):
    (tmp_path / "a.gif").write_bytes(b"old")
    (tmp_path / name).write_bytes(b"nothing")
    status, out, err = run_main(capsys, "--sample_dir", tmp_path, "--output", tmp_path / "a.gif")
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
def test_a_folder_that_is_not_the_one_meant_is_told(tmp_path, capsys, names, words):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    status, _, err = run_main(capsys, "--sample_dir", tmp_path, "--output", tmp_path / "a.gif")
    assert status == 2 and words.format(tmp_path) in err


def test_an_interrupted_export_keeps_the_old_file(tmp_path, monkeypatch, capsys):
    make_samples(tmp_path / "s", range(1, 6))
    (tmp_path / "a.gif").write_bytes(b"old")
    real_read = animation.read_grid

    def read(path):
        if path.name == "sample_00003.png":
            raise KeyboardInterrupt
        return real_read(path)

    monkeypatch.setattr(animation, "read_grid", read)
    status, _, err = run_main(capsys, "--sample_dir", tmp_path / "s", "--output", tmp_path / "a.gif")
    assert status == 130 and "interrupted" in err
    assert (tmp_path / "a.gif").read_bytes() == b"old" and not list(tmp_path.glob(".tmp*"))


@pytest.mark.parametrize(
    "flag, word",
    [
        ("--fps=0", "--fps"),
        ("--fps=nan", "--fps"),
        ("--fps=51", "--fps"),
        ("--fps=quick", "fps"),
        ("--max_frames=0", "--max_frames"),
        ("--hold=-1", "--hold"),
        ("--hold=inf", "--hold"),
        ("--scale=-1", "--scale"),
        ("--scale=100000", "--scale"),
        ("--output=a.avi", ".webp"),
        ("--output=training", ".gif"),
        ("--frames=3", "frames"),
        ("stray", "stray"),
    ],
)
def test_bad_flags_are_refused_in_one_line(tmp_path, capsys, flag, word):
    make_samples(tmp_path / "s", [1])
    output = f"--output={tmp_path / 'a.gif'}"
    status, out, err = run_main(capsys, "--sample_dir", tmp_path / "s", output, flag)
    assert status == 2 and out == ""
    assert err.startswith("export_gif.py: ") and len(err.splitlines()) == 1 and word in err
    assert not (tmp_path / "a.gif").exists()


def test_unwritable_output_is_one_line(tmp_path, capsys):
    make_samples(tmp_path / "s", [1])
    (tmp_path / "file").write_text("in the way")
    for output in (tmp_path / "file" / "a.gif", tmp_path / "s.gif"):
        (tmp_path / "s.gif").mkdir(exist_ok=True)
        status, out, err = run_main(capsys, "--sample_dir", tmp_path / "s", "--output", output)
        assert status == 2 and out == "" and len(err.splitlines()) == 1


def test_script_prints_help_and_reports_without_traceback(tmp_path):
    def script(*arguments):
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
        )

    helped = script("--help")
    assert helped.returncode == 0
    for name in ("sample_dir", "output", "max_frames", "fps", "hold", "scale"):
        assert f"--{name}" in helped.stdout
    failed = script()
    assert failed.returncode == 2 and "no grids" in failed.stderr and "Traceback" not in failed.stderr
    make_samples(tmp_path / "samples", [1, 2])
    made = script()
    assert made.returncode == 0 and made.stderr == ""
    assert made.stdout.startswith("wrote training.gif: 2 frames, epochs 1 to 2, ")
    assert (tmp_path / "training.gif").is_file()
