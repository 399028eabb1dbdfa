"""The picture of two piles and two plans that move one into the other. No TensorFlow."""

import io
import pathlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from wgan.apps.earth_mover import cost, distances, number
from wgan.common.errors import UserError
from wgan.common.plotting import Figure, colormaps, patches, patheffects, usual_style
from wgan.data.own_files import SOFTWARE
from wgan.runs import files

_COLUMN_WIDTH = 0.8  # of the distance between columns
_GAP = 2.0  # between the piles, in heights of the highest column
_HEAD = 0.2  # length of an arrow's head, in the same
_THINNEST = 0.015  # half of the thinnest arrow's width, in columns
_CLEARANCE = 0.4  # columns between a label's middle and other arrows' that are enough
_MOST_WITH_DISTANCE = 8  # columns; the cells of more are too small for two numbers
_LABEL_HEIGHT = 0.22  # in heights of the highest column
_HALO = [patheffects.withStroke(linewidth=3, foreground="white")]


def check_output(path):
    """The path with `~` spelled out; raises UserError where no PNG can be meant by it."""
    path = pathlib.Path(path).expanduser()
    if path.suffix.lower() != ".png":
        raise UserError(f"cannot write {path}: the name must end in .png")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    return path


@usual_style()
def draw(report, path):
    """Draws a `wgan.apps.earth_mover.Report` into a PNG file of 1200x1140 pixels, complete or not at all.

    Uses matplotlib without its global state, as `wgan.images.curves` does.

    Raises:
        UserError: the path is that of a folder, or not of a PNG.
        OSError: it cannot be written.
    """
    path = check_output(path)
    figure = Figure(figsize=(12, 11.4), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1)
    grid = figure.add_gridspec(3, 2, height_ratios=(4, 4.2, 1.7))
    plans = ("A costly plan", report.costly), ("The cheapest plan", report.cheap)
    for place, (title, plan) in enumerate(plans):
        _draw_arrows(figure.add_subplot(grid[0, place]), title, report, plan)
        _draw_matrix(figure.add_subplot(grid[1, place]), plan)
    _draw_critic(figure.add_subplot(grid[2, 0]), report)
    _write_distance(figure.add_subplot(grid[2, 1]), report)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(path) as temporary:
        _save(figure, temporary)


def _save(figure, path):
    """With a palette, in which flat colours take half the room."""
    pixels = io.BytesIO()
    figure.savefig(pixels, dpi=100, format="png")
    with Image.open(pixels) as picture:
        metadata = PngInfo()
        metadata.add_text("Software", SOFTWARE)
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True,
                                                                            pnginfo=metadata)


def _colours(columns):
    """One for each column of the first pile, which its blocks keep on their way."""
    return colormaps["turbo"](np.linspace(0.08, 0.92, columns))


def _font_size(labels, columns):
    """Points at which the longest label is no wider than a column of the matrix (about 260 points in all)."""
    return min(11, 260 / (columns + 1) / (0.7 * max(map(len, labels))))


def _draw_arrows(axes, title, report, plan):
    """The first pile above, the second hanging below, and between them an arrow for each entry of the plan."""
    columns, highest = len(plan), max(report.first.max(), report.second.max())
    for column, colour in enumerate(_colours(columns)):
        _stack(axes, column, [report.first[column] / highest], [colour], _GAP, 1)
        _stack(axes, column, plan[:, column] / highest, _colours(columns), 0, -1)
    _draw_block_lines(axes, report, highest)
    _draw_heights(axes, report, highest)
    _draw_ways(axes, plan, plan / highest * _COLUMN_WIDTH)
    axes.set(xlim=(-0.6, columns - 0.4), yticks=(_GAP + 0.4, _GAP / 2, -0.4),
             ylim=(-report.second.max() / highest - 0.3, _GAP + report.first.max() / highest + 0.3),
             xticks=range(columns), xticklabels=range(1, columns + 1), xlabel="column")
    axes.set_yticklabels(("first pile", "moved", "second pile,\nhanging"), size=10)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{title}: cost {number(cost(plan))}\n(sum of amount × distance)")


