"""The folders of `--label each`: one per class, whatever the class is called and whatever other classes there are."""

import json
import pathlib
import re

import pytest

from wgan import data
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.data import mnist
from wgan.runs.class_folders import folder_name, run_of_class
from wgan.training.launch import launch

NAMES = [
    "horse",
    "3",
    "cats",
    "Cats",
    "CATS",
    "cats & dogs",
    "cats + dogs",
    "cats_dogs",
    "..",
    ".",
    ".hidden",
    "con",
    "CON",
    "Nul",
    "com1",
    "a" * 255,
    "a" * 254,
    "x" * 60,
    "x" * 61,
    "été",
    "e\u0301te\u0301",
    "猫",
    "犬",
    " ",
    "-fresh",
    "0_cats",
    "a.",
    "a ",
    "a:b",
    "a\\b",
    "name\nof lines",
    "byte\udcff",
    folder_name("Cats"),
    "each",
    *mnist.FASHION_MNIST.class_names,
]


def test_every_class_name_becomes_a_folder_of_its_own_on_every_system():
    folders = [folder_name(name) for name in dict.fromkeys(NAMES)]
    assert len({folder.casefold() for folder in folders}) == len(folders)
    for folder in folders:
        assert re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", folder)
        assert not re.fullmatch("(con|prn|aux|nul|com[0-9]|lpt[0-9])", folder, re.IGNORECASE)


@pytest.mark.parametrize("name", ["horse", "3", "sneaker", "my-class_2"])
def test_a_plain_name_stands_for_itself(name):
    assert folder_name(name) == name


@pytest.fixture
def each(tmp_path):
    return TrainingConfig(label="each", checkpoint_dir=str(tmp_path / "c"), sample_dir=str(tmp_path / "s"))


def begin(folder, label, **more):
    pathlib.Path(folder).mkdir(parents=True)
    stored = {"config": TrainingConfig(label=label).to_json(), "images": {"sha256": "", "count": 1}, **more}
    pathlib.Path(folder, "config.json").write_text(json.dumps(stored))


def test_a_run_has_its_class_and_its_folders(each, tmp_path):
    run = run_of_class(each, "horse")
    assert (run.label, run.checkpoint_dir, run.sample_dir, run.drive_dir) == (
        "horse",
        str(tmp_path / "c/horse"),
        str(tmp_path / "s/horse"),
        None,
    )


def test_a_run_that_began_in_a_numbered_folder_goes_on_there(each, tmp_path):
    begin(tmp_path / "c/1_cats_dogs", "cats & dogs")
    assert run_of_class(each, "cats & dogs").checkpoint_dir == str(tmp_path / "c/1_cats_dogs")
    assert run_of_class(each, "cats & dogs").sample_dir == str(tmp_path / "s/1_cats_dogs")
    assert run_of_class(each, "cats + dogs").checkpoint_dir == str(tmp_path / "c" / folder_name("cats + dogs"))


def test_a_run_whose_numbered_folder_is_left_on_the_drive_alone_goes_on_there(each, tmp_path):
    begin(tmp_path / "d/0_cat/checkpoints", "cat")
    run = run_of_class(TrainingConfig(**{**each.to_json(), "drive_dir": str(tmp_path / "d")}), "cat")
    assert run.drive_dir == str(tmp_path / "d/0_cat") and run.checkpoint_dir == str(tmp_path / "c/0_cat")


def test_the_folder_by_name_goes_before_a_numbered_one(each, tmp_path):
    begin(tmp_path / "c/0_cat", "cat")
    begin(tmp_path / "c/cat", "cat")
    assert run_of_class(each, "cat").checkpoint_dir == str(tmp_path / "c/cat")


def test_of_two_numbered_folders_the_run_that_came_further_goes_on(each, tmp_path, toy):
    begin(tmp_path / "c/0_3", "3")
    launch(toy(epochs=1, checkpoint_dir=str(tmp_path / "c/1_3")))
    assert run_of_class(each, "3").checkpoint_dir == str(tmp_path / "c/1_3")


def test_a_damaged_numbered_folder_is_named_and_does_not_hinder_a_fresh_start(each, tmp_path):
    (tmp_path / "c/0_cat").mkdir(parents=True)
    (tmp_path / "c/0_cat/config.json").write_text("{")
    with pytest.raises(UserError, match="0_cat.config.json cannot be read"):
        run_of_class(each, "cat")
    assert run_of_class(each, "cat", fresh=True).checkpoint_dir == str(tmp_path / "c/cat")


def test_a_class_folder_called_all_has_no_run_of_its_own(tmp_path):
    for name in ("All", "cats"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    with pytest.raises(UserError, match="a class folder called 'all'"):
        data.class_names("folder", tmp_path)
