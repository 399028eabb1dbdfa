"""Trains the feature network on all ten classes of CIFAR-10 and writes it with its provenance.

    python tools/train_feature_network.py --data_dir DIR --images "CIFAR-10, the official files"

The same seed gives the same network on the same machine. Crops, flips, a blanked square, smoothed labels and one
cycle of the learning rate keep it from learning its images by heart; the last epochs see whole images, as the
metrics will show them.
"""

import json
import pathlib
import platform
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wgan import data
from wgan.common import cli, startup
from wgan.data.cifar10 import CLASS_NAMES
from wgan.data.imageset import fingerprint
from wgan.runs import files

BATCH = 256
CROP = 28  # pixels a side, of 32
BLANK = 8  # pixels a side
WHOLE_EPOCHS = 4
PEAK_RATE = 0.2
MOMENTUM = 0.9
DECAY = 5e-4 / (1 - MOMENTUM)  # Keras leaves the decay out of the momentum, which would have grown it by this much
LABEL_SMOOTHING = 0.2


def labelled_images(data_dir, split):
    """CIFAR-10's images of one split, uint8 [N, 32, 32, 3], and their classes, int64 [N], class after class."""
    classes = [data.load("cifar10", data_dir, name, split).images for name in CLASS_NAMES]
    return np.concatenate(classes), np.repeat(np.arange(len(classes)), [len(images) for images in classes])


def augmented(images, size, generator):
    """Each image cropped anywhere, flipped half of the time, and blanked in a square (DeVries and Taylor 2017).

    Args:
        images: uint8 [batch, height, width, channels].
        size: of the crops, pixels a side.
        generator: a numpy `Generator`.

    Returns:
        float32 [batch, size, size, channels] in [-1, 1]; blank is 0.
    """
    count = len(images)
    tops, lefts = (generator.integers(0, side - size + 1, (count, 1)) for side in images.shape[1:3])
    rows, columns = tops + np.arange(size), lefts + np.arange(size)
    columns = np.where(generator.random((count, 1)) < 0.5, columns, columns[:, ::-1])
    crops = np.float32(images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]) / 127.5 - 1
    centres = generator.integers(0, size, (2, count, 1))
    in_rows, in_columns = np.abs(np.arange(size) + 0.5 - centres) <= BLANK / 2
    crops[in_rows[:, :, None] & in_columns[:, None, :]] = 0
    return crops


def epoch_batches(images, labels, size, seed, epoch):
    """One epoch's shuffled, augmented batches of 256: pairs of images, as `augmented` gives them, and labels."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(images))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        yield augmented(images[chosen], size, generator), labels[chosen]


def train(images, labels, epochs, seed):
    """A `FeatureNetwork` after `epochs` passes over the images, and its loss after each."""
    import keras

    from wgan.evaluation.feature_network import FeatureNetwork

    keras.utils.set_random_seed(seed)
    network = FeatureNetwork()
    steps = epochs * (len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 5, warmup_target=PEAK_RATE, warmup_steps=steps // 5
    )
    optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    network.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
        jit_compile=False,
    )
    one_hot = keras.utils.to_categorical(labels, len(CLASS_NAMES))
    losses = []
    for epoch in range(epochs):
        size = CROP if epoch < epochs - WHOLE_EPOCHS else images.shape[1]
        metrics = _one_epoch(network, epoch_batches(images, one_hot, size, seed, epoch))
        losses.append(metrics["loss"])
        print(
            f"epoch {epoch + 1}/{epochs}  " + "  ".join(f"{name} {value:.4f}" for name, value in metrics.items()),
            flush=True,
        )
    return network, losses


def _one_epoch(network, batches):
    network.reset_metrics()
    for images, labels in batches:
        metrics = network.train_on_batch(images, labels, return_dict=True)
    return {name: float(value) for name, value in metrics.items()}


def accuracy(network, images, labels):
    """The share of the images whose largest logit is their class's; `network` takes images to logits."""
    right = [
        np.argmax(network(np.float32(images[start : start + BATCH]) / 127.5 - 1), axis=1)
        == labels[start : start + BATCH]
        for start in range(0, len(images), BATCH)
    ]
    return float(np.mean(np.concatenate(right)))


def main(argv):
    """Trains, measures on the test images, writes both files."""
    groups = cli.FlagGroups(__doc__)
    groups.define("Data", "data_dir", str, None, "As in train.py.")
    groups.define("Data", "images", str, "CIFAR-10", "What the images are, for the provenance.")
    groups.define("Training", "epochs", int, 24, "Passes over the 50,000 training images.")
    groups.define("Training", "seed", int, 0, "Of weights, shuffles and augmentation.")
    groups.define(
        "Files", "output_dir", str, "feature_network", "Where the two files go: wgan/evaluation has those in use."
    )
    flags = groups.parse(argv)

    images, labels = labelled_images(flags["data_dir"], "train")
    test_images, test_labels = labelled_images(flags["data_dir"], "test")
    device = startup.import_tensorflow()
    import tensorflow as tf

    from wgan.models import surroundings

    tf.config.experimental.enable_op_determinism()
    start = time.monotonic()
    with surroundings.usual():
        network, _ = train(images, labels, flags["epochs"], flags["seed"])
    minutes = (time.monotonic() - start) / 60
    write(
        network,
        pathlib.Path(flags["output_dir"]),
        {
            "trained_on": f"{flags['images']}: the 50,000 training images, all ten classes",
            "images_sha256": fingerprint(images),
            "test_accuracy": accuracy(network, test_images, test_labels),
            "test_accuracy_of_one_view": accuracy(
                lambda x: network.head(network.one_view(x)), test_images, test_labels
            ),
            "epochs": flags["epochs"],
            "seed": flags["seed"],
            "minutes": round(minutes, 1),
            "device": device,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
        },
    )
    return 0


def write(network, folder, provenance):
    """Writes weights, in half precision to be small, and provenance, and prints the latter."""
    from wgan.evaluation.feature_network import PROVENANCE, WEIGHTS

    folder.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(folder / WEIGHTS.name) as temporary:
        _save_halved(network, temporary)
    text = json.dumps(
        {**provenance, "parameters": network.count_params(), "bytes": (folder / WEIGHTS.name).stat().st_size}, indent=2
    )
    files.write_text(folder / PROVENANCE.name, text + "\n")
    print(text)


def _save_halved(network, path):
    """Keras's weights file with float16 in place of float32, without the optimizer."""
    import h5py

    network.optimizer = None
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, "whole.weights.h5")
        network.save_weights(whole)
        with h5py.File(whole) as source, h5py.File(path, "w") as target:
            source.visititems(lambda name, item: _copy_halved(name, item, target))


def _copy_halved(name, item, target):
    copy = (
        target.require_group(name)
        if not hasattr(item, "dtype")
        else target.create_dataset(name, data=item[()].astype(np.float16))
    )
    copy.attrs.update(item.attrs)


if __name__ == "__main__":
    cli.run(main)
