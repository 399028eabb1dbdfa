"""Damaged and hostile files of every kind that the program reads: the good data, the state before, or a message.

Thousands of mutations, each drawn from its own seed; `WGAN_MUTATIONS=10` tries ten times as many. A damaged file may
hang its reader, crash it or make it ask for all memory there is, so the reading is done in a process of its own.
"""

import contextlib
import dataclasses
import functools
import gzip
import io
import json
import multiprocessing
import os
import pathlib
import pickle
import random
import re
import signal
import tempfile
import traceback
from concurrent import futures
from unittest import mock

import h5py
import numpy as np
import pytest
import short_runs
import toy_recipe
from PIL import Image

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig, value_type
from wgan.data import cifar10
from wgan.images import animation
from wgan.runs import checkpoints, initial_weights, trained
from wgan.runs.history import COLUMNS, History
from wgan.runs.run_folder import RunFolder
from wgan.runs.sample_files import sample_path

MUTATIONS = int(os.environ.get("WGAN_MUTATIONS", 1))
CPU_SECONDS = 10  # for one file; the slowest takes a twentieth of it
MAX_ADDRESSES = 8 * 2**30  # bytes beyond what the process has: the machine that runs the tests is not to suffer


# --- what can happen to a file ---

HUGE = (0, 1, -1, -2, 255, 65535, 2**24, 2**31 - 1, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63))


def injured(content, other, chance):
    """`content` with one injury, near its beginning more often than elsewhere: that is where headers are."""
    start = int(len(content) * chance.random() ** chance.choice([1, 1, 4]))
    end = min(len(content), start + int(2 ** chance.uniform(0, 10)))
    before, block, after = content[:start], content[start:end], content[end:]
    size = chance.choice([2, 4, 8])
    number = (chance.choice(HUGE) % 256**size).to_bytes(size, chance.choice(["little", "big"]))
    place = start - start % size if chance.random() < 0.6 else start
    overwritten = content[:place] + number + content[place + size :]
    flipped = before + bytes(byte ^ 1 << chance.randrange(8) for byte in block[:1]) + content[start + 1 :]
    random_bytes = before + chance.randbytes(min(8, len(block))) + content[start + 8 :]
    cut_off, spliced, grafted = before, before + other[start:], before + other[start:end] + after
    filled = before + chance.choice([b"\0", b"\xff"]) * len(block) + after
    inserted, deleted, doubled = (
        before + chance.randbytes(len(block)) + block + after,
        before + after,
        before + 2 * block + after,
    )
    swapped = before + after[: len(block)] + block + after[len(block) :]
    common = [overwritten] * 3 + [flipped] * 2
    return chance.choice(
        [*common, random_bytes, cut_off, spliced, grafted, filled, inserted, deleted, doubled, swapped]
    )


def damaged(content, other, chance):
    """`content` with one to three injuries, never whole; `other` is a valid file of the same kind."""
    changed = content
    while changed == content:
        for _ in range(chance.choice([1, 1, 2, 3])):
            changed = injured(changed, other, chance)
    return changed


def damage_to(content, other):
    return functools.partial(damaged, content, other)


# --- the process that reads ---


def begin(seed):
    """What the process does first: it is to tell by `seed`, a `multiprocessing.Value`, which file has ended it."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a GPU's memory may be taken by the process that asks
    examine.seed = seed


def examine(kind, folder, count):
    """What is wrong with the answers to damaged files, with the first seed that shows it."""
    damage, read = kind(folder)
    limit_memory()
    found = {}
    for seed in range(count):
        content, examine.seed.value = damage(random.Random(seed)), seed
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # which ends this process
        try:
            read(content)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = re.sub(r"\d+", "N", " ".join(str(error).split()))[:120]
            found.setdefault(
                f"{type(error).__name__}: {text} ({pathlib.Path(place.filename).name}: {place.line})", seed
            )
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 0)
    return found


def limit_memory():
    """Refuses this process much more than it has now."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MAX_ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """A function: what `examine` finds in a process of its own, which is one for all kinds of files."""
    context = multiprocessing.get_context("spawn")
    seed = context.Value("q")
    with futures.ProcessPoolExecutor(1, context, begin, [seed]) as reader:

        def find(kind, count):
            try:
                return reader.submit(examine, kind, tmp_path_factory.mktemp("files"), count * MUTATIONS).result()
            except futures.process.BrokenProcessPool:
                pytest.fail(f"file {seed.value} has ended the process that read it")

        yield find


@contextlib.contextmanager
def refusal_naming(*names, is_expected=False):
    """A refusal is as good as an answer, if it says in which files the trouble is."""
    try:
        yield
    except (UserError, OSError) as error:
        assert all(str(name) in str(error) for name in names), f"no name in: {error}"
    else:
        assert not is_expected, "not refused"


def write_anew(path, content):
    """Writes a file that nobody has open: readers of HDF5 take a file of the same number for the same file."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


