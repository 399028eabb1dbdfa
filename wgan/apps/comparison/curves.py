"""FID of a comparison's settings as curves. No TensorFlow."""

import numpy as np

from wgan.common.plotting import Figure, ticker, usual_style
from wgan.data.own_files import SOFTWARE
from wgan.runs import files

MARKERS = "osD^vPX*<>"


@usual_style()
def draw_curves(results, path):
    """Draws FID over generator updates and over training time, a line per setting, as a PNG.

    With several seeds the line is their mean at the updates that all of them have been measured at, and thin lines
    are the seeds. `results` is what `wgan.apps.comparison.results.results` gave.
    """
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    rows = [row for setting in results for run in setting["runs"] for row in run["measurements"]]
    longest = max((row["training_seconds"] for row in rows), default=0)
    unit, name = (3600, "hours") if longest > 7200 else (60, "minutes") if longest > 120 else (1, "seconds")
    for number, setting in enumerate(results):
        style = {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)]}
        for panel, key, scale in ((axes[0], "epoch", 1), (axes[1], "training_seconds", unit)):
            _draw_setting(panel, setting, key, scale, style)
    axes[0].set(xlabel="generator updates", ylabel="FID (lower is better)", title="over updates")
    axes[1].set(xlabel=f"{name} of training", title="over time")
    _scale(axes, [row["fid"] for row in rows])
    handles, labels = axes[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": SOFTWARE})


def _draw_setting(axes, setting, key, scale, style):
    """The seeds' lines and their mean; `key` says which of a measurement's numbers is on the x-axis."""
    seeds = [
        {row["epoch"]: (row[key] / scale, row["fid"]) for row in run["measurements"]}
        for run in setting["runs"]
        if run["measurements"]
    ]
    common = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if len(seeds) > 1:
        for points in seeds:
            axes.plot(*zip(*points.values()), **style, markersize=2, linewidth=0.7, alpha=0.5)
    if seeds:  # in the legend also where nothing is common
        means = np.reshape([np.mean([points[epoch] for points in seeds], axis=0) for epoch in common], (-1, 2))
        axes.plot(*means.T, **style, markersize=5, linewidth=1.6, label=setting["name"])


def _scale(axes, heights):
    """Axes that show small and large figures alike: FID falls by orders of magnitude."""
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.set_xlim(left=0)
        if not heights:
            panel.text(0.5, 0.5, "nothing measured yet", transform=panel.transAxes, ha="center", color="gray")
    axes[0].xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if heights and 0 < 4 * min(heights) < max(heights):
        axes[0].set_yscale("log")  # of both
        axes[0].yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes[0].yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))  # 2, 5, 10 in place of powers of ten
        axes[0].yaxis.set_minor_formatter(ticker.NullFormatter())
