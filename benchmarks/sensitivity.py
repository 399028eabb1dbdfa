"""What each metric sees: real images damaged in known ways, measured like samples.

    python benchmarks/sensitivity.py --data_dir DIR --label 7

Half of a class is the reference; the other half is blurred, made noisy, thinned out or copied.
"""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from wgan import data
from wgan.common import cli, startup


def blurred(images, radius):
    """uint8 images behind a Gaussian blur of so many pixels."""
    return np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) for image in images])


def with_noise(images, std):
    """uint8 images with normal noise of so many grey levels."""
    noise = np.random.default_rng(0).normal(0, std, images.shape)
    return np.uint8(np.clip(np.rint(images + noise), 0, 255))


def damaged(images, reals, brightness_order):
    """Yields names and images: the second half of a class, damaged.

    Args:
        images: uint8 [N, size, size, 3].
        reals: the reference, likewise.
        brightness_order: indices that sort the images from dark to bright.
    """
    yield "as it is", images
    for radius in (0.5, 1, 2):
        yield f"blurred by {radius} pixels", blurred(images, radius)
    for std in (4, 16, 64):
        yield f"noise of {std} grey levels", with_noise(images, std)
    for share in (0.5, 0.1):
        darkest = brightness_order[: int(share * len(images))]
        yield f"only the darkest {share:.0%}", images[np.resize(darkest, len(images))]
    yield "100 images over and over", images[np.resize(np.arange(100), len(images))]
    yield "copies of the reference", with_noise(reals, 2)


def main(argv):
    groups = cli.FlagGroups(__doc__)
    groups.define("Data", "data_dir", str, None, "As in train.py.")
    groups.define("Data", "label", str, "7", "As in train.py.")
    flags = groups.parse(argv)
    images = data.load("cifar10", flags["data_dir"], flags["label"], "all").images
    images = images[np.random.default_rng(0).permutation(len(images))]
    startup.import_tensorflow()
    from wgan.evaluation import features, report

    extract = features.own()
    reals, rest = np.array_split(images, 2)
    real_features = extract(reals)
    order = np.argsort(rest.mean(axis=(1, 2, 3)), kind="stable")
    rows = []
    for name, images in damaged(rest, reals, order):
        rows.append(report.make_row(name, real_features, extract(images))[0])
    print(f"features: {extract.description}\n\n{report.as_table(rows)}")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
