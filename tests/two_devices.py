"""What several GPUs would do, on a processor that TensorFlow takes for two devices, which takes a process of its own.

    python tests/two_devices.py FOLDER [EPOCHS DATA_DIR]

leaves in the folder what tests/test_distribution.py looks at, or continues a run there to so many epochs, from records.
"""

import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import short_runs
import toy_recipe

from wgan import data
from wgan.apps import make_records
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import curves
from wgan.models.layers import StatelessDropout
from wgan.training import distribution
from wgan.training.launch import launch
from wgan.training.loop import batches_of_run, build_gan

GANS = {  # with seed 0 an activation of two of them is at its kink
    "batch": dict(critic_steps=2, ema_decay=0.999, seed=1),
    "conditional": dict(recipe="wgan_gp_conditional", label="all", generator_norm="layer"),
    "sgan": dict(recipe="sgan", label=None, ema_decay=0.9),
    "spectral": dict(recipe="sngan", critic_norm="spectral", seed=1),
    "layer": dict(recipe="r3gan", generator_norm="layer", critic_norm="layer"),
    "none": dict(recipe="wgan_clip", generator_norm="none", critic_dropout=0.0, optimizer="adam"),
    "gaussian": dict(recipe="gaussian_1d", dataset="gaussian", label=None, image_size=32, latent_dim=1),
}


def updates_of_an_epoch(name):
    """How many there are of the critic, the generator and, where there is one, the classifier."""
    return GANS[name].get("critic_steps", 1) + 1 + (name == "sgan")


class RecordingSGD(keras.optimizers.SGD):
    """Keeps the gradients of every update, by the replica's number."""

    seen = None

    def apply(self, gradients, variables=None):
        number = int(tf.distribute.get_replica_context().replica_id_in_sync_group)
        if number == 0:  # replicas run in their order, up to where they have to meet
            self.seen.append({})
        self.seen[-1][number] = [gradient.numpy() for gradient in gradients]
        super().apply(gradients, variables)


def train_an_epoch(config):
    """The GAN after one epoch of plain gradient descent, and the gradients of its updates by replica."""
    image_set = data.load_for_run(config)
    with distribution.strategy_of(config).scope():
        gan = build_gan(config, image_set.images.shape[-1], image_set.class_counts)
        gan.generator_optimizer, gan.critic_optimizer = RecordingSGD(1e-3), RecordingSGD(1e-3)
        if config.recipe == "sgan":
            gan.classifier_optimizer = RecordingSGD(1e-3)
        for network in (gan.critic, getattr(gan, "classifier", gan.critic)):
            for layer in network._flatten_layers():
                if isinstance(layer, StatelessDropout):
                    layer.rate = 0.0  # each share of a batch has masks of its own
        [batch] = batches_of_run(config, image_set, range(1, 2))
        RecordingSGD.seen = []  # one for all optimizers, in the order of the updates
        figures = gan.train_step(batch)
    return gan, RecordingSGD.seen, {name: float(value) for name, value in figures.items()}


def distance(ones, others):
    """The norm of the difference of two lists of arrays, as a part of that of the first."""
    ones, others = (np.concatenate([array.ravel() for array in arrays]) for arrays in (ones, others))
    return float(np.linalg.norm(ones - others) / np.linalg.norm(ones))


def compare(folder, settings):
    """One GAN on one device and on two."""
    fields = short_runs.settings(folder, **{"batch_size": 8, "flips": "on", "ema_decay": 0.0, **settings})
    if fields.get("recipe") in ("sgan", "gaussian_1d"):
        del fields["flips"]
    results = [
        train_an_epoch(TrainingConfig(**{**fields, "distribute": distribute})) for distribute in ("none", "mirrored")
    ]
    (one, alone, figures), (gan, shared, figures_of_both) = results
    sums = [[sum(parts) for parts in zip(*update.values())] for update in shared]
    return {
        "updates": [len(alone), len(shared)],
        "gradients": [distance(update[0], total) for update, total in zip(alone, sums, strict=True)],
        "first_alone": [
            distance(update[0], [2 * gradient for gradient in parts[0]])
            for update, parts in zip(alone, shared, strict=True)
        ],
        "figures": max(abs(figures[name] - figures_of_both[name]) for name in figures),
        "weights": distance([v.numpy() for v in one.variables], [v.numpy() for v in gan.variables]),
        "alike": all(
            np.array_equal(*(part.numpy() for part in variable.value.values))
            for variable in (*gan.variables, *gan.critic_optimizer.variables)
            if hasattr(variable.value, "values")
        ),
    }


RUNS = {  # each in one folder, some in parts: epochs, and on how many devices; the last from records
    "one": [(4, "none")],
    "changing": [(1, "none"), (3, "mirrored"), (4, "none")],
    "adam_one": [(4, "none")],
    "adam_whole": [(4, "mirrored")],
    "adam_parts": [(2, "mirrored"), (4, "mirrored")],
}
DESCENT = dict(optimizer="sgd", learning_rate=1e-3)  # which does not enlarge rounding
LONG_STEPS = dict(optimizer="sgd", learning_rate=0.1)  # with which real networks change by some percent in two epochs


def train_real_networks(folder):
    """As the default recipe is run, but for its optimizer: two epochs in graphs on one device, and on two."""
    for distribute in ("none", "mirrored"):
        settings = short_runs.settings(folder / distribute, batch_size=8, ema_decay=0.9, seed=1, **LONG_STEPS)
        assert launch(TrainingConfig(**settings, distribute=distribute)) == 0


def run(folder, parts, **changes):
    """A run of the toy recipe."""
    with toy_recipe.registered():
        for epochs, distribute in parts:
            config = toy_recipe.config(folder, epochs=epochs, distribute=distribute, **{**DESCENT, **changes})
            assert launch(config) == 0


def records_in(folder):
    """Makes records of the images of the toy recipe, in a folder; the settings of a run from them."""
    with toy_recipe.registered():
        images = data.load_for_run(toy_recipe.config(folder)).images
    make_records.write(folder, 28, (("", image) for image in images))
    return from_records(folder)


def from_records(folder):
    """The settings of a run from records in a folder."""
    return dict(dataset="records", data_dir=str(folder), label="all")


def refusals(folder):
    """What is said of batches that two devices cannot share."""
    for changes in (dict(batch_size=5), dict(generator_batch_size=7)):
        try:
            run(folder, [(4, "mirrored")], **changes)
        except UserError as error:
            yield str(error)


def main(folder, epochs=None, data_dir=None):
    folder = pathlib.Path(folder)
    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    if epochs:
        run(folder, [(int(epochs), "mirrored")], **from_records(data_dir))
        return
    curves.draw_curves = short_runs.write_no_curves
    tf.config.run_functions_eagerly(True)
    found = {name: compare(folder / name, settings) for name, settings in GANS.items()}
    tf.config.run_functions_eagerly(False)
    for name, parts in RUNS.items():
        changes = dict(optimizer="adam") if name.startswith("adam") else {}
        run(folder / name, parts, **changes, **(records_in(folder / "records") if name == "adam_parts" else {}))
    train_real_networks(folder)
    found["refusals"] = list(refusals(folder / "refused"))
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
