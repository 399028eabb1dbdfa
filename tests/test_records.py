"""Images in records: the same as in the folder that they were made of, and read when a batch takes them."""

import shutil

import numpy as np
import psutil
import pytest
from PIL import Image
from short_runs import assert_same_state

from wgan import data
from wgan.apps import make_records
from wgan.common.errors import UserError
from wgan.data import records
from wgan.evaluation import evaluate as evaluation
from wgan.runs.run_folder import RunFolder
from wgan.training.batches import epoch_batches, epoch_indices
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
    save_images(tmp_path / "images/cat"), save_images(tmp_path / "images/dog", 13, shape=(40, 30))
    make(tmp_path / "images", tmp_path / "records")
    return tmp_path / "images", tmp_path / "records"


def load(place, label=None, dataset="records"):
    return data.load(dataset, place, label, "all", 28)


def refused(place):
    """What is said where all images are asked for."""
    with pytest.raises(UserError) as error:
        load(place).images[:]
    [line] = str(error.value).splitlines()
    return line


def assert_same_images(one, other):
    np.testing.assert_array_equal(one.images[:], other.images[:])
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.label_names, one.class_name) == (other.label_names, other.class_name)


def test_they_are_the_images_of_the_folder(pair):
    folder, made = pair
    assert len(list(made.glob("*.tfrecord"))) == 5
    assert_same_images(load(made), load(folder, dataset="folder"))
    assert data.class_names("records", made) == ("cat", "dog")
    cats = load(made, "cat"), load(folder, "cat", "folder")
    np.testing.assert_array_equal(*(each.images[:] for each in cats))
    some = [31, 2, 2, -1]
    np.testing.assert_array_equal(load(made).images[some], load(folder, dataset="folder").images[some])


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


def test_too_few_images_leave_no_records(tmp_path, refusal):
    folder = save_images(tmp_path / "images", 3)
    assert "at least 16" in refusal(make_records, f"--data_dir={folder}", f"--out={tmp_path / 'records'}")


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
        monkeypatch.setattr(evaluation, "MAX_TRAINING", 20)
        evaluation.evaluate(parts.checkpoint_dir, samples=16, yardsticks=False)
        assert "copies are looked for among 20 of the 28 training images" in capsys.readouterr().out


def test_other_records_than_a_run_began_with_are_refused(toy, pair, tmp_path, make):
    folder, made = pair
    assert launch(of_records(toy, made, label="all")) == 0
    shutil.rmtree(made)
    save_images(folder / "cat", 1, seed=9)
    make(folder, made)
    with pytest.raises(UserError, match=r"^these 33 images differ from the 33 that the run in .* began with"):
        launch(of_records(toy, made, label="all", epochs=4))


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


@pytest.mark.parametrize("content", [None, b"", b"PK no archive"])
def test_an_index_that_is_missing_or_damaged_is_named(pair, content):
    index = pair[1] / records.INDEX
    index.unlink() if content is None else index.write_bytes(content)
    assert records.INDEX in refused(pair[1])


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
    np.testing.assert_array_equal(sorted(read), sorted(epoch_indices(0, 1, 33, 16).numpy().reshape(2, 8)[:, own].flat))


def test_of_ten_million_images_each_is_drawn_once():
    drawn = epoch_indices(0, 1, 10**7, 10_000).numpy()
    assert len(set(drawn)) == len(drawn) == 10_000 and 0 <= drawn.min() < 10**5 and 99 * 10**5 < drawn.max() < 10**7
    assert set(drawn) != set(epoch_indices(0, 2, 10**7, 10_000).numpy())


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
