"""Makes records of a folder of images, for sets too large to be copied to every machine or held in memory."""

import dataclasses
import functools
import itertools
import os
import pathlib
import zlib

import numpy as np

from wgan.common import cli, options, output, signals, startup
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
    data_dir, out = os.path.expanduser(request.data_dir), os.path.realpath(os.path.expanduser(request.out))
    files.check_writable(pathlib.Path(out).parent, f"--out {one_line(out)}")
    if os.path.exists(out) and (
        not os.path.isdir(out) or os.listdir(out) or os.path.ismount(out) or os.path.samefile(out, os.curdir)
    ):
        raise UserError(
            f"--out {one_line(out)} is there, and is not an empty folder that can be replaced: choose another"
        )
    folder.FOLDER.check(data_dir, None, "all")
    for other in files.temporaries(out):
        output.note(f"{other} is of another make_records.py; remove it if that was killed")
    remarks = []
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with signals.handled(signals.end):
        count, size = write(out, request.image_size, folder.each_image(data_dir, request.image_size, remarks))
    for remark in remarks:
        output.note(remark)
    print(f"{count:,} images of {request.image_size} pixels in {out}, {size / 1e6:,.0f} MB")
    return 0


def write(out, image_size, images):
    """Writes a folder of records, which appears when it is complete; how many images it holds, and how many bytes.

    `out` is empty or absent. `images` are pairs of a name and uint8 [image_size, image_size, channels], of one shape,
    in any iterable; where all names are like "cat/1.png", "cat" is the image's class. Raises UserError where there is
    no room for them.
    """
    startup.import_tensorflow()
    import tensorflow as tf

    names, checksums, shards, images, in_colour = [], [], [], iter(images), set()
    try:
        with files.atomic_path(out) as temporary:
            temporary.mkdir()
            while part := list(itertools.islice(images, SHARD_BYTES // (3 * image_size**2))):
                pixels = np.stack([image for _, image in part])
                coloured = (pixels != pixels[..., :1]).any((1, 2, 3))
                in_colour.update(folder.class_of(name) for (name, _), is_so in zip(part, coloured) if is_so)
                if not coloured.any():
                    pixels = pixels[..., :1]
                shard = records.Shard(f"images-{len(shards):05}.tfrecord", len(part), pixels[0].size)
                with tf.io.TFRecordWriter(str(temporary / shard.name)) as writer:
                    for image in map(np.ndarray.tobytes, pixels):
                        writer.write(image)
                        checksums.append(zlib.crc32(image))
                names += [name for name, _ in part]
                shards.append(shard)
            labels, class_names = folder.labels_of(names)
            classes = {name: name not in in_colour for name in class_names}
            records.write_index(temporary, image_size, shards, np.array(checksums, np.uint32), labels, classes)
    except tf.errors.OpError as error:
        raise UserError(
            f"the records cannot be written ({one_line(error, longest=200)}); make room for them"
        ) from error
    return len(names), sum(shard.count * shard.stride for shard in shards)


command = functools.partial(cli.run, main)