def _draw_heights(axes, report, highest):
    """The number of blocks at the end of each column."""
    size = _font_size([number(blocks) for blocks in (*report.first, *report.second)], len(report.first))
    for column, (above, below) in enumerate(zip(report.first, report.second)):
        axes.text(column, _GAP + above / highest + 0.04, number(above), ha="center", va="bottom", size=size)
        axes.text(column, -below / highest - 0.04, number(below), ha="center", va="top", size=size)


def _stack(axes, column, heights, colours, base, direction):
    """Parts of one column upon each other, upwards (direction 1) or downwards (-1) from the base."""
    left = column - _COLUMN_WIDTH / 2
    for height, colour in zip(heights, colours):
        axes.add_patch(patches.Rectangle((left, base), _COLUMN_WIDTH, direction * height, color=colour, linewidth=0))
        base += direction * height
    axes.plot([left, left + _COLUMN_WIDTH], [base - direction * sum(heights)] * 2, color="black", linewidth=1)


def _draw_block_lines(axes, report, highest):
    """White lines between single blocks, where these are whole and few enough to be seen."""
    if highest > 20 or (report.first % 1).any() or (report.second % 1).any():
        return
    for column, (above, below) in enumerate(zip(report.first, report.second)):
        levels = [_GAP + block / highest for block in range(1, int(above))]
        levels += [-block / highest for block in range(1, int(below))]
        axes.hlines(levels, column - _COLUMN_WIDTH / 2, column + _COLUMN_WIDTH / 2, color="white", linewidth=1.5)


def _draw_ways(axes, plan, widths):
    """Arrows as wide as the amounts that they carry, side by side where they leave and where they arrive."""
    columns = len(plan)
    tails = np.arange(columns)[:, None] + np.cumsum(widths, 1) - widths / 2 - widths.sum(1, keepdims=True) / 2
    tips = np.arange(columns) + np.cumsum(widths, 0) - widths / 2 - widths.sum(0) / 2
    moves = [tuple(move) for move in np.argwhere(plan)]
    labels = [number(plan[move]) for move in moves]
    ways = [(tails[move], tips[move]) for move in moves]
    for move, (tail, tip) in zip(moves, ways):
        _draw_arrow(axes, tail, tip, max(widths[move] / 2, _THINNEST), _colours(columns)[move[0]])
    size = _font_size(labels, columns)
    label_width = 1.1 * columns / (columns + 1) * max(map(len, labels)) * size / 37  # in columns
    for (x, y), label in zip(_label_places(ways, label_width), labels):
        axes.text(x, y, label, ha="center", va="center", size=size, weight="bold", path_effects=_HALO, zorder=4)


def _draw_arrow(axes, tail, tip, half, colour):
    """A band from (tail, _GAP) to a head whose tip is (tip, 0)."""
    neck = tip + (tail - tip) * _HEAD / _GAP
    wide = half + 0.05
    corners = [(tail - half, _GAP), (tail + half, _GAP), (neck + half, _HEAD), (neck + wide, _HEAD), (tip, 0),
               (neck - wide, _HEAD), (neck - half, _HEAD)]
    axes.add_patch(patches.Polygon(corners, facecolor=colour, edgecolor="white", linewidth=0.7, alpha=0.8, zorder=2))


def _label_places(ways, width):
    """Chooses for one arrow after the other a point on it where its label hides no other, and is on no other arrow.

    Args:
        ways: (x of the tail, x of the tip) of each arrow.
        width: of the labels, in columns.
    """
    shares = np.linspace(0.1, 0.8, 36)  # of the way
    paths = np.array([tail + (tip - tail) * shares for tail, tip in ways])
    heights = _GAP * (1 - shares)
    taken = []
    for place, path in enumerate(paths):
        others = np.delete(paths, place, 0)
        from_arrows = np.abs(others - path).min(0, initial=_CLEARANCE) / _CLEARANCE
        from_labels = np.ones(len(shares))
        for x, y in taken:
            apart = np.maximum(np.abs(path - x) / width, np.abs(heights - y) / _LABEL_HEIGHT)
            from_labels = np.minimum(from_labels, apart)
        best = np.argmax(2 * from_labels + from_arrows - 0.2 * np.abs(shares - 0.4))
        taken.append((path[best], heights[best]))
    return taken


