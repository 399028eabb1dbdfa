"""What a program and the user's settings files have set in Keras, TensorFlow and NumPy, put aside for a while.

Keras reads `keras.json` when it is imported, and a program may change the same settings, and more, at any time. What is
computed in a `usual` block depends on none of them.
"""

import contextlib
import threading
import warnings

import keras
import numpy as np
import tensorflow as tf

from wgan.common import startup
from wgan.models import precision


def _graph_options():
    """The options of TensorFlow's graph optimizer that somebody has set."""
    options = tf.config.optimizer.get_experimental_options()
    return {name: value for name, value in options.items() if value or not name.startswith("disable_")}


def _set_graph_options(options):
    """Sets these and no others; TensorFlow would only add them to those that are set."""
    usual_options = dict.fromkeys(_graph_options())  # None is an option's default
    tf.config.optimizer.set_experimental_options({**usual_options, **options})


# How each is asked for, how it is set, and what it usually is.
_SETTINGS = [
    (keras.config.floatx, keras.config.set_floatx, "float32"),
    (keras.config.epsilon, keras.config.set_epsilon, 1e-7),
    (keras.config.image_data_format, keras.config.set_image_data_format, "channels_last"),
    (tf.config.functions_run_eagerly, tf.config.run_functions_eagerly, False),
    (tf.config.optimizer.get_jit, tf.config.optimizer.set_jit, ""),
    (_graph_options, _set_graph_options, {}),
    (
        tf.config.experimental.tensor_float_32_execution_enabled,
        tf.config.experimental.enable_tensor_float_32_execution,
        True,
    ),
]
if hasattr(keras.config, "set_max_epochs"):  # in newer versions; for debugging, they end every `fit` early
    _SETTINGS += [
        (keras.config.max_epochs, keras.config.set_max_epochs, None),
        (keras.config.max_steps_per_epoch, keras.config.set_max_steps_per_epoch, None),
    ]

_lock = threading.Lock()
_blocks = 0  # that are open, in all threads: the first one puts the settings aside, and the last one brings them back
_earlier = contextlib.ExitStack()


@contextlib.contextmanager
def usual():
    """Keras, TensorFlow and NumPy compute in this block as if nobody had changed their settings.

    Blocks may lie within each other, and in several threads. Also a decorator. Warnings that were to be errors are
    only warnings meanwhile.
    """
    usual_errors = np.errstate(divide="warn", over="warn", invalid="warn", under="ignore")
    with precision.policy_scope("float32"), usual_errors, _usual_process():
        yield


@contextlib.contextmanager
def _usual_process():
    """The settings that all threads share."""
    global _blocks
    with _lock:
        if _blocks == 0:
            _put_aside()
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _earlier.close()


def _put_aside():
    _earlier.enter_context(warnings.catch_warnings())
    startup.let_warnings_warn()
    for ask, put, usual_value in _SETTINGS:
        value = ask()
        if value != usual_value:
            _earlier.callback(put, value)
            put(usual_value)
