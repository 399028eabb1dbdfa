"""What networks compute in: float32, or half the bits where the hardware is faster with them."""

import pathlib

import keras
import tensorflow as tf

from wgan.common.scopes import changed

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def resolve(precision):
    """Turns `auto` into bfloat16 where this machine is faster with it, else into float32: see docs/performance.md."""
    if precision != "auto":
        return precision
    on_processor = not tf.config.list_physical_devices("GPU")
    return "bfloat16" if on_processor and (has_bfloat16_units() or _has_quick_bfloat16_vectors()) else "float32"


def policy_scope(precision):
    """Layers that are made in this block compute in `precision`, with variables in float32; later ones as before."""
    return changed(keras.config.dtype_policy, keras.config.set_dtype_policy, _POLICIES[precision])


def exact():
    """Full float32 in this block: NVIDIA's GPUs otherwise round to 10 bits in convolutions (TF32)."""
    tf32 = tf.config.experimental
    return changed(tf32.tensor_float_32_execution_enabled, tf32.enable_tensor_float_32_execution, False)


def has_bfloat16_units():
    """Whether the processor has matrix units for bfloat16."""
    return "amx_bf16" in processor().get("flags", "").split()


def _has_quick_bfloat16_vectors():
    """Whether the processor is an AMD with AVX-512 BF16 (from Zen 4 on). Intel's are slower with it than in float32."""
    found = processor()
    return found.get("vendor_id") == "AuthenticAMD" and "avx512_bf16" in found["flags"].split()


def gpu_capability():
    """The compute capability of the first GPU, such as (7, 5); None without an NVIDIA card: others do not tell."""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") if gpus else None


def processor():
    """What Linux says of the first processor, such as its `vendor_id` and `flags`; empty elsewhere."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in lines}
