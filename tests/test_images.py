"""Grids: their layout, their files, and finding the files again in the order of the epochs."""

import numpy as np
import pytest
from PIL import Image

from wgan.images import grids
from wgan.runs import sample_files


def random_images(count, channels=3, size=4):
    return np.random.default_rng(0).integers(0, 255, (count, size, size, channels), dtype=np.uint8)


def test_to_uint8_maps_rounds_and_clips():
    floats = np.array([-1.0, 0.0, 1.0, -3.0, 7.0, 0.999, -0.5], dtype=np.float32)
    assert grids.to_uint8(floats).tolist() == [0, 128, 255, 0, 255, 255, 64]
    assert grids.to_uint8(floats).dtype == np.uint8
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(grids.to_uint8(levels.astype(np.float32) / 127.5 - 1), levels)


def test_grid_places_images_row_by_row_between_white_gaps():
    images = random_images(6)
    grid = grids.image_grid(images, columns=3, gap=2)
    assert grid.shape == (2 * 6 + 2, 3 * 6 + 2, 3) and grid.dtype == np.uint8
    assert np.array_equal(grid[2:6, 8:12], images[1])
    assert np.array_equal(grid[8:12, 2:6], images[3])
    covered = np.zeros(grid.shape[:2], bool)
    for top in (2, 8):
        for left in (2, 8, 14):
            covered[top : top + 4, left : left + 4] = True
    assert (grid[~covered] == 255).all()


def test_a_partial_last_row_is_filled_with_white():
    grid = grids.image_grid(random_images(4), columns=3, gap=1)
    assert grid.shape == (11, 16, 3)
    assert (grid[6:, 6:] == 255).all()
    assert (grid[6:10, 1:5] != 255).any()


def test_fewer_images_than_columns_and_no_gap():
    images = random_images(2, channels=1)
    grid = grids.image_grid(images, columns=2, gap=0)
    assert np.array_equal(grid, np.concatenate(list(images), axis=1))


@pytest.mark.parametrize(
    "shape, dtype", [((0, 4, 4, 3), "u1"), ((4, 4, 3), "u1"), ((1, 4, 4, 2), "u1"), ((1, 4, 4, 3), "f4")]
)
def test_grid_refuses_other_arrays_and_impossible_layouts(shape, dtype):
    with pytest.raises(ValueError, match="uint8"):
        grids.image_grid(np.zeros(shape, dtype), 2)
    for columns, gap in ((0, 2), (2, -1)):
        with pytest.raises(ValueError, match="columns"):
            grids.image_grid(random_images(1), columns, gap)


@pytest.mark.parametrize("channels, mode", [(3, "RGB"), (1, "L")])
def test_saved_png_holds_the_grid_exactly(tmp_path, channels, mode):
    grid = grids.image_grid(random_images(4, channels), 2)
    path = tmp_path / "sample_00001.png"
    for wrong in (grid.astype(float), grid[..., 0], np.concatenate([grid, grid], axis=2)):
        with pytest.raises(ValueError, match=r"grid must be uint8 \[H, W, 1 or 3\]"):
            grids.save_png(path, wrong)
    with pytest.raises(ValueError, match="must end in .png"):
        grids.save_png(path.with_suffix(".jpg"), grid)
    grids.save_png(path, grid)
    with Image.open(path) as image:
        assert image.mode == mode and image.format == "PNG"
        assert np.array_equal(np.asarray(image).reshape(grid.shape), grid)
    assert [file.name for file in path.parent.iterdir()] == ["sample_00001.png"]


def test_samples_are_listed_by_number_and_other_files_passed_over(tmp_path):
    for epoch in (100000, 99999, 1, 2, 1000000):
        sample_files.sample_path(tmp_path, epoch).touch()
    for other in "reals .tmp-12-sample_00003 sample_5 sample_000001 xsample_00001 sample_00004.png.bak".split():
        (tmp_path / f"{other}.png").touch()
    assert sample_files.list_samples(tmp_path) == [
        (epoch, sample_files.sample_path(tmp_path, epoch)) for epoch in (1, 2, 99999, 100000, 1000000)
    ]
    assert sample_files.list_samples(tmp_path / "none") == []
