"""The user's own images: formats, orientation, transparency, depth, broken files, class folders."""

import concurrent.futures
import errno
import io
import logging
import os
import shutil
import struct
import sys
import types
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from test_data import message_of

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.data import folder, image_files, imageset, own_files
from wgan.images import animation_formats
from wgan.images.grids import save_png
from wgan.training.launch import launch

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(path, colour=RED, size=(40, 40), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


def fill(path, count=16, colour=RED, start=0):
    """Writes images enough to be accepted, named so that they sort after any other."""
    for number in range(start, start + count):
        plain(path / f"z{number}.png", colour)
    return path


def load(data_dir, label=None):
    return data.load("folder", data_dir, label, "all")


def read(path):
    """The pixels of one image at 32x32."""
    with image_files.usual_pillow():
        return image_files.read(path, 32).pixels


def refused(data_dir, label=None, split="all", function=data.load):
    return message_of(function, "folder", data_dir, label, split)


def halves(size=(64, 64), mode="RGB"):
    """An image whose left half is red, whose right half is blue, and whose top quarter is green."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = RED
    pixels[:, size[0] // 2 :] = BLUE
    pixels[: size[1] // 4] = GREEN
    return Image.fromarray(pixels).convert(mode)


def near(pixel, colour, by=12):
    return np.abs(np.asarray(pixel, int) - colour).max() <= by


def test_images_of_many_formats_sizes_and_modes(tmp_path):
    sizes = {"a.bmp": (100, 20), "b.JPEG": (500, 700), "c.gif": (1, 1), "e.tiff": (32, 32), "g.ppm": (3000, 20)}
    for name, size in sizes.items():
        plain(tmp_path / name, RED, size)
    plain(tmp_path / "d.webp", RED, (33, 31), lossless=True)
    plain(tmp_path / "f.jpg", (0, 255, 255, 0), mode="CMYK", quality=95)
    plain(tmp_path / "without_suffix", RED, format="PNG")
    loaded = load(fill(tmp_path))
    assert loaded.images.shape == (24, 32, 32, 3) and loaded.images.dtype == np.uint8
    assert loaded.images.flags.c_contiguous and loaded.notices == () and loaded.class_name == "all"
    assert near(loaded.images, RED)


@pytest.mark.parametrize("size", [(50, 40), (51, 40), (40, 50), (40, 51), (7, 3), (1, 9)])
def test_the_cut_is_square_and_exactly_central(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    left, top = (size[0] - min(size)) // 2, (size[1] - min(size)) // 2
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(np.ascontiguousarray(pixels[::-1, ::-1])).save(tmp_path / "turned.png")
    assert near(read(tmp_path / "a.png"), read(tmp_path / "turned.png")[::-1, ::-1], by=1)
    outside = np.full_like(pixels, 255)
    outside[top : size[1] - top, left : size[0] - left] = 0
    Image.fromarray(outside).save(tmp_path / "black.png")
    assert not read(tmp_path / "black.png").any()


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert near(read(tmp_path / "stripes.png"), (128, 128, 128), by=8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, orientation, suffix):
    upright, turn = halves((96, 64)), Image.Transpose
    undo = [turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM]
    undo += [turn.TRANSPOSE, turn.ROTATE_90, turn.TRANSVERSE, turn.ROTATE_270]
    stored = upright.transpose(undo[orientation - 2]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    image = read(tmp_path / f"a.{suffix}")
    assert near(image[20, 4], RED, 40) and near(image[20, 28], BLUE, 40) and near(image[2, 16], GREEN, 40)


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    plain(tmp_path / "a.jpg", RED, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert near(read(tmp_path / "a.jpg"), RED)


def test_transparency_lies_on_white(tmp_path):
    plain(tmp_path / "rgba.png", (255, 0, 0, 0), mode="RGBA")
    plain(tmp_path / "half.png", (255, 0, 0, 128), mode="RGBA")
    plain(tmp_path / "la.png", (0, 0), mode="LA")
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    plain(tmp_path / "key.png", RED, transparency=RED)
    for name in ("rgba.png", "la.png", "palette.png", "key.png"):
        assert near(read(tmp_path / name), (255, 255, 255), by=0), name
    assert near(read(tmp_path / "half.png"), (255, 127, 127), by=1)
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (0, 255, 0, 255)  # to the right: black, but transparent
    Image.fromarray(pixels).save(tmp_path / "edge.png")
    assert read(tmp_path / "edge.png")[:, :, 1].min() >= 250


def of_deep_values(folder, values):
    """What becomes of three values, each of them a third of an image."""
    Image.fromarray(np.repeat(np.repeat(values, 32)[:, None], 96, axis=1)).save(folder / "deep.tiff")
    return read(folder / "deep.tiff")[[5, 16, 27], 16, 0].astype(int)


@pytest.mark.parametrize(
    "values, expected",
    [
        (np.array([0, 32768, 65535], np.uint16), [0, 128, 255]),
        (np.array([0, 32768, 65535], ">u2"), [0, 128, 255]),
        (np.array([0, 50000, 100000], np.int32), [0, 127, 255]),
        (np.array([100000, 150000, 200000], np.int32), [0, 127, 255]),  # heights, say
        (np.array([-10, 0, 10], np.int32), [0, 127, 255]),
        (np.array([0, 0.5, 1], np.float32), [0, 127, 255]),
        (np.array([0, 100, 200], np.float32), [0, 100, 200]),
        (np.array([np.nan, 0, np.inf], np.float32), [0, 0, 0]),
        (np.array([0, 2000, 4095], np.uint16), [0, 125, 255]),  # 12 bits
        (np.array([0, 128, 255], np.int32), [0, 128, 255]),
        (np.array([0, 0.1, 0.2], np.float32), [0, 127, 255]),
        (np.zeros(3, np.uint16), [0, 0, 0]),
        (np.full(3, -5, np.int32), [0, 0, 0]),
    ],
)
def test_deep_values_as_bytes(tmp_path, values, expected):
    assert np.abs(of_deep_values(tmp_path, values) - expected).max() <= 1


def test_grey_images_only_give_one_channel(tmp_path):
    for number, mode in enumerate(["L", "1", "I;16", "LA", "RGB"] * 4):
        colour = {"L": 200, "1": 1, "I;16": 51400, "LA": (200, 255), "RGB": (200, 200, 200)}[mode]
        plain(tmp_path / f"{number}.png", colour, mode=mode)
    grey = load(tmp_path)
    assert grey.images.shape == (20, 32, 32, 1) and grey.images.flags.c_contiguous
    assert grey.images[:5, 9, 9, 0].tolist() == [200, 255, 200, 200, 200]
    plain(tmp_path / "colour.png", RED)
    assert load(tmp_path).images.shape == (21, 32, 32, 3)


def test_files_that_are_no_images_are_passed_over_in_silence(tmp_path):
    for name in (".DS_Store", "._z1.png", ".hidden.png", "Thumbs.db", "desktop.ini", "notes.txt", "a.pdf"):
        (tmp_path / name).write_bytes(b"\0\1 no image")
    (tmp_path / "empty").mkdir()
    loaded = load(fill(tmp_path))
    assert len(loaded.images) == 16 and loaded.notices == ()


def chunk(kind, content):
    """A part of a PNG file."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png_header(width, height):
    """A PNG file of a few bytes that promises width x height pixels."""
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_broken_images_are_named_and_left_out(tmp_path, capfd, monkeypatch):
    fill(tmp_path, colour=GREEN)
    whole = io.BytesIO()
    halves((200, 200)).save(whole, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:-600])
    (tmp_path / "head.jpg").write_bytes(whole.getvalue()[:20])
    (tmp_path / "head.png").write_bytes(png_header(40, 40)[:20])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "bomb.png").write_bytes(png_header(40_000, 40_000))
    (tmp_path / "large.png").write_bytes(png_header(10_000, 9_000))
    png = png_header(20_000, 20_000)
    (tmp_path / "one.ico").write_bytes(struct.pack("<3H4B2H2I", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png)
    (tmp_path / "one.icns").write_bytes(struct.pack(">4sI4sI", b"icns", 16 + len(png), b"ic10", 8 + len(png)) + png)
    (tmp_path / "text.gif").write_bytes(b"no image")
    Image.new("RGB", (40, 40)).save(tmp_path / "postscript.png", "EPS")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9)  # as where another library has changed Pillow's settings
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(tmp_path)
    assert len(loaded.images) == 16 and near(loaded.images, GREEN)
    assert sorted(loaded.notices) == [
        "1 image left out (empty.png): empty; copy them again",
        "1 image left out (postscript.png): for printing (PDF or PostScript); convert them to PNG",
        "1 image left out (text.gif): text, whatever the name says; put the images in their place",
        "3 images left out (cut.jpg, head.jpg, head.png): cut off or damaged; copy them again",
        "4 images left out (bomb.png, large.png, one.icns, one.ico): more than 89 million pixels (a JPEG: 357); "
        "make them smaller",
    ]
    assert capfd.readouterr() == ("", "")


