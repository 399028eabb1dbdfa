"""Layers that Keras does not have in the form needed here."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="wgan")
class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask is a function of a seed given with the call.

    Keras's own layer counts its calls in a variable; here nothing has to be stored for a resumed run
    to draw the masks that an uninterrupted one would have drawn.
    """

    def __init__(self, rate, **kwargs):
        """Args: rate: the probability with which a value is set to zero, in [0, 1)."""
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs, seed=None):
        """Zeroes values with probability `rate` and divides the others by `1 - rate`.

        Args:
            inputs: float tensor of any shape.
            seed: int64 [2] as `tf.random.stateless_uniform` takes it; None leaves the inputs alone.
        """
        if seed is None:
            return inputs
        draws = tf.random.stateless_uniform(tf.shape(inputs), seed, dtype=tf.float32, alg="philox")
        kept = tf.cast(draws >= self.rate, inputs.dtype)
        return inputs * kept / (1 - self.rate)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
