"""The implementations that `speed.py` compares, each run alone in a process of its own.

    python benchmarks/contestants.py --name ours --precision float32 --epochs 5

prints one line of JSON. All train the same networks with the same batches, losses and optimizers:

    ours    this project
    keras   plain Keras layers and two `tf.function`s, the way the Keras documentation's WGAN-GP example is built
    torch   PyTorch, eager, channels last, autocast for bfloat16
    matmul  no training: the speed of a large matrix product, as a yardstick
"""

import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from wgan.common import cli
from wgan.common.errors import UserError

LATENT_DIM, CRITIC_STEPS, PENALTY_WEIGHT, SLOPE = 100, 5, 10.0, 0.3


def ours(images, precision, batch_size):
    """Yields after every epoch; so do the others."""
    from wgan.common import startup

    startup.import_tensorflow()
    from wgan.config import TrainingConfig
    from wgan.training.batches import epoch_batches
    from wgan.training.epochs import epoch_step
    from wgan.training.loop import build_gan

    # The article's dropout, and neither average nor mirror images: the others have these networks and no more.
    config = TrainingConfig(
        precision=precision,
        batch_size=batch_size,
        image_size=images.shape[1],
        learning_rate=2e-4,
        beta_1=0.5,
        critic_dropout=0.3,
        ema_decay=0.0,
        flips="off",
    )
    gan = build_gan(config, channels=images.shape[-1])
    step = epoch_step(gan)
    for batch in epoch_batches(images, 0, (CRITIC_STEPS, batch_size), range(1, 10**6)):
        for value in step(batch).values():
            float(value)  # as a run does, which waits for the epoch's end
        yield


def keras(images, precision, batch_size):
    """Plain layers; reals, fakes and interpolates go through the critic one after the other."""
    from wgan.common import startup

    startup.import_tensorflow()
    import keras
    import tensorflow as tf

    from wgan.models import precision as precisions

    with precisions.policy_scope(precision):
        generator, critic = keras_generator(images.shape[-1]), keras_critic(images.shape[-1])
    optimizers = [keras.optimizers.Adam(2e-4, 0.5, 0.9) for _ in range(2)]
    for optimizer, network in zip(optimizers, (critic, generator)):
        optimizer.build(network.trainable_variables)

    @tf.function
    def update_critic(reals):
        reals = tf.cast(reals, tf.float32) / 127.5 - 1
        fakes = tf.cast(generator(tf.random.normal([batch_size, LATENT_DIM]), training=True), tf.float32)
        points = fakes + tf.random.uniform([batch_size, 1, 1, 1]) * (reals - fakes)
        with tf.GradientTape() as tape:
            difference = tf.reduce_mean(critic(fakes, training=True)) - tf.reduce_mean(critic(reals, training=True))
            loss = difference + PENALTY_WEIGHT * keras_penalty(critic, points)
        optimizers[0].apply(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables)
        return loss

    @tf.function
    def update_generator():
        with tf.GradientTape() as tape:
            fakes = generator(tf.random.normal([batch_size, LATENT_DIM]), training=True)
            loss = -tf.reduce_mean(critic(fakes, training=True))
        optimizers[1].apply(tape.gradient(loss, generator.trainable_variables), generator.trainable_variables)
        return loss

    for batches in shuffled(images, batch_size):
        for batch in batches:
            float(update_critic(batch))
        float(update_generator())
        yield


