"""The data sets that Keras downloads, with the reason in one line where it cannot."""

import socket

import numpy as np

from wgan.common import startup
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.common.scopes import changed

SILENCE_S = 60  # a server silent for this long has failed: without a limit a dead link waits for ever


def keras_splits(dataset):
    """Downloads a data set with Keras, which verifies the hash and keeps a copy for the next time.

    Returns:
        {"train": (images, labels), "test": (images, labels)}: uint8 [N, height, width(, 3)], and integers [N].

    Raises:
        UserError: the download failed, for whatever reason.
    """
    startup.import_tensorflow(sets_up=False)  # takes seconds, so only now; other hosts have yet to be connected
    import keras

    try:
        limit = socket.getdefaulttimeout() or SILENCE_S  # of new sockets
        with changed(socket.getdefaulttimeout, socket.setdefaulttimeout, limit):
            train, test = getattr(keras.datasets, dataset).load_data()
    except Exception as error:  # Keras raises plain Exception, the libraries below it many kinds
        raise UserError(
            f"{dataset} could not be downloaded ({type(error).__name__}: {one_line(error, longest=200)}): "
            f"give files you have with --data_dir (of images, only the data set digits needs no download)"
        ) from error
    return {"train": _pair(*train), "test": _pair(*test)}


def _pair(images, labels):
    images = np.asarray(images, np.uint8)
    if images.shape[1:] == (3, 32, 32):  # Keras set to image_data_format "channels_first"
        images = images.transpose(0, 2, 3, 1)
    return images, np.asarray(labels).reshape(-1)
