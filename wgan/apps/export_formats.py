"""The formats in which a generator leaves this project: for each, how it is written and how it is read back."""

import contextlib
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
from wgan.models import precision, randomness, surroundings

SAMPLES = 16


@surroundings.usual()
def write(generator, format, path):
    """Writes a generator and compares what is read back with it.

    Args:
        generator: a built generator of `wgan.models.networks`, in float32.
        format: a key of `FORMATS`.
        path: the file or folder to make.

    Returns:
        The largest absolute difference of 16 samples' values, which lie in [-1, 1]. Each sample is drawn alone or
        in a batch of 15, so that a batch size that is not free would fail.

    Raises:
        UserError: a package is missing, or the converter failed.
    """
    latents = image_sampler.draw_latents(0, 0, SAMPLES, generator.latent_dim,
                                    distribution=randomness.latent_distribution(generator))
    write_format, read_format = FORMATS[format]
    with _quiet(), precision.exact():
        expected = generator(latents, training=False).numpy()
        try:
            write_format(generator, str(path))
            run = read_format(str(path))
            found = np.concatenate([run(latents[:1]), run(latents[1:])])
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:  # converters of other projects answer with anything
            raise UserError(f"the {format} export failed ({type(error).__name__}: {one_line(error, longest=200)})"
                            ) from error
    return float(np.abs(found - expected).max())


def _named(generator):
    """The generator with names for what goes in and out: `latents` and `images`."""
    latents = keras.Input((generator.latent_dim,), name="latents", dtype="float32")
    model = keras.Model(latents, {"images": generator(latents, training=False)})
    model(tf.zeros([1, generator.latent_dim]))  # Keras exports to ONNX only what has been called
    return model


def _write_saved_model(generator, path):
    _named(generator).export(path, format="tf_saved_model", verbose=False)


def _read_saved_model(path):
    model = tf.saved_model.load(path)
    return lambda latents: model.serve(latents)["images"].numpy()


def _write_onnx(generator, path):
    _named(generator).export(path, format="onnx", verbose=False)


def _read_onnx(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda latents: session.run(["images"], {"latents": latents})[0]


def _write_litert(generator, path):
    """By way of a SavedModel, and with LiteRT's own operations alone: no runtime needs TensorFlow's beside them."""
    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(generator, folder)
        converted = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    with open(path, "wb") as file:
        file.write(converted)


def _read_litert(path):
    run = _litert_interpreter()(path).get_signature_runner()
    return lambda latents: run(latents=latents)["images"]


def _litert_interpreter():
    """The interpreter of its own package, or the one that came with TensorFlow up to now."""
    try:
        from ai_edge_litert.interpreter import Interpreter
        return Interpreter
    except ImportError:
        if not hasattr(tf.lite, "Interpreter"):
            raise UserError("--format litert needs another package: pip install ai-edge-litert") from None
        return tf.lite.Interpreter


def _write_keras(generator, path):
    generator.save(path)


def _read_keras(path):
    model = keras.saving.load_model(path)
    return lambda latents: model(latents, training=False).numpy()


FORMATS = {"saved_model": (_write_saved_model, _read_saved_model), "onnx": (_write_onnx, _read_onnx),
           "litert": (_write_litert, _read_litert), "keras": (_write_keras, _read_keras)}


@contextlib.contextmanager
def _quiet():
    """Without the converters' warnings: whether all went well is seen from the samples."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with startup.without_notes(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
