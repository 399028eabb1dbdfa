"""Shows what the Wasserstein distance of two piles of blocks is: two plans to move one into the other, as an image.

    python examples/earth_mover.py --first 1,4,2,0,1,2 --second 2,1,1,3,3,0

A pile is float64 [columns], the number of blocks in each column; columns stand at distance 1. A transport plan is
float64 [columns, columns]: entry [i, j] is the number of blocks that go from column i of the first pile to column j of
the second. docs/earth_mover.md has the equations, those of Peyre and Cuturi, Computational Optimal Transport (2019),
sections 2.3, 2.6 and 6.1.
"""

import pathlib

import numpy as np
from scipy import stats

from wgan import UserError, save_png
from wgan.common import cli
from wgan.common.plotting import Figure, FigureCanvasAgg, colormaps, patches, patheffects, usual_style

MAX_COLUMNS, MAX_BLOCKS = 12, 100  # what can be read in the image
DECIMALS = 9  # of plans: below the smallest part of a block, above the rounding errors of their sums
WIDTH, GAP, HEAD = 0.8, 2.0, 0.2  # of a column, between the piles, and of an arrow's head
NAMES = "A costly plan", "The cheapest plan"


def read_piles(first, second):
    """Reads texts such as "1,4,2" into two float64 [columns]; the shorter pile gets empty columns at its right."""
    piles = _read_pile("--first", first), _read_pile("--second", second)
    totals = [round(sum(pile), DECIMALS) for pile in piles]
    if totals[0] != totals[1]:
        raise UserError(
            f"--first holds {number(totals[0])} blocks and --second {number(totals[1])}: "
            "to move one pile into the other, give both the same total"
        )
    if not totals[0]:
        raise UserError("--first and --second hold no blocks: there is nothing to move")
    columns = max(map(len, piles))
    return [np.array(pile + [0] * (columns - len(pile)), dtype=np.float64) for pile in piles]


def _read_pile(flag, text):
    words = [word.strip() for word in text.split(",")]
    if len(words) > MAX_COLUMNS:
        raise UserError(f"{flag} has {len(words)} columns, more than {MAX_COLUMNS}, which is all that can be drawn")
    try:
        pile = [float(word) for word in words]
    except ValueError:
        raise UserError(f"{flag} is {text!r}; give numbers of blocks separated by commas, such as 1,4,2") from None
    for blocks in pile:
        if not 0 <= blocks <= MAX_BLOCKS or round(blocks, 2) != blocks:
            raise UserError(
                f"{flag}: {blocks:g} blocks cannot be drawn; give numbers from 0 to {MAX_BLOCKS}, with at "
                "most two decimals"
            )
    return pile


def cheapest_plan(first, second):
    """The monotone plan: blocks keep their order. On a line no plan is cheaper.

    Block number u of the first pile, counted from the left, becomes block number u of the second; so [i, j] is the
    length of the overlap of the two columns' intervals of such numbers.
    """
    ends, other_ends = np.cumsum(first), np.cumsum(second)
    overlap = np.minimum.outer(ends, other_ends) - np.maximum.outer(ends - first, other_ends - second)
    return np.maximum(overlap, 0).round(DECIMALS)


def costliest_plan(first, second):
    """The antimonotone plan: the leftmost blocks go to the rightmost places, so that ways cross. None costs more."""
    return cheapest_plan(first, second[::-1])[:, ::-1]


def cost(plan):
    """The sum of amount x distance."""
    places = np.arange(len(plan))
    return float((plan * np.abs(np.subtract.outer(places, places))).sum())


def best_critic(first, second):
    """A Kantorovich potential, float64 [columns]: scores that tell the piles apart as well as their slope allows.

    Neighbours differ by at most 1 (the critic is 1-Lipschitz). The score falls where blocks have to be carried to the
    right, rises where they go to the left, and stays where none pass. The lowest is 0, which is a choice.
    """
    passing = np.cumsum(first - second)[:-1].round(DECIMALS)
    scores = np.concatenate([[0.0], -np.cumsum(np.sign(passing))])
    return scores - scores.min()


