"""Generators for images of several classes: their input is a list of latents and labels, int32 [batch]."""


def knows_classes(generator):
    """Whether a generator is asked for a class, of its `num_classes`."""
    return getattr(generator, "num_classes", 0) > 0


def with_labels(latents, labels=None):
    """The generator's input: latents, with labels where these are not None."""
    return latents if labels is None else [latents, labels]
