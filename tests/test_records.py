"""Images in records: the same as in the folder that they were made of, and read when a batch takes them."""

import io
import os
import shutil
import signal

import numpy as np
import psutil
import pytest
from PIL import Image
from short_runs import assert_same_state

from wgan import data
from wgan.apps import make_records
from wgan.common.errors import UserError
from wgan.data import image_files, records
from wgan.evaluation import evaluate as evaluation
from wgan.evaluation import measurement
from wgan.runs.run_folder import RunFolder
from wgan.training.batches import epoch_batches, epoch_indices, few_of_many_indices
from wgan.training.launch import launch


def save_images(folder, count=20, seed=0, shape=(28, 28, 3)):
    """Writes noise, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Of seven images of 28 pixels."""
    monkeypatch.setattr(make_records, "SHARD_BYTES", 7 * 28 * 28 * 3)


@pytest.fixture
def make(run_script):
    """Makes records of 28 pixels of a folder; what the script says."""

    def run(folder, out):
        status, said, notes = run_script(make_records, f"--data_dir={folder}", f"--out={out}", "--image_size=28")
        assert status == 0, notes
        return said + notes

    return run


@pytest.fixture
def pair(tmp_path, make):
    """A folder of two classes, one of them grey, and the records of it."""
    save_images(tmp_path / "images/cat"), save_images(tmp_path / "images/dog", 16, shape=(40, 30))
    make(tmp_path / "images", tmp_path / "records")
    return tmp_path / "images", tmp_path / "records"


def load(place, label=None, dataset="records"):
    return data.load(dataset, place, label, "all", 28)


def refused(place, *which):
    """What is said where all images are asked for, or others as by `load`."""
    with pytest.raises(UserError) as error:
        load(place, *which).images[:]
    [line] = str(error.value).splitlines()
    return line


def assert_same_images(one, other):
    np.testing.assert_array_equal(one.images[:], other.images[:])
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.label_names, one.class_name) == (other.label_names, other.class_name)


def test_they_are_the_images_of_the_folder(pair):
    folder, made = pair
    assert len(list(made.glob("*.tfrecord"))) == 6
    for label in ("all", "cat", "dog"):
        assert_same_images(load(made, label), load(folder, label, "folder"))
    assert load(made, "dog").images.shape == (16, 28, 28, 1)
    assert data.class_names("records", made) == ("cat", "dog")
    for some in ([31, 2, 2, -1], 3, -1, slice(2, 9, 3), np.array([[1, 2], [3, 4]])):
        np.testing.assert_array_equal(load(made).images[some], load(folder, dataset="folder").images[some])


def test_images_beside_class_folders_have_no_label(pair, make):
    folder, _ = pair
    make(save_images(folder, 1), folder.parent / "others")
    for label in ("all", "dog"):
        assert_same_images(load(folder.parent / "others", label), load(folder, label, "folder"))


def test_a_class_of_too_few_images_is_refused(pair, make):
    folder, _ = pair
    save_images(folder / "few", 3), make(folder, folder.parent / "others")
    said, expected = refused(folder.parent / "others", "few"), refused(folder, "few", "folder")
    assert "too few images: 3 could be read" in expected
    assert said.partition(":")[2] == expected.partition(":")[2]


def test_grey_images_have_one_channel(tmp_path, make):
    make(save_images(tmp_path / "images", shape=(28, 28)), tmp_path / "records")
    found = load(tmp_path / "records")
    assert found.images.shape == (20, 28, 28, 1) and found.labels is None
    np.testing.assert_array_equal(found.images[:], load(tmp_path / "images", dataset="folder").images)


def test_tensorflow_reads_the_shards(pair):
    """With what other programs use."""
    import tensorflow as tf

    shards = sorted(map(str, pair[1].glob("*.tfrecord")))
    images = [tf.io.decode_raw(record, tf.uint8).numpy() for record in tf.data.TFRecordDataset(shards[:2])]
    np.testing.assert_array_equal(images, load(pair[1]).images[:14].reshape(14, -1))


