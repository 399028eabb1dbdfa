"""Numbers on a line against the normal distribution that they are to have: a plot, and figures."""

import numpy as np

from wgan.common.plotting import Figure, FigureCanvasAgg, usual_style
from wgan.data import gaussian

POINTS = 10_000  # to draw and to measure: enough for the outline of a distribution to hold still
PLACES = np.linspace(-6, 6, 241, dtype=np.float32)
BINS = np.linspace(-6, 6, 61)


def figures(points):
    """Mean, standard deviation and Wasserstein distance to the target of points, float [N, 1].

    On a line the cheapest plan moves the k-th smallest to the k-th smallest, so the distance is the mean of
    |sorted points - quantiles| (Villani 2003, "Topics in Optimal Transportation", section 2.2); the target's
    quantiles stand for slices of equal probability, which is exact up to about 1 / N.
    """
    ordered = np.sort(np.asarray(points, np.float64).ravel())
    target = gaussian.quantiles(len(ordered)).ravel().astype(np.float64)
    return {
        "mean": float(ordered.mean()),
        "std": float(ordered.std()),
        "wasserstein_distance": float(np.abs(ordered - target).mean()),
    }


@usual_style()
def draw(points, scores=None, epoch=None):
    """A histogram of points, float [N, 1], beside the target's density: uint8 [height, width, 3].

    With `scores`, the discriminator's probability of real at each of `PLACES`, also its curve; with an epoch, that too.
    """
    figure = Figure(figsize=(4.8, 3.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.hist(np.ravel(points), list(BINS), density=True, color="tab:blue", alpha=0.5, label="samples")
    axes.plot(PLACES, [gaussian.TARGET.pdf(place) for place in PLACES], color="black", label="target")
    if scores is not None:
        axes.plot(PLACES, scores, color="tab:red", label="D: probability of real")
    found = figures(points)
    title = "" if epoch is None else f"epoch {epoch}   "
    axes.set_title(
        f"{title}mean {found['mean']:.2f}   std {found['std']:.2f}   distance {found['wasserstein_distance']:.2f}",
        fontsize=9,
    )
    axes.set(xlim=(-6, 6), ylim=(0, 1.05))
    axes.legend(loc="upper right", fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
