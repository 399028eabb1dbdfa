"""Draws docs/images/critics.png: what three kinds of critic tell a generator whose samples are still far off.

    python tools/draw_critics.py

Each is the same small network, trained to the end between the same real numbers and the same samples.
"""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from wgan.models import constraints
from wgan.models.losses import LOSSES

REAL, FAKE, DEVIATION = 2.0, -2.0, 0.4
UPDATES = 3000
# Images of two pixels, which differ in the first. With one alone, a slope of the wrong sign would have to pass
# through zero to turn, over the hill that the penalty has there; with two it turns around it.
SHAPE = (256, 1, 2, 1)
LINE = np.linspace(-4, 4, 401, dtype=np.float32)
PLACES = np.stack([LINE, np.zeros_like(LINE)], axis=1).reshape(-1, 1, 2, 1)
KINDS = (
    ("cross-entropy, no constraint", LOSSES["cross_entropy"], constraints.NoConstraint()),
    ("Wasserstein, weights clipped at 0.01", LOSSES["wasserstein"], constraints.Clipping(0.01)),
    ("Wasserstein, gradient penalty", LOSSES["wasserstein"], constraints.GradientPenalty(10.0)),
)


def train_critic(objective, constraint):
    """A critic [N, 1, 2, 1] to [N] after UPDATES steps between the two normal distributions."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    critic = keras.Sequential(
        [
            keras.Input([1, 2, 1]),
            keras.layers.Flatten(),
            keras.layers.Dense(64, "tanh"),
            keras.layers.Dense(64, "tanh"),
            keras.layers.Dense(1),
            keras.layers.Reshape([]),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-3, 0.5, 0.9)
    optimizer.build(critic.trainable_variables)

    @tf.function
    def update(reals, fakes, epsilon):
        with tf.GradientTape() as tape:
            term, _ = constraint.term(critic, reals, fakes, epsilon)
            loss = objective.critic_loss(critic(reals), critic(fakes)) + term
        optimizer.apply(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables)
        constraint.after_update(critic)

    for _ in range(UPDATES):
        reals, fakes = (draw(rng, mean) for mean in (REAL, FAKE))
        update(reals, fakes, tf.constant(rng.uniform(size=[SHAPE[0], 1, 1, 1]), tf.float32))
    return critic


def draw(rng, mean):
    """A batch around `mean` in the first pixel and around 0 in the second."""
    return tf.constant(rng.normal(np.reshape([mean, 0.0], [1, 2, 1]), DEVIATION, SHAPE), tf.float32)


def push(critic, is_probability):
    """Minus the slope of the generator's loss at PLACES, [N]: D's slope with Wasserstein's loss, -D(x).

    With the game's own loss for probabilities, log(1 - sigmoid(D)), it is sigmoid(D) times D's slope, which vanishes
    where the discriminator is sure (Arjovsky and Bottou 2017).
    """
    slopes = constraints.critic_gradients(critic, tf.constant(PLACES)).numpy()[:, 0, 0, 0]
    return sigmoid(critic(PLACES).numpy()) * slopes if is_probability else slopes


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def main():
    """Trains, draws and prints the push at the samples' mean."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    for (title, objective, constraint), (above, below) in zip(KINDS, axes.T):
        critic = train_critic(objective, constraint)
        is_probability = objective is LOSSES["cross_entropy"]
        scores, pushes = critic(PLACES).numpy(), push(critic, is_probability)
        above.plot(LINE, sigmoid(scores) if is_probability else scores, color="tab:blue")
        above.set_title(title, fontsize=10)
        above.set_ylabel("D(x), a probability" if is_probability else "D(x)")
        below.plot(LINE, pushes, color="tab:red")
        below.set_ylim(bottom=0)
        below.set_ylabel("push on a sample")
        below.set_xlabel("x")
        for axis in (above, below):
            axis.axvspan(FAKE - 2 * DEVIATION, FAKE + 2 * DEVIATION, color="0.9")
            axis.axvspan(REAL - 2 * DEVIATION, REAL + 2 * DEVIATION, color="#dff0df")
        print(f"{title}: push at the samples' mean {np.interp(FAKE, LINE, pushes):.2g}")
    figure.savefig(ROOT / "docs/images/critics.png", dpi=110)
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(description="Draws what three kinds of critic tell a generator.").parse_args()
    sys.exit(main())
