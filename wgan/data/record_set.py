"""Records as a data set: see `wgan.data.records`."""

import dataclasses
import os

import numpy as np

from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.data import folder, labels, records
from wgan.data.dataset import Dataset
from wgan.data.imageset import ImageSet


class RecordSet(Dataset):
    """A folder that `make_records.py` has made."""

    has_splits = False

    def check(self, data_dir, label, split):
        """The canonical label, once the folder is known to hold an index; see `wgan.data.check`."""
        if data_dir is None:
            raise UserError("--dataset records needs --data_dir: the path of the folder that make_records.py has made")
        if not os.path.isdir(data_dir):
            raise UserError(
                f"--data_dir {one_line(data_dir)} is not a folder: give the one that make_records.py has made"
            )
        return labels.resolve(label, self.class_names_in(data_dir), f"{one_line(data_dir)}")

    def class_names_in(self, data_dir):
        """The names of the classes, those of the folders that the records were made from."""
        return records.class_names(data_dir)

    def load(self, data_dir, class_name, split, size):
        """The images as `Records`; UserError where they are of another size, or too few."""
        images, numbers, classes = records.open_records(data_dir)
        names = tuple(classes)
        if images.image_size != size:
            raise UserError(
                f"the records in {one_line(data_dir)} are of {images.image_size} pixels: give --image_size "
                f"{images.image_size}, or make others with make_records.py --image_size {size}"
            )
        if class_name != labels.ALL:
            chosen = np.flatnonzero(numbers == names.index(class_name))
            images = dataclasses.replace(images.part(chosen), channels=1 if classes[class_name] else 3)
            numbers, names = np.zeros(len(chosen), np.int32), (class_name,)
        shown = f"records {one_line(data_dir)}, {one_line(class_name)}"
        folder.check_enough(shown, len(images))
        return ImageSet(images, shown, class_name, **labels.of_all(numbers, names))


RECORDS = RecordSet("records")
