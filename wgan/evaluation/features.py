"""Features of images: what the metrics compare in place of pixels."""

import numpy as np
import tensorflow as tf

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.evaluation import feature_network
from wgan.evaluation.evaluator import in_batches
from wgan.models import precision, surroundings


class Extractor:
    """Turns images into features."""

    def __init__(self, network, image_size, batch, description, caveat):
        """
        Args:
            network: float32 images [batch, image_size, image_size, 3] in [-1, 1] to [batch, dimensions].
            image_size: pixels a side that the network takes.
            batch: images at a time.
            description: what the features are, for every report that rests on them.
            caveat: with what figures made by them cannot be compared.
        """
        self.description, self.caveat, self.batch = description, caveat, batch
        self._network, self._image_size = network, image_size
        self._on_batch = tf.function(self._batch_features, reduce_retracing=True)

    def __call__(self, images):
        """uint8 [N, height, width, 1 or 3], or `Records`, to float32 [N, dimensions]; grey images count as RGB."""
        with precision.exact():
            return np.concatenate(in_batches(self._of_batch, images, size=self.batch))

    def _of_batch(self, images):
        return self._on_batch(tf.broadcast_to(images, [*images.shape[:3], 3]))

    def _batch_features(self, images):
        images = tf.cast(images, tf.float32)
        if images.shape[1] != self._image_size:
            images = tf.image.resize(images, [self._image_size, self._image_size], antialias=True)
        return self._network(images / 127.5 - 1)


def own():
    """The project's own features: nothing is downloaded, 6,000 images take seconds."""
    network = feature_network.load_feature_network()
    made = feature_network.provenance()
    return Extractor(
        network.features,
        feature_network.IMAGE_SIZE,
        500,
        f"the project's own network, {feature_network.FEATURES} features ({made['trained_on']}; "
        f"{made['test_accuracy']:.1%} correct on the test images)",
        "not comparable with published FID or KID, which rest on Inception's features",
    )


def inception(weights="imagenet"):
    """Keras's InceptionV3 before its last layer, on images enlarged to 299x299; UserError where it has no download.

    `weights` as `keras.applications.InceptionV3` takes them; None draws them at random, for tests.
    """
    import keras

    with surroundings.usual():
        try:
            network = keras.applications.InceptionV3(include_top=False, pooling="avg", weights=weights)
        except Exception as error:  # Keras raises plain Exception where a download fails
            raise UserError(
                f"InceptionV3 could not be downloaded ({one_line(error, longest=200)}): use "
                "--features own, which needs no download"
            ) from error
    return Extractor(
        lambda images: network(images, training=False),
        299,
        50,
        f"Keras's InceptionV3, {network.output_shape[-1]} features (weights: {weights or 'random'})",
        "near published FID and KID only with 50,000 samples of the official images: the network of the "
        "papers is an earlier training of Inception, and fewer samples give a larger FID",
    )