def test_what_cannot_be_in_records_is_named(tmp_path, make):
    folder = save_images(tmp_path / "images")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:200])
    Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(folder / "deep.png")
    said = make(folder, tmp_path / "records")
    assert "20 images of 28 pixels" in said
    assert "1 image left out (broken.png)" in said and "1 image left out (deep.png): of more than 8 bits" in said


def test_a_folder_with_something_in_it_is_not_written_to(pair, refusal):
    folder, made = pair
    before = sorted(path.stat().st_mtime_ns for path in made.iterdir())
    assert "is not an empty folder" in refusal(make_records, f"--data_dir={folder}", f"--out={made}")
    assert sorted(path.stat().st_mtime_ns for path in made.iterdir()) == before


@pytest.mark.parametrize("out", [".", "../drive"])
def test_a_folder_that_cannot_be_replaced_is_refused_before_images_are_read(tmp_path, refusal, monkeypatch, out):
    """The current one, and one on which a drive is mounted."""
    folder = save_images(tmp_path / "images")
    (tmp_path / "drive").mkdir(), (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(os.path, "ismount", lambda path: os.path.basename(path) == "drive")
    monkeypatch.setattr(image_files, "read", lambda *_: pytest.fail("an image is read"))
    assert "is there, and is not an empty folder that can be replaced" in refusal(
        make_records, f"--data_dir={folder}", f"--out={out}"
    )


@pytest.mark.parametrize("target_exists", [True, False])
def test_a_link_is_followed(tmp_path, make, target_exists):
    (tmp_path / "drive").mkdir()
    if target_exists:
        (tmp_path / "drive/records").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "drive/records")
    make(save_images(tmp_path / "images"), tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and len(load(tmp_path / "drive/records").images) == 20


def test_too_few_images_leave_no_records(tmp_path, refusal):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(np.full((28, 28), 40_000, np.uint16)).save(folder / f"{number}.png")
    said = refusal(make_records, f"--data_dir={folder}", f"--out={tmp_path / 'records'}")
    assert "too few images: 0 could be read, at least 16 are needed; 20 images left out" in said
    assert "of more than 8 bits" in said


def test_what_looks_wrong_is_noticed(tmp_path, make):
    folder, black = save_images(tmp_path / "images", 0), Image.new("RGB", (28, 28))
    for number in range(16):
        black.save(folder / f"{number}.png")
    black.save(folder / "paged.gif", save_all=True, append_images=[Image.new("RGB", (28, 28), (20, 20, 20))])
    said = make(folder, tmp_path / "records")
    for notice in load(folder, dataset="folder").notices:
        assert f"note: {notice}" in said
    assert "of 1 image the first page or frame alone is read" in said and "nearly black" in said


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_nothing_behind(tmp_path, run_script, monkeypatch, name):
    folder, number, read = save_images(tmp_path / "images"), getattr(signal, name), image_files.read
    (tmp_path / ".tmp-1-records").mkdir()
    monkeypatch.setattr(image_files, "read", lambda *args: os.kill(os.getpid(), number) or read(*args))
    earlier = signal.signal(number, lambda *_: None)  # so that it does not end the tests
    try:
        status, out, err = run_script(make_records, f"--data_dir={folder}", f"--out={tmp_path / 'records'}")
    finally:
        assert signal.signal(number, earlier) != earlier
    assert (status, out) == (128 + number, "") and err.endswith("make_records.py: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-1-records", "images"]
    assert f"note: {tmp_path / '.tmp-1-records'} is of another make_records.py" in err


def of_records(toy, images, **changes):
    return toy(dataset="records" if (images / records.INDEX).exists() else "folder", data_dir=str(images), **changes)


@pytest.mark.parametrize("eval_every", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_ends_in_the_bits_of_one_from_the_folder(toy, pair, tmp_path, eval_every, monkeypatch, capsys):
    """In two parts, with images set aside; measured or not, which looks at the real images too."""
    folder, made = pair
    both = dict(label="all", holdout=5, eval_every=eval_every, seed=3)
    places = dict(checkpoint_dir=str(tmp_path / "of_folder"), sample_dir=str(tmp_path / "of_folder"))
    whole = of_records(toy, folder, epochs=4, **both, **places)
    assert launch(whole) == 0
    for epochs in (2, 4):
        parts = of_records(toy, made, epochs=epochs, **both)
        assert launch(parts) == 0
    assert_same_state(whole, parts)
    reals = [RunFolder(config).reals_path.read_bytes() for config in (whole, parts)]
    assert reals[0] == reals[1]
    if eval_every:
        monkeypatch.setattr(measurement, "MAX_SEARCHED", 20)
        all_searched, some = (
            evaluation.evaluate(config.checkpoint_dir, samples=16, yardsticks=False) for config in (whole, parts)
        )
        searched = some["reference"]["searched_for_copies"]
        assert 20 <= searched < all_searched["reference"]["searched_for_copies"] == 31
        assert some["reference"]["training_images"] == 31 and some["rows"][0]["fid"] == all_searched["rows"][0]["fid"]
        [_, said] = capsys.readouterr().out.split("copies are looked for among ")  # of records alone
        assert said.startswith(f"{searched}\n")


def test_other_records_than_a_run_began_with_are_refused(toy, pair, tmp_path, make):
    folder, made = pair
    assert launch(of_records(toy, made, label="all")) == 0
    shutil.rmtree(made)
    save_images(folder / "cat", 1, seed=9)
    make(folder, made)
    with pytest.raises(UserError, match=r"^these 36 images differ from the 36 that the run in .* began with"):
        launch(of_records(toy, made, label="all", epochs=4))


def test_a_run_does_not_write_among_its_records(toy, pair):
    with pytest.raises(UserError, match="--sample_dir .* holds images of --data_dir"):
        launch(of_records(toy, pair[1], label="all", sample_dir=str(pair[1])))


def test_records_of_another_size_are_refused(pair):
    with pytest.raises(UserError, match="are of 28 pixels: give --image_size 28, or make others"):
        data.load("records", pair[1], None, "all", 32)


def test_a_damaged_shard_is_named(pair):
    shard = pair[1] / "images-00001.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    assert refused(pair[1]).startswith(f"{shard} is damaged, or has changed since its index was made: copy")
    shard.write_bytes(whole[:-9])
    assert refused(pair[1]).startswith(f"{shard} has {len(whole) - 9:,} bytes in place of {len(whole):,}: copy")
    shard.unlink()
    assert refused(pair[1]).startswith(f"{shard} is missing: copy")


def test_a_shard_of_another_set_is_named(pair, tmp_path, make):
    make(save_images(tmp_path / "others", seed=1), tmp_path / "of_others")
    shutil.copy(tmp_path / "of_others/images-00000.tfrecord", pair[1])
    assert f"{pair[1] / 'images-00000.tfrecord'} is damaged, or has changed" in refused(pair[1])


def test_an_index_that_is_missing_or_damaged_is_named(pair):
    index = pair[1] / records.INDEX
    for content in (b"", b"PK no archive"):
        index.write_bytes(content)
        assert f"{index} is damaged (" in refused(pair[1])
    index.unlink()
    assert f"{pair[1]} holds no {records.INDEX}" in refused(pair[1])


def test_an_index_that_cannot_be_read_is_not_called_damaged(pair):
    index = pair[1] / records.INDEX
    assert f"{index} is not a folder" in refused(index)
    index.unlink(), index.mkdir()
    assert refused(pair[1]).startswith(f"{index} could not be read (")


def test_a_read_that_is_short_or_wrong_once_is_repeated(pair, monkeypatch):
    """As network drives may have it."""
    whole, opened = load(pair[1]).images[:], set()

    class ShortReads(io.FileIO):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer)[:1000])

        def read(self, size=-1):
            return super().read(min(size, 1000))

    def open_slowly(path, mode, buffering):
        if path not in opened:
            opened.add(path)
            return io.BytesIO()
        return io.BufferedReader(ShortReads(path), buffering) if buffering else ShortReads(path)

    images = load(pair[1]).images
    monkeypatch.setattr(records, "open", open_slowly, raising=False)
    np.testing.assert_array_equal(images[:], whole)


