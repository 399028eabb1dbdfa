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
import struct
import tempfile
import traceback
import types
import zlib
from unittest import mock

import h5py
import numpy as np
import pytest
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
MEBIBYTE = 2**20


# --- what can happen to a file ---

HUGE = (0, 1, -1, -2, 255, 65535, 2**24, 2**31 - 1, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63))


def some_place(length, chance):
    """Near the beginning more often than elsewhere: that is where headers are."""
    return int(length * chance.random() ** chance.choice([1, 1, 4]))


def some_block(length, chance):
    start = some_place(length, chance)
    return start, min(length, start + int(2 ** chance.uniform(0, 10)))


def truncate(content, other, chance):
    del content[some_place(len(content), chance) :]


def flip_bits(content, other, chance):
    for _ in range(chance.randint(1, 8)):
        content[some_place(len(content), chance)] ^= 1 << chance.randrange(8)


def set_bytes(content, other, chance):
    for _ in range(chance.randint(1, 8)):
        content[some_place(len(content), chance)] = chance.randrange(256)


def overwrite_number(content, other, chance):
    size, place = chance.choice([2, 4, 8]), some_place(len(content), chance)
    place -= place % size if chance.random() < 0.6 else 0
    value = chance.choice(HUGE) % 256**size
    content[place : place + size] = value.to_bytes(size, chance.choice(["little", "big"]))


def fill_block(content, other, chance):
    start, end = some_block(len(content), chance)
    content[start:end] = chance.choice([b"\0", b"\xff"]) * (end - start)


def insert_block(content, other, chance):
    start, end = some_block(len(content), chance)
    content[start:start] = chance.randbytes(end - start)


def delete_block(content, other, chance):
    start, end = some_block(len(content), chance)
    del content[start:end]


def duplicate_block(content, other, chance):
    start, end = some_block(len(content), chance)
    content[end:end] = content[start:end]


def swap_blocks(content, other, chance):
    start, end = some_block(len(content), chance)
    place = some_place(len(content) - (end - start), chance)
    first, second = content[start:end], content[place : place + end - start]
    content[start:end] = second
    content[place : place + end - start] = first


def splice(content, other, chance):
    place = some_place(len(content), chance)
    content[place:] = other[place:]


def graft_block(content, other, chance):
    start, end = some_block(len(content), chance)
    content[start:end] = other[start:end]


KINDS_OF_DAMAGE = (
    truncate,
    flip_bits,
    flip_bits,
    set_bytes,
    overwrite_number,
    overwrite_number,
    overwrite_number,
    fill_block,
    insert_block,
    delete_block,
    duplicate_block,
    swap_blocks,
    splice,
    graft_block,
)


def damaged(content, other, chance):
    """`content` with one to three injuries, never whole; `other` is a valid file of the same kind."""
    while True:
        changed = bytearray(content)
        for injure in chance.choices(KINDS_OF_DAMAGE, k=chance.choice([1, 1, 2, 3])):
            if changed:
                injure(changed, other, chance)
        if changed != content:
            return bytes(changed)


def damage_to(content, other):
    return functools.partial(damaged, content, other)


# --- the process that reads ---

CPU_SECONDS = 10  # for one file; the slowest takes a twentieth of it
WALL_SECONDS = 120  # for a reader that waits and does not work
MAX_MEMORY = 300 * MEBIBYTE  # beyond what the process held before
MAX_ADDRESSES = 4096 * MEBIBYTE  # likewise: the machine of who runs the tests is not to suffer


def examine(kind, folder, count):
    """Yields what is wrong with the answer to each of `count` damaged files; None where nothing is."""
    damage, read = kind(folder)
    for seed in range(count):
        content = damage(random.Random(seed))
        yield complaint(read, content)


def complaint(function, *arguments, **named):
    """What is wrong with a call that must neither fail nor take much; None where nothing is."""
    before = peak_memory(reset=True)
    try:
        with limits():
            function(*arguments, **named)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = re.sub(r"\d+", "N", " ".join(str(error).split()))[:120]
        return f"{type(error).__name__}: {text} ({pathlib.Path(place.filename).name}: {place.line})"
    grown = peak_memory() - before
    return None if grown <= MAX_MEMORY else f"takes more than {MAX_MEMORY // MEBIBYTE} MiB"


@contextlib.contextmanager
def limits():
    """Ends this process where the block takes too long; memory that it must not have is refused."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    import resource

    earlier = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MAX_ADDRESSES, earlier[1]))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, earlier)


def peak_memory(reset=False):
    """The most memory, in bytes, that this process has held since the last reset; 0 where the system does not tell."""
    try:
        if reset:
            pathlib.Path("/proc/self/clear_refs").write_text("5")
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1])
    except (OSError, TypeError):
        return 0


def serve(requests, answers):
    """What the process does: calls generator functions and sends on what they yield."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # a GPU's memory may be taken by the process that asks
    with contextlib.suppress(EOFError):
        while True:
            function, arguments = requests.recv()
            try:
                for item in function(*arguments):
                    answers.send((True, item))
                answers.send((False, None))
            except Exception:
                answers.send((False, traceback.format_exc()))


