"""The commands that an installation brings, and the scripts of the same names."""

import configparser
import subprocess
import sys

import pytest
from short_runs import ROOT

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))


def commands():
    """The names in setup.cfg, and what each calls."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(line.split(" = ") for line in lines)


def test_every_script_is_a_command():
    assert commands() == {f"wgan-{name.replace('_', '-')}": f"wgan.apps.{name}:command" for name in SCRIPTS}


def test_a_download_leaves_devices_to_be_set_up_as_hosts_need_it_that_are_connected_later():
    code = (
        "import keras, numpy as np; keras.datasets.mnist.load_data = lambda: [(np.zeros([1, 28, 28]), [0])] * 2; "
        "from wgan.data.download import keras_splits; print(len(keras_splits('mnist'))); "
        "import tensorflow as tf; tf.config.threading.set_inter_op_parallelism_threads(2)"  # refused afterwards
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


@pytest.mark.parametrize(
    "code, word",
    [
        ("import wgan.apps.notebook, wgan.data; wgan.RECIPES, wgan.TrainingConfig", ""),
        ("import wgan.data; wgan.data.check('digits', None, None, 'all')", ""),
        ("from wgan.apps import train; train.command(['train.py', '--label=unicorn'])", "unicorn"),
        (
            "from wgan.apps import generate; generate.command(['', '--weights=pretrained/horses', '--out=a.jpg'])",
            "a.jpg",
        ),
    ],
)
def test_tensorflow_is_imported_only_when_it_is_needed(code, word):
    """Nor is Keras."""
    code = f"import sys\ntry:\n    {code}\nfinally:\n    print({{'keras', 'tensorflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n" and word in done.stderr and len(done.stderr.splitlines()) == bool(word)