# --- checkpoints and weights ---


def toy_gan(seed):
    from wgan.training.loop import build_gan

    with toy_recipe.registered():
        return build_gan(toy_recipe.config("", seed=seed), channels=1)


@functools.cache
def run_of(epoch):
    """A GAN, and the files of the checkpoint that it was saved in, by their names."""
    gan = toy_gan(epoch)
    history = History(np.arange(epoch * len(COLUMNS), dtype=float).reshape(epoch, -1))
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.write_checkpoint(folder, gan, history)
        checkpoints.write_best(folder, gan.generator, epoch, 12.5)
        return gan, {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}


def write_run(folder, epoch):
    gan, contents = run_of(epoch)
    for name, content in contents.items():
        write_anew(folder / name, content)
    return gan


def values_of(network):
    return [variable.numpy() for variable in network.variables]


def same(one, other):
    return all(map(np.array_equal, values_of(one), values_of(other)))


def newest_of_two_states(folder):
    """A damaged state gives the one before."""

    (_, newest), (_, previous) = run_of(4), run_of(3)
    newest, previous = newest[checkpoints.STATE_FILE], previous[checkpoints.STATE_FILE]
    (folder / checkpoints.PREVIOUS_STATE_FILE).write_bytes(previous)
    expected = checkpoints.newest_state(folder).history.rows

    def read(content):
        write_anew(folder / checkpoints.STATE_FILE, content)
        state = checkpoints.newest_state(folder)
        assert state.epoch == 3 and state.history.rows == expected
        assert content == previous or state.path.name == checkpoints.PREVIOUS_STATE_FILE

    return damage_to(newest, previous), read


def two_damaged_states(folder):
    """Both are named, and never shown to the library."""
    first, second = (run_of(epoch)[1][checkpoints.STATE_FILE] for epoch in (4, 3))
    names = (checkpoints.STATE_FILE, checkpoints.PREVIOUS_STATE_FILE)

    def damage(chance):
        return damaged(first, second[::-1], chance), damaged(second, first[::-1], chance)

    def read(contents):
        for name, content in zip(names, contents):
            write_anew(folder / name, content)
        with mock.patch.object(h5py, "File", side_effect=AssertionError("the library was shown a damaged file")):
            with refusal_naming(*names, is_expected=True):
                checkpoints.newest_state(folder)

    return damage, read


def weights_of_a_network(network, folder):
    trained, another, gan = write_run(folder, 4), run_of(3)[0], toy_gan(9)
    name = f"{network}.weights.h5"
    content, other = run_of(4)[1][name], run_of(3)[1][name]

    def read(content):
        write_anew(folder / name, content)
        with refusal_naming(folder / name):
            initial_weights.load_weights(gan, folder)
            assert same(getattr(gan, network), getattr(another if content == other else trained, network))

    return damage_to(content, other), read


def weights_of_another_program(folder):
    """Without a checksum a number that has changed cannot be seen; all else can."""
    gan, contents, path = toy_gan(9), [], folder / "generator.weights.h5"
    for seed in (3, 4):
        trained = toy_gan(seed)
        trained.generator.save_weights(path)
        trained.critic.save_weights(folder / "critic.weights.h5")
        contents.append(path.read_bytes())

    def read(content):
        write_anew(path, content)
        with refusal_naming(path):
            initial_weights.load_weights(gan, path)
            assert checkpoints.is_finite(values_of(gan.generator)), "these weights are not finite"

    return damage_to(*contents), read


# --- what else a run leaves behind ---


