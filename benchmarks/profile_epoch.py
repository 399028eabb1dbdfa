"""Which operations an epoch spends its processor time on.

    python benchmarks/profile_epoch.py --data_dir DIR

Operations of one epoch by kind, with TensorFlow's own profiler. The times of operations that run side by side
add up to more than the epoch takes.
"""

import collections
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from benchmarks import contestants
from wgan.common import cli, startup

EPOCHS = 3


def record(images, precision, batch_size, folder):
    """Trains a few epochs, the last ones under the profiler."""
    import tensorflow as tf

    epochs = contestants.ours(images, precision, batch_size)
    for _ in range(2):
        next(epochs)
    tf.profiler.experimental.start(folder)
    for _ in range(EPOCHS):
        next(epochs)
    tf.profiler.experimental.stop()


def seconds_by_kind(folder):
    """Seconds and calls per epoch for each kind of operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(next(pathlib.Path(folder).rglob("*.xplane.pb")).read_bytes())
    seconds, calls = collections.Counter(), collections.Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = re.fullmatch(r".*:(\w+)", plane.event_metadata[event.metadata_id].name)
            if name and name[1] not in ("Process", "Run"):  # the executor's own spans
                seconds[name[1]] += event.duration_ps / 1e12 / EPOCHS
                calls[name[1]] += 1 / EPOCHS
    return seconds, calls


def main(argv):
    groups = cli.FlagGroups(__doc__)
    groups.define("Run", "data_dir", str, None, "CIFAR-10 (as in train.py); noise without it.")
    groups.define("Run", "precision", str, "float32", "float32 or bfloat16.")
    groups.define("Run", "batch_size", int, 32, "Images per update.")
    groups.define("Run", "rows", int, 12, "Kinds of operations to show.")
    values = groups.parse(argv)
    startup.import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        images = contestants.load_images(values["data_dir"], 6000, 32)
        record(images, values["precision"], values["batch_size"], folder)
        seconds, calls = seconds_by_kind(folder)
    total = sum(seconds.values())
    for kind, spent in seconds.most_common(values["rows"]):
        print(f"{spent / total:6.1%}  {1000 * spent:7.1f} ms  {calls[kind]:5.0f} calls  {kind}")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
