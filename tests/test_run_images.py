"""The images of a run are found from every working folder, also when both were moved, and never mistaken for others."""

import dataclasses
import json
import shutil

import pytest
import short_runs
from PIL import Image

from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.runs import run_images, trained


def draw(folder, brightness, count=16):
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("L", (32, 32), brightness + index).save(folder / f"{index}.png")


def begin(**settings):
    """Stores a run as it is when it begins."""
    images = dict(dataset="folder", data_dir="images", label="all", checkpoint_dir="checkpoints")
    return short_runs.begin(TrainingConfig(**{**images, **settings}))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with images and a run on them, both given by relative paths; beside it an empty one, where we are."""
    draw(tmp_path / "project/images", 0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    begin(sample_dir=str(tmp_path / "project/samples"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project"


def find(folder, **wishes):
    return run_images.load(*trained.read_run(folder), folder, **wishes)


def test_images_are_found_from_another_working_folder(project):
    config, image_set, is_the_run_s = find(project / "checkpoints")
    assert config.data_dir == str(project / "images") and len(image_set.images) == 16 and is_the_run_s


def test_a_folder_of_the_same_name_here_is_not_taken_for_them(project, tmp_path):
    draw(tmp_path / "elsewhere/images", 100)
    assert find(project / "checkpoints")[0].data_dir == str(project / "images")


def test_images_that_were_moved_together_with_the_run_are_found(project, tmp_path):
    project.rename(tmp_path / "moved")
    assert find(tmp_path / "moved/checkpoints")[0].data_dir == str(tmp_path / "moved/images")
    draw(project / "images", 100)  # others, where they were
    assert find(tmp_path / "moved/checkpoints")[0].data_dir == str(tmp_path / "moved/images")


def test_paths_that_were_stored_as_relative_ones_lead_from_the_run(project, tmp_path):
    path = project / "checkpoints/config.json"  # as earlier versions wrote it
    stored = json.loads(path.read_text())
    stored["config"].update(data_dir="images", checkpoint_dir="checkpoints")
    path.write_text(json.dumps(stored))
    draw(tmp_path / "elsewhere/images", 100)  # where we are, others
    assert find(project / "checkpoints")[2]


def test_images_that_are_gone_are_named_by_where_they_were(project):
    shutil.rmtree(project / "images")
    with pytest.raises(UserError, match="was trained on images in .*project/images, which is not there; say with "):
        find(project / "checkpoints")
    (project / "images").mkdir()
    with pytest.raises(UserError, match="trained on images in .*project/images, which cannot be used"):
        find(project / "checkpoints")


@pytest.mark.parametrize("given", [False, True])
def test_other_images_are_refused_with_both_counts_unless_they_are_wanted(project, given):
    shutil.rmtree(project / "images")
    draw(project / "images", 100, count=20)
    wishes = dict(data_dir=str(project / "images")) if given else {}
    with pytest.raises(UserError, match="the 20 images in .*images are not the 16 that .* with --other_images"):
        find(project / "checkpoints", **wishes)
    assert find(project / "checkpoints", other_images=True, **wishes)[2] is False


def test_a_given_folder_goes_before_all_others(project, tmp_path):
    shutil.copytree(project / "images", tmp_path / "copy")
    assert find(project / "checkpoints", data_dir=str(tmp_path / "copy"))[0].data_dir == str(tmp_path / "copy")
    with pytest.raises(UserError, match="--data_dir nowhere does not exist"):
        find(project / "checkpoints", data_dir="nowhere")


def test_the_weights_a_run_began_with_may_be_named_from_another_folder(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    stored = begin(init_from="before", sample_dir="samples").stored_run()
    same, other = (
        dataclasses.replace(stored["config"], init_from=place)
        for place in ("../project/before/", "../elsewhere/before")
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert same.differences(stored["config"]) == []
    assert dataclasses.replace(same, init_from="before").differences(stored["config"]) == []  # as it was given
    assert other.differences(stored["config"]) == [f"init_from was {project / 'before'}, now ../elsewhere/before"]


def test_a_run_begins_in_a_working_folder_that_has_been_removed(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    places = {name: str(tmp_path / name) for name in ("checkpoint_dir", "sample_dir")}
    short_runs.begin(TrainingConfig(dataset="digits", label="3", **places))
    assert trained.read_run(tmp_path / "checkpoint_dir")[0].sample_dir == places["sample_dir"]


@pytest.mark.parametrize("config", [["epochs"], "epochs", None, {}, {"epochs": "3"}])
def test_a_stored_configuration_that_is_none_is_named_and_no_fresh_start_advised(project, config):
    path = project / "checkpoints/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "config": config}))
    with pytest.raises(UserError, match="config.json cannot be read .*; restore it$"):
        trained.read_run(project / "checkpoints")