ODD_NUMBERS = (True, 0, -1, 1.5, 1e308, 2**63, 10**400, float("nan"), float("inf"))
ODD_VALUES = (None, "", "x", "1", "\ud800", "nan", [], [1], [[]], {}, {"a": 1}, {"epochs": 1})


def odd_values(content, chance):
    """JSON that is sound and says something else."""
    stored = json.loads(content)
    place, key = stored, chance.choice(list(stored))
    while isinstance(place[key], (dict, list)) and place[key] and chance.random() < 0.7:
        place = place[key]
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    if chance.random() < 0.2:
        del place[key]
    else:
        place[key] = chance.choice([*ODD_NUMBERS, *ODD_VALUES])
    return json.dumps(stored).encode()


def configuration(folder):
    """It is named or usable, and does not hinder a fresh start."""
    config = TrainingConfig(dataset="digits", label="3", checkpoint_dir=str(folder), sample_dir=str(folder / "samples"))
    images = np.zeros((20, 32, 32, 1), np.uint8)
    image_set = data.ImageSet(images, "digits 3", "3", labels=np.arange(20), label_names=("3", "44"))
    run = short_runs.begin(config, image_set)
    content = run.config_path.read_bytes()
    other = content.replace(b"3", b"44").replace(b"digits", b"mnist")

    def damage(chance):
        if chance.random() < 0.1:
            return content.replace(b"20", chance.choice([b"[", b'{"a":', b"9"]) * 100_000)
        return odd_values(content, chance) if chance.random() < 0.5 else damaged(content, other, chance)

    def read(content):
        write_anew(run.config_path, content)
        with refusal_naming(folder):
            stored = run.stored_run()
            config.settled_by(stored["config"]).check()
            run.check_continues(config, stored)
        with refusal_naming(folder):
            assert_typed(*trained.read_run(folder))
        run.add_rollback({"epoch": 1})
        run.write_config(config, image_set, "0" * 64, {"epoch": 1})  # as --fresh does
        assert run.stored_run()["config"] == config

    return damage, read


def assert_typed(config, stored_images):
    for field in dataclasses.fields(config):
        value, kind = getattr(config, field.name), value_type(field)
        kinds = (int, float) if kind is float else kind
        typed = isinstance(value, kinds) and (kind is bool) == isinstance(value, bool)
        assert value is field.default or typed, field.name
    assert stored_images["shape"][-1] in (1, 3) and isinstance(stored_images["sha256"], str)


def run_mark(folder):
    config = TrainingConfig(checkpoint_dir=str(folder / "checkpoints"), sample_dir=str(folder / "samples"))
    run = RunFolder(config)
    run.make()
    run.mark_as_one_run()
    run.reals_path.write_bytes(b"")
    path = run.sample_dir / ".run_id"

    def read(content):
        path.write_bytes(content)
        with refusal_naming(folder):
            run.check_samples_belong()
            assert content.strip() == (run.checkpoint_dir / ".run_id").read_bytes().strip()

    return damage_to(path.read_bytes(), b"0" * 32 + b"\n"), read


# --- images ---


