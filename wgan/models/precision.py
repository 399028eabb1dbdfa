"""What networks compute in: float32, or half the bits where the hardware is faster with them."""

import contextlib
import pathlib

import keras
import tensorflow as tf

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve(precision):
    """Turns `auto` into bfloat16 where this machine has matrix units for it, else into float32."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16_units() else "float32"


@contextlib.contextmanager
def policy_scope(precision):
    """Layers that are made in this block compute in `precision`, with variables in float32; later ones as before."""
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(earlier)


@contextlib.contextmanager
def exact():
    """Full float32 in this block: NVIDIA's GPUs otherwise round to 10 bits in convolutions (TF32)."""
    earlier = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(earlier)


def scaled_against_underflow(optimizer, precision):
    """The optimizer, with a loss scale of its own where gradients would underflow: in float16."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


def has_bfloat16_units():
    """Whether what computes here is faster in bfloat16 than in float32."""
    if tf.config.list_physical_devices("GPU"):
        return (gpu_capability() or (0, 0)) >= (8, 0)  # NVIDIA's from Ampere on; Colab's T4 has 7.5
    return "amx_bf16" in _processor_flags()


def gpu_capability():
    """The compute capability of the first GPU, such as (7, 5); None without an NVIDIA card: others do not tell."""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") if gpus else None


def _processor_flags():
    """What Linux says of an x86 processor; empty elsewhere, where TensorFlow has no such units to use."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), ())
