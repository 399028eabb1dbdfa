"""The history as curves."""

import numpy as np

from wgan.common.plotting import Figure, usual_style
from wgan.data.own_files import SOFTWARE
from wgan.runs import files
from wgan.runs.history import COLUMNS, History

_IF_HELD_OUT = ("training_estimate", "heldout_estimate")
PANELS = (
    ("Wasserstein estimate", ("wasserstein_estimate", *_IF_HELD_OUT)),
    ("D of real images less D of samples", _IF_HELD_OUT),
    ("D of real images and of samples", ("critic_real", "critic_fake")),
    ("losses", ("critic_loss", "generator_loss")),
    ("gradient penalty", ("gradient_penalty",)),
    ("gradient norm (1 is the goal of WGAN-GP)", ("gradient_norm",)),
    ("FID (lower is better)", ("fid",)),
    ("KID (lower is better)", ("kid",)),
    ("precision and recall", ("precision", "recall")),
    ("cross-entropy of the classes", ("class_loss",)),
    ("accuracy on training batches", ("accuracy_real", "accuracy_fake")),
    ("accuracy on held-out images", ("heldout_accuracy", "heldout_accuracy_alone")),
    ("mean and standard deviation (goal: -1 and 1)", ("mean", "std")),
    ("Wasserstein distance to the target", ("wasserstein_distance",)),
)
OF_ESTIMATE, OF_SCORES = PANELS[:1], PANELS[1:4]


def panels(columns, history):
    """Those of `PANELS` that have one of the columns.

    With a Wasserstein estimate the scores have no scale, and the losses show nothing that the estimate does not.
    """
    left_out = OF_SCORES if "wasserstein_estimate" in columns else OF_ESTIMATE
    return [
        panel
        for panel in PANELS
        if set(panel[1]) & set(columns)
        and panel not in left_out
        and (panel[1] != _IF_HELD_OUT or _shown(panel[1], history))
    ]


def _shown(names, history):
    return [column for column in names if np.isfinite(history.column(column)).any()]


@usual_style()
def draw_curves(history_array, path, columns=COLUMNS):
    """Draws the history's columns over the epochs into a PNG file, complete or not at all.

    `history_array` is float64 [epochs, columns], as `History.to_array` gives it; `columns` those that the run fills.
    """
    history = History(history_array)
    chosen = panels(columns, history)
    rows = -(-len(chosen) // 3)
    figure = Figure(figsize=(13, 3.25 * rows), layout="constrained")
    places = figure.subplots(rows, 3, sharex=True, squeeze=False).flat
    for axes in places[len(chosen) :]:
        axes.set_axis_off()
    for axes, (title, names) in zip(places, chosen):
        shown = _shown(names, history)
        for column in shown:
            _draw(axes, history, column)
        axes.set_title(title)
        axes.grid(alpha=0.3)
        if len(shown) > 1:
            axes.legend()
        if not shown:
            axes.text(0.5, 0.5, "not measured yet", transform=axes.transAxes, ha="center", color="gray")
    figure.supxlabel("epoch")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": SOFTWARE})


def _draw(axes, history, column):
    """A line through the epochs that have this figure, with the standard error where there is one."""
    epochs, values = history.column("epoch"), history.column(column)
    known = np.isfinite(values)
    marker = "." if known.sum() < 100 else ""  # few points, or one, must be seen
    axes.plot(epochs[known], values[known], linewidth=0.8, marker=marker, label=column)
    if column == "kid":
        error = history.column("kid_error")[known]
        axes.fill_between(epochs[known], values[known] - error, values[known] + error, alpha=0.3)