def number(value):
    """At most two decimals, and none that are zero: 2, 0.5, 100.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def summary(first, second):
    """The distance computed in three ways, as lines of text."""
    plans, mass, places = (costliest_plan(first, second), cheapest_plan(first, second)), first.sum(), range(len(first))
    critic, (most, least) = best_critic(first, second), map(cost, plans)
    return "\n".join(
        [
            *["Between these piles every plan costs the same."] * bool(np.isclose(most, least)),
            f"Wasserstein distance = cheapest cost / blocks = {number(least)} / {number(mass)} = {least / mass:.6g}",
            f"scipy.stats.wasserstein_distance: {stats.wasserstein_distance(places, places, first, second):.6g}",
            f"best critic {' '.join(map(number, critic))}: mean score of the first pile - of the second "
            f"= {critic @ (first - second) / mass:.6g}",
        ]
    )


def table(name, plan):
    """The plan with the sums of its rows and columns, as lines of text; a dot is nothing moved."""
    columns = range(1, len(plan) + 1)
    rows = [["from \\ to", *map(str, columns), "sum"]]
    for column, amounts in zip(columns, plan):
        rows.append([str(column), *(number(amount) if amount else "." for amount in amounts), number(amounts.sum())])
    rows.append(["sum", *map(number, plan.sum(0)), number(plan.sum())])
    widths = [max(map(len, cells)) for cells in zip(*rows)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return "\n".join([f"{name}: cost {number(cost(plan))} = sum of amount x distance", *lines, ""])


@usual_style()
def draw(first, second):
    """Both plans as arrows and as matrices, the best critic, and the distance: uint8 [height, width, 3]."""
    figure = Figure(figsize=(12, 11.4), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(4, 4.2, 1.7))
    for place, (name, plan) in enumerate(zip(NAMES, (costliest_plan(first, second), cheapest_plan(first, second)))):
        _draw_arrows(figure.add_subplot(grid[0, place]), name, plan)
        _draw_matrix(figure.add_subplot(grid[1, place]), plan)
    axes, places, critic = figure.add_subplot(grid[2, 0]), np.arange(1, len(first) + 1), best_critic(first, second)
    axes.plot(places, critic, marker="o", color="black")
    axes.set(title="The best critic: no step steeper than 1", xlabel="column", ylabel="score", xticks=places)
    axes.grid(alpha=0.3)
    axes = figure.add_subplot(grid[2, 1])
    axes.text(0, 0.95, summary(first, second).replace(": mean", ":\nmean"), va="top", transform=axes.transAxes)
    axes.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _draw_arrows(axes, name, plan):
    """The first pile above, the second hanging below, and between them an arrow for each entry of the plan."""
    columns, shares = len(plan), plan / max(plan.sum(0).max(), plan.sum(1).max())
    for column, (colour, above, below) in enumerate(zip(_colours(columns), plan.sum(1), plan.sum(0))):
        axes.bar(column, shares[column].sum(), WIDTH, GAP, color=colour)
        bottoms = np.cumsum(shares[:, column]) - shares[:, column]
        axes.bar([column] * columns, -shares[:, column], WIDTH, -bottoms, color=_colours(columns))
        axes.text(column, GAP + shares[column].sum() + 0.04, number(above), ha="center", va="bottom")
        axes.text(column, -shares[:, column].sum() - 0.04, number(below), ha="center", va="top")
    widths, places = shares * WIDTH, np.arange(columns)
    tails = places[:, None] + np.cumsum(widths, 1) - widths / 2 - widths.sum(1, keepdims=True) / 2
    tips = places + np.cumsum(widths, 0) - widths / 2 - widths.sum(0) / 2
    for move in map(tuple, np.argwhere(plan)):
        _draw_arrow(axes, tails[move], tips[move], max(widths[move] / 2, 0.015), _colours(columns)[move[0]])
    _label_arrows(axes, [(tails[move], tips[move], number(plan[move])) for move in map(tuple, np.argwhere(plan))])
    axes.set(
        xlim=(-0.6, columns - 0.4),
        ylim=(-shares.sum(0).max() - 0.3, GAP + shares.sum(1).max() + 0.3),
        yticks=(GAP + 0.4, GAP / 2, -0.4),
        yticklabels=("first pile", "moved", "second pile,\nhanging"),
        xticks=places,
        xticklabels=places + 1,
        xlabel="column",
        title=f"{name}: cost {number(cost(plan))}\n(sum of amount × distance)",
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _colours(columns):
    """One for each column of the first pile, which its blocks keep on their way."""
    return colormaps["turbo"](np.linspace(0.08, 0.92, columns))


def _draw_arrow(axes, tail, tip, half, colour):
    """A band from (tail, GAP) to a head whose tip is (tip, 0)."""
    neck = tip + (tail - tip) * HEAD / GAP
    corners = [
        (tail - half, GAP),
        (tail + half, GAP),
        (neck + half, HEAD),
        (neck + half + 0.05, HEAD),
        (tip, 0),
        (neck - half - 0.05, HEAD),
        (neck - half, HEAD),
    ]
    axes.add_patch(patches.Polygon(corners, facecolor=colour, edgecolor="white", linewidth=0.7, alpha=0.8, zorder=2))


def _label_arrows(axes, arrows):
    """Writes each amount on its arrow, where it is far from other arrows and from the labels written before."""
    shares, taken = np.linspace(0.1, 0.8, 36), np.empty((0, 2))  # of the way
    paths = np.array([tail + (tip - tail) * shares for tail, tip, _ in arrows])
    for index, (path, (_, _, label)) in enumerate(zip(paths, arrows)):
        places = np.stack([path, GAP * (1 - shares)], axis=1)
        from_labels = (np.abs(places[:, None] - taken) / (0.5, 0.22)).max(2).min(1, initial=1)  # in labels' sizes
        from_arrows = np.abs(np.delete(paths, index, 0) - path).min(0, initial=0.4) / 0.4
        place = places[np.argmax(2 * from_labels + from_arrows - 0.2 * np.abs(shares - 0.4))]
        taken = np.append(taken, [place], axis=0)
        axes.text(
            *place,
            label,
            ha="center",
            va="center",
            weight="bold",
            zorder=4,
            path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        )


def _draw_matrix(axes, plan):
    """The amounts, with the sums of rows and columns along the margins."""
    columns = len(plan)
    whole = np.block([[plan, plan.sum(1, keepdims=True)], [plan.sum(0, keepdims=True), plan.sum()]])
    axes.imshow(np.where(plan > 0, plan, np.nan), cmap="Blues", vmin=0, vmax=2 * plan.max())
    for row, column in np.argwhere(whole):
        axes.text(
            column,
            row,
            number(whole[row, column]),
            ha="center",
            va="center",
            size=min(11, 260 / (columns + 1) / 4),
            weight="bold" if max(row, column) < columns else "normal",
        )
    names = [*map(str, range(1, columns + 1)), "sum"]
    axes.hlines(np.arange(columns + 1) - 0.5, -0.5, columns - 0.5, color="lightgray", linewidth=0.8)
    axes.vlines(np.arange(columns + 1) - 0.5, -0.5, columns - 0.5, color="lightgray", linewidth=0.8)
    axes.set(
        xlim=(-0.5, columns + 0.5),
        ylim=(columns + 0.5, -0.5),
        xticks=range(columns + 1),
        xticklabels=names,
        yticks=range(columns + 1),
        yticklabels=names,
        xlabel="to column",
        ylabel="from column",
    )
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)


def define_flags():
    """Which piles, and where the image goes."""
    groups = cli.FlagGroups(
        "Shows the earth mover's (Wasserstein-1) distance of two piles of blocks: a costly plan to "
        "move one into the other beside the cheapest one. Prints both and draws them."
    )
    groups.define("Piles", "first", str, "1,4,2,0,1,2", f"Blocks in each column, at most {MAX_COLUMNS} columns.")
    groups.define(
        "Piles",
        "second",
        str,
        "2,1,1,3,3,0",
        "The same number of blocks in all. A pile with fewer columns gets empty ones at its right.",
    )
    groups.define("Files", "output", str, "earth_mover.png", "Image to write, a .png.")
    return groups


def main(argv):
    """Prints the plans and writes the image; returns the exit status."""
    settings = define_flags().parse(argv)
    path = pathlib.Path(settings["output"]).expanduser()
    if path.suffix.lower() != ".png" or path.is_dir():
        raise UserError(f"cannot write {path}: give the name of a .png file with --output")
    first, second = read_piles(settings["first"], settings["second"])
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(path, draw(first, second))
    for name, plan in zip(NAMES, (costliest_plan(first, second), cheapest_plan(first, second))):
        print(table(name, plan))
    print(f"{summary(first, second)}\nwrote {settings['output']}")
    return 0


if __name__ == "__main__":
    cli.run(main)
