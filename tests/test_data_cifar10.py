"""CIFAR-10 from files: small files in the official layout, and files that are damaged or hostile."""

import gzip
import os
import pickle
import pickletools
import shutil
import struct
import tarfile

import numpy as np
import pytest
from test_data import message_of

from wgan import data
from wgan.data import cifar10

FILES = cifar10.TRAIN_FILES + cifar10.TEST_FILES
ROW = 3072


PYTHON_2 = {"SHORT_BINBYTES": b"U", "BINBYTES": b"T"}  # its opcodes for texts, which had the same arguments


def batch(numbers, rows=None, numpy=b"numpy.core"):
    """The bytes of a batch file whose rows have the given labels, as Python 2 wrote it."""
    rows = np.zeros((len(numbers), ROW), np.uint8) if rows is None else rows
    content = {b"batch_label": b"one of six", b"labels": numbers, b"data": rows, b"filenames": [b"a.png"]}
    raw = bytearray(pickle.dumps(content, protocol=3).replace(b"numpy._core", numpy).replace(b"numpy.core", numpy))
    for opcode, _, place in pickletools.genops(bytes(raw)):
        raw[place : place + 1] = PYTHON_2.get(opcode.name, raw[place : place + 1])
    return bytes(raw)


def marked(numbers, mark):
    """A batch whose n-th image has red = mark, green = n, blue = 100, and 255 red in its first row."""
    rows = np.empty((len(numbers), 3, 32, 32), np.uint8)
    rows[:, 0], rows[:, 2] = mark, 100
    rows[:, 1] = np.arange(len(numbers))[:, None, None]
    rows[:, 0, 0] = 255
    return batch(numbers, rows.reshape(-1, ROW))


@pytest.fixture
def folder(tmp_path):
    """A cifar-10-batches-py folder with two horses in each file, in the places 1 and 3."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for mark, name in enumerate(FILES):
        (folder / name).write_bytes(marked([0, 7, 9, 7], mark))
    (folder / "batches.meta").write_bytes(b"not needed")
    return folder


def archive(path, folder, names=FILES, prefix="cifar-10-batches-py/", mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        tar.add(folder, "cifar-10-batches-py", recursive=False)
        for name in names:
            tar.add(folder / name, prefix + name)
    return path


def load(data_dir, label=None, split="all"):
    return data.load("cifar10", data_dir, label, split)


def refused(data_dir, label=None, split="all", function=data.load):
    return message_of(function, "cifar10", data_dir, label, split)


def test_the_folder_gives_one_class_in_official_order(folder):
    horses = load(folder)
    assert horses.images.shape == (12, 32, 32, 3) and horses.images.dtype == np.uint8
    assert horses.images.flags.c_contiguous and horses.notices == ()
    assert horses.images[:, 5, 5].tolist() == [[mark, place, 100] for mark in range(6) for place in (1, 3)]
    assert (horses.images[:, 0, :, 0] == 255).all()  # rows stay rows
    assert horses.name == "cifar10 horse, train and test"


def test_labels_and_splits(folder):
    assert load(folder, "0").images[:, 5, 5, 1].tolist() == [0] * 6
    assert load(folder, "all").labels.tolist() == [0, 7, 9, 7] * 6
    train = load(folder, "horse", "train")
    assert train.images[:, 5, 5, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_the_archive_gives_the_same_in_whatever_order_it_holds_them(folder, tmp_path, mode):
    path = archive(tmp_path / "cifar-10-python.tar.gz", folder, names=sorted(FILES, reverse=True), mode=mode)
    assert data.check("cifar10", path, None, "all") == "horse"
    assert (load(path, "all").images == load(folder, "all").images).all()
    assert (load(path, "all", "train").images == load(folder, "all", "train").images).all()


def test_a_folder_that_holds_either_is_enough_and_the_unpacked_one_is_preferred(folder, tmp_path):
    expected = load(folder).images
    assert (load(tmp_path).images == expected).all()
    path = archive(tmp_path / "cifar-10-python.tar.gz", folder)
    shutil.rmtree(folder)
    assert (load(tmp_path).images == expected).all()
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"")
    assert "lacks data_batch_1" in refused(tmp_path)
    assert (load(path).images == expected).all()


def test_one_of_the_batch_files_stands_for_its_folder(folder):
    assert len(load(folder / "data_batch_2").images) == 12


def test_missing_files_are_named(folder, tmp_path):
    (folder / "test_batch").unlink()
    assert len(load(folder, split="train").images) == 10
    assert "--split train" in refused(folder)
    assert len(data.class_names("cifar10", folder, "train")) == 10
    (folder / "data_batch_3").unlink()
    message = refused(folder, function=data.check)
    assert "data_batch_3, test_batch" in message and "data_batch_1" not in message
    left = [name for name in FILES if (folder / name).exists()]
    path = archive(tmp_path / "part.tar.gz", folder, names=left)
    assert "lacks data_batch_3, test_batch" in refused(path)
    message = refused(folder, split="train")
    assert "test_batch" not in message and "--split train" not in message


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    message = refused(tmp_path, function=data.check)
    assert all(part in message for part in ("cifar-10-batches-py", "cifar-10-python.tar.gz", str(tmp_path)))


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip file", gzip.compress(b"no tar", mtime=0), b"\x1f\x8b damaged"]
)
def test_another_file_is_no_archive(tmp_path, content):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(content)
    assert f"{path} is not a CIFAR-10 archive" in refused(path)


class Harmful:
    """Asks the unpickler for an os.mkdir."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_pickle_that_asks_for_more_is_refused_and_not_run(folder, tmp_path, protocol, packed):
    trace = tmp_path / "trace"
    (folder / "data_batch_4").write_bytes(pickle.dumps(Harmful(trace), protocol))
    message = refused(archive(tmp_path / "a.tar.gz", folder) if packed else folder)
    assert "data_batch_4" in message and f"it asks for {os.mkdir.__module__}.mkdir" in message
    assert not trace.exists()


