"""The history as a picture."""

from matplotlib.figure import Figure

from wgan import files
from wgan.history import History

PANELS = (("Wasserstein estimate", ("wasserstein_estimate",)),
          ("gradient penalty", ("gradient_penalty",)),
          ("gradient norm (1 is the goal)", ("gradient_norm",)),
          ("mean logits", ("critic_real", "critic_fake")))


def draw_curves(history_array, path):
    """Draws the history's columns over the epochs into a PNG file.

    Uses matplotlib without its global state, so that it may run outside the main thread.

    Args:
        history_array: float64 [epochs, columns], as `History.to_array` gives it.
        path: where to; complete or not at all.
    """
    history = History(history_array)
    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(2, 2, sharex=True).flat, PANELS):
        for column in columns:
            axes.plot(history.column("epoch"), history.column(column), linewidth=0.8, label=column)
        axes.set_title(title)
        axes.grid(alpha=0.3)
        if len(columns) > 1:
            axes.legend()
    figure.supxlabel("epoch")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