def test_damage_met_in_training_ends_it_with_a_line(toy, pair):
    _, *shards = sorted(pair[1].glob("*.tfrecord"))  # the grid of real images shows some of the first
    for shard in shards:
        shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(UserError, match=r"^\S*images-0000\d.tfrecord is damaged, or has changed since [^\n]*$"):
        launch(of_records(toy, pair[1], label="all"))


@pytest.mark.parametrize("host", [0, 1])
def test_a_host_reads_its_rows_alone(pair, host, monkeypatch):
    images, read = load(pair[1]).images, []
    [(_, whole)] = epoch_batches(images, 0, (2, 8), range(1, 2))
    take = records.Records.__getitem__
    monkeypatch.setattr(records.Records, "__getitem__", lambda self, places: read.extend(places) or take(self, places))
    [(_, part)] = epoch_batches(images, 0, (2, 8, host, 2), range(1, 2))
    own = slice(4 * host, 4 * host + 4)
    np.testing.assert_array_equal(part[:, own], whole[:, own])
    np.testing.assert_array_equal(sorted(read), sorted(epoch_indices(0, 1, 36, 16).numpy().reshape(2, 8)[:, own].flat))


def test_of_ten_million_images_each_is_drawn_once():
    drawn = few_of_many_indices(0, 1, 10**7, 10_000).numpy()
    assert len(set(drawn)) == len(drawn) == 10_000 and 0 <= drawn.min() < 10**5 and 99 * 10**5 < drawn.max() < 10**7
    assert set(drawn) != set(few_of_many_indices(0, 2, 10**7, 10_000).numpy())


