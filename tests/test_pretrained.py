"""The generators that are shipped: they load, draw, are as good as is said of them, and name no machine's paths."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from tools import make_pretrained
from wgan import draw_samples, load_generator
from wgan.evaluation.evaluate import evaluate
from wgan.images import grids
from wgan.runs import files

ROOT = pathlib.Path(__file__).resolve().parent.parent / "pretrained"
SHIPPED = sorted(path.parent for path in ROOT.glob("*/config.json"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_generator_is_whole_and_draws_samples_that_differ(folder):
    assert files.is_sealed(folder / "generator_ema.weights.h5")
    samples = draw_samples(load_generator(folder), count=32, seed=3)
    assert samples.shape == (32, 32, 32, 3) and samples.dtype == np.uint8
    between_samples = samples.astype(float).std(axis=0).mean()
    assert between_samples > 20 and samples.astype(float).std(axis=(1, 2)).mean() > 20  # of 256 grey levels


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_its_figures_are_those_that_its_page_states(folder):
    report = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    row, page = report["rows"][0], (ROOT / "README.md").read_text(encoding="utf-8")
    stated = next(line for line in page.splitlines() if line.startswith(f"| [`{folder.name}`]"))
    numbers = [float(number) for number in re.findall(r"\d+\.?\d*", re.sub(r"\[.*?\)", "", stated).replace(",", ""))]
    figures = [round(row["fid"], 1), round(row["kid"], 3), round(100 * row["precision"]), round(100 * row["recall"])]
    assert numbers == [report["weights"]["epoch"], *figures]
    assert report["reference"]["images_of_the_run"]
    assert report["weights"]["file"] == "generator_ema.weights.h5"  # and no place on the maker's machine


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
@pytest.mark.slow
def test_measured_again_it_is_as_good_as_is_said(folder, official, tmp_path):
    said = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["rows"][0]
    report = evaluate(folder, data_dir=official, output_dir=tmp_path, yardsticks=False, other_images=True)
    if not report["reference"]["images_of_the_run"]:
        pytest.skip("these are not the images that it was trained on and measured against")
    found = report["rows"][0]
    assert found["fid"] == pytest.approx(said["fid"], rel=0.01)
    assert found["recall"] == pytest.approx(said["recall"], abs=0.02)


def test_what_is_made_of_a_run_draws_its_samples_and_names_no_place_on_its_machine(
    run_with_weights, tmp_path, monkeypatch
):
    folder, out, measured = tmp_path / "run", tmp_path / "out", []
    shutil.copytree(run_with_weights, folder)
    stored = json.loads((folder / "config.json").read_text())
    stored["config"].update(dict.fromkeys(make_pretrained.PLACES, "/home/somebody"))
    stored["config"]["sample_dir"] = str(tmp_path)
    grids.save_sample(tmp_path, 1, np.zeros((34, 34, 1), np.uint8))
    (folder / "config.json").write_text(json.dumps({**stored, "working_dir": "/home/somebody"}))
    (folder / "history.csv").write_text("epoch,seconds\n1,2.5\n7,3.5\n8,1\n")
    monkeypatch.setattr(make_pretrained, "measure", lambda *arguments: measured.append(arguments))
    assert make_pretrained.main(["make_pretrained.py", f"--checkpoint_dir={folder}", f"--out={out}"]) == 0
    assert measured == [(out, "/home/somebody")] and (out / "samples.png").exists() and (out / "training.gif").exists()
    assert json.loads((out / "config.json").read_text())["training_seconds"] == 6  # until epoch 7, the weights'
    assert "/home/somebody" not in (out / "config.json").read_text()
    assert "/" not in "".join(map(str, json.loads((out / "config.json").read_text())["config"].values()))
    np.testing.assert_array_equal(draw_samples(load_generator(out), 2), draw_samples(load_generator(folder), 2))


def test_the_page_lists_what_is_shipped():
    listed = re.findall(r"^\| \[`(\w+)`\]", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [folder.name for folder in SHIPPED] != []
