"""Training on several devices, each with a copy of the networks: a *replica*.

All replicas do the same updates. Of every batch each takes its rows; what is a mean over a batch is the mean of the
replicas' means. On one device nothing here does anything.
"""

import functools

import tensorflow as tf

from wgan.models import randomness


def count():
    """How many replicas there are, on all hosts; 1 without a strategy of `tf.distribute` around."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def on_each(method):
    """A method that every replica runs, with the same arguments or with its own of what another such method gave."""

    @functools.wraps(method)
    def run(*args):
        return method(*args) if count() == 1 else tf.distribute.get_strategy().run(method, args)

    return run


def mean_of_each(method):
    """As `on_each`, for a method that gives float32 scalars in any structure: their means over all replicas."""

    @functools.wraps(method)
    def run(*args):
        if count() == 1:
            return method(*args)
        strategy = tf.distribute.get_strategy()
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], strategy.run(means_of, args)
        )

    def means_of(*args):
        figures = method(*args)
        return tf.nest.pack_sequence_as(figures, tf.unstack(mean(tf.stack(tf.nest.flatten(figures)))))

    return run


def rows(batch):
    """This replica's rows of a batch that all replicas have, [batch, ...], which they can share."""
    if count() == 1:
        return batch
    shares = tf.reshape(batch, [count(), batch.shape[0] // count(), *batch.shape[1:]])
    return shares[tf.distribute.get_replica_context().replica_id_in_sync_group]


def seed(shared):
    """A seed of this replica's own, for what is drawn for its rows alone; `shared` is an int64 [2] of all."""
    if count() == 1:
        return shared
    return randomness.of_replica(shared, tf.distribute.get_replica_context().replica_id_in_sync_group)


def part(loss):
    """This replica's part of the loss, whose gradients the optimizers sum over all replicas."""
    return loss if count() == 1 else loss / count()


def mean(values):
    """The mean over all replicas of a tensor that each of them has; differentiable."""
    return tf.distribute.get_replica_context().all_reduce("MEAN", values)
