"""The user's settings files, environment variables and programs change nothing that is computed, drawn or written."""

import contextlib
import csv
import json
import os
import random
import runpy
import shlex
import subprocess
import sys
import threading
import warnings

import keras
import matplotlib
import numpy as np
import pytest
import short_runs
import tensorflow as tf
from PIL import Image
from short_runs import ROOT

import wgan
from wgan.apps.comparison.curves import draw_curves
from wgan.apps.demo import grid
from wgan.apps.image_sampler import ImageSampler
from wgan.common import plotting, startup
from wgan.common.errors import UserError
from wgan.evaluation.evaluator import Sampler, subset_indices
from wgan.images.grids import save_png
from wgan.models import surroundings
from wgan.runs.trained import locate
from wgan.training import loop

TINY = "--epochs 2 --batch_size 4 --precision float32"
SCRIPTS = [
    f"train.py --dataset digits --label 3 {TINY} --critic_steps 1 --latent_dim 8 --eval_every 0 --checkpoint_dir run "
    "--sample_dir grids",
    f"train.py --recipe gaussian_1d {TINY} --sample_every 1 --eval_every 2 --checkpoint_dir line --sample_dir points",
    "evaluate.py --checkpoint_dir run --samples 16 --noyardsticks",
    "generate.py --weights run --num 4 --out samples.png",
    "export_gif.py --sample_dir grids --output training.gif",
    "export_model.py --weights run --format keras --out exported.keras",
    "examples/earth_mover.py --output piles.png",
    "wgan/apps/comparison/row.py run row.png reals.png",  # which compare.py starts, besides train.py
]
KERAS_JSON = dict(floatx="float16", epsilon=0.25, backend="jax", image_data_format="channels_first", nnx_enabled=True)
MATPLOTLIBRC = """figure.facecolor: red
savefig.facecolor: red
axes.prop_cycle: cycler("color", ["yellow", "red"])
lines.linewidth: 9
font.size: 30
text.usetex: True
savefig.bbox: tight
savefig.format: pdf
image.cmap: hot
no.such.key: 1
a line without a colon
"""
ENVIRONMENT = {
    "MPLBACKEND": "no_such_backend",
    "KERAS_BACKEND": "jax",
    "KERAS_NNX_ENABLED": "1",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "1",
    "LC_ALL": "C",
    "TZ": "Asia/Tokyo",
    "COLUMNS": "11",
    "TQDM_DISABLE": "1",
    "TQDM_ASCII": "x",
    "TF_SET_ONEDNN_FPMATH_MODE": "BF16",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
    "TF_FUNCTION_JIT_COMPILE_DEFAULT": "1",
    "TF_DETERMINISTIC_OPS": "1",
}


def make_everything():
    """Runs the scripts one after another in this process, in the working folder, and draws what others draw."""
    for script in SCRIPTS:
        sys.argv = shlex.split(str(ROOT / script))
        with contextlib.suppress(SystemExit):  # whether it did its work is seen from its files
            runpy.run_path(sys.argv[0], run_name="__main__")
    save_png("demo.png", grid(ImageSampler(locate("run").load(), 64), 4))
    measured = [{"epoch": epoch, "training_seconds": epoch, "fid": 9 - epoch} for epoch in (1, 2)]
    draw_curves([{"name": "wgan_gp", "runs": [{"seed": 0, "measurements": measured}]}], "compared.png")


@pytest.fixture(autouse=True, scope="module")
def curves_are_not_drawn():
    """Here they are: the images are compared."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The folder in which this process has made everything."""
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(sys, "argv", [])
        make_everything()
    return folder


