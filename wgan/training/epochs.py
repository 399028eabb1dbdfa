"""The loop over the epochs of a run."""

import keras
import tensorflow as tf


def epoch_step(gan):
    """The GAN's `train_step` as one graph, by XLA where the GAN was compiled so."""
    if gan.run_eagerly:
        return gan.train_step
    return tf.function(gan.train_step, jit_compile=gan.jit_compile, autograph=False)


def run_epochs(gan, step, batches, epochs, callbacks):
    """Trains for some epochs, a range counted from 1, or until a callback sets `gan.stop_training`.

    `step` is what `epoch_step` gave for the compiled `GAN`; `batches` has one element for each epoch, as
    `epoch_batches` gives them. The callbacks are Keras's, called in this order; they count epochs from 0, and may add
    figures to an epoch's logs.
    """
    watching = keras.callbacks.CallbackList(callbacks, model=gan)
    gan.stop_training = False
    watching.on_train_begin()
    for number, batch in zip(epochs, batches):
        watching.on_epoch_begin(number - 1)
        with gan.distribute_strategy.scope():
            logs = step(batch)
        logs = {name: float(value) for name, value in sorted(logs.items())}
        watching.on_epoch_end(number - 1, logs)
        if gan.stop_training:
            break
    watching.on_train_end()
