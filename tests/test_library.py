"""What `from wgan import ...` gives, used as its page shows."""

import ast
import inspect
import pathlib
import re

import numpy as np
import pytest

import wgan
from wgan.apps import generate

ROOT = pathlib.Path(wgan.__file__).parent.parent
PAGE = (ROOT / "docs/library.md").read_text(encoding="utf-8")
RNG = np.random.default_rng(0)


def test_each_public_name_is_there_documented_and_on_the_page():
    for name in wgan.__all__:
        value = getattr(wgan, name)
        assert f"`{name}`" in PAGE, name
        assert isinstance(value, type(wgan.RECIPES)) or inspect.getdoc(value), name
    assert set(wgan.__all__) <= set(dir(wgan))


def test_what_type_checkers_see_is_what_is_imported():
    tree = ast.parse(pathlib.Path(wgan.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: statement.module for statement in block.body for alias in statement.names}
    assert seen == wgan._HOMES
    assert sorted(seen) == sorted(wgan.__all__)


@pytest.mark.parametrize("name", ["train", "load_images", "load_generator", "draw_samples", "measure"])
def test_functions_have_type_hints(name):
    signature = inspect.signature(getattr(wgan, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())


def test_the_pages_first_example_runs(tmp_path, monkeypatch, capsys):
    code, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    short, changes = re.subn("epochs=400", "epochs=2, batch_size=4, critic_steps=1, eval_every=0", code)
    assert changes == 1
    monkeypatch.chdir(tmp_path)
    exec(short, {})
    assert (tmp_path / "threes.png").exists()
    figures = ast.literal_eval(capsys.readouterr().out.strip().splitlines()[-1].replace("np.float64", ""))
    assert set(figures) == {"fid", "kid", "kid_error", "precision", "recall"}
    assert figures["fid"] > 1  # far from real digits


def test_the_pages_own_gan_trains():
    _, code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    short = code.replace("1, (5, 32), range(1, 11)), epochs=10", "1, (5, 4), range(1, 3)), epochs=2")
    assert short != code
    names = {}
    exec(short, names)
    assert len(names["history"].history["gradient_penalty"]) == 2
    assert names["generator"] is names["gan"].averaged_generator


def test_samples_are_those_of_the_script(run_with_weights, tmp_path):
    words = f"generate.py --weights {run_with_weights} --num 5 --seed 3 --truncation 1 --out {tmp_path}/s.npz"
    assert generate.main(words.split()) == 0
    drawn = wgan.draw_samples(wgan.load_generator(run_with_weights), 5, seed=3, truncation=1.0)
    np.testing.assert_array_equal(drawn, np.load(tmp_path / "s.npz")["images"])


@pytest.mark.parametrize(
    "wrong", [dict(count=0), dict(seed=-1), dict(seed=2**31), dict(truncation=0.0), dict(batch_size=0)]
)
def test_numbers_out_of_bounds_are_one_line(wrong):
    with pytest.raises(wgan.UserError, match="^count and batch_size must be at least 1.*$"):
        wgan.draw_samples(None, **wrong)


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ([3, 8, 8, 1], np.uint8),
        ([9, 8, 8, 1], float),
        ([9, 8, 8], np.uint8),
        ([9, 8, 8, 4], np.uint8),
        ([9, 8, 6, 3], np.uint8),
    ],
)
def test_measuring_refuses_what_are_no_images(shape, dtype):
    images = np.zeros(shape, dtype)
    good = RNG.integers(0, 256, [9, 8, 8, 1], dtype=np.uint8)
    for pair in ((images, good), (good, images)):
        with pytest.raises(wgan.UserError, match="measure wants uint8 images"):
            wgan.measure(*pair)


def test_measuring_again_makes_the_features_network_once(monkeypatch):
    from wgan.evaluation import features

    made, own = [], features.own
    monkeypatch.setattr(features, "own", lambda: made.append(0) or own())
    for count in (8, 9):
        images = RNG.integers(0, 256, [count, 8, 8, 3], dtype=np.uint8)
        assert wgan.measure(images, images)["fid"] == pytest.approx(0, abs=1e-3)
    assert len(made) <= 1  # which may be an earlier test's