def noise(seed, size, file_format="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


def grids(folder):
    """Damaged ones are named and skipped."""
    whole, other = noise(1, 12), noise(2, 12)
    sample_path(folder, 1).write_bytes(noise(3, 12))
    damaged_one, output = sample_path(folder, 2), folder / "a.gif"

    def read(content):
        said = []
        damaged_one.write_bytes(content)
        done = animation.write_animation(folder, output, hold=0, scale=1, warn=said.append)
        assert (done.frames, done.skipped, len(said)) in [(2, 0, 0), (1, 1, 1)]
        assert all(str(damaged_one) in line and "\n" not in line for line in said)

    return damage_to(whole, other), read


IMAGE_FORMATS = ("png", "jpeg", "gif", "bmp", "webp", "tiff", "ico", "tga", "ppm", "pcx")
AT_A_TIME = 40


def folder_of_images(folder):
    """Damaged ones are counted, and the others unharmed."""
    for number in range(16):
        (folder / f"z{number}.png").write_bytes(noise(number, 40))
    whole = data.load("folder", folder, None, "all").images
    examples = {name: [noise(seed, 40, name) for seed in (1, 2)] for name in IMAGE_FORMATS}

    def damage(chance):
        for name in chance.choices(list(examples), k=AT_A_TIME):
            yield name, damaged(*examples[name], chance)

    def read(contents):
        for number, (suffix, content) in enumerate(contents):
            (folder / f"a{number}.{suffix}").write_bytes(content)
        loaded = data.load("folder", folder, None, "all")
        assert (loaded.images[-16:] == whole).all() and loaded.images.dtype == np.uint8
        broken = 16 + AT_A_TIME - len(loaded.images)
        assert sum(map(int, re.findall("([0-9]+) images? left out", " ".join(loaded.notices)))) == broken
        for path in folder.glob("a*"):
            path.unlink()

    return damage, read


# --- data sets ---


def batch_files(folder):
    """They are named, and nothing in them is run."""
    from test_data_cifar10 import FILES, Harmful, marked

    for number, name in enumerate(FILES):
        (folder / name).write_bytes(marked([number, 7], number))
    whole, trace, path = data.load("cifar10", folder, "all", "all").images, folder / "trace", folder / FILES[1]
    content, other = path.read_bytes(), pickle.dumps({"data": Harmful(trace)}, protocol=2) + bytes(500)
    pixels = slice(content.index(b"T") + 5, content.index(b"T") + 5 + 2 * cifar10.ROW_BYTES)

    def damage(chance):
        if chance.random() < 0.2:
            return damaged(content, other, chance)
        opcodes = damaged(content[: pixels.start] + content[pixels.stop :], other, chance)
        return opcodes[: pixels.start] + content[pixels] + opcodes[pixels.start :]

    def read(content):
        path.write_bytes(content)
        with refusal_naming(path):
            images = data.load("cifar10", folder, "all", "all").images
            assert (images[:2] == whole[:2]).all() and (images[-8:] == whole[-8:]).all()
        assert not trace.exists()

    return damage, read


def archive_file(folder):
    """It is named, and leaves nothing behind."""
    from test_data_cifar10 import FILES, archive, marked

    contents, path = [], folder / "cifar-10-python.tar.gz"
    for seed in (0, 1):
        for number, name in enumerate(FILES):
            (folder / name).write_bytes(marked([number], seed))
        contents.append(archive(path, folder).read_bytes())
    for name in FILES:
        (folder / name).unlink()
    path.write_bytes(contents[0])
    whole = data.load("cifar10", path, "all", "all").images

    def read(content):
        path.write_bytes(content)
        with refusal_naming(path):
            images = data.load("cifar10", path, "all", "all").images
            assert (images == whole).all() or content == contents[1]
        assert [*folder.iterdir()] == [path]

    return damage_to(*contents), read


def idx_files(folder):
    from test_data_mnist import images_file, labels_file

    random_images = [np.random.default_rng(seed).integers(0, 256, (5 + seed, 28, 28), np.uint8) for seed in (0, 2)]
    contents = {
        "train-images-idx3-ubyte": [images_file(images) for images in random_images],
        "train-labels-idx1-ubyte.gz": [labels_file([3] * len(images)) for images in random_images],
    }

    def damage(chance):
        name = chance.choice(list(contents))
        packed = [gzip.compress(content) for content in contents[name]]
        return name, chance.choice(
            [
                lambda: damaged(*contents[name], chance),
                lambda: damaged(*packed, chance),
                lambda: gzip.compress(damaged(*contents[name], chance)),
            ]
        )()

    def read(name_and_content):
        for name, (whole, _) in contents.items():
            (folder / name).write_bytes(whole)
        name, content = name_and_content
        (folder / name).write_bytes(content)
        with refusal_naming(folder / name):
            assert data.load("mnist", folder, None, "train").images.shape == (5, 32, 32, 1)

    return damage, read


@pytest.mark.parametrize(
    "kind, count",
    [
        (newest_of_two_states, 800),
        (two_damaged_states, 400),
        *((functools.partial(weights_of_a_network, network), 100) for network in ("generator", "critic")),
        (weights_of_another_program, 150),
        (configuration, 800),
        (run_mark, 200),
        (grids, 500),
        (folder_of_images, 25),
        (batch_files, 300),
        (archive_file, 200),
        (idx_files, 200),
    ],
)
def test_what_is_damaged_is_named_or_left_out(failures, kind, count):
    assert failures(kind, count) == {}