def test_pillows_remarks_stay_off_the_terminal_and_its_settings_as_they_were(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with image_files.usual_pillow():
        logging.getLogger("PIL.TiffImagePlugin").error("odd samples")
        warnings.warn("odd tags")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("PIL").level == logging.NOTSET
    assert Image.MAX_IMAGE_PIXELS == 12345 and ImageFile.LOAD_TRUNCATED_IMAGES


def test_loading_in_several_threads_leaves_the_settings_of_pillow_as_they_were(tmp_path, monkeypatch):
    """Twenty loads that overlap: they take turns."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    fill(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(len(loaded.images) == 16 for loaded in pool.map(load, [tmp_path] * 20))
    assert Image.MAX_IMAGE_PIXELS == 12345


@pytest.mark.parametrize(
    "name, head, remedy",
    [
        ("phone.heic", b"\0\0\0\x18ftypheic", "pip install pillow-heif"),
        ("renamed.jpg", b"\0\0\0\x18ftypmif1", "pip install pillow-heif"),
        ("a.avif", b"\0\0\0\x18ftypavif", "pip install"),
        ("a.jxl", b"\xff\x0a", "pip install pillow-jxl-plugin"),
        ("b.jxl", b"\0\0\0\x0cJXL \r\n\x87\n", "pip install pillow-jxl-plugin"),
        ("burst.heic", b"\0\0\0\x18ftyphevc", "pip install pillow-heif"),
        ("general.avif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "pip install --upgrade pillow"),
        ("page.jpg", b"\n<!DOCTYPE html>\n<html>", "download the images anew"),
        ("pointer.png", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("paper.png", b"%PDF-1.4\n\x80", "convert them to PNG"),
        ("other.bmp", b"\1\2\3 something else", "in no format that is read"),
    ],
)
def test_images_of_a_kind_pillow_cannot_read_are_named_with_the_remedy(tmp_path, monkeypatch, name, head, remedy):
    monkeypatch.setattr(image_files, "formats", lambda: ("PNG", "JPEG"))  # as where no further decoder is installed
    (tmp_path / name).write_bytes(head.ljust(40, b"\0"))
    assert remedy in refused(tmp_path) and name in refused(tmp_path)
    (notice,) = load(fill(tmp_path)).notices
    assert notice.startswith(f"1 image left out ({name}): ") and remedy in notice


def test_a_decoder_that_is_installed_is_used(monkeypatch):
    registered = []
    module = types.SimpleNamespace(register_heif_opener=lambda: registered.append("HEIF"))
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(image_files, "formats", image_files.formats.__wrapped__)  # as if asked for the first time
    image_files.suffixes.__wrapped__()
    assert registered == ["HEIF"]


def test_images_without_a_telling_suffix_are_found_whatever_their_size(tmp_path):
    text = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * 3_000_000))
    content = plain(tmp_path / "cat" / "a.png").read_bytes()
    (tmp_path / "cat" / "a").write_bytes(content[:33] + text + content[33:])
    (tmp_path / "cat" / "large").write_bytes(png_header(40_000, 40_000))
    (tmp_path / "cat" / "notes").write_text("of no image")
    loaded = load(fill(tmp_path / "cat").parent)
    assert len(loaded.images) == 18
    assert loaded.notices == (
        "1 image left out (cat/large): more than 89 million pixels (a JPEG: 357); make them smaller",
    )


def test_a_large_jpeg_is_decoded_small(tmp_path):
    """Of one colour, since an image of 108 million pixels takes its time to be written."""
    plain(tmp_path / "a.jpg", RED, (12_000, 9_000), quality=50)
    assert near(read(tmp_path / "a.jpg"), RED)


@pytest.mark.parametrize("metadata", ["text", "late text", "profile"])
def test_metadata_of_any_size_does_not_cost_the_image(tmp_path, metadata):
    text = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * 3_000_000))
    profile = chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(1_500_000)))
    content = plain(tmp_path / "a.png").read_bytes()
    start, end = content[:33], content[33:-12]  # the header, the pixels
    before, after = {"text": (text, b""), "late text": (b"", text), "profile": (profile, b"")}[metadata]
    (tmp_path / "a.png").write_bytes(start + before + end + after + content[-12:])
    assert near(read(tmp_path / "a.png"), RED, by=0)


def test_deep_images_have_one_scale(tmp_path):
    """Two of 12 bits in 16-bit files: one dark, one with the largest value; one of 8 bits, which stays; a fraction."""
    fill(tmp_path / "cat")
    for name, value in (("a.png", 1000), ("b.png", 4000)):
        Image.fromarray(np.full((40, 40), value, np.uint16)).save(tmp_path / "cat" / name)
    plain(tmp_path / "cat" / "c.png", 100, mode="L")
    Image.fromarray(np.full((40, 40), 0.75, np.float32)).save(tmp_path / "cat" / "d.tiff")
    loaded = load(tmp_path, "cat")
    assert loaded.images[:4, 9, 9, 0].tolist() == [64, 255, 100, 191]
    words = "of more than 8 bits: values from 0 to {} are taken as black to white"
    assert set(loaded.notices) == {f"1 image {words.format(1)}", f"2 images {words.format(4000)}"}


def test_a_set_that_is_nearly_black_is_noticed(tmp_path):
    """As of 12-bit colours in 16-bit files, of which Pillow keeps the upper 8 bits."""
    assert load(fill(tmp_path, colour=(15, 3, 0))).notices == (
        "the images are nearly black: no value is above 15 of 255",
    )


def test_pages_that_are_not_read_are_noticed(tmp_path):
    pages = [Image.new("RGB", (40, 40), colour) for colour in (GREEN, RED)]
    for name in ("a.tiff", "b.gif", "c.webp", "d.png"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    loaded = load(fill(tmp_path, colour=GREEN))
    assert near(loaded.images, GREEN) and loaded.notices == (
        "of 4 images the first page or frame alone is read: a.tiff, b.gif, c.webp, d.png",
    )


def test_images_too_far_down_are_noticed(tmp_path):
    fill(tmp_path / "cat", 20)
    fill(tmp_path / "cat" / "more", 100)
    fill(tmp_path / "dog" / "deep" / "deeper", 3)
    words = "100 images further down are not read (cat/more): move them up"
    assert len(load(tmp_path, "cat").images) == 20 and words in load(tmp_path, "cat").notices[0]
    assert "103 images further down are not read (cat/more, dog/deep/deeper)" in load(tmp_path).notices[0]
    assert "103 images further down" not in refused(tmp_path / "dog" / "deep", "x")
    fill(tmp_path / "new" / "deep" / "deeper", 3)
    assert "3 images further down are not read (deep/deeper)" in refused(tmp_path / "new")


def test_the_look_for_images_further_down_has_an_end(tmp_path, monkeypatch):
    fill(tmp_path / "cat")
    fill(tmp_path / "cat" / "a", 30)
    for number in range(30):  # folders count as well
        (tmp_path / "cat" / "b" / str(number)).mkdir(parents=True)
    fill(tmp_path / "cat" / "b" / "7", 1)
    monkeypatch.setattr(folder, "MAX_ENTRIES_LOOKED_AT", 20)
    assert "at least 20 images further down are not read (cat/a)" in load(tmp_path, "cat").notices[0]
    shutil.rmtree(tmp_path / "cat" / "a")
    fill(tmp_path / "cat" / "b" / "29", 1)
    assert "at least 1 images further down are not read (cat/b/7)" in load(tmp_path, "cat").notices[0]


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_links_that_lead_back_bring_no_image_twice(tmp_path):
    fill(tmp_path / "set" / "cat")
    fill(tmp_path / "set" / "cat" / "more", 3)
    fill(tmp_path, 2)
    for place, target in (("set/self", "."), ("set/up", ".."), ("set/cat/up", ".."), ("set/cat/more/round", "../..")):
        os.symlink(target, tmp_path / place)
    loaded = load(tmp_path / "set")
    assert len(loaded.images) == 16 and loaded.label_names == ("cat",)
    assert loaded.notices[0] == (
        "passed over: self (a link to a folder that it lies in), up (a link to a folder "
        "that it lies in), cat/up (a link to a folder that it lies in)"
    )
    assert loaded.notices[1].startswith("3 images further down are not read (cat/more): ")


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
def test_one_bad_entry_does_not_spoil_the_set(tmp_path, monkeypatch):
    fill(tmp_path / "cat")
    os.symlink("loop", tmp_path / "loop")
    os.symlink("gone.png", tmp_path / "nowhere.png")
    os.symlink(".", tmp_path / "again", target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.png")
    fill(tmp_path / "x.png")  # a folder, and so a class
    (tmp_path / "System Volume Information").mkdir()
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("Information"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(folder.os, "listdir", refuse)
    loaded = load(tmp_path)
    assert len(loaded.images) == 32 and loaded.label_names == ("cat", "x.png")
    assert loaded.notices == (
        "passed over: again (a link to a folder that it lies in), loop (a link to nothing), nowhere.png (a "
        "link to nothing), pipe.png (no file), System Volume Information (Permission denied)",
    )
    assert len(load(tmp_path, "cat").images) == 16
    assert "Permission denied" in refused(tmp_path / "System Volume Information", function=data.check)


def test_what_runs_have_written_is_never_read(tmp_path):
    """A run's folders among the images, and images that scripts have drawn beside them."""
    fill(tmp_path / "cat")
    before = load(tmp_path)
    for inner in ("samples", "each/cat"):
        fill(tmp_path / inner)
        (tmp_path / inner / own_files.RUN_ID_FILE).write_text("a run")
    save_png(tmp_path / "each" / "each.png", np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "report").mkdir()
    save_png(tmp_path / "report" / "nearest.png", np.zeros((40, 40, 3), np.uint8))
    after = load(tmp_path)
    np.testing.assert_array_equal(before.images, after.images)
    save_png(tmp_path / "cat" / "z.png", np.zeros((8, 8, 1), np.uint8), is_marked=False)  # a sample of its own
    assert len(load(tmp_path).images) == 17
    assert after.label_names == ("cat",) and data.class_names("folder", tmp_path) == ("cat",)
    assert [notice for notice in after.notices if "drawn by this program" not in notice] == []
    assert "a folder that a run writes to" in refused(tmp_path / "samples", function=data.check)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_are_never_read(tmp_path, suffix):
    frames = [
        animation_formats.Frame(np.full((8, 8, 3), level, np.uint8), np.zeros((4, 16), np.uint8), 2)
        for level in (0, 99)
    ]
    animation_formats.WRITERS[suffix](tmp_path / f"a{suffix}", frames, fps=10, hold=0)
    (notice,) = load(fill(tmp_path)).notices
    assert notice.startswith(f"1 image left out (a{suffix}): drawn by this program")


@pytest.mark.parametrize("place", [".", "cat", "cat/../cat"])
def test_a_run_does_not_write_among_the_images(tmp_path, place):
    fill(tmp_path / "cat")
    with pytest.raises(UserError, match="--sample_dir .* holds images of --data_dir"):
        folder.check_apart(tmp_path, [("--checkpoint_dir", tmp_path / "new"), ("--sample_dir", tmp_path / place)])
    folder.check_apart(tmp_path, [("--sample_dir", tmp_path / "new"), ("--checkpoint_dir", tmp_path.parent)])
    fill(tmp_path / "run" / "00001-00500")  # where a run would put its first 500 grids
    with pytest.raises(UserError, match="--sample_dir .*run holds images"):
        folder.check_apart(tmp_path / "run" / "00001-00500", [("--sample_dir", tmp_path / "run")])


@pytest.mark.parametrize(
    "places",
    [
        {"sample_dir": "images"},
        {"checkpoint_dir": "images"},
        {"drive_dir": "images"},
        {"sample_dir": ".", "checkpoint_dir": "c"},
    ],
)
def test_one_generator_per_class_does_not_write_among_the_images_either(tmp_path, places):
    """In the last case the class `images` of the images in `images` would."""
    for name in ("A class", "images"):
        fill(tmp_path / "images" / name)
    before = sorted(tmp_path.rglob("*"))
    settings = dict(data_dir="images", checkpoint_dir="c", sample_dir="s") | places
    folders = {name: str(tmp_path / place) for name, place in settings.items()}
    config = TrainingConfig(dataset="folder", label="each", **folders)
    with pytest.raises(UserError, match=f"--{next(iter(places))} .*images holds images of --data_dir"):
        launch(config)
    assert sorted(tmp_path.rglob("*")) == before


def test_too_few_images_are_refused(tmp_path):
    fill(tmp_path, 15)
    (tmp_path / "a.png").write_bytes(b"broken")
    message = refused(tmp_path)
    assert "too few" in message and "15" in message and "16" in message and "a.png" in message
    plain(tmp_path / "b.png")
    assert len(load(tmp_path).images) == 16


def test_an_empty_folder_a_file_and_nothing(tmp_path):
    assert "holds no images" in refused(tmp_path, function=data.check)
    assert "is not a folder" in refused(plain(tmp_path / "a.png"), function=data.check)
    assert "--data_dir" in refused(None, function=data.check)


def test_the_order_is_the_same_everywhere(tmp_path):
    expected = ["0.png", "9.png", "10.png", "a.png", "B1.png", "b2.png", "b10.png", "z.png", "e\u0301.png"]
    for number, name in enumerate(expected):  # a large one takes longer to read
        plain(tmp_path / name, (10 * number, 0, 0), (40 if number % 2 else 900,) * 2)
    loaded = load(fill(tmp_path / "more").parent)  # a class folder, after the images beside it
    assert loaded.images[:9, 0, 0, 0].tolist() == [10 * number for number in range(9)]
    assert loaded.notices[0].endswith(f"{', '.join(expected[:5])} and 4 more")


@pytest.fixture
def classes(tmp_path):
    fill(tmp_path / "cat", 16, RED)
    fill(tmp_path / "Dog", 17, GREEN)
    fill(tmp_path / "emu 2", 18, BLUE)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    plain(tmp_path / ".cache" / "a.png")
    return tmp_path


@pytest.mark.parametrize(
    "label, canonical, count, colour", [("0", "cat", 16, RED), ("dog", "Dog", 17, GREEN), ("EMU 2", "emu 2", 18, BLUE)]
)
def test_one_folder_per_class(classes, label, canonical, count, colour):
    assert data.check("folder", classes, label, "all") == canonical
    loaded = load(classes, label)
    assert len(loaded.images) == count and near(loaded.images, colour)
    assert loaded.class_name == canonical and canonical in loaded.name and loaded.notices == ()


def test_a_wrong_class_lists_the_folders(classes):
    message = refused(classes, "cta", function=data.check)
    assert "0 cat, 1 Dog, 2 emu 2" in message and 'did you mean "cat"' in message
    assert "0 cat" in refused(classes, "3")


def test_what_is_beside_class_folders_belongs_to_all_only(classes):
    plain(classes / "overview.png", BLUE)
    (classes / "cat" / "a.jpg").write_bytes(b"broken")
    cats = load(classes, "cat")
    assert len(cats.images) == 16 and "1 image left out (cat/a.jpg): text" in cats.notices[0]
    everything = load(classes, "all")
    assert len(everything.images) == 52 and everything.class_name == "all"
    for place, colour in ((0, BLUE), (1, RED), (17, GREEN), (-1, BLUE)):
        assert near(everything.images[place], colour)
    assert "overview.png" in everything.notices[0]


def test_a_label_needs_class_folders(tmp_path):
    assert "no class 'cat'" in refused(fill(tmp_path), "cat", function=data.check)
    assert data.check("folder", tmp_path, "all", "all") == "all"


def test_class_folders_called_by_numbers_or_all(tmp_path):
    for name, colour in (("1", RED), ("2", GREEN), ("10", BLUE)):
        fill(tmp_path / name, colour=colour)
    assert near(load(tmp_path, "1").images, RED)
    assert near(load(tmp_path, "10").images, BLUE)
    assert "no class '3'" in refused(tmp_path, "3", function=data.check)
    assert len(load(tmp_path, "all").images) == 48
    for name in ("All", "each"):
        other = fill(tmp_path / name)
        assert f"a class called {name}, which stands for all classes: rename it" in refused(tmp_path, "1")
        with pytest.raises(UserError, match="rename it"):
            data.class_names("folder", tmp_path)
        shutil.rmtree(other)
    alone = fill(tmp_path / "set/all").parent
    assert data.check("folder", alone, None, "all") == "all" and data.class_names("folder", alone) == ("all",)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_names_that_cannot_be_printed(tmp_path):
    path = fill(tmp_path / "pic\ntures")
    (path / "bro\nken\x1b.png").write_bytes(b"")
    loaded = load(path)
    assert loaded.name.isprintable() and all(notice.isprintable() for notice in loaded.notices)
    assert "bro ken?.png" in loaded.notices[0]


def test_very_many_images_are_kept_in_a_temporary_file(tmp_path, monkeypatch):
    fill(tmp_path, 8)
    fill(tmp_path, 8, GREEN, start=8)
    in_memory = load(tmp_path)
    monkeypatch.setattr(folder, "MAX_BYTES_IN_MEMORY", 0)
    on_disk = load(tmp_path)
    assert isinstance(on_disk.images, np.memmap) and not isinstance(in_memory.images, np.memmap)
    np.testing.assert_array_equal(on_disk.images, in_memory.images)
    monkeypatch.setattr(imageset, "MIN_IMAGES_LEFT", 1)
    there, here = (imageset.set_aside(each, 5) for each in (on_disk, in_memory))
    assert isinstance(there.images, np.memmap)
    np.testing.assert_array_equal(there.images, here.images)
    np.testing.assert_array_equal(there.heldout, here.heldout)
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda place: types.SimpleNamespace(free=100))
    with pytest.raises(UserError, match="TMPDIR"):
        load(tmp_path)
