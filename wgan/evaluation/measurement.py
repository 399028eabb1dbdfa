"""The figures of a report on a trained generator."""

import numpy as np

from wgan.common import output, startup
from wgan.common.messages import one_line
from wgan.data.records import Records
from wgan.evaluation import evaluator, features, report
from wgan.evaluation.evaluate import MIN_SAMPLES
from wgan.models import surroundings
from wgan.models.classes import knows_classes

MAX_SEARCHED = 100_000  # images among which copies are looked for, of records: their reading would take hours


@surroundings.usual()
def measure(generator, image_set, other, request, seed):
    """What the report says of a generator, and the grid of samples beside their nearest training images.

    Args:
        generator: of images.
        image_set: the `ImageSet` to measure against.
        other: one of another class, or None.
        request: a `ReportRequest`.
        seed: of the latents.
    """
    extract, images, labels = getattr(features, request.features)(), image_set.images, image_set.labels
    count = request.samples or min(len(images), evaluator.MAX_REALS)
    chosen = evaluator.subset_indices(len(images), count)
    places = chosen[np.arange(count) * len(chosen) // count]  # classes as frequent as in the data
    asked = labels[places] if knows_classes(generator) else None
    drawn = evaluator.Sampler(generator, count, seed, asked)()
    if isinstance(images, Records):
        searched = np.union1d(chosen, evaluator.subset_indices(len(images), MAX_SEARCHED))
        images, chosen = images.part(searched), np.searchsorted(searched, chosen)
        labels = None if labels is None else labels[searched]
    training = extract(images)
    reals = training[chosen]
    row, copies = report.make_row("samples", reals, extract(drawn), training)
    rows = [row]
    if asked is not None:
        classes = [(name, training[labels == number]) for number, name in enumerate(image_set.label_names)]
        measured_classes = _rows_of_classes(generator, classes, extract, count, seed)
        rows += report.with_mean(measured_classes, len(classes))
    measured = {
        "features": extract.description,
        "caveat": extract.caveat,
        "reference": {
            "name": image_set.name,
            "images": len(reals),
            "training_images": len(image_set.images),
            "searched_for_copies": len(training),
        },
        "versions": startup.versions(),
        "rows": [*rows, *(report.yardsticks(extract, reals, images[chosen], other) if request.yardsticks else ())],
    }
    return measured, report.closest_pairs(drawn, images, copies)


def _rows_of_classes(generator, classes, extract, most, seed):
    """A row for each class of enough images: its samples, as many as it has images and at most `most`, against these.

    `classes` are names and features of the images, in the order of their numbers; `seed` is of the latents.
    """
    for number, (name, reals) in enumerate(classes):
        reals = evaluator.at_most(most, reals)
        if len(reals) >= MIN_SAMPLES:
            drawn = evaluator.Sampler(generator, len(reals), seed, np.full(len(reals), number, np.int32))()
            yield report.make_row(one_line(name), reals, extract(drawn))[0]
        else:
            output.note(f"{one_line(name)} is not measured alone: it has {len(reals)} images")