def test_of_very_many_images_in_memory_the_same_are_drawn_as_ever():
    count = 2**21 + 1
    [(_, numbers)] = epoch_batches(np.arange(count, dtype=np.float32)[:, None], 0, (1, 8), range(1, 2))
    np.testing.assert_array_equal(numbers[0, :, 0], epoch_indices(0, 1, count, 8))


@pytest.mark.slow
def test_a_million_records_are_read_in_little_memory(tmp_path, monkeypatch):
    monkeypatch.undo()
    noise = np.random.default_rng(0).integers(0, 256, (1000, 8, 8, 3), np.uint8)
    images = ((f"{number % 10}/{number}", noise[number // 1000] ^ np.uint8(number % 251)) for number in range(10**6))
    count, size = make_records.write(tmp_path / "records", 8, images)
    assert (count, size) == (10**6, 208 * 10**6)
    list(epoch_batches(noise, 0, (5, 32), range(1, 3)))  # TensorFlow's own memory
    before = psutil.Process().memory_info().rss
    found = data.load("records", tmp_path / "records", None, "all", 8)
    fingerprint = data.fingerprint(found.images)
    for epoch, reals in epoch_batches(found.images, 0, (5, 32), range(1, 11)):
        numbers = epoch_indices(0, epoch, 10**6, 160).numpy()
        expected = noise[numbers // 1000] ^ (numbers % 251).astype(np.uint8)[:, None, None, None]
        np.testing.assert_array_equal(reals, expected.reshape(reals.shape))
    assert psutil.Process().memory_info().rss - before < 100 * 2**20  # of 192 MB
    assert len(fingerprint) == 64 and np.bincount(found.labels).tolist() == [10**5] * 10
