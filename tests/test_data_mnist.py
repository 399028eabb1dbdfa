"""MNIST and Fashion-MNIST from IDX files: the names they go by, and files that lie about their length."""

import gzip
import struct

import numpy as np
import pytest
from test_data import message_of

from wgan import data
from wgan.common.errors import UserError
from wgan.data import mnist

STEMS = {"train": "train", "test": "t10k"}


def images_file(values):
    return struct.pack(">4I", 0x803, *values.shape) + values.tobytes()


def labels_file(numbers):
    return struct.pack(">2I", 0x801, len(numbers)) + bytes(numbers)


def write(folder, split, numbers, name="{}-{}-ubyte.gz", fill=0):
    """Writes one official split; image n is filled with fill + n."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.repeat(np.arange(fill, fill + len(numbers), dtype=np.uint8), 28 * 28).reshape(-1, 28, 28)
    for kind, content in (("images-idx3", images_file(values)), ("labels-idx1", labels_file(numbers))):
        path = folder / name.format(STEMS[split], kind)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def load(data_dir, label=None, split="all", dataset="mnist"):
    return data.load(dataset, data_dir, label, split)


def refused(data_dir, label=None, split="all", function=data.load):
    return message_of(function, "mnist", data_dir, label, split)


@pytest.mark.parametrize("name", ["{}-{}-ubyte.gz", "{}-{}-ubyte"])
@pytest.mark.parametrize("inner", ["", "MNIST/raw", "raw"])
def test_both_splits_under_their_usual_names(tmp_path, name, inner):
    write(tmp_path / inner, "train", [3, 1, 3], name)
    write(tmp_path / inner, "test", [3], name, fill=200)
    everything = load(tmp_path)
    assert everything.images.shape == (4, 32, 32, 1) and everything.images.dtype == np.uint8
    assert everything.images.flags.c_contiguous and everything.notices == ()
    assert everything.images[:, 9, 9, 0].tolist() == [0, 1, 2, 200]
    assert (everything.name, everything.class_name) == ("mnist all, train and test", "all")
    assert load(tmp_path, "3").images[:, 9, 9, 0].tolist() == [0, 2, 200]
    assert load(tmp_path, "3", "train").images[:, 9, 9, 0].tolist() == [0, 2]
    assert "has no images" in refused(tmp_path, "8")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_names_with_a_dot_are_found_too(tmp_path, ending):
    write(tmp_path, "train", [5], "{}-{}-ubyte" + ending)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert len(load(tmp_path, split="train").images) == 1


def test_fashion_mnist_has_its_own_names_and_folder(tmp_path):
    write(tmp_path / "FashionMNIST" / "raw", "train", [0, 9])
    assert load(tmp_path, "Ankle boot", dataset="fashion_mnist").images[:, 0, 0, 0].tolist() == [1]


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_official_split_alone_is_used_with_a_notice(tmp_path, split):
    write(tmp_path, split, [4, 4])
    loaded = load(tmp_path)
    assert len(loaded.images) == 2 and len(loaded.notices) == 1
    assert f"only the official {split} files" in loaded.notices[0] and loaded.name == f"mnist all, {split}"


@pytest.mark.parametrize("split, other", [("train", "test"), ("test", "train")])
def test_a_split_needs_its_files_and_no_others(tmp_path, split, other):
    write(tmp_path, other, [4, 5, 6])
    assert f"add the {STEMS[split]} files" in refused(tmp_path, split=split, function=data.check)
    write(tmp_path, split, [4])
    alone = load(tmp_path, split=split)
    assert len(alone.images) == 1 and alone.notices == ()


def test_a_half_pair_is_refused_with_the_name_of_the_other_half(tmp_path):
    write(tmp_path, "train", [4])
    write(tmp_path, "test", [4])
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert "lacks train-labels-idx1-ubyte" in refused(tmp_path, function=data.check)


def test_no_files_and_a_file_for_a_folder(tmp_path):
    assert "train-images-idx3-ubyte" in refused(tmp_path, function=data.check)
    (tmp_path / "a.gz").write_bytes(b"")
    assert "is a file" in refused(tmp_path / "a.gz", function=data.check)


def test_the_resized_image_keeps_place_and_brightness(tmp_path):
    values = np.zeros((1, 28, 28), np.uint8)
    values[0, 7:14, 7:14] = 255  # a quarter from the top and left, a quarter wide
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images_file(values))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1]))
    image = load(tmp_path).images[0, :, :, 0]
    assert image[9:15, 9:15].min() == 255 and image[:7].max() == 0 and image[:, 18:].max() == 0
    assert abs(image.mean() - values.mean()) < 1


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gz", "plain"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        struct.pack(">4I", 0x801, 2, 28, 28) + bytes(1568),
        struct.pack(">4I", 0xD03, 2, 28, 28) + bytes(1568),
        struct.pack(">4I", 0x803, 2, 32, 32) + bytes(2048),
        struct.pack(">4I", 0x803, 2, 28, 28) + bytes(1567),
        struct.pack(">4I", 0x803, 2, 28, 28) + bytes(1569),
        struct.pack(">4I", 0x803, 2**32 - 1, 28, 28) + bytes(100),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, content, compress):
    path = tmp_path / "images"
    path.write_bytes(compress(content))
    with pytest.raises(UserError, match=f"^{path} is damaged, or is not such an IDX file"):
        mnist.read_idx(path, (28, 28))


def test_a_truncated_or_damaged_gzip_file_is_named(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    whole = gzip.compress(images_file(values))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1, 2, 3, 4]))
    cut = [whole[:end] for end in (5, 40, len(whole) // 2, -1)]
    for content in (*cut, whole[:-8] + b"checksum", whole[:100] + b"\xff" * 50 + whole[150:]):
        path.write_bytes(content)
        assert path.name in refused(tmp_path)
    path.write_bytes(whole)
    assert len(load(tmp_path).images) == 4


def test_images_and_labels_must_agree(tmp_path):
    write(tmp_path, "train", [1, 2, 3])
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(labels_file([1, 2])))
    message = refused(tmp_path)
    assert "3 images" in message and "2 labels" in message
    path.write_bytes(gzip.compress(labels_file([1, 2, 10])))
    assert "above 9" in refused(tmp_path)