def _draw_matrix(axes, plan):
    """The amounts, times their distances, and the sums of rows and columns along the margins."""
    columns = len(plan)
    size = _font_size([number(amount) for amount in (*plan.flat, *plan.sum(0), *plan.sum(1))], columns)
    axes.imshow(np.where(plan > 0, plan, np.nan), cmap="Blues", vmin=0, vmax=2 * plan.max())
    axes.hlines(np.arange(columns + 1) - 0.5, -0.5, columns - 0.5, color="lightgray", linewidth=0.8)
    axes.vlines(np.arange(columns + 1) - 0.5, -0.5, columns - 0.5, color="lightgray", linewidth=0.8)
    _write_amounts(axes, plan, size, with_distance=columns <= _MOST_WITH_DISTANCE)
    _write_sums(axes, plan, size)
    names = [*map(str, range(1, columns + 1)), "sum"]
    axes.set(xlim=(-0.5, columns + 0.5), ylim=(columns + 0.5, -0.5), xticks=range(columns + 1), xticklabels=names,
             yticks=range(columns + 1), yticklabels=names, ylabel="from column",
             xlabel="to column" + " (in the cells: amount × distance)" * (columns <= _MOST_WITH_DISTANCE))
    axes.tick_params(length=0, labelsize=size)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)


def _write_amounts(axes, plan, size, with_distance):
    for row, column in np.argwhere(plan):
        axes.text(column, row, number(plan[row, column]), ha="center", va="bottom" if with_distance else "center",
                  size=size, weight="bold")
        if with_distance:
            axes.text(column, row + 0.08, f"× {distances(len(plan))[row, column]}", ha="center", va="top", size=9)


def _write_sums(axes, plan, size):
    """Along the margins, with the colours of the first pile's columns at the left."""
    columns = len(plan)
    for place, (amount, colour) in enumerate(zip(plan.sum(1), _colours(columns))):
        axes.text(columns, place, number(amount), ha="center", va="center", size=size)
        axes.add_patch(patches.Rectangle((-0.5, place - 0.5), 0.1, 1, color=colour, linewidth=0))
    for place, amount in enumerate(plan.sum(0)):
        axes.text(place, columns, number(amount), ha="center", va="center", size=size)
    axes.text(columns - 0.3, columns, number(plan.sum()), ha="left", va="center", size=size, weight="bold")
    axes.text(columns + 0.6, columns / 2 - 0.5, "row sums: first pile", rotation=270, ha="left", va="center")
    axes.text(columns / 2 - 0.5, columns + 0.45, "column sums: second pile", ha="center", va="top")


def _draw_critic(axes, report):
    """The potential over the columns."""
    places = np.arange(1, len(report.critic) + 1)
    axes.plot(places, report.critic, marker="o", color="black")
    for place, score in zip(places, report.critic):
        axes.annotate(number(score), (place, score), (0, 6), textcoords="offset points", ha="center")
    axes.set(xlabel="column", ylabel="score", xticks=places)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.margins(y=0.35)
    axes.grid(alpha=0.3)
    axes.set_title("The best critic: no step steeper than 1")


def _write_distance(axes, report):
    """The distance in three ways, in words and numbers."""
    scores = [report.critic @ pile for pile in (report.first, report.second)]
    same = "\nBetween these piles every plan costs the same." if report.all_cost_the_same else ""
    axes.text(0.02, 0.95,
              f"Wasserstein distance\n= cheapest cost / blocks = {number(cost(report.cheap))} / {number(report.mass)} "
              f"= {report.distance:.6g}\n\n"
              f"by the critic: (scores of the first pile − of the second) / blocks\n"
              f"= ({number(scores[0])} − {number(scores[1])}) / {number(report.mass)} "
              f"= {(scores[0] - scores[1]) / report.mass:.6g}\n\n"
              f"by scipy.stats.wasserstein_distance: {report.scipy_distance:.6g}{same}",
              va="top", size=11, transform=axes.transAxes)
    axes.set_axis_off()
