"""What several test modules share."""

import functools
import gc
import os
import shutil
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # quicker on most processors
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # what must repeat to the bit does so on a processor

import pytest
import short_runs
import toy_conditional
import toy_recipe

from wgan.common import cli
from wgan.config import TrainingConfig
from wgan.images import curves
from wgan.runs.retrying import RetryingThread


@pytest.fixture
def tiny(tmp_path):
    """Makes configurations of a run that takes moments: the embedded digits, batches of 4."""
    return lambda **changes: TrainingConfig(**short_runs.settings(tmp_path, **changes))


@pytest.fixture
def toy(tmp_path):
    """Makes configurations as `tiny` does, of the toy recipe: for what does not depend on the networks."""
    with toy_recipe.registered():
        yield functools.partial(toy_recipe.config, tmp_path)


@pytest.fixture
def conditional(tmp_path):
    """Makes configurations as `toy` does, of the conditional toy recipe for all classes of the digits."""
    with toy_conditional.registered():
        yield lambda **changes: toy_conditional.config(tmp_path, **changes)


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory):
    """Folders of runs of the toy recipe that have ended, trained once for each choice of settings."""
    from wgan.training.launch import launch

    @functools.cache
    def folder_of(**changes):
        folder = tmp_path_factory.mktemp("toy")
        with toy_recipe.registered():
            assert launch(toy_recipe.config(folder, **changes)) == 0
        return folder

    return folder_of


@pytest.fixture
def finished_toy(toy, toy_runs, tmp_path):
    """Makes configurations as `toy` does, of runs that have ended: copies, which a test may change."""

    def make(**changes):
        shutil.copytree(toy_runs(**changes), tmp_path, dirs_exist_ok=True)
        return toy(**changes)

    return make


@pytest.fixture(autouse=True, scope="module")
def curves_are_not_drawn():
    """But by runs in processes of their own, and by the tests of the curves."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(curves, "draw_curves", short_runs.write_no_curves)
        yield


@pytest.fixture
def run_script(capsys):
    """Runs a script, given by its module, with these words; gives its exit status, output and errors."""

    def run(script, *words):
        with pytest.raises(SystemExit) as stop:
            cli.run(script.main, [f"{script.__name__.rpartition('.')[2]}.py", *map(str, words)])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture
def refusal(run_script, tmp_path, monkeypatch):
    """Runs a script that refuses its words in one line, and writes nothing into `tmp_path`, where it runs; the line."""
    monkeypatch.chdir(tmp_path)

    def run(script, *words):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = run_script(script, *words)
        assert (status, out, len(err.splitlines())) == (2, "", 1), out + err
        assert err.startswith(f"{script.__name__.rpartition('.')[2]}.py: ") and sorted(tmp_path.rglob("*")) == before
        return err

    return run


def pytest_collection_finish():
    """What is imported stays, and is not looked at when what a test has left is searched for."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def graphs_are_freed():
    """TensorFlow keeps the graph of every custom gradient until the process ends. No test needs those of another one,
    and all of them together would take several gigabytes."""
    yield
    if "keras" in sys.modules:
        import keras
        from tensorflow.python.framework import ops

        registry = ops.gradient_registry._registry
        if left := [name for name in registry if name.startswith("CustomGradient-")]:
            for name in left:
                del registry[name]
            keras.utils.clear_session()


@pytest.fixture(autouse=True, scope="session")
def usual_signals():
    """Tests that send signals mean it, also under nohup or in a shell's background, which have them ignored."""
    usual = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    numbers = [getattr(signal, name) for name in usual if hasattr(signal, name)]
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number.name])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def usual_precision():
    """Whatever precision a test has chosen for Keras, the next one begins with the usual one."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture
def float64():
    """Layers made in the test compute in double precision."""
    import keras

    keras.config.set_dtype_policy("float64")  # until `usual_precision` sets it back


@pytest.fixture(scope="session")
def run_with_weights(tmp_path_factory):
    """The folder of a run of the digits, written without training; its two generators differ and draw contrasts."""
    config = TrainingConfig(**short_runs.settings(tmp_path_factory.mktemp("run"), epochs=7))
    return short_runs.write_untrained(config)


@pytest.fixture(scope="session")
def official():
    """The folder with the official CIFAR-10 files."""
    folder = os.environ.get("WGAN_TEST_DATA")
    return folder or pytest.skip("WGAN_TEST_DATA names no folder with the official CIFAR-10 files")


@pytest.fixture(scope="module")
def own():
    """The extractor of the project's own features, whose network is loaded once for all tests of a module."""
    from wgan.evaluation import features

    return features.own()


@pytest.fixture
def eagerly():
    """Graphs are not made: a single step costs less without one."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def quick(monkeypatch):
    """A failing drive is tried again without a pause."""
    monkeypatch.setattr(RetryingThread, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(RetryingThread, "MAX_PAUSE", 0.0)