def hostile_environment(folder):
    """Writes settings files, unless there are some, in what is to be the working folder; gives the environment."""
    for name, content in (("keras.json", json.dumps(KERAS_JSON)), ("matplotlibrc", MATPLOTLIBRC)):
        if not (folder / name).exists():
            (folder / name).write_text(content)
    return {**os.environ, **ENVIRONMENT, "KERAS_HOME": str(folder), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


def figures_in(path):
    """The rows of a history without the seconds."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def assert_same_run(folder, other):
    for path in sorted(folder.glob("*.weights.h5")):
        first, second = (short_runs.arrays_in(place) for place in (path, other / path.name))
        for arrays in (first, second):
            arrays.pop("history", None)  # has seconds
        short_runs.assert_same_arrays(first, second)
    assert figures_in(folder / "history.csv") == figures_in(other / "history.csv")
    assert (folder / "history.png").read_bytes() == (other / "history.png").read_bytes()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The folder in which a process among hostile settings has made everything."""
    folder = tmp_path_factory.mktemp("hostile")
    # This module imports TensorFlow by itself, which a script leaves to the package.
    code = (
        "from wgan.common import startup; startup.settle(); startup.import_tensorflow(); "
        "import test_surroundings; test_surroundings.make_everything()"
    )
    done = run_python("-c", code, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def run_python(*words, folder):
    environment = hostile_environment(folder)
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("run", ["run", "line"])
@pytest.mark.slow
def test_a_run_has_the_same_bits_curves_and_history_among_other_settings(clean, hostile, run):
    assert len(figures_in(clean / run / "history.csv")) == 2
    assert_same_run(clean / run, hostile / run)


@pytest.mark.slow
def test_all_images_and_animations_have_the_same_bytes_among_other_settings(clean, hostile):
    made = [path.relative_to(clean) for path in clean.rglob("*") if path.suffix in (".png", ".gif")]
    names = "sample_00001 sample_00002 reals history nearest samples piles row demo compared"
    assert {path.stem for path in made} >= {*names.split(), "training"}
    assert [str(path) for path in made if (clean / path).read_bytes() != (hostile / path).read_bytes()] == []


@pytest.mark.slow
def test_figures_of_an_evaluation_are_the_same_among_other_settings(clean, hostile):
    assert report(clean)["rows"] == report(hostile)["rows"]


def report(folder):
    """What evaluate.py has written."""
    return json.loads((folder / "run/evaluation.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_an_export_is_the_same_network_in_float32_among_other_settings(clean, hostile):
    first, second = (keras.saving.load_model(folder / "exported.keras") for folder in (clean, hostile))
    latents = tf.random.stateless_normal([3, 8], [1, 2])
    np.testing.assert_array_equal(first(latents), second(latents))
    assert {layer.dtype_policy.name for layer in second.layers} == {"float32"}


@pytest.mark.slow
def test_what_decides_last_digits_is_recorded_with_the_start_and_with_an_evaluation(clean, monkeypatch):
    def recorded(path):
        stored = json.loads((clean / "run" / path).read_text(encoding="utf-8"))
        return stored["versions"] if "versions" in stored else stored["starts"][-1]

    for path in ("config.json", "evaluation.json"):
        assert recorded(path)["tensorflow"] == tf.__version__ and recorded(path)["keras"] == keras.__version__
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")  # a program may have come too late to take it away
    monkeypatch.setenv("KERAS_HOME", "/somewhere")
    assert startup.versions()["environment"] == {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("*.py")))
def test_a_script_begins_among_other_settings(tmp_path, script):
    done = run_python(ROOT / script, "--no_such_flag", folder=tmp_path)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(f"{script}: Unknown command line flag")


def test_settings_files_that_cannot_be_read_are_one_line(tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 9", encoding="utf-16")
    code = "from wgan.common import cli, startup; cli.run(lambda argv: startup.import_tensorflow(), ['train.py'])"
    done = run_python("-c", code, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("train.py: matplotlib's settings file")
    (tmp_path / "matplotlibrc").unlink()
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16"}')
    done = run_python("-c", code, folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(tmp_path / "keras.json") in done.stderr.splitlines()[-1]


@pytest.fixture
def unusual():
    """A program that has changed every setting that it can; afterwards all are as they were."""
    changes = [  # what sets it, the unusual value, the usual one
        (keras.config.set_dtype_policy, "mixed_float16", "float32"),
        (keras.config.set_floatx, "float64", "float32"),
        (keras.config.set_epsilon, 0.25, 1e-7),
        (keras.config.set_image_data_format, "channels_first", "channels_last"),
        (tf.config.run_functions_eagerly, True, False),
        (tf.config.optimizer.set_jit, "autoclustering", False),
        (tf.config.experimental.enable_tensor_float_32_execution, False, True),
        (
            tf.config.optimizer.set_experimental_options,
            {"constant_folding": False, "disable_meta_optimizer": True},
            {"constant_folding": None, "disable_meta_optimizer": None},
        ),
    ]
    if hasattr(keras.config, "set_max_epochs"):
        changes += [(keras.config.set_max_epochs, 1, None), (keras.config.set_max_steps_per_epoch, 1, None)]
    with warnings.catch_warnings(), np.errstate(all="raise"), matplotlib.rc_context({"figure.facecolor": "red"}):
        warnings.simplefilter("error")
        for change, value, _ in changes:
            change(value)
        yield
    for change, _, usual in changes:
        change(usual)


def settings():
    """What a program may have set, and where its random numbers are."""
    return [
        keras.config.dtype_policy().name,
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        *(getattr(keras.config, name, int)() for name in ("max_epochs", "max_steps_per_epoch")),
        tf.config.experimental.tensor_float_32_execution_enabled(),
        tf.config.functions_run_eagerly(),
        tf.config.optimizer.get_jit(),
        tf.config.optimizer.get_experimental_options(),
        np.geterr(),
        list(warnings.filters),
        dict(matplotlib.rcParams),
        np.random.get_state()[1].tolist(),
    ]


@pytest.mark.slow
def test_the_library_computes_the_same_in_a_program_with_other_settings_and_leaves_them(clean, tiny, tmp_path, unusual):
    config = tiny(critic_learning_rate=4e-4, checkpoint_dir=str(tmp_path / "run"))  # as train.py has it for the digits
    before = settings()
    assert wgan.train(config) == 0
    generator = wgan.load_generator(config.checkpoint_dir)
    samples = wgan.draw_samples(generator, 4)
    reals = wgan.load_images("digits", "3").images
    figures = wgan.measure(reals[subset_indices(len(reals), 16)], Sampler(generator, 16, config.seed + 1)())
    assert settings() == before
    assert_same_run(clean / "run", tmp_path / "run")
    expected = report(clean)["rows"][0]  # there in larger batches, whose sums some processors round otherwise
    assert figures == pytest.approx({name: expected[name] for name in figures}, rel=1e-6)
    assert {variable.dtype for variable in generator.variables} == {"float32"}
    drawn = wgan.image_grid(samples, columns=2)[..., 0]
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(clean / "samples.png")))


def test_networks_from_a_seed_leave_the_programs_random_numbers_alone(tiny):
    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).random()
    loop.build_gan(tiny(recipe="gan_mlp", image_size=28), 1)
    assert (random.random(), np.random.random()) == expected


def test_settings_stay_usual_until_the_last_block_of_all_threads_has_ended(unusual):
    outer, inner = surroundings.usual(), threading.Event()
    entered = threading.Event()

    def other_thread():
        with surroundings.usual():
            entered.set()
            inner.wait(60)

    thread = threading.Thread(target=other_thread)
    with outer:
        thread.start()
        assert entered.wait(60)
    assert keras.config.floatx() == "float32" and keras.config.epsilon() == 1e-7
    assert keras.config.dtype_policy().name == "mixed_float16"  # each thread has its own
    inner.set()
    thread.join()
    assert keras.config.floatx() == "float64" and keras.config.epsilon() == 0.25


def test_the_environment_is_the_programs_again_once_tensorflow_is_imported(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.delenv("KERAS_NNX_ENABLED", raising=False)
    startup.import_tensorflow()
    assert (os.environ["KERAS_BACKEND"], os.environ["KERAS_MAX_EPOCHS"]) == ("jax", "1")
    assert "KERAS_NNX_ENABLED" not in os.environ


def test_a_program_whose_keras_has_another_backend_is_told_so(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UserError, match="backend jax"):
        wgan.GAN


def test_the_calling_programs_choice_of_a_matplotlib_backend_stays():
    code = (
        "import os; from wgan.common import plotting; import matplotlib; "
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams._get('backend'))"
    )
    environment = {**os.environ, "MPLBACKEND": "svg"}
    found = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True)
    assert found.split() == ["svg", "svg"]


def test_figures_of_two_threads_do_not_mix_up_the_programs_style():
    with matplotlib.rc_context({"figure.facecolor": "red"}):
        faces = []

        def draw():
            for _ in range(20):
                with plotting.usual_style():
                    faces.append(plotting.Figure().get_facecolor())

        threads = [threading.Thread(target=draw) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(faces) == {(1.0, 1.0, 1.0, 1.0)}
        assert matplotlib.rcParams["figure.facecolor"] == "red"
