"""Which devices a run trains on, and what they can share."""

import functools

import tensorflow as tf

from wgan.common.errors import UserError


def strategy_of(config):
    """The strategy of `tf.distribute` that `--distribute` names.

    Raises:
        UserError: other settings exclude it, there are too few devices, or they cannot share the batches.
    """
    if config.distribute == "none":
        return tf.distribute.get_strategy()
    config.check_distribution()  # again, since a stored run may have settled the precision
    devices = _devices()
    if len(devices) < 2:
        raise UserError(
            f"--distribute {config.distribute} is for two devices or more, and TensorFlow sees one; leave it out"
        )
    for name in ("batch_size", "generator_batch_size"):
        _check_share(name, getattr(config, name), len(devices))
    return _mirrored(devices)


def note_of(config):
    """A line on what several devices do or could do; None with one."""
    devices = _devices()
    if config.distribute != "none":
        return f"{len(devices)} devices, each with {config.batch_size // len(devices)} of {config.batch_size} images"
    if devices[0].startswith("GPU") and len(devices) > 1:
        return f"tip: this uses one of {len(devices)} GPUs; --distribute mirrored uses all"
    return None


def _devices():
    """Names of the GPUs, or of the processors where there is none."""
    kinds = [tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU")]
    return tuple(device.name.removeprefix("/device:") for device in kinds[0] or kinds[1])


def _check_share(name, size, count):
    if size is None or size % count == 0:
        return
    below, above = size - size % count, size - size % count + count
    nearest = f"{below} or {above}" if below else above
    raise UserError(f"--{name} is {size}, which {count} devices cannot share equally; the nearest is {nearest}")


@functools.cache  # TensorFlow mixes up the messages of two strategies in a process
def _mirrored(devices):
    return tf.distribute.MirroredStrategy(devices)
