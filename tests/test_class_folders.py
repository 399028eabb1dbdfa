"""The folders of `--label each`: one per class, whatever the class is called and whatever other classes there are."""

import pathlib
import re

import pytest

from wgan.config import TrainingConfig
from wgan.data import mnist
from wgan.runs.class_folders import folder_name, run_of_class

NAMES = """
horse 3 cats Cats CATS cats_dogs .. . .hidden con CON Nul com1 été e\u0301te\u0301 猫 犬 -fresh 0_cats a. a:b
a\\b byte\udcff each
""".split()
NAMES += ["cats & dogs", "cats + dogs", " ", "a ", "name\nof lines", "a" * 255, "a" * 254, "x" * 60, "x" * 61]
NAMES += [folder_name("Cats"), *mnist.FASHION_MNIST.class_names]


def test_every_class_name_becomes_a_folder_of_its_own_on_every_system():
    folders = [folder_name(name) for name in dict.fromkeys(NAMES)]
    assert len({folder.casefold() for folder in folders}) == len(folders)
    for folder in folders:
        assert re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", folder)
        assert not re.fullmatch("(con|prn|aux|nul|com[0-9]|lpt[0-9])", folder, re.IGNORECASE)


@pytest.mark.parametrize("name", ["horse", "3", "sneaker", "my-class_2"])
def test_a_plain_name_stands_for_itself(name):
    assert folder_name(name) == name


def test_a_run_has_its_class_and_its_folders():
    run = run_of_class(TrainingConfig(label="each", checkpoint_dir="c", sample_dir="s"), "horse")
    assert (run.label, run.drive_dir) == ("horse", None)
    assert [pathlib.Path(place) for place in (run.checkpoint_dir, run.sample_dir)] == [
        pathlib.Path("c/horse"),
        pathlib.Path("s/horse"),
    ]
