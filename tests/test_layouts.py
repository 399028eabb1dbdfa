"""Grids as single files, in folders of 500 and as a film: listed, replaced and removed alike."""

import pathlib

import numpy as np
import pytest

from wgan.images import animation, grids
from wgan.images.animation import write_animation
from wgan.runs import sample_files
from wgan.runs.film import Film
from wgan.runs.run_folder import RunFolder
from wgan.training.launch import launch

LAYOUTS = ("flat", "folders", "film")


def grid(seed):
    return np.random.default_rng(seed).integers(0, 256, (12, 15, 3), np.uint8)


def write(folder, layout, epochs, of=grid):
    folder.mkdir(exist_ok=True)
    film = Film(folder)
    for epoch in epochs:
        film.add(epoch, of(epoch)) if layout == "film" else grids.save_sample(folder, epoch, of(epoch), layout)


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


def test_folders_hold_500_epochs_each(tmp_path):
    write(tmp_path, "folders", [1, 500, 501, 100000])
    assert everything_below(tmp_path) == [
        "00001-00500", "00001-00500/sample_00001.png", "00001-00500/sample_00500.png", "00501-01000",
        "00501-01000/sample_00501.png", "99501-100000", "99501-100000/sample_100000.png"]
    assert [epoch for epoch, _ in sample_files.list_samples(tmp_path)] == [1, 500, 501, 100000]


def test_what_lies_in_the_wrong_folder_is_no_grid(tmp_path):
    for name in ("00001-00500/sample_00501.png", "00002-00501/sample_00003.png", "mine/sample_00004.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sample_files.list_samples(tmp_path) == [] and sample_files.sample_files(tmp_path) == []


def test_a_sample_folder_that_went_away_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        grids.save_sample(tmp_path / "gone", 1, grid(1), "folders")
    assert not (tmp_path / "gone").exists()


def test_all_layouts_are_listed_together_and_cut_at_the_same_epoch(tmp_path):
    for layout, epochs in zip(LAYOUTS, ([1, 2, 700], [3, 4, 701], [5, 6, 702])):
        write(tmp_path, layout, epochs)
    (tmp_path / "notes.txt").write_text("mine")
    listed = sample_files.list_samples(tmp_path)
    assert [epoch for epoch, _ in listed] == [1, 2, 3, 4, 5, 6, 700, 701, 702]
    for epoch, where in listed:
        np.testing.assert_array_equal(animation.read_grid(where), grid(epoch))
    sample_files.remove_samples_after(tmp_path, 5)
    assert [epoch for epoch, _ in sample_files.list_samples(tmp_path)] == [1, 2, 3, 4, 5]
    assert "00501-01000" not in everything_below(tmp_path)
    sample_files.remove_samples_after(tmp_path, 0)
    assert everything_below(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_animation_comes_out_of_every_layout(tmp_path, layout):
    write(tmp_path / "flat", "flat", [1, 2, 500, 501])
    write(tmp_path / "other", layout, [1, 2, 500, 501])
    for name in ("flat", "other"):
        assert write_animation(tmp_path / name, tmp_path / f"{name}.webp").frames == 4
    assert (tmp_path / "flat.webp").read_bytes() == (tmp_path / "other.webp").read_bytes()


def test_a_run_that_is_replaced_leaves_no_grid_in_any_layout(tiny, tmp_path):
    folder = RunFolder(tiny())
    for layout, epochs in zip(LAYOUTS, ([1, 700], [2, 701], [3])):
        write(folder.sample_dir, layout, epochs)
    folder.make()
    (folder.sample_dir / "notes.txt").write_text("mine")
    (folder.sample_dir / "00001-00500/.tmp-9-sample_00002.png").write_text("half")
    folder.remove_leftovers()
    assert len(folder.files_of_a_run()) == 5
    folder.remove_run()
    assert everything_below(folder.sample_dir) == ["notes.txt"]


def test_a_run_that_changes_its_layout_and_goes_back_each_time_has_every_grid_once(tiny, tmp_path, eagerly):
    whole = tiny(epochs=3, checkpoint_dir=str(tmp_path / "c"), sample_dir=str(tmp_path / "s"))
    launch(whole)
    folder = tmp_path / "samples"
    for epochs, layout in enumerate(LAYOUTS, start=1):
        launch(tiny(epochs=epochs, samples_layout=layout))
        assert [epoch for epoch, _ in sample_files.list_samples(folder)] == list(range(1, epochs + 1))
        for beyond in LAYOUTS if epochs < 3 else ():  # as if the process had been killed before the next checkpoint
            write(folder, beyond, [epochs + 1, epochs + 501], lambda epoch: grid(0))
    listed = (sample_files.list_samples(place) for place in (whole.sample_dir, folder))
    for (epoch, expected), (same, where) in zip(*listed, strict=True):
        assert epoch == same
        np.testing.assert_array_equal(animation.read_grid(where), animation.read_grid(expected))
    assert everything_below(folder) == [".run_id", "00001-00500", "00001-00500/sample_00002.png", "film_00003.webp",
                                        "reals.png", "sample_00001.png"]
