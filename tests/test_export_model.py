"""Exported generators: each format, read back by its own runtime, draws what the original draws."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from wgan.apps import export_formats, export_model, image_sampler
from wgan.models.networks import plain, resnet
from wgan.runs import files, trained

NEEDS_ONNX = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime", "tf2onnx")),
    reason="the extra for ONNX is not installed",
)
LATENTS = image_sampler.draw_latents(9, 0, 12, 8)


@pytest.fixture(scope="module")
def expected(run_with_weights):
    images = trained.locate(run_with_weights).load()(LATENTS, training=False).numpy()
    assert images.std() > 0.2
    return images


def run_saved_model(path, latents):
    return tf.saved_model.load(str(path)).signatures["serving_default"](latents=tf.constant(latents))["images"]


def run_onnx(path, latents):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    assert [(put.name, put.shape[1:]) for put in (*session.get_inputs(), *session.get_outputs())] == [
        ("latents", [8]),
        ("images", [32, 32, 1]),
    ]
    return session.run(None, {"latents": latents})[0]


def run_litert(path, latents):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter
    return Interpreter(str(path)).get_signature_runner("serving_default")(latents=latents)["images"]


READERS = {"saved_model": ("model", run_saved_model), "litert": ("a.tflite", run_litert), "onnx": ("a.onnx", run_onnx)}


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("format", ["saved_model", "litert", pytest.param("onnx", marks=NEEDS_ONNX)])
def test_an_export_draws_what_the_original_draws(run_with_weights, expected, tmp_path, run_script, format):
    name, run = READERS[format]
    out = tmp_path / "new" / name
    words = ("--weights", run_with_weights, "--format", format, "--out", out)
    status, printed, err = run_script(export_model, *words)
    assert status == 0 and err == "" and len(printed.splitlines()) == 1
    assert "latents [N, 8] to images [N, 32, 32, 1]" in printed and "epoch 7" in printed
    assert float(printed.split()[-1]) < 1e-4
    for count in (1, 12):
        found = np.asarray(run(out, LATENTS[:count]))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:count], atol=1e-5)
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_a_keras_file_is_read_with_the_networks_imported_and_nothing_else(
    run_with_weights, expected, tmp_path, run_script
):
    words = ("--weights", run_with_weights, "--format", "keras", "--out", tmp_path / "a.keras")
    assert run_script(export_model, *words)[0] == 0
    np.save(tmp_path / "latents.npy", LATENTS)
    code = (
        "import keras, numpy, wgan.models.networks; model = keras.saving.load_model('a.keras'); "
        "numpy.save('images.npy', model(numpy.load('latents.npy')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(export_model.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, env=environment)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("format", ["litert", pytest.param("onnx", marks=NEEDS_ONNX)])
@pytest.mark.parametrize("family, norm", [(plain, "layer"), (resnet, "batch")], ids=["plain-layer", "resnet-batch"])
def test_other_networks_are_converted(tmp_path, format, family, norm):
    generator = family.Generator(4, 3, 32, norm=norm)
    generator(tf.zeros([1, 4]))
    assert export_formats.write(generator, format, tmp_path / {"litert": "a.tflite", "onnx": "a.onnx"}[format]) < 1e-4


@pytest.mark.parametrize("wrong", [0.002, np.nan])
def test_an_export_that_differs_is_refused_and_the_old_file_stays(
    refusal, run_with_weights, tmp_path, monkeypatch, wrong
):
    write, read = export_formats.FORMATS["keras"]
    monkeypatch.setitem(export_formats.FORMATS, "keras", (write, lambda path: lambda z: read(path)(z) + wrong))
    (tmp_path / "a.keras").write_bytes(b"old")
    words = ("--weights", run_with_weights, "--format=keras", "--out=a.keras")
    assert "differs from the original by" in refusal(export_model, *words)
    assert (tmp_path / "a.keras").read_bytes() == b"old"


def test_a_converter_s_failure_is_one_line_and_leaves_nothing(refusal, run_with_weights, monkeypatch):
    def fail(generator, path):
        Path(path).mkdir()
        raise ValueError("no such\noperation")

    monkeypatch.setitem(export_formats.FORMATS, "saved_model", (fail, None))
    said = refusal(export_model, "--weights", run_with_weights, "--out=model")
    assert said == "export_model.py: the saved_model export failed (ValueError: no such operation)\n"


def test_missing_packages_are_named(refusal, run_with_weights, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if "onnx" in name else find_spec(name))
    words = ("--weights", run_with_weights, "--format", "onnx", "--out", "a.onnx")
    assert "pip install onnx onnxruntime tf2onnx" in refusal(export_model, *words)


@pytest.mark.parametrize(
    "flags, phrase",
    [
        ("--format onx", 'did you mean "onnx"'),
        ("--format keras --out a.h5", "must end in .keras"),
        ("--out a.onnx", "a saved_model is a folder; choose another name, or give --format onnx"),
        ("--out full", "is there already"),
        ("--out file", "is there already"),
        ("--out file/model", "is a file, not a folder"),
        ("--format litert --out folder.tflite", "is a folder"),
        ("--weights nowhere", "there is no"),
    ],
)
def test_bad_flags_are_refused_in_one_line(refusal, run_with_weights, tmp_path, flags, phrase):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.tflite").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/saved_model.pb").write_bytes(b"old")
    assert phrase in refusal(export_model, "--weights", run_with_weights, *flags.split())


def test_a_folder_takes_the_place_of_an_empty_one_whole_or_not_at_all(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(KeyError), files.atomic_path(tmp_path / "a") as temporary:
        (temporary / "inner").mkdir(parents=True)
        raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]
    with files.atomic_path(tmp_path / "a") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "b").write_text("text")
    assert (tmp_path / "a" / "inner" / "b").read_text() == "text"
    with pytest.raises(OSError), files.atomic_path(tmp_path / "a") as temporary:
        temporary.mkdir()
    assert (tmp_path / "a" / "inner" / "b").read_text() == "text" and len(list(tmp_path.iterdir())) == 1