class Died(Exception):
    """The process that read has ended."""


class Reader:
    """A process that reads dangerous files, begun again when one has killed it."""

    def __init__(self):
        self._process = None

    def run(self, function, *arguments):
        """Yields what the generator function yields there.

        Raises:
            Died: the process has ended.
        """
        self._begin()
        self._requests.send((function, arguments))
        try:
            while (answer := self._answers.recv())[0]:
                yield answer[1]
        except EOFError:
            self._process.join()
            number = -self._process.exitcode
            self.end()
            ends = {
                getattr(signal, "SIGPROF", None): "works without end",
                getattr(signal, "SIGALRM", None): "waits without end",
            }
            raise Died(ends.get(number, f"ended by signal {number}")) from None
        assert answer[1] is None, answer[1]

    def failures(self, kind, folder, count):
        """What went wrong with `count` damaged files, with the first seed that shows it."""
        found, seed = {}, 0
        try:
            for wrong in self.run(examine, kind, folder, count * MUTATIONS):
                if wrong:
                    found.setdefault(wrong, seed)
                seed += 1
        except Died as death:
            found[str(death)] = seed
        return found

    def first(self, function, *arguments):
        """The one thing that the generator function yields there."""
        try:
            return list(self.run(function, *arguments))[0]
        except Died as death:
            return str(death)

    def end(self):
        if self._process is not None:
            self._requests.close()
            self._answers.close()
            self._process.join()
            self._process = None

    def _begin(self):
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            requests, self._requests = context.Pipe(duplex=False)
            self._answers, answers = context.Pipe(duplex=False)
            self._process = context.Process(target=serve, args=(requests, answers), daemon=True)
            self._process.start()
            requests.close()
            answers.close()


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.end()


@contextlib.contextmanager
def refusal_naming(*names):
    """A refusal is as good as an answer, if it says in which file the trouble is."""
    try:
        yield
    except (UserError, OSError) as error:
        assert any(str(name) in str(error) for name in names), f"no name in: {error}"


def assert_refused(function, *arguments, names):
    try:
        function(*arguments)
    except (UserError, OSError) as error:
        assert all(str(name) in str(error) for name in names), f"no name in: {error}"
    else:
        raise AssertionError("not refused")


