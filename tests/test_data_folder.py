"""The user's own pictures: formats, orientation, transparency, depth, broken files, class folders."""

import io
import logging
import os
import struct
import types
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from wgan import data
from wgan.data import folder, pictures
from wgan.errors import UserError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(path, colour=RED, size=(40, 40), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


def fill(path, count=16, colour=RED, start=0):
    """Writes pictures enough to be accepted, named so that they sort after any other."""
    for number in range(start, start + count):
        plain(path / f"z{number}.png", colour)
    return path


def load(data_dir, label=None):
    return data.load("folder", data_dir, label, "all")


def refused(data_dir, label=None, split="all", function=data.load):
    with pytest.raises(UserError) as caught:
        function("folder", data_dir, label, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def halves(size=(64, 64), mode="RGB"):
    """A picture whose left half is red, whose right half is blue, and whose top quarter is green."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, :size[0] // 2] = RED
    pixels[:, size[0] // 2:] = BLUE
    pixels[:size[1] // 4] = GREEN
    return Image.fromarray(pixels).convert(mode)


def near(pixel, colour, by=12):
    return np.abs(np.asarray(pixel, int) - colour).max() <= by


def test_pictures_of_many_formats_sizes_and_modes(tmp_path):
    plain(tmp_path / "a.bmp", RED, (100, 20))
    plain(tmp_path / "b.JPEG", RED, (500, 700), quality=95)
    plain(tmp_path / "c.gif", RED, (1, 1))
    plain(tmp_path / "d.webp", RED, (33, 31), lossless=True)
    plain(tmp_path / "e.tiff", RED, (32, 32))
    plain(tmp_path / "f.jpg", (0, 255, 255, 0), mode="CMYK", quality=95)
    plain(tmp_path / "g.ppm", RED, (3000, 20))
    plain(tmp_path / "without_suffix", RED, format="PNG")
    loaded = load(fill(tmp_path))
    assert loaded.images.shape == (24, 32, 32, 3) and loaded.images.dtype == np.uint8
    assert loaded.images.flags.c_contiguous and loaded.notices == () and loaded.class_name == "all"
    assert near(loaded.images, RED)


def test_the_centre_is_cut_out_square(tmp_path):
    pixels = np.zeros((60, 180, 3), np.uint8)
    pixels[:, 60:120] = GREEN
    for name, array in (("wide.png", pixels), ("high.png", pixels.transpose(1, 0, 2))):
        Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / name)
        assert near(pictures.read(tmp_path / name, 32), GREEN, by=0)


@pytest.mark.parametrize("size", [(50, 40), (51, 40), (40, 50), (40, 51), (7, 3), (1, 9)])
def test_the_cut_is_exactly_central(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.ascontiguousarray(pixels[::-1, ::-1])).save(tmp_path / "turned.png")
    assert near(pictures.read(tmp_path / "a.png", 32), pictures.read(tmp_path / "turned.png", 32)[::-1, ::-1], by=1)


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert near(pictures.read(tmp_path / "stripes.png", 32), (128, 128, 128), by=8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation, suffix):
    upright = halves((96, 64))
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
            7: "TRANSVERSE", 8: "ROTATE_270"}
    stored = upright.transpose(Image.Transpose[undo[orientation]]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    image = pictures.read(tmp_path / f"a.{suffix}", 32)
    assert near(image[20, 4], RED, 40) and near(image[20, 28], BLUE, 40) and near(image[2, 16], GREEN, 40)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    plain(tmp_path / "a.jpg", RED, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert near(pictures.read(tmp_path / "a.jpg", 32), RED)


def test_transparency_lies_on_white(tmp_path):
    plain(tmp_path / "rgba.png", (255, 0, 0, 0), mode="RGBA")
    plain(tmp_path / "half.png", (255, 0, 0, 128), mode="RGBA")
    plain(tmp_path / "la.png", (0, 0), mode="LA")
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    plain(tmp_path / "key.png", RED, transparency=RED)
    for name in ("rgba.png", "la.png", "palette.png", "key.png"):
        assert near(pictures.read(tmp_path / name, 32), (255, 255, 255), by=0), name
    assert near(pictures.read(tmp_path / "half.png", 32), (255, 127, 127), by=1)


def test_the_colour_under_full_transparency_does_not_bleed(tmp_path):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (0, 255, 0, 255)  # to the right: black, but transparent
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert pictures.read(tmp_path / "a.png", 32)[:, :, 1].min() >= 250


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bit_grey_is_scaled_and_not_cut_off(tmp_path, suffix):
    ramp = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None], 64, axis=0)
    if suffix == "pgm":  # which not every Pillow can write with 16 bits
        (tmp_path / "a.pgm").write_bytes(b"P5 64 64 65535\n" + ramp.astype(">u2").tobytes())
    else:
        Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    image = pictures.read(tmp_path / f"a.{suffix}", 32)
    assert (image[..., 0] == image[..., 2]).all()
    assert np.abs(image[16, :, 0] - np.linspace(2, 253, 32)).max() < 4


@pytest.mark.parametrize("values, expected", [
    (np.array([0, 32768, 65535], np.uint16), [0, 128, 255]),
    (np.array([0, 32768, 65535], ">u2"), [0, 128, 255]),
    (np.array([0, 128, 65535], np.int32), [0, 0, 255]),
    (np.array([0, 50000, 100000], np.int32), [0, 127, 255]),
    (np.array([-10, 0, 10], np.int32), [0, 127, 255]),
    (np.array([0, 0.5, 1], np.float32), [0, 127, 255]),
    (np.array([0, 100, 200], np.float32), [0, 100, 200]),
    (np.array([np.nan, 0, np.inf], np.float32), [0, 0, 0]),
    (np.zeros(3, np.uint16), [0, 0, 0]),
    (np.full(3, -5, np.int32), [0, 0, 0]),
])
def test_deep_values_as_bytes(values, expected):
    assert np.abs(pictures._as_bytes(values).astype(int) - expected).max() <= 1


def test_grey_pictures_only_give_one_channel(tmp_path):
    for number, mode in enumerate(["L", "1", "I;16", "LA", "RGB"] * 4):
        colour = {"L": 200, "1": 1, "I;16": 51400, "LA": (200, 255), "RGB": (200, 200, 200)}[mode]
        plain(tmp_path / f"{number}.png", colour, mode=mode)
    grey = load(tmp_path)
    assert grey.images.shape == (20, 32, 32, 1) and grey.images.flags.c_contiguous
    assert grey.images[:5, 9, 9, 0].tolist() == [200, 255, 200, 200, 200]
    plain(tmp_path / "colour.png", RED)
    assert load(tmp_path).images.shape == (21, 32, 32, 3)


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (40, 40), colour) for colour in (GREEN, RED, BLUE)]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert near(pictures.read(tmp_path / name, 32), GREEN), name


def test_files_that_are_no_pictures_are_passed_over_in_silence(tmp_path):
    for name in (".DS_Store", "._z1.png", ".hidden.png", "Thumbs.db", "desktop.ini", "notes.txt", "a.pdf"):
        (tmp_path / name).write_bytes(b"\0\1 no picture")
    (tmp_path / "empty").mkdir()
    loaded = load(fill(tmp_path))
    assert len(loaded.images) == 16 and loaded.notices == ()


def png_header(width, height):
    """A PNG file of a few bytes that promises width x height pixels."""
    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_broken_pictures_are_named_and_left_out(tmp_path, capfd):
    fill(tmp_path, colour=GREEN)
    whole = io.BytesIO()
    halves((200, 200)).save(whole, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:-600])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "bomb.png").write_bytes(png_header(40_000, 40_000))
    (tmp_path / "large.png").write_bytes(png_header(10_000, 9_000))
    (tmp_path / "text.gif").write_bytes(b"no picture")
    Image.new("RGB", (40, 40)).save(tmp_path / "postscript.png", "EPS")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(tmp_path)
    assert len(loaded.images) == 16 and near(loaded.images, GREEN)
    assert len(loaded.notices) == 1 and "\n" not in loaded.notices[0]
    assert "6 pictures could not be read" in loaded.notices[0]
    assert "bomb.png, cut.jpg, empty.png, large.png, postscript.png and 1 more" in loaded.notices[0]
    assert capfd.readouterr() == ("", "")


def test_pillows_remarks_stay_off_the_terminal(tmp_path, capfd, monkeypatch):
    def remark(path):
        logging.getLogger("PIL.TiffImagePlugin").error("odd samples")
        warnings.warn("odd tags")
        raise OSError
    fill(tmp_path)
    plain(tmp_path / "a.tiff")
    read = pictures.read
    monkeypatch.setattr(pictures, "read", lambda path, size: remark(path) if path.endswith(".tiff") else read(path, size))
    assert "a.tiff" in load(tmp_path).notices[0]
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("PIL").level == logging.NOTSET


def test_the_size_limit_holds_where_another_library_has_lifted_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png_header(40_000, 40_000))
    with pytest.raises(ValueError, match="40000x40000"):
        pictures.read(tmp_path / "bomb.png", 32)


def test_pictures_of_a_kind_pillow_cannot_read_are_named(tmp_path):
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert "phone.heic" in load(fill(tmp_path)).notices[0]


def test_too_few_pictures_are_refused(tmp_path):
    fill(tmp_path, 15)
    (tmp_path / "a.png").write_bytes(b"broken")
    message = refused(tmp_path)
    assert "too few" in message and "15" in message and "16" in message and "a.png" in message
    plain(tmp_path / "b.png")
    assert len(load(tmp_path).images) == 16


def test_an_empty_folder_a_file_and_nothing(tmp_path):
    assert "holds no pictures" in refused(tmp_path, function=data.check)
    assert "is no folder" in refused(plain(tmp_path / "a.png"), function=data.check)
    assert "--data_dir" in refused(None, function=data.check)


def test_the_order_is_the_same_everywhere(tmp_path):
    names = ["b2.png", "b10.png", "B1.png", "a.png", "0.png", "10.png", "9.png", "e\u0301.png", "z.png"]
    for name in names:
        plain(tmp_path / name)
    expected = ["0.png", "9.png", "10.png", "a.png", "B1.png", "b2.png", "b10.png", "z.png", "e\u0301.png"]
    assert folder._entries(tmp_path, "is_file") == expected


def test_the_images_come_in_the_order_of_the_names(tmp_path):
    for number in range(20):
        plain(tmp_path / f"{number}.png", (10 * number, 0, 0), (40 if number % 2 else 900,) * 2)
    assert load(tmp_path).images[:, 0, 0, 0].tolist() == [10 * number for number in range(20)]


@pytest.fixture
def classes(tmp_path):
    fill(tmp_path / "cat", 16, RED)
    fill(tmp_path / "Dog", 17, GREEN)
    fill(tmp_path / "emu 2", 18, BLUE)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    plain(tmp_path / ".cache" / "a.png")
    return tmp_path


@pytest.mark.parametrize("label, canonical, count, colour", [
    ("cat", "cat", 16, RED), ("0", "cat", 16, RED), ("dog", "Dog", 17, GREEN), ("1", "Dog", 17, GREEN),
    ("EMU 2", "emu 2", 18, BLUE), ("2", "emu 2", 18, BLUE),
])
def test_one_folder_per_class(classes, label, canonical, count, colour):
    assert data.check("folder", classes, label, "all") == canonical
    loaded = load(classes, label)
    assert len(loaded.images) == count and near(loaded.images, colour)
    assert loaded.class_name == canonical and canonical in loaded.name and loaded.notices == ()


def test_all_classes_together(classes):
    loaded = load(classes)
    assert len(loaded.images) == 51 and loaded.class_name == "all" and loaded.notices == ()
    assert near(loaded.images[0], RED) and near(loaded.images[16], GREEN) and near(loaded.images[-1], BLUE)


def test_a_wrong_class_lists_the_folders(classes):
    message = refused(classes, "cta", function=data.check)
    assert "0 cat, 1 Dog, 2 emu 2" in message and 'did you mean "cat"' in message
    assert "0 cat" in refused(classes, "3")


def test_pictures_beside_class_folders_belong_to_all_only(classes):
    plain(classes / "overview.png", BLUE)
    assert len(load(classes, "cat").images) == 16
    everything = load(classes, "all")
    assert len(everything.images) == 52 and near(everything.images[0], BLUE)
    assert "overview.png" in everything.notices[0]


def test_broken_pictures_of_a_class_are_named_with_their_folder(classes):
    (classes / "cat" / "a.jpg").write_bytes(b"broken")
    assert "1 picture could not be read and left out: cat/a.jpg" in load(classes, "cat").notices[0]


def test_a_label_needs_class_folders(tmp_path):
    assert "no class 'cat'" in refused(fill(tmp_path), "cat", function=data.check)
    assert data.check("folder", tmp_path, "all", "all") == "all"


def test_class_folders_called_by_numbers_go_by_their_names(tmp_path):
    for name, colour in (("1", RED), ("2", GREEN), ("10", BLUE)):
        fill(tmp_path / name, colour=colour)
    assert near(load(tmp_path, "1").images, RED)
    assert near(load(tmp_path, "10").images, BLUE)


def test_a_class_folder_called_all_cannot_be_chosen_by_number(tmp_path):
    fill(tmp_path / "All")
    fill(tmp_path / "cat")
    assert "rename it" in refused(tmp_path, "0", function=data.check)
    assert len(load(tmp_path, "all").images) == 32


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_names_that_cannot_be_printed(tmp_path):
    path = fill(tmp_path / "pic\ntures")
    (path / "bro\nken\x1b.png").write_bytes(b"")
    loaded = load(path)
    assert loaded.name.isprintable() and all(notice.isprintable() for notice in loaded.notices)
    assert "bro ken?.png" in loaded.notices[0]


def test_very_many_pictures_are_kept_in_a_temporary_file(tmp_path, monkeypatch):
    fill(tmp_path)
    in_memory = load(tmp_path).images
    monkeypatch.setattr(folder, "MOST_IN_MEMORY", 0)
    on_disk = load(tmp_path).images
    assert isinstance(on_disk, np.memmap) and not isinstance(in_memory, np.memmap)
    np.testing.assert_array_equal(on_disk, in_memory)
    assert data.fingerprint(on_disk) == data.fingerprint(in_memory)


def test_too_little_room_for_the_temporary_file_is_said_before_it_is_written(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(folder, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda place: types.SimpleNamespace(free=100))
    with pytest.raises(UserError, match="TMPDIR"):
        load(tmp_path)
