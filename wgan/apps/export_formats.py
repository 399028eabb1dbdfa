"""The formats in which a generator leaves this project: for each, how it is written and how it is read back."""

import contextlib
import functools
import pathlib
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from wgan.apps import image_sampler
from wgan.common import startup
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.common.scopes import changed
from wgan.models import precision, surroundings
from wgan.models.classes import knows_classes, with_labels

SAMPLES = 16


@surroundings.usual()
def write(generator, format, path):
    """Writes a generator, in float32, to a path in a format of `FORMATS`, and compares what is read back with it.

    Returns:
        The largest absolute difference of 16 samples' values, which lie in [-1, 1]. Each sample is drawn alone or
        in a batch of 15, so that a batch size that is not free would fail.

    Raises:
        UserError: a package is missing, or the converter failed.
    """
    inputs = [image_sampler.ImageSampler(generator, SAMPLES).latents(0, 0, SAMPLES)]
    if knows_classes(generator):
        inputs.append(np.arange(SAMPLES, dtype=np.int32) % generator.num_classes)
    write_format, read_format = FORMATS[format]
    with _quiet(), precision.exact():
        expected = generator(with_labels(*inputs), training=False).numpy()
        try:
            write_format(generator, str(path))
            run = read_format(str(path))
            found = np.concatenate([run(*(each[part] for each in inputs)) for part in (slice(1), slice(1, None))])
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:  # converters of other projects answer with anything
            raise UserError(
                f"the {format} export failed ({type(error).__name__}: {one_line(error, longest=200)})"
            ) from error
    return float(np.abs(found - expected).max())


def _export(generator, path, format):
    """Exports a generator by Keras, with names for what goes in and out: `latents`, with classes `labels`, `images`."""
    latents = keras.Input((generator.latent_dim,), name="latents", dtype="float32")
    inputs = with_labels(latents, keras.Input((), name="labels", dtype="int32") if knows_classes(generator) else None)
    model = keras.Model(inputs, {"images": generator(inputs, training=False)})
    # Keras exports to ONNX only what has been called.
    model(tf.nest.map_structure(lambda each: tf.zeros([1, *each.shape[1:]], each.dtype), inputs))
    model.export(path, format=format, verbose=False)


def _named(inputs):
    """A generator's inputs by their names."""
    return dict(zip(("latents", "labels"), inputs))


def _read_saved_model(path):
    run = tf.saved_model.load(path).signatures["serving_default"]
    return lambda *inputs: run(**{name: tf.constant(each) for name, each in _named(inputs).items()})["images"].numpy()


def _read_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda *inputs: session.run(["images"], _named(inputs))[0]


def _write_litert(generator, path):
    """By way of a SavedModel, and with LiteRT's own operations alone: no runtime needs TensorFlow's beside them."""
    with tempfile.TemporaryDirectory() as folder:
        _export(generator, folder, "tf_saved_model")
        converted = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    pathlib.Path(path).write_bytes(converted)


def _read_litert(path):
    """By the interpreter of its own package, or the one that came with TensorFlow up to now."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = getattr(tf.lite, "Interpreter", None)
        if Interpreter is None:
            raise UserError("--format litert needs another package: pip install ai-edge-litert") from None
    run = Interpreter(path).get_signature_runner()
    return lambda *inputs: run(**_named(inputs))["images"]


def _read_keras(path):
    model = keras.saving.load_model(path)
    return lambda *inputs: model(with_labels(*inputs), training=False).numpy()


# How each format is written, with a generator and a path, and read back from it: a function from latents, and labels
# where there are classes, to images.
FORMATS = {
    "saved_model": (functools.partial(_export, format="tf_saved_model"), _read_saved_model),
    "onnx": (functools.partial(_export, format="onnx"), _read_onnx),
    "litert": (_write_litert, _read_litert),
    "keras": (lambda generator, path: generator.save(path), _read_keras),
}


@contextlib.contextmanager
def _quiet():
    """Without the converters' warnings: whether all went well is seen from the samples."""
    errors_alone = changed(logging.get_verbosity, logging.set_verbosity, logging.ERROR)
    with startup.without_notes(), errors_alone, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
