"""Importing TensorFlow without its start-up notes, which look like errors to those who see them first."""

import contextlib
import os
import re
import sys
import tempfile

# C++ parts of TensorFlow write these to file descriptor 2 before any logging setting takes effect.
_KNOWN_NOTES = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IWE]\d{4} .*(port\.cc|cudart_stub\.cc|cuda_platform\.cc|cpu_feature_guard\.cc|computation_placer\.cc"
    r"|cuda_(fft|dnn|blas)\.cc|node_def_util\.cc)"
    r"|INFO: Created TensorFlow Lite XNNPACK delegate"
    r"|To enable the following instructions: ")


def import_tensorflow():
    """Imports TensorFlow and finds its devices; all that is written meanwhile, but for known notes, is shown.

    Returns:
        The device that computes, in a few words: `GPU Tesla T4`, or `2 CPU cores`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Otherwise the first process takes all memory of all GPUs, and none can evaluate or draw beside a run.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's other projects are set to
    with without_notes():
        import tensorflow as tf
        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros([])  # sets the devices up
    if not gpus:
        return f"{os.cpu_count()} CPU cores"
    return f"GPU {tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)}"


@contextlib.contextmanager
def without_notes():
    """Holds back file descriptor 2 for the length of the block, then passes on what is no known note."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        earlier = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(earlier, 2)
            os.close(earlier)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not _KNOWN_NOTES.match(line):
                    print(line, file=sys.stderr)
