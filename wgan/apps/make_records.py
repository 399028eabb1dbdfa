"""Makes records of a folder of images, for sets too large to be copied to every machine or held in memory."""

import dataclasses
import functools
import itertools
import os
import pathlib
import sys
import zlib

import numpy as np

from wgan.common import cli, options, startup
from wgan.common.errors import UserError
from wgan.common.messages import one_line
from wgan.common.options import option
from wgan.data import folder, records
from wgan.runs import files

SHARD_BYTES = 2**27  # about


@dataclasses.dataclass(frozen=True)
class Request:
    """Records of which images, and where they go."""

    data_dir: str = option("images", "Files")
    """Folder with the images, or with a folder of them for each class."""
    out: str = option("records", "Files")
    """Folder to make. It appears when all is written."""
    image_size: int = option(32, "Images", choices=(28, 32, 64, 128))
    """Pixels a side, as train.py --image_size is to have it."""


def define_flags():
    """From where, to where, and how large."""
    return cli.FlagGroups("Makes records of a folder of images: train.py --dataset records reads them.", Request)


def main(argv):
    """Makes the records, with a line about them; returns the exit status."""
    request = Request(**define_flags().parse(argv))
    options.check(request)
    data_dir, out = os.path.expanduser(request.data_dir), os.path.expanduser(request.out)
    files.check_writable(pathlib.Path(out).parent, f"--out {one_line(out)}")
    if os.path.exists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise UserError(f"--out {one_line(out)} is not an empty folder: choose another")
    folder.FOLDER.check(data_dir, None, "all")
    images = folder.EachImage(data_dir, request.image_size)
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    count, size = write(out, request.image_size, images)
    for remark in images.remarks:
        print(f"note: {remark}", file=sys.stderr)
    print(f"{count:,} images of {request.image_size} pixels in {out}, {size / 1e6:,.0f} MB")
    return 0


def write(out, image_size, images):
    """Writes a folder of records, which appears when it is complete.

    Args:
        out: the folder, empty or absent.
        image_size: pixels a side.
        images: pairs of a name and uint8 [image_size, image_size, channels], of one shape, in any iterable; where all
            names are like "cat/1.png", "cat" is the image's class.

    Returns:
        How many images, and how many bytes.

    Raises:
        UserError: there are too few images, or no room for them.
    """
    startup.import_tensorflow()
    import tensorflow as tf

    names, checksums, shards, images = [], [], [], iter(images)
    try:
        with files.atomic_folder(out) as temporary:
            temporary.mkdir()
            while part := list(itertools.islice(images, SHARD_BYTES // (3 * image_size**2))):
                pixels = np.stack([image for _, image in part])
                if (pixels == pixels[..., :1]).all():
                    pixels = pixels[..., :1]
                shard = records.Shard(f"images-{len(shards):05}.tfrecord", len(part), pixels[0].size)
                with tf.io.TFRecordWriter(str(temporary / shard.name)) as writer:
                    for image in map(np.ndarray.tobytes, pixels):
                        writer.write(image)
                        checksums.append(zlib.crc32(image))
                names += [name for name, _ in part]
                shards.append(shard)
            if len(names) < folder.MIN_IMAGES:
                raise UserError(f"{len(names)} images could be read, at least {folder.MIN_IMAGES} are needed")
            records.write_index(temporary, image_size, shards, np.array(checksums, np.uint32), *folder.labels_of(names))
    except tf.errors.OpError as error:
        raise UserError(
            f"the records cannot be written ({one_line(error, longest=200)}); make room for them"
        ) from error
    return len(names), sum(shard.count * shard.stride for shard in shards)


command = functools.partial(cli.run, main)