def keras_penalty(critic, points):
    """The gradient penalty without its weight, float32 []."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = critic(points, training=False)
    norms = tf.sqrt(tf.reduce_sum(tape.gradient(logits, points) ** 2, axis=[1, 2, 3]) + 1e-12)
    return tf.reduce_mean((norms - 1) ** 2)


def keras_generator(channels):
    """The generator in Keras's own layers."""
    import keras
    from keras import layers

    leaky = lambda: layers.LeakyReLU(negative_slope=SLOPE)
    block = lambda kind, filters, momentum: [
        layers.UpSampling2D(2),
        kind(filters, 5, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=momentum),
        leaky(),
    ]
    return keras.Sequential(
        [
            keras.Input([LATENT_DIM]),
            layers.Dense(2048, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            leaky(),
            layers.Reshape((4, 4, 128)),
            *block(layers.Conv2D, 128, 0.99),
            *block(layers.Conv2D, 64, 0.8),
            *block(layers.Conv2DTranspose, 32, 0.99),
            layers.Conv2DTranspose(channels, 5, padding="same", use_bias=False, activation="tanh"),
        ]
    )


def keras_critic(channels):
    """The critic in Keras's own layers."""
    import keras
    from keras import layers

    leaky = lambda: layers.LeakyReLU(negative_slope=SLOPE)
    conv = lambda filters, strides: layers.Conv2D(filters, 5, strides=strides, padding="same")
    return keras.Sequential(
        [
            keras.Input([32, 32, channels]),
            conv(32, 2),
            leaky(),
            conv(64, 2),
            leaky(),
            layers.Dropout(0.3),
            conv(128, 2),
            leaky(),
            conv(128, 1),
            leaky(),
            layers.Flatten(),
            layers.Dense(1, dtype="float32"),
        ]
    )


def torch(images, precision, batch_size):
    """Eager PyTorch, channels last; `torch.compile` was slower where we tried it."""
    import torch

    generator, critic = torch_networks(images.shape[-1])
    adams = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.9)) for network in (critic, generator)]
    lower = lambda: torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
    latents = lambda: torch.randn(batch_size, LATENT_DIM)

    def step(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for batches in shuffled(images, batch_size):
        for batch in batches:
            reals = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
            with lower():
                with torch.no_grad():
                    fakes = generator(latents()).float()
                logits = critic(torch.cat([reals, fakes])).float()
                points = fakes + torch.rand(batch_size, 1, 1, 1) * (reals - fakes)
                points.requires_grad_(True)
                critic.eval()
                (slopes,) = torch.autograd.grad(critic(points).float().sum(), points, create_graph=True)
                critic.train()
            norms = slopes.flatten(1).norm(dim=1)
            step(
                adams[0],
                logits[batch_size:].mean() - logits[:batch_size].mean() + PENALTY_WEIGHT * ((norms - 1) ** 2).mean(),
            )
        with lower():
            loss = -critic(generator(latents()).float()).float().mean()
        step(adams[1], loss)
        yield


def torch_networks(channels):
    """The generator and the critic in PyTorch."""
    import torch
    from torch import nn

    def halving(inputs, outputs):
        """The "same" padding of a 5x5 convolution with stride 2 on even sizes: one pixel before, two after."""
        return nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 5, stride=2))

    leaky = lambda: nn.LeakyReLU(SLOPE)
    block = lambda kind, inputs, outputs: [
        nn.Upsample(scale_factor=2),
        kind(inputs, outputs, 5, padding=2, bias=False),
        nn.BatchNorm2d(outputs),
        leaky(),
    ]
    generator = nn.Sequential(
        nn.Linear(LATENT_DIM, 2048, bias=False),
        nn.BatchNorm1d(2048),
        leaky(),
        nn.Unflatten(1, (128, 4, 4)),
        *block(nn.Conv2d, 128, 128),
        *block(nn.Conv2d, 128, 64),
        *block(nn.ConvTranspose2d, 64, 32),
        nn.ConvTranspose2d(32, channels, 5, padding=2, bias=False),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        halving(channels, 32),
        leaky(),
        halving(32, 64),
        leaky(),
        nn.Dropout(0.3),
        halving(64, 128),
        leaky(),
        nn.Conv2d(128, 128, 5, padding=2),
        leaky(),
        nn.Flatten(),
        nn.Linear(2048, 1),
    )
    return [network.to(memory_format=torch.channels_last) for network in (generator, critic)]


