"""A film that grows: exact frames, whole at any moment, and what is done about later or damaged ones."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageSequence

from wgan.images import animation
from wgan.runs import film, sample_files
from wgan.runs.film import Film


def grid(seed, size=12, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (size, size + 3, channels), np.uint8)


def film_of(folder, epochs, **options):
    folder.mkdir(exist_ok=True)
    growing = Film(folder)
    for epoch in epochs:
        growing.add(epoch, grid(epoch, **options))
    return growing


def shown_by_pillow(content):
    with Image.open(io.BytesIO(content)) as picture:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]


def epochs_in(folder):
    return [frame.epoch for frame in film.frames(folder)]


@pytest.mark.parametrize("channels", [1, 3])
def test_players_and_export_see_every_grid_exactly(tmp_path, channels):
    film_of(tmp_path, [1, 2, 5], channels=channels)
    expected = [np.broadcast_to(grid(epoch, channels=channels), (12, 15, 3)) for epoch in (1, 2, 5)]
    np.testing.assert_array_equal(shown_by_pillow((tmp_path / "film_00001.webp").read_bytes()), expected)
    listed = sample_files.list_samples(tmp_path)
    assert [epoch for epoch, _ in listed] == [1, 2, 5]
    np.testing.assert_array_equal([animation.read_grid(where) for _, where in listed], expected)


def test_a_film_cut_off_between_any_two_writes_holds_the_frames_before(tmp_path, monkeypatch):
    """The bytes as each system call leaves them are what a killed process may leave."""
    film_of(tmp_path, [1, 2])
    path = tmp_path / "film_00001.webp"
    before, after = path.read_bytes(), film_of(tmp_path, [1, 2, 3]) and path.read_bytes()
    for written in {0, 1, 7, 8, 40, len(after) - len(before) - 1, len(after) - len(before)}:
        path.write_bytes(before + after[len(before):len(before) + written])  # the length is changed at last
        assert epochs_in(tmp_path) == [1, 2] and len(shown_by_pillow(path.read_bytes())) == 2
        Film(tmp_path).add(3, grid(3))
        assert path.read_bytes() == after


def test_a_failed_write_is_made_good_by_the_same_call(tmp_path, monkeypatch):
    growing = film_of(tmp_path / "one", [1, 2])
    film_of(tmp_path / "other", [1, 2, 3, 4])

    def fail(path):
        raise OSError("disk full")
    with monkeypatch.context() as patched:
        patched.setattr(film, "flush_to_disk", fail)
        with pytest.raises(OSError, match="disk full"):
            growing.add(3, grid(3))
    assert epochs_in(tmp_path / "one") == [1, 2]
    growing.add(3, grid(3))
    growing.add(4, grid(4))
    assert (tmp_path / "one/film_00001.webp").read_bytes() == (tmp_path / "other/film_00001.webp").read_bytes()


def test_a_film_has_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(film, "FRAMES", 3)
    film_of(tmp_path, range(2, 15, 2))
    assert [path.name for path in film.files(tmp_path)] == ["film_00002.webp", "film_00008.webp", "film_00014.webp"]
    assert epochs_in(tmp_path) == list(range(2, 15, 2))


@pytest.mark.parametrize("epoch", [1, 2, 4, 5, 6, 7])
@pytest.mark.parametrize("same_object", [True, False])
def test_after_going_back_frames_are_replaced_and_the_bytes_are_those_of_a_film_never_interrupted(
        tmp_path, monkeypatch, epoch, same_object):
    monkeypatch.setattr(film, "FRAMES", 3)
    growing = film_of(tmp_path / "back", [1, 2, 3, 4, 5, 6, 7])
    film_of(tmp_path / "straight", range(1, 10))
    if not same_object:
        film.remove_after(tmp_path / "back", epoch - 1)
        assert epochs_in(tmp_path / "back") == list(range(1, epoch))
        growing = Film(tmp_path / "back")
    for number in range(epoch, 10):
        growing.add(number, grid(number))
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("back", "straight")]
    assert contents[0] == contents[1]


def test_grids_of_another_size_begin_another_file(tmp_path):
    film_of(tmp_path, [1, 2])
    film_of(tmp_path, [3], size=20)
    assert [path.name for path in film.files(tmp_path)] == ["film_00001.webp", "film_00003.webp"]
    assert epochs_in(tmp_path) == [1, 2, 3]


def test_a_damaged_file_is_kept_and_read_as_far_as_it_goes(tmp_path):
    film_of(tmp_path, [1, 2, 3, 4])
    path = tmp_path / "film_00001.webp"
    content = bytearray(path.read_bytes())
    third = film.frames(tmp_path)[2]
    struct.pack_into("<I", content, third.start - 20, 2**31)  # how long it says that it is
    content[film.frames(tmp_path)[1].start + 30] ^= 1
    path.write_bytes(content)
    Film(tmp_path).add(5, grid(5))
    assert path.read_bytes() == content and epochs_in(tmp_path) == [1, 2, 5]
    said = []
    done = animation.write_animation(tmp_path, tmp_path / "a.gif", warn=said.append)
    assert (done.frames, done.skipped) == (2, 1)
    assert said == [f"skipped {path}, epoch 2: not a readable WebP (its bytes do not have its checksum)"]


@pytest.mark.parametrize("content", [b"", b"RIFF", bytes(100), b"RIFF" + b"\xff" * 100])
def test_what_is_no_film_has_no_frames_and_is_not_overwritten_by_later_ones(tmp_path, content):
    (tmp_path / "film_00001.webp").write_bytes(content)
    film_of(tmp_path, [7])
    assert epochs_in(tmp_path) == [7] and (tmp_path / "film_00001.webp").read_bytes() == content
