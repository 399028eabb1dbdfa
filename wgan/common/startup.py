"""Importing TensorFlow: the same one whatever the user's other projects have set, and without its start-up notes, which
look like errors to those who see them first."""

import contextlib
import importlib
import logging
import os
import platform
import re
import sys
import tempfile
import warnings

from wgan.common.errors import UserError
from wgan.common.messages import one_line

# What Keras reads while it is imported; None takes a variable away.
_KERAS = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_NNX_ENABLED": "false",
    "KERAS_MAX_EPOCHS": None,
    "KERAS_MAX_STEPS_PER_EPOCH": None,
}

# Each would overrule a flag of train.py in silence. All are read late: what a script takes away has to stay away.
OVERRULING = """
    ONEDNN_DEFAULT_FPMATH_MODE DNNL_DEFAULT_FPMATH_MODE TF_SET_ONEDNN_FPMATH_MODE NVIDIA_TF32_OVERRIDE
    TF_ENABLE_AUTO_MIXED_PRECISION TF_ENABLE_AUTO_MIXED_PRECISION_GRAPH_REWRITE
    TF_XLA_FLAGS TF_FUNCTION_JIT_COMPILE_DEFAULT TF_JIT_COMPILE_REWRITE
    TF_DETERMINISTIC_OPS TF_CUDNN_DETERMINISTIC
    TF_USE_LEGACY_KERAS
""".split()  # noqa: SIM905 - a list would take a line for each

# Choices of kernels and threads, which somebody may need on his machine. They change last digits, so they are recorded.
CHOICES = """
    TF_ENABLE_ONEDNN_OPTS TF_ENABLE_ZENDNN_OPTS ONEDNN_MAX_CPU_ISA DNNL_MAX_CPU_ISA XLA_FLAGS
    TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS TF_OVERRIDE_GLOBAL_THREADPOOL OMP_NUM_THREADS
    TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL TF_USE_DEEP_CONV2D TF_ENABLE_WINOGRAD_NONFUSED
    TF_CUDNN_USE_AUTOTUNE TF_CUDNN_USE_RUNTIME_FUSION TF_MATMUL_AUTOTUNE_ENABLE TF_USE_CUBLASLT
    TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT TF_CONV2D_USE_FP16_ACCUMULATE TF_FP16_CONV_USE_FP32_COMPUTE
    TF_FP16_MATMUL_USE_FP32_COMPUTE CUBLAS_WORKSPACE_CONFIG NPY_DISABLE_CPU_FEATURES NPY_ENABLE_CPU_FEATURES
    OPENBLAS_NUM_THREADS OPENBLAS_CORETYPE MKL_NUM_THREADS MKL_CBWR
""".split()  # noqa: SIM905

# C++ parts of TensorFlow write these to file descriptor 2 before any logging setting takes effect.
_KNOWN_NOTES = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IWE]\d{4} .*(port\.cc|cudart_stub\.cc|cuda_platform\.cc|cpu_feature_guard\.cc|computation_placer\.cc"
    r"|cuda_(fft|dnn|blas)\.cc|node_def_util\.cc)"
    r"|INFO: Created TensorFlow Lite XNNPACK delegate"
    r"|To enable the following instructions: "
)


def settle():
    """For a script, whose process is its own: no environment variable overrules its flags, no warning ends it.

    TensorFlow does not warn of functions that are traced again and again: a run for each class traces its own.
    """
    for name in OVERRULING:
        os.environ.pop(name, None)
    let_warnings_warn()
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))


def let_warnings_warn():
    """Where warnings were to be errors (PYTHONWARNINGS=error), Python's usual filters: no library's ends a run."""
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


def import_tensorflow(sets_up=True):
    """Imports TensorFlow and Keras; the device that computes, in a few words: `GPU Tesla T4`, or `2 CPU cores`.

    All that is written meanwhile, but for known notes, is shown. `sets_up` is False where the devices are to be
    connected with those of other hosts first. Raises UserError where Keras cannot be imported with its settings file,
    or has another backend in this process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Otherwise the first process takes all memory of all GPUs, and none can evaluate or draw beside a run.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if platform.machine() in ("x86_64", "AMD64") and "tensorflow" not in sys.modules:
        # TensorFlow leaves these kernels off on a processor without AVX-512 VNNI, and is 1.5 to 1.8 times slower there.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with without_notes(), _environment(_KERAS), warnings.catch_warnings():
        let_warnings_warn()
        tf, keras = _imported()
        gpus = tf.config.list_physical_devices("GPU")
        if sets_up:
            tf.zeros([])
    if keras.config.backend() != "tensorflow":
        raise UserError(
            f"this program has imported Keras with the backend {keras.config.backend()}; set KERAS_BACKEND "
            "to tensorflow, or import wgan's names before Keras"
        )
    if not gpus:
        cores = usable_cores()
        return f"{cores} CPU core{'s' * (cores > 1)}"
    return f"GPU {tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)}"


def _imported():
    importlib.import_module("wgan.common.plotting")  # Keras imports matplotlib, which this one guards
    try:
        import keras
        import tensorflow as tf

        return tf, keras
    except (ValueError, AssertionError, AttributeError, TypeError, OSError) as error:
        settings = os.path.join(os.environ.get("KERAS_HOME", os.path.join("~", ".keras")), "keras.json")
        if not os.path.exists(os.path.expanduser(settings)):
            raise
        raise UserError(
            f"Keras cannot be imported ({type(error).__name__}: {one_line(error, longest=200)}); mend or "
            f"remove its settings file {settings}"
        ) from error


def usable_cores():
    """How many of the machine's processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def versions():
    """What the bits of a run depend on besides its settings and its device; TensorFlow is imported already."""
    import keras
    import tensorflow as tf

    found = {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "environment": {name: os.environ[name] for name in (*OVERRULING, *CHOICES) if name in os.environ},
    }
    return {name: value for name, value in found.items() if value}


@contextlib.contextmanager
def _environment(changes):
    """Environment variables for the length of the block; None takes one away."""
    earlier = {name: os.environ.pop(name) for name in changes if name in os.environ}
    os.environ.update({name: value for name, value in changes.items() if value is not None})
    try:
        yield
    finally:
        for name in changes:
            os.environ.pop(name, None)
        os.environ.update(earlier)


@contextlib.contextmanager
def without_notes():
    """Holds back file descriptor 2 for the length of the block, then passes on all but the known notes."""
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
