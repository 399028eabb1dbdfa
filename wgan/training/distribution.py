"""Which devices a run trains on, what they can share, and what the hosts of a run tell each other."""

import faulthandler
import functools
import hashlib
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from wgan.common import startup
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.runs import checkpoints
from wgan.training import hosts

# What TensorFlow answers with where a host has ended or no longer answers.
LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


def strategy_of(config):
    """The strategy of `tf.distribute` that `--distribute` names. The one of several hosts connects them.

    Raises:
        UserError: other settings exclude it, there are too few devices, or they cannot share the batches.
    """
    if config.distribute == "none":
        return tf.distribute.get_strategy()
    config.check_distribution()  # again, since a stored run may have settled the precision
    if config.distribute == "multi_worker":
        strategy = _connected(60 * config.worker_timeout)
        _check_shares(config, strategy.num_replicas_in_sync)
        return strategy
    devices = _devices()
    if len(devices) < 2:
        raise UserError("--distribute mirrored is for two devices or more, and TensorFlow sees one; leave it out")
    _check_shares(config, len(devices))
    return _mirrored(devices)


def note_of(config):
    """A line on what several devices do or could do; None with one."""
    if config.distribute != "none":
        count = strategy_of(config).num_replicas_in_sync
        return f"{count} devices, each with {config.batch_size // count} of {config.batch_size} images"
    devices = _devices()
    if devices[0].startswith("GPU") and len(devices) > 1:
        return f"tip: this uses one of {len(devices)} GPUs; --distribute mirrored uses all"
    return None


def _devices():
    """Names of the GPUs, or of the processors where there is none."""
    kinds = [tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU")]
    return tuple(device.name.removeprefix("/device:") for device in kinds[0] or kinds[1])


def _check_shares(config, count):
    for name in ("batch_size", "generator_batch_size"):
        size = getattr(config, name)
        if size is not None and size % count:
            below, above = size - size % count, size - size % count + count
            nearest = f"{below} or {above}" if below else above
            raise UserError(f"--{name} is {size}, which {count} devices cannot share equally; the nearest is {nearest}")


@functools.cache  # TensorFlow mixes up the messages of two strategies in a process
def _mirrored(devices):
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _connected(seconds):
    """Connects all hosts, which have met just before. Where that hangs, nothing but an exit of the process ends it.

    Raises:
        UserError: TensorFlow cannot; its own words follow.
    """
    print(f"connecting the hosts, or ending after {seconds / 60:g} minutes", flush=True)
    with open(os.devnull, "w") as nowhere, startup.without_notes():
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (*LOST, tf.errors.UnknownError, RuntimeError) as error:
            raise UserError(f"the hosts cannot be connected: {one_line(error, longest=300)}") from error
        finally:
            faulthandler.cancel_dump_traceback_later()


def place_of(config):
    """The number of this host, and how many there are."""
    if config.distribute != "multi_worker":
        return 0, 1
    found = hosts.from_environment()
    return found.number, len(found.addresses)


def meet(meeting, config, fingerprints):
    """Waits for the other hosts of a run, and sees that they have the same settings, images and versions.

    `config` has its precision settled; `fingerprints` are what must be the same of the images, {name: SHA-256}. Raises
    what `hosts.Meeting.hold` does.
    """
    facts = {**config.deciding(), "epochs": config.epochs, **fingerprints}
    del facts["init_from"]  # a path on the chief, which gives its weights to all
    facts |= {"TensorFlow's version": tf.__version__, "Keras's version": keras.__version__}
    facts["the SHA-256 of this project's code"] = _code_sha256()
    facts["the number of GPUs"] = len(tf.config.list_physical_devices("GPU"))
    meeting.hold(facts)


def _code_sha256():
    digest, package = hashlib.sha256(), pathlib.Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Team(keras.callbacks.Callback):
    """The hosts of a run between two epochs. A signal to one of them stops all after the same epoch."""

    def __init__(self, gan, stop):
        """Args: a `GAN`; the `StopOnSignal` of this host, which gets the others' signals too."""
        super().__init__()
        self._gan, self._stop, self._hosts = gan, stop, hosts.from_environment()
        self.epoch, self._goes_back = 0, False  # the last one that has ended

    def on_epoch_end(self, epoch, logs=None):
        signal_number, self._goes_back = self._agree()
        self.model.stop_training = signal_number is not None or self._goes_back
        self.epoch = epoch + 1

    def goes_back(self, chief_does=False):
        """Whether the chief goes back to an earlier state, which it tells the others, maybe in the middle of theirs;
        once after each training."""
        return self._goes_back or self._agree(chief_does)[1]

    def _agree(self, goes_back=False):
        """For all hosts at once: a signal that has come to one of them, or None; whether the chief goes back."""
        told = np.zeros(len(self._hosts.addresses) + 1)
        told[self._hosts.number], told[-1] = self._stop.signal_number or 0, goes_back
        *signals, goes_back = self._sum([told], of_each_host=True)[0]
        if not any(signals):  # one that has come to this host meanwhile is for the next time
            return None, bool(goes_back)
        self._stop.signal_number = int(max(signals))
        return self._stop.signal_number, bool(goes_back)

    def take_state_of_chief(self, epoch=0):
        """Gives all hosts the chief's state; the epoch that it is of, which the chief gives."""
        snapshot = checkpoints.take_snapshot(self._gan)
        *totals, attempt, epoch = self._sum([*snapshot, self._gan.attempt.numpy(), epoch])
        checkpoints.put_back(self._gan, [total.astype(array.dtype) for total, array in zip(totals, snapshot)])
        self._gan.attempt.assign(int(attempt))
        self._goes_back = False
        return int(epoch)

    def _sum(self, arrays, of_each_host=False):
        """Sums arrays over the hosts, or takes the chief's, by zeros from all others; float64 arrays."""
        strategy = self._gan.distribute_strategy
        with strategy.scope():
            sums = self._summed([tf.constant(array, tf.float64) for array in arrays], of_each_host)
        return [strategy.experimental_local_results(each)[0].numpy() for each in sums]

    @tf.function
    def _summed(self, values, of_each_host):
        strategy = tf.distribute.get_strategy()
        devices = strategy.num_replicas_in_sync // len(self._hosts.addresses)

        def on_each(*values):
            context = tf.distribute.get_replica_context()
            number = context.replica_id_in_sync_group
            counts = number % devices == 0 if of_each_host else number == 0
            return context.all_reduce("SUM", [tf.where(counts, value, tf.zeros_like(value)) for value in values])

        return strategy.run(on_each, values)
