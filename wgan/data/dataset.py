"""What all data sets have in common."""

import numpy as np
from PIL import Image

from wgan.data import labels
from wgan.data.download import keras_splits
from wgan.data.imageset import ImageSet, resize

LARGEST = 32  # pixels a side of the images that are downloaded


class Dataset:
    """A data set of fixed classes, which Keras downloads and which a subclass reads from files."""

    default = labels.ALL  # what no label means
    resample = Image.Resampling.BICUBIC  # how the images are brought to their size
    has_splits = True

    def __init__(self, name, class_names=()):
        """Args: name: what `--dataset` and `keras.datasets` call it; class_names: in the order of their numbers."""
        self.name, self.class_names = name, class_names

    def class_names_in(self, data_dir):
        """The names of all classes, in the order of their numbers."""
        return self.class_names

    def similar(self, class_name, data_dir):
        """Another class, to compare with: the next one; None for "all", or where there is no other."""
        names = self.class_names_in(data_dir)
        if class_name not in names or len(names) < 2:
            return None
        return names[(names.index(class_name) + 1) % len(names)]

    def check(self, data_dir, label, split):
        """The canonical label, once the files are known to be there; see `wgan.data.check`."""
        if data_dir is not None:
            self.check_files(data_dir, split)
        return labels.resolve(label, self.class_names, self.name, self.default)

    def check_files(self, data_dir, split):
        """Raises UserError where the files of a split are not in `data_dir`."""

    def read(self, data_dir, split):
        """The files' images, {official split: [(uint8 [N, side, side(, 3)], integers [N]), ...]}, and notices."""
        raise NotImplementedError

    def load(self, data_dir, class_name, split, size):
        """The images of one class or of all: uint8 [N, size, size, C], in official order, train before test."""
        notices: tuple[str, ...] = ()
        if data_dir is None and self.has_splits:
            downloaded = keras_splits(self.name)
            found = {name: [downloaded[name]] for name in official(split)}
        else:
            found, notices = self.read(data_dir, split)
        every = (part for parts in found.values() for part in parts)
        parts = [self._chosen(images, numbers, class_name) for images, numbers in every]
        images, numbers = (np.concatenate(part) for part in zip(*parts))
        if size > LARGEST:
            side = f"{images.shape[1]}x{images.shape[1]}"
            notices += (f"{self.name}'s images are {side}; enlarged to {size}x{size} they show nothing more",)
        return ImageSet(
            resize(images, size, self.resample),
            f"{self.name} {class_name}" + (f", {' and '.join(found)}" if self.has_splits else ""),
            class_name,
            notices,
            labels=numbers.astype(np.int32),
            label_names=self.class_names,
        )

    def _chosen(self, images, numbers, class_name):
        chosen = slice(None) if class_name == labels.ALL else numbers == self.class_names.index(class_name)
        return images[chosen], numbers[chosen]


def official(split):
    """The official splits of which one of `datasets.SPLITS` consists."""
    return ("train", "test") if split == "all" else (split,)