@pytest.mark.parametrize(
    "path", ["os.system", "__builtin__.eval", "_codecs.encode", "numpy.core.multiarray.fromfile", "numpy.load"]
)
def test_only_three_numpy_names_are_known(folder, path):
    module, _, name = path.rpartition(".")
    (folder / "data_batch_1").write_bytes(f"c{module}\n{name}\n".encode() + b"(U\x04exittR.")
    assert f".{name}" in refused(folder)


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02T\xff\xff\xff\x7fabc.",  # BINSTRING of 2 GiB
        b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b"ab.",  # BYTEARRAY8
        b"\x80\x02]r\xff\xff\xff\x7f.",  # LONG_BINPUT with a table of 2**31 places
        b"\x80\x02}(U\x04datacnumpy\nndarray\n(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ftRU\x06labels]u.",  # calls numpy
        b"",
        b"<html>not found</html>",
        b"\x80\x02}.",
        b"\x80\x02N.",
        b"\x80\x02.",
        b"(" * 1000 + b".",
        b"})" + b"\x85" * 100_000 + b"K\x01s.",  # a key of nested tuples, hashed to its depth
        b"}U\x06labelsK\x01N" + b"2\x86" * 60 + b"s.",  # which doubles itself 60 times
    ],
)
def test_lying_and_foreign_pickles_are_refused(folder, code):
    (folder / "data_batch_5").write_bytes(code)
    assert "data_batch_5 is truncated or is not a CIFAR-10 batch file" in refused(folder)


@pytest.mark.parametrize(
    "content, what",
    [
        (batch([0, 10]), "from 0 to 9"),
        (batch([0, -1]), "from 0 to 9"),
        (batch([1, 2], np.zeros((3, ROW), np.uint8)), "differ in length"),
        (batch([1], np.zeros((1, 1024), np.uint8)), "uint8"),
        (batch([1], np.zeros(ROW, np.uint8)), "uint8"),
        (batch([1], np.zeros((1, ROW), np.int8)), "uint8"),
        (batch([1], np.zeros((1, ROW), object)), "list"),
        (batch([1]).replace(b"K\x01M\x00\x0c\x86", b"K\x02M\x00\x0c\x86"), "reshape"),
    ],
)
def test_values_are_checked(folder, content, what):
    (folder / "test_batch").write_bytes(content)
    message = refused(folder)
    assert "test_batch" in message and what in message


def test_batches_written_again_by_a_newer_numpy_are_read():
    images, numbers = cifar10.decode(batch([4, 7], numpy=b"numpy._core"), "file")
    assert images.shape == (2, 32, 32, 3) and numbers.tolist() == [4, 7]
    rows = np.arange(2 * ROW, dtype=np.uint32).astype(np.uint8).reshape(2, ROW)
    by_column = pickle.dumps({"data": np.asfortranarray(rows), "labels": [1, 2]}, protocol=3)
    np.testing.assert_array_equal(cifar10.decode(by_column, "file")[0].transpose(0, 3, 1, 2).reshape(2, ROW), rows)


def test_a_file_above_the_limit_is_not_read(folder, tmp_path):
    with open(folder / "data_batch_1", "wb") as file:
        file.truncate(cifar10.MAX_BYTES + 1)
    assert "data_batch_1 is not a CIFAR-10 batch file" in refused(folder)
    header = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    header.size = 2**40
    path = tmp_path / "lying.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf()))
    assert "data_batch_1 is not a CIFAR-10 batch file" in refused(path)


def test_names_and_links_in_the_archive_lead_nowhere(folder, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = archive(inner / "a.tar.gz", folder, prefix="../../")
    before = sorted(tmp_path.rglob("*"))
    assert len(load(path).images) == 12
    assert sorted(tmp_path.rglob("*")) == before
    with tarfile.open(path, "w:gz") as tar:
        kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE] * 2
        for name, kind in zip(FILES, kinds):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.type, member.linkname = kind, str(folder / name)
            tar.addfile(member)
    assert f"lacks {', '.join(FILES)}" in refused(path)


def test_the_official_files(official):
    horses, train_horses = load(official), load(official, "7", "train").images
    assert horses.images.shape == (6000, 32, 32, 3) and horses.class_name == "horse"
    assert (horses.images[:5000] == train_horses).all() and 60 < horses.images.mean() < 190
    train, test = (load(official, "all", split).labels for split in ("train", "test"))
    assert train[:5].tolist() == [6, 9, 9, 4, 1] and test[:4].tolist() == [3, 8, 8, 0]
    assert np.bincount(train).tolist() == [5000] * 10 and np.bincount(test).tolist() == [1000] * 10