def write_anew(path, content):
    """Writes a file that nobody has open: readers of HDF5 take a file of the same number for the same file."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


# --- checkpoints and weights ---


def tiny_networks():
    """Classes in the place of the real generator and critic, with files of a few kilobytes."""
    import keras

    from wgan.models.layers import BatchNormalization

    class Generator(keras.Model):
        def __init__(self, latent_dim=2, channels=1, image_size=2):
            super().__init__()
            self.latent_dim = latent_dim
            self.dense = keras.layers.Dense(4 * channels, use_bias=False)
            self.norm = BatchNormalization()
            self.reshape = keras.layers.Reshape([2, 2, channels])

        def call(self, latents, training=False):
            return self.reshape(self.norm(self.dense(latents), training=training))

    class Critic(keras.Model):
        def __init__(self):
            super().__init__()
            self.convs = [keras.layers.Conv2D(2, 2, padding="same"), keras.layers.Conv2D(2, 2)]
            self.flatten = keras.layers.Flatten()
            self.dense = keras.layers.Dense(1)

        def call(self, images, dropout_seed=None):
            for conv in self.convs:
                images = conv(images)
            return self.dense(self.flatten(images))

    return Generator, Critic


def tiny_gan(seed):
    import keras

    from wgan.models.gan import GAN

    keras.utils.set_random_seed(seed)
    generator, critic = tiny_networks()
    gan = GAN(generator(), critic())
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return gan


@functools.cache
def run_of(epoch):
    """A GAN, and the files of the checkpoint that it was saved in, by their names."""
    gan = tiny_gan(epoch)
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
    first, second = (run_of(epoch)[1][checkpoints.STATE_FILE] for epoch in (4, 3))
    names = (checkpoints.STATE_FILE, checkpoints.PREVIOUS_STATE_FILE)

    def damage(chance):
        return damaged(first, second[::-1], chance), damaged(second, first[::-1], chance)

    def read(contents):
        for name, content in zip(names, contents):
            write_anew(folder / name, content)
        with mock.patch.object(h5py, "File", side_effect=AssertionError("the library was shown a damaged file")):
            assert_refused(checkpoints.newest_state, folder, names=names)

    return damage, read


def weights_to_start_from(name, folder):
    trained, another, gan = write_run(folder, 4), run_of(3)[0], tiny_gan(9)
    content, other, network = run_of(4)[1][name], run_of(3)[1][name], name.split(".")[0]

    def read(content):
        write_anew(folder / name, content)
        with refusal_naming(folder / name):
            initial_weights.load_weights(gan, folder)
            expected = another if content == other else trained
            assert same(getattr(gan, network), getattr(expected, network))

    return damage_to(content, other), read


def weights_of_another_program(name, write, folder):
    """Without a checksum a number that has changed cannot be seen; all else can."""
    gan, contents = tiny_gan(9), []
    for seed in (3, 4):
        trained = tiny_gan(seed)
        write(folder / name, trained.generator)
        write(folder / name.replace("generator", "critic"), trained.critic)
        contents.append((folder / name).read_bytes())

    def read(content):
        write_anew(folder / name, content)
        with refusal_naming(folder / name):
            initial_weights.load_weights(gan, folder / name)
            assert checkpoints.is_finite(values_of(gan.generator)), "these weights are not finite"

    return damage_to(*contents), read


def present_layout(path, network):
    network.save_weights(path)


def layout_of_keras_2(path, network):
    from test_launch import keras_2_weights

    keras_2_weights(path, network)


def test_a_damaged_state_gives_the_one_before(reader, tmp_path):
    assert reader.failures(newest_of_two_states, tmp_path, 800) == {}


def test_two_damaged_states_are_named_and_never_shown_to_the_library(reader, tmp_path):
    assert reader.failures(two_damaged_states, tmp_path, 400) == {}


@pytest.mark.parametrize("name", [checkpoints.GENERATOR_FILE, checkpoints.CRITIC_FILE])
def test_damaged_weights_are_no_start(reader, tmp_path, name):
    kind = functools.partial(weights_to_start_from, name)
    assert reader.failures(kind, tmp_path, 100) == {}


@pytest.mark.parametrize("name, write", [("generator.weights.h5", present_layout), ("generator.h5", layout_of_keras_2)])
def test_damaged_weights_of_other_programs_are_named_or_finite(reader, tmp_path, name, write):
    kind = functools.partial(weights_of_another_program, name, write)
    assert reader.failures(kind, tmp_path, 150) == {}


# --- what else a run leaves behind ---


def images_of_a_run():
    return types.SimpleNamespace(
        name="digits 3",
        images=np.zeros((20, 32, 32, 1), np.uint8),
        heldout=None,
        heldout_indices=(),
        labels=np.arange(20),
        label_names=("3", "44"),
    )


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
        place[key] = chance.choice(
            [
                None,
                True,
                0,
                -1,
                1.5,
                1e308,
                2**63,
                10**400,
                "",
                "x",
                "1",
                "\ud800",
                "nan",
                [],
                [1],
                [[]],
                {},
                {"a": 1},
                {"epochs": 1},
                float("nan"),
                float("inf"),
            ]
        )
    return json.dumps(stored).encode()


def configuration(folder):
    config = TrainingConfig(dataset="digits", label="3", checkpoint_dir=str(folder), sample_dir=str(folder / "samples"))
    run = RunFolder(config)
    run.make()
    run.write_config(config, images_of_a_run(), "0" * 64, {"epoch": 0})
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
        run.write_config(config, images_of_a_run(), "0" * 64, {"epoch": 1})  # as --fresh does
        assert run.stored_run()["config"] == config.to_json()

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


def table_of_figures(folder):
    run = RunFolder(TrainingConfig(checkpoint_dir=str(folder)))
    content = (",".join(COLUMNS) + "\n" + "1,2,3\n").encode()

    def read(content):
        run.history_path.write_bytes(content)
        with refusal_naming(folder):
            run.check_not_begun()

    return damage_to(content, content * 2), read


def test_a_damaged_configuration_is_named_or_usable_and_does_not_hinder_a_fresh_start(reader, tmp_path):
    assert reader.failures(configuration, tmp_path, 800) == {}


@pytest.mark.parametrize("kind", [run_mark, table_of_figures])
def test_damaged_marks_and_tables_are_answered(reader, tmp_path, kind):
    assert reader.failures(kind, tmp_path, 200) == {}


# --- the features' network, which comes with the program ---


def feature_weights(folder):
    from wgan.evaluation import feature_network, features

    content, path = feature_network.WEIGHTS.read_bytes(), folder / feature_network.WEIGHTS.name

    def read(content):
        write_anew(path, content)
        with refusal_naming(path), mock.patch.object(feature_network, "WEIGHTS", path):
            features.own()

    return damage_to(content, content[::-1]), read


def feature_provenance(folder):
    from wgan.evaluation import feature_network, features

    content, path = feature_network.PROVENANCE.read_bytes(), folder / feature_network.PROVENANCE.name
    network = types.SimpleNamespace(features=None)

    def damage(chance):
        return odd_values(content, chance) if chance.random() < 0.5 else damaged(content, content[::-1], chance)

    def read(content):
        path.write_bytes(content)
        with (
            refusal_naming(path),
            mock.patch.object(feature_network, "PROVENANCE", path),
            mock.patch.object(feature_network, "load_feature_network", lambda: network),
        ):
            assert isinstance(features.own().description, str)

    return damage, read


@pytest.mark.parametrize("kind, count", [(feature_weights, 15), (feature_provenance, 100)])
def test_a_damaged_network_of_features_is_named(reader, tmp_path, kind, count):
    assert reader.failures(kind, tmp_path, count) == {}


# --- images ---


def noise(seed, size, file_format="PNG", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format, **options)
    return stream.getvalue()


def png_of(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def chunks_of(png):
    place = 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += 12 + length


FURTHER_CHUNKS = (
    (b"gAMA", bytes(4)),
    (b"tRNS", bytes(6)),
    (b"PLTE", bytes(30)),
    (b"cHRM", bytes(32)),
    (b"pHYs", bytes(9)),
    (b"zTXt", b"key\0\0" + zlib.compress(b"text")),
    (b"iCCP", b"name\0\0" + zlib.compress(bytes(200))),
    (b"iTXt", b"key\0\1\0\0\0" + zlib.compress(b"text")),
    (b"eXIf", b"II*\0\x08\0\0\0" + bytes(20)),
    (b"acTL", bytes(8)),
    (b"fcTL", bytes(26)),
    (b"fdAT", bytes(10)),
)


def damaged_png(content, other, chance):
    """Half of the time with the checksums of its parts made right again: else hardly anything gets past them."""
    if chance.random() < 0.5:
        return damaged(content, other, chance)
    chunks = list(chunks_of(content))
    for chunk in chance.choices(FURTHER_CHUNKS, k=chance.choice([0, 1, 2])):
        chunks.insert(chance.randrange(len(chunks) + 1), chunk)
    number = chance.randrange(len(chunks))
    kind, inner = chunks[number]
    if kind == b"IDAT" and chance.random() < 0.5:
        pixels = zlib.decompress(inner)
        inner = zlib.compress(damaged(pixels, pixels[::-1], chance))
    else:
        inner = damaged(inner, inner[::-1], chance) if len(inner) > 1 else b"\0\0\0"
    chunks[number] = kind, inner
    return png_of(chunks)


def grids(folder):
    whole, other = noise(1, 12), noise(2, 12)
    sample_path(folder, 1).write_bytes(noise(3, 12))
    damaged_one, output = sample_path(folder, 2), folder / "a.gif"

    def read(content):
        said = []
        damaged_one.write_bytes(content)
        done = animation.write_animation(folder, output, hold=0, scale=1, warn=said.append)
        assert (done.frames, done.skipped, len(said)) in [(2, 0, 0), (1, 1, 1)]
        assert all(str(damaged_one) in line and "\n" not in line for line in said)

    return functools.partial(damaged_png, whole, other), read


IMAGE_FORMATS = {
    "png": {},
    "jpeg": {},
    "gif": {},
    "bmp": {},
    "webp": {},
    "tiff": {"compression": "tiff_lzw"},
    "ico": {},
    "tga": {},
    "ppm": {},
    "pcx": {},
}
AT_A_TIME = 40


def folder_of_images(folder):
    for number in range(16):
        (folder / f"z{number}.png").write_bytes(noise(number, 40))
    whole = data.load("folder", folder, None, "all").images
    examples = {name: [noise(seed, 40, name, **options) for seed in (1, 2)] for name, options in IMAGE_FORMATS.items()}

    def damage(chance):
        for name in chance.choices(list(examples), k=AT_A_TIME):
            yield name, (damaged_png if name == "png" else damaged)(*examples[name], chance)

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


def test_damaged_grids_are_named_and_skipped(reader, tmp_path):
    assert reader.failures(grids, tmp_path, 500) == {}


def test_damaged_images_are_counted_and_the_others_unharmed(reader, tmp_path):
    assert reader.failures(folder_of_images, tmp_path, 25) == {}


# --- data sets ---


class Harmful:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def batch_files(folder):
    from test_data_cifar10 import FILES, marked

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


def test_damaged_batches_are_named_and_run_nothing(reader, tmp_path):
    assert reader.failures(batch_files, tmp_path, 300) == {}


def test_a_damaged_archive_is_named_and_leaves_nothing_behind(reader, tmp_path):
    assert reader.failures(archive_file, tmp_path, 200) == {}


def test_damaged_idx_files_are_named(reader, tmp_path):
    assert reader.failures(idx_files, tmp_path, 200) == {}
