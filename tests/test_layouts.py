"""Grids as single files, in folders of 500 and in zip files: listed, replaced and removed alike."""

import pathlib
import zipfile

import numpy as np
import pytest

from wgan.images import animation, grids
from wgan.images.animation import write_animation
from wgan.runs import grid_archives, sample_files
from wgan.runs.run_folder import RunFolder
from wgan.training.launch import launch

LAYOUTS = ("flat", "folders", "archives")


def grid(seed):
    return np.random.default_rng(seed).integers(0, 256, (12, 15, 3), np.uint8)


def write(folder, layout, epochs, of=grid):
    folder.mkdir(exist_ok=True)
    for epoch in epochs:
        grids.save_sample(folder, epoch, of(epoch), "flat" if layout == "archives" else layout)
        if layout == "archives":
            path = sample_files.sample_path(folder, epoch)
            grid_archives.update(folder / grid_archives.archive_name(epoch), {epoch: path})
            path.unlink()


def epochs_in(folder):
    return [epoch for epoch, _ in sample_files.list_samples(folder)]


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


@pytest.mark.parametrize(
    "layout, names",
    [
        ("folders", ["00001-00500/sample_00001.png", "00501-01000/sample_00501.png", "99501-100000/sample_100000.png"]),
        ("archives", ["grids_00001-00500.zip", "grids_00501-01000.zip", "grids_99501-100000.zip"]),
    ],
)
def test_500_epochs_are_kept_together(tmp_path, layout, names):
    write(tmp_path, layout, [1, 501, 100000])
    assert [name for name in everything_below(tmp_path) if "." in name] == names
    write(tmp_path, layout, [500])
    assert len(list(tmp_path.iterdir())) == 3 and epochs_in(tmp_path) == [1, 500, 501, 100000]


WRONG_FOLDERS = ("00001-00500/sample_00501.png", "00002-00501/sample_00003.png", "mine/sample_00004.png")


@pytest.mark.parametrize("name", [*WRONG_FOLDERS, "grids_00002-00501.zip", "grids_mine.zip", "sample_000001.png"])
def test_what_lies_in_the_wrong_folder_is_no_grid(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert sample_files.list_samples(tmp_path) == [] and sample_files.find(tmp_path).files == []


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
    assert epochs_in(tmp_path) == [1, 2, 3, 4, 5]
    assert not [name for name in everything_below(tmp_path) if name.startswith(("00501", "grids_00501"))]
    sample_files.remove_samples_after(tmp_path, 0)
    assert everything_below(tmp_path) == ["notes.txt"]


def test_an_epoch_that_is_there_twice_is_listed_once(tmp_path):
    for layout in LAYOUTS[::-1]:
        write(tmp_path, layout, [1, 2])
        assert epochs_in(tmp_path) == [1, 2]
    assert sample_files.list_samples(tmp_path)[0][1] == tmp_path / "sample_00001.png"


def test_an_archive_is_written_anew_with_the_grids_of_other_epochs_that_it_had(tmp_path):
    write(tmp_path / "one", "archives", [3, 1, 2])
    write(tmp_path / "other", "archives", [2, 3, 1], of=lambda epoch: grid(0))
    path = tmp_path / "other/grids_00001-00500.zip"
    for epoch, where in sample_files.list_samples(tmp_path / "one"):
        assert not grid_archives.holds(path, {epoch: where})
        grid_archives.update(path, {epoch: where})
        assert grid_archives.holds(path, {epoch: where})
    assert path.read_bytes() == (tmp_path / "one/grids_00001-00500.zip").read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_damaged_archive_is_named_and_kept_under_another_name_when_more_is_to_be_written(tmp_path, capsys):
    write(tmp_path, "archives", [1])
    path = tmp_path / "grids_00001-00500.zip"
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    sample_files.remove_samples_after(tmp_path, 300)
    assert epochs_in(tmp_path) == [] and f"note: {path} is damaged" in capsys.readouterr().err
    write(tmp_path, "archives", [2])
    assert epochs_in(tmp_path) == [2] and (tmp_path / f"{path.name}.damaged").read_bytes() == content[:-30]


def test_a_damaged_grid_in_an_archive_is_named_and_passed_over(tmp_path, capsys):
    write(tmp_path, "archives", [1, 2])
    path = tmp_path / "grids_00001-00500.zip"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    said = []
    assert write_animation(tmp_path, tmp_path / "a.gif", warn=said.append).frames == 1
    assert len(said) == 1 and said[0].startswith(f"skipped {path}/sample_00001.png: not a readable PNG (Bad CRC-32")
    write(tmp_path, "archives", [3])
    assert epochs_in(tmp_path) == [2, 3] and "the grid of epoch 1" in capsys.readouterr().err


@pytest.mark.parametrize("layout", LAYOUTS[1:])
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


def test_a_run_that_changes_its_layout_and_goes_back_has_every_grid_once(toy, tmp_path):
    launch(toy(epochs=1))
    for layout in LAYOUTS:  # as if the process had been killed before the next checkpoint
        write(tmp_path / "samples", layout, [2, 502], lambda epoch: grid(0))
    first = (tmp_path / "samples/sample_00001.png").read_bytes()
    launch(toy(epochs=2, samples_layout="folders"))
    names = ".run_id 00001-00500 00001-00500/sample_00002.png reals.png sample_00001.png"
    assert everything_below(tmp_path / "samples") == names.split()
    assert (tmp_path / "samples/sample_00001.png").read_bytes() == first
    drawn = [animation.read_grid(where) for _, where in sample_files.list_samples(tmp_path / "samples")]
    assert drawn[0].shape == drawn[1].shape and (drawn[0] != drawn[1]).any()
