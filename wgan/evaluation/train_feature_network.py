"""Trains the feature network on all ten classes of CIFAR-10 and writes it with its provenance.

    python -m wgan.evaluation.train_feature_network --data_dir DIR --images "CIFAR-10, the official files"

The same seed gives the same network on the same machine. It reaches its accuracy by flips, shifts, label
smoothing and one cycle of the learning rate.
"""

import json
import pathlib
import platform
import sys
import time

import numpy as np

from wgan import cli, data, files, startup
from wgan.data.cifar10 import CLASS_NAMES
from wgan.data.imageset import fingerprint

BATCH = 256
MOST_SHIFT = 4  # pixels
PEAK_RATE = 0.2
MOMENTUM = 0.9
DECAY = 5e-4 / (1 - MOMENTUM)  # Keras leaves the decay out of the momentum, which would have grown it by this much
LABEL_SMOOTHING = 0.1


def labelled_images(data_dir, split):
    """CIFAR-10's images of one split, uint8 [N, 32, 32, 3], and their classes, int64 [N], class after class."""
    classes = [data.load("cifar10", data_dir, name, split).images for name in CLASS_NAMES]
    return np.concatenate(classes), np.repeat(np.arange(len(classes)), [len(images) for images in classes])


def augmented(images, generator):
    """Each image shifted by up to four pixels either way, mirrored at its borders, and flipped half of the time.

    Args:
        images: uint8 [batch, size, size, channels].
        generator: a numpy `Generator`.
    """
    count, size = len(images), images.shape[1]
    padded = np.pad(images, [(0, 0), (MOST_SHIFT, MOST_SHIFT), (MOST_SHIFT, MOST_SHIFT), (0, 0)], mode="reflect")
    tops, lefts = generator.integers(0, 2 * MOST_SHIFT + 1, (2, count, 1))
    rows, columns = tops + np.arange(size), lefts + np.arange(size)
    columns = np.where(generator.random((count, 1)) < 0.5, columns, columns[:, ::-1])
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def epoch_batches(images, labels, seed, epoch):
    """One epoch's shuffled, augmented batches of 256: pairs of float32 images in [-1, 1] and labels."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(images))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        chosen = order[start:start + BATCH]
        yield np.float32(augmented(images[chosen], generator)) / 127.5 - 1, labels[chosen]


def train(images, labels, epochs, seed):
    """A `FeatureNetwork` after `epochs` passes over the images."""
    import keras
    import tensorflow as tf

    from wgan.evaluation.feature_network import FeatureNetwork
    keras.utils.set_random_seed(seed)
    network = FeatureNetwork()
    steps = epochs * (len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps - steps // 5, warmup_target=PEAK_RATE,
                                                  warmup_steps=steps // 5)
    optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    network.compile(optimizer, keras.losses.CategoricalCrossentropy(True, label_smoothing=LABEL_SMOOTHING),
                    metrics=["accuracy"], jit_compile=False)

    def batches():
        for epoch in range(epochs):
            yield from epoch_batches(images, tf.one_hot(labels, len(CLASS_NAMES)).numpy(), seed, epoch)

    shapes = (tf.TensorSpec([BATCH, *images.shape[1:]]), tf.TensorSpec([BATCH, len(CLASS_NAMES)]))
    network.fit(tf.data.Dataset.from_generator(batches, output_signature=shapes).prefetch(2), epochs=epochs,
                steps_per_epoch=len(images) // BATCH, shuffle=False, verbose=2)
    return network


def accuracy(network, images, labels):
    """The share of the images whose largest logit is their class's."""
    logits = network.predict(np.float32(images) / 127.5 - 1, batch_size=BATCH, verbose=0)
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def main(argv):
    """Trains, measures on the test images, writes both files."""
    groups = cli.FlagGroups(__doc__)
    groups.define("Data", "data_dir", str, None, "As in train.py.")
    groups.define("Data", "images", str, "CIFAR-10", "What the images are, for the provenance.")
    groups.define("Training", "epochs", int, 25, "Passes over the 50,000 training images.")
    groups.define("Training", "seed", int, 0, "Of weights, shuffles and augmentation.")
    groups.define("Files", "output_dir", str, str(pathlib.Path(__file__).parent), "Where the two files go.")
    flags = groups.parse(argv)

    images, labels = labelled_images(flags["data_dir"], "train")
    test_images, test_labels = labelled_images(flags["data_dir"], "test")
    device = startup.import_tensorflow()
    import tensorflow as tf
    tf.config.experimental.enable_op_determinism()
    start = time.monotonic()
    network = train(images, labels, flags["epochs"], flags["seed"])
    minutes = (time.monotonic() - start) / 60
    write(network, pathlib.Path(flags["output_dir"]), {
        "trained_on": f"{flags['images']}: the 50,000 training images, all ten classes",
        "images_sha256": fingerprint(images),
        "test_accuracy": accuracy(network, test_images, test_labels),
        "training_accuracy": accuracy(network, images, labels),
        "epochs": flags["epochs"], "seed": flags["seed"], "minutes": round(minutes, 1), "device": device,
        "python": platform.python_version(), "tensorflow": tf.__version__,
    })
    return 0


def write(network, folder, provenance):
    """Writes weights and provenance, and prints the latter."""
    from wgan.evaluation.feature_network import PROVENANCE, WEIGHTS
    with files.atomic_path(folder / WEIGHTS.name) as temporary:
        network.save_weights(temporary)
    text = json.dumps({**provenance, "parameters": network.count_params(),
                       "bytes": (folder / WEIGHTS.name).stat().st_size}, indent=2)
    files.write_text(folder / PROVENANCE.name, text + "\n")
    print(text)


if __name__ == "__main__":
    cli.run(main, sys.argv)