def shuffled(images, batch_size):
    """Endless epochs of `CRITIC_STEPS` different batches."""
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(images))[: CRITIC_STEPS * batch_size]
        yield images[order.reshape(CRITIC_STEPS, batch_size)]


def matmul_flops_per_second(precision):
    """The better of two sizes, as TensorFlow multiplies them."""
    from wgan.common import startup

    startup.import_tensorflow()
    import tensorflow as tf

    best = 0.0
    for size in (1024, 2048):
        matrix = tf.cast(tf.random.normal([size, size]), precision)
        product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
        for _ in range(8):
            start = time.perf_counter()
            float(product())
            best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def peak_memory():
    """The largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def load_images(data_dir, count, image_size):
    """Real horses where the data is at hand, else noise, which costs the same."""
    if data_dir and count == 6000 and image_size == 32:
        from wgan import data

        return data.load("cifar10", data_dir, "horse", "all").images
    return np.random.default_rng(0).integers(0, 256, [count, image_size, image_size, 3], dtype=np.uint8)


def load_folder(count, image_size):
    """Images of noise written to a folder and read again as a user's own."""
    from PIL import Image

    from wgan import data

    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, 256, [image_size, image_size, 3], np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{index}.bmp")
        start = time.perf_counter()
        images = data.load("folder", folder, None, "all", image_size).images
        print(f"reading {count:,} images took {time.perf_counter() - start:.0f} s", file=sys.stderr)
        return images


CONTESTANTS = {"ours": ours, "keras": keras, "torch": torch}


def main(argv):
    groups = cli.FlagGroups(__doc__)
    groups.define("Run", "name", str, "ours", "ours, keras, torch or matmul.")
    groups.define("Run", "precision", str, "float32", "float32 or bfloat16.")
    groups.define("Run", "epochs", int, 5, "Epochs to time, after a first one.")
    groups.define("Run", "batch_size", int, 32, "Images per update.")
    groups.define("Run", "data_dir", str, None, "CIFAR-10; noise without it.")
    groups.define("Run", "count", int, 6000, "Images; any other number than 6000 is noise.")
    groups.define("Run", "image_size", int, 32, "Pixels a side; any other number than 32 is noise (ours only).")
    groups.define("Run", "folder", bool, False, "Read the images from a folder, which is made for it.")
    values = groups.parse(argv)
    if values["precision"] not in ("float32", "bfloat16"):
        raise UserError(f"--precision is {values['precision']!r}; choose float32 or bfloat16")
    if values["name"] == "matmul":
        print(json.dumps({"flops_per_second": matmul_flops_per_second(values["precision"])}))
    elif values["name"] in CONTESTANTS:
        print(json.dumps(timed(values)))
    else:
        raise UserError(f"--name is {values['name']!r}; choose one of {', '.join(CONTESTANTS)}, matmul")
    return 0


def timed(values):
    """Trains as the flags say and tells how long each epoch took, in seconds, the memory, in bytes, and whether small
    images had Winograd convolutions."""
    if values["folder"]:
        images = load_folder(values["count"], values["image_size"])
    else:
        images = load_images(values["data_dir"], values["count"], values["image_size"])
    epochs = CONTESTANTS[values["name"]](images, values["precision"], values["batch_size"])
    times = [time.perf_counter()]
    for _ in range(values["epochs"] + 1):
        next(epochs)
        times.append(time.perf_counter())
    seconds = np.diff(times)
    return {
        "first_epoch": seconds[0],
        "seconds": list(seconds[1:]),
        "peak_memory": peak_memory(),
        "winograd": values["name"] == "ours" and has_winograd(values["batch_size"], values["precision"]),
    }


def has_winograd(batch_size, precision):
    """Whether this project's layers use Winograd convolutions on this machine."""
    import tensorflow as tf

    from wgan.models import winograd

    return winograd.applies(tf.zeros([batch_size, 4, 4, 1], precision), taps=5)


if __name__ == "__main__":
    cli.run(main, sys.argv)
