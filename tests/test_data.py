"""What all data sets share: names, labels, splits, paths, downloads; and the digits."""

import socket
import sys
import types
from unittest import mock

import numpy as np
import pytest

from wgan import data
from wgan.common import messages
from wgan.common.errors import UserError
from wgan.data import labels


def message_of(function, *arguments):
    """The message of the UserError that a call raises, known to be one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message and "\n" not in message
    return message


def refused(*arguments, function=data.check):
    return message_of(function, *arguments)


@pytest.fixture
def keras_datasets(monkeypatch):
    """Stands for keras.datasets: what its load_data functions return is set by each test."""
    datasets = types.SimpleNamespace()
    config = types.SimpleNamespace(backend=lambda: "tensorflow")
    monkeypatch.setitem(sys.modules, "keras", types.SimpleNamespace(datasets=datasets, config=config))
    return lambda name, load_data: setattr(datasets, name, types.SimpleNamespace(load_data=load_data))


def splits(train_labels, test_labels, shape, column):
    """Two splits as Keras returns them; every image is filled with its place in the order."""
    numbers = np.array([*train_labels, *test_labels], np.uint8)
    images = np.arange(len(numbers), dtype=np.uint8).reshape(-1, *[1] * len(shape)) + np.zeros(shape, np.uint8)
    pairs = (images, numbers[:, None] if column else numbers)
    return tuple(part[: len(train_labels)] for part in pairs), tuple(part[len(train_labels) :] for part in pairs)


@pytest.mark.parametrize(
    "dataset, label, canonical",
    [
        ("cifar10", None, "horse"),
        ("cifar10", "7", "horse"),
        ("cifar10", "07", "horse"),
        ("cifar10", "HORSE", "horse"),
        ("cifar10", " horse ", "horse"),
        ("cifar10", 0, "airplane"),
        ("cifar10", "All", "all"),
        ("mnist", None, "all"),
        ("mnist", "7", "7"),
        ("digits", None, "all"),
        ("digits", "0", "0"),
        ("fashion_mnist", None, "all"),
        ("fashion_mnist", "0", "T-shirt/top"),
        ("fashion_mnist", "ankle BOOT", "ankle boot"),
    ],
)
def test_numbers_and_names_mean_the_same_class(dataset, label, canonical):
    assert data.check(dataset, None, label, "all") == canonical
    assert data.check(dataset, None, canonical, "all") == canonical


@pytest.mark.parametrize("label", ["10", "-1", "7.0", "", "unicorn", "1_0", "²", "9" * 5000])
def test_a_wrong_label_lists_the_valid_ones(label):
    message = refused("cifar10", None, label, "all")
    assert "0 airplane" in message and "7 horse" in message and "9 truck" in message and "all" in message


def test_a_near_label_or_name_gets_a_hint():
    assert 'did you mean "horse"' in refused("cifar10", None, "hrose", "all")
    assert 'did you mean "fashion_mnist"' in refused("fashion-mnist", None, None, "all")
    assert 'did you mean "train"' in refused("cifar10", None, None, "trian")


def test_a_class_name_goes_before_a_number_and_case_counts_where_it_must():
    assert labels.resolve("1", ("1", "2", "10"), "folder") == "1"
    assert "choose one of 1, 2, 10 or all" in refused("0", ("1", "2", "10"), "folder", function=labels.resolve)
    assert "choose one of 7, cat or all" in refused("1", ("7", "cat"), "folder", function=labels.resolve)
    assert labels.resolve("1", ("0", "cat"), "folder") == "cat"
    assert labels.resolve("Cat", ("Cat", "cat"), "folder") == "Cat"
    assert "0 Cat" in refused("CAT", ("Cat", "cat"), "folder", function=labels.resolve)


@pytest.mark.parametrize("dataset", data.DATASET_NAMES)
def test_a_missing_path_is_named(dataset, tmp_path):
    missing = tmp_path / "absent\nfolder"
    assert "absent folder does not exist" in refused(dataset, missing, None, "all")
    assert "(empty)" in refused(dataset, "", None, "all")
    assert "does not exist" in refused(dataset, "a\0b", None, "all")
    assert refused(dataset, missing, None, "all").endswith("or leave --data_dir out") == (
        dataset not in ("folder", "records")
    )


@pytest.mark.parametrize("dataset", ["digits", "folder"])
def test_a_split_that_is_not_there_is_refused(dataset, tmp_path):
    assert "no train and test split" in refused(dataset, tmp_path, None, "train")
    assert "no train and test split" in refused(dataset, tmp_path, None, "train", function=data.load)


@pytest.mark.parametrize(
    "dataset, error",
    [
        ("cifar10", Exception("URL fetch failure on somewhere: None -- [Errno -3]\nno name")),
        ("mnist", OSError(28, "No space left")),
        ("fashion_mnist", ValueError("Incomplete or corrupted file detected")),
        ("mnist", EOFError()),
    ],
)
def test_an_impossible_download_says_how_to_go_on(dataset, error, keras_datasets):
    keras_datasets(dataset, mock.Mock(side_effect=error))
    message = refused(dataset, None, None, "all", function=data.load)
    assert "--data_dir" in message and "the data set digits" in message and type(error).__name__ in message


def test_a_silent_server_is_given_up_and_the_time_limit_taken_back(keras_datasets):
    limits = []

    def load_data():
        limits.append(socket.getdefaulttimeout())
        raise OSError

    keras_datasets("mnist", load_data)
    refused("mnist", None, None, "all", function=data.load)
    assert limits[0] > 0 and socket.getdefaulttimeout() is None


@pytest.mark.parametrize("shape", [(32, 32, 3), (3, 32, 32)], ids=["channels_last", "channels_first"])
def test_cifar10_as_keras_gives_it(shape, keras_datasets):
    keras_datasets("cifar10", lambda: splits([7, 1, 7], [2, 7], shape, column=True))
    both = data.load("cifar10", None, None, "all")
    assert both.images.shape == (3, 32, 32, 3) and both.images.flags.c_contiguous
    assert both.images[:, 0, 0, 0].tolist() == [0, 2, 4]
    assert (both.class_name, both.name) == ("horse", "cifar10 horse, train and test")
    train = data.load("cifar10", None, "horse", "train")
    assert train.images[:, 0, 0, 0].tolist() == [0, 2] and train.name == "cifar10 horse, train"
    assert len(data.load("cifar10", None, "all", "all").images) == 5
    assert "cifar10 dog" in refused("cifar10", None, "dog", "all", function=data.load)  # has no images


def test_mnist_as_keras_gives_it(keras_datasets):
    keras_datasets("fashion_mnist", lambda: splits([3, 9], [9], (28, 28), column=False))
    everything = data.load("fashion_mnist", None, None, "all")
    assert everything.images.shape == (3, 32, 32, 1) and everything.images.dtype == np.uint8
    assert everything.images[:, 16, 16, 0].tolist() == [0, 1, 2] and everything.notices == ()
    assert data.load("fashion_mnist", None, "dress", "train").images[:, 5, 5, 0].tolist() == [0]


def test_images_larger_than_the_originals_are_noticed(keras_datasets):
    keras_datasets("cifar10", lambda: splits([7], [7], (32, 32, 3), column=True))
    found = data.load("cifar10", None, None, "all", image_size=48)
    assert found.images.shape == (2, 48, 48, 3)
    assert found.notices == ("cifar10's images are 32x32; enlarged to 48x48 they show nothing more",)


def test_the_digits(tmp_path):
    everything = data.load("digits", None, None, "all")
    assert everything.images.shape == (1797, 32, 32, 1) and everything.images.dtype == np.uint8
    assert everything.images.flags.c_contiguous
    assert everything.images.min() == 0 and everything.images.max() == 255
    zeros = data.load("digits", tmp_path, "0", "all")
    assert len(zeros.images) == 178 and zeros.class_name == "0"
    assert zeros.images[:, 14:18, 14:18].mean() < 60 < zeros.images[:, 14:18].mean()  # a ring: empty inside
    assert len(zeros.notices) == 1 and "--data_dir" in zeros.notices[0]


def test_the_fingerprint_is_of_shape_and_bytes():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert data.fingerprint(images) == data.fingerprint(images.copy(order="F"))
    assert data.fingerprint(images) != data.fingerprint(images.reshape(2, 4, 3))
    assert data.fingerprint(images) != data.fingerprint(images + 1)
    assert len(data.fingerprint(images[:0])) == 64


def test_text_from_file_names_stays_on_one_line():
    assert messages.one_line("a\n\tb\x1b[31m\udcff") == "a b?[31m?"
    assert messages.listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert len(messages.one_line("x" * 5000)) <= 300


def test_the_classes_of_a_folder_that_was_not_named_are_not_looked_for_here(tmp_path, monkeypatch):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.png").touch()
    monkeypatch.chdir(tmp_path)
    assert "--dataset folder" in refused("cifar10", tmp_path, "cats", "all")
    assert "--dataset folder needs --data_dir" in refused("folder", None, function=data.class_names)
