"""Adam in one operation for each variable."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="wgan")
class Adam(keras.optimizers.Adam):
    """Keras's optimizer, whose update TensorFlow's own kernel does in one pass over the memory in place of ten."""

    def update_step(self, gradient, variable, learning_rate):
        """Moves a float32 variable and its two moments by a gradient of the same shape."""
        index = self._get_variable_index(variable)
        beta_1, beta_2 = tf.constant(self.beta_1, variable.dtype), tf.constant(self.beta_2, variable.dtype)
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1**step,
            beta2_power=beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
