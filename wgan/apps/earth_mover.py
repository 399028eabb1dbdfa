"""The earth mover's (Wasserstein-1) distance of two small piles: plans, costs, and a table of them. No TensorFlow.

A pile is float64 [columns], the number of blocks in each column; columns stand at distance 1. A transport plan is
float64 [columns, columns]: entry [i, j] is the number of blocks that go from column i of the first pile to column j
of the second, so that row sums are the first pile and column sums the second. It costs the sum of
amount x |i - j|. The equations are those of Peyre and Cuturi, Computational Optimal Transport (2019),
sections 2.3, 2.6 and 6.1.
"""

import decimal
from typing import NamedTuple

import numpy as np
from scipy import stats

from wgan.common.errors import UserError

MOST_COLUMNS = 12  # more cannot be read in the picture
_MOST_BLOCKS = 100  # in a column; larger numbers do not fit into the matrices
_SMALLEST_PART = decimal.Decimal("0.01")  # so that nothing is lost where numbers are printed
_DECIMALS = 9  # of plans: below the smallest part, above the rounding errors of float64 sums of 1200


class Report(NamedTuple):
    """Two piles and what moving one into the other costs."""

    first: np.ndarray  # float64 [columns], blocks
    second: np.ndarray  # float64 [columns], blocks
    costly: np.ndarray  # float64 [columns, columns], the costliest plan
    cheap: np.ndarray  # float64 [columns, columns], the cheapest plan
    critic: np.ndarray  # float64 [columns], see `best_critic`
    distance: float  # the cheapest cost divided by the number of blocks, in columns
    scipy_distance: float  # the same by scipy.stats.wasserstein_distance, which is given no plan

    @property
    def mass(self):
        """The number of blocks in either pile."""
        return self.first.sum()

    @property
    def all_cost_the_same(self):
        """Whether no plan is cheaper than another: where, for example, every block has to go to the right."""
        return bool(np.isclose(cost(self.costly), cost(self.cheap)))


def read_piles(first, second):
    """Reads two piles as the flags give them, and makes the shorter as long as the other with empty columns.

    Args:
        first, second: numbers of blocks with commas between them, such as "1,4,2".

    Returns:
        Two float64 [columns].

    Raises:
        UserError: no numbers, bad ones (negative, over 100, more than two decimals), too many columns,
            different totals, or no blocks at all.
    """
    piles = _read_pile("--first", first), _read_pile("--second", second)
    columns = max(map(len, piles))
    totals = [sum(pile) for pile in piles]  # of decimals, so that 0.1 + 0.2 is 0.3
    if totals[0] != totals[1]:
        raise UserError(f"--first holds {number(totals[0])} blocks and --second {number(totals[1])}: "
                        "to move one pile into the other, give both the same total")
    if not totals[0]:
        raise UserError("--first and --second hold no blocks: there is nothing to move")
    return tuple(np.array(pile + [0] * (columns - len(pile)), dtype=np.float64) for pile in piles)


def _read_pile(flag, text):
    words = [word.strip() for word in text.split(",")]
    if words == [""]:
        raise UserError(f"{flag} is empty: give numbers of blocks, such as 1,4,2")
    if len(words) > MOST_COLUMNS:
        raise UserError(f"{flag} has {len(words)} columns, more than {MOST_COLUMNS}, which is all that can be drawn")
    return [_read_number(flag, word) for word in words]


def _read_number(flag, word):
    try:
        value = decimal.Decimal(word)
    except decimal.InvalidOperation:
        raise UserError(f"{flag}: {word!r} is not a number; give numbers of blocks, such as 1,4,2") from None
    if not value.is_finite() or not 0 <= value <= _MOST_BLOCKS or value % _SMALLEST_PART:
        raise UserError(f"{flag}: {word} blocks cannot be drawn; give numbers from 0 to {_MOST_BLOCKS}, with at most "
                        "two decimals")
    return value


def cheapest_plan(first, second):
    """The monotone plan: blocks keep their order, the leftmost ones go to the leftmost places.

    On a line no plan is cheaper. It is also what the north-west corner rule fills in. Block number u of the first
    pile, counted from the left, becomes block number u of the second; so [i, j] is the length of the overlap of
    the two columns' intervals of such numbers.

    Args:
        first, second: float64 [columns], not negative, of the same total.

    Returns:
        The plan, float64 [columns, columns], rounded to nine decimals, so that sums' rounding errors are no blocks.
    """
    ends, other_ends = np.cumsum(first), np.cumsum(second)
    overlap = np.minimum.outer(ends, other_ends) - np.maximum.outer(ends - first, other_ends - second)
    return np.maximum(overlap, 0).round(_DECIMALS)


def costliest_plan(first, second):
    """The antimonotone plan: the leftmost blocks go to the rightmost places, so that all ways cross.

    It is the monotone plan onto the second pile seen in a mirror, mirrored back. No plan costs more: where two
    ways i -> j and i' -> j' with i < i' and j < j' do not cross, exchanging their ends never shortens them in sum.

    Args, returns: as of `cheapest_plan`.
    """
    return cheapest_plan(first, second[::-1])[:, ::-1]


def distances(columns):
    """|i - j| for all pairs of columns, int64 [columns, columns]."""
    positions = np.arange(columns)
    return np.abs(np.subtract.outer(positions, positions))


def cost(plan):
    """The sum of amount x distance of a plan, in blocks times columns."""
    return float((plan * distances(len(plan))).sum())


def best_critic(first, second):
    """A Kantorovich potential: scores of the columns that tell the piles apart as well as their slope allows.

    Neighbours' scores differ by at most 1 (the critic is 1-Lipschitz). The sum of score x blocks over the first
    pile minus that over the second is then at most the cost of any plan, and for these scores it is the cost of
    the cheapest: the slope between two columns is -1 where more blocks of the first pile than of the second lie to
    the left, so that they must be carried to the right, +1 where fewer do, and 0 where nothing passes.

    Args:
        first, second: float64 [columns], not negative, of the same total.

    Returns:
        float64 [columns]; the lowest is 0, which is a choice: a constant more on all changes no difference.
    """
    passing = np.cumsum(first - second)[:-1].round(_DECIMALS)
    scores = np.concatenate([[0.0], -np.cumsum(np.sign(passing))])
    return scores - scores.min()


def compare(first, second):
    """Makes the Report of two piles, each float64 [columns] of the same total, which is not 0."""
    positions = np.arange(len(first))
    cheap = cheapest_plan(first, second)
    return Report(first, second, costliest_plan(first, second), cheap, best_critic(first, second),
                  cost(cheap) / first.sum(), float(stats.wasserstein_distance(positions, positions, first, second)))


def number(value):
    """At most two decimals, and none that are zero: 2, 0.5, 100.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(report):
    """The plans with their sums and costs, and the distance in three ways, as lines of text."""
    by_critic = report.critic @ (report.first - report.second) / report.mass
    lines = [*_plan_lines("A costly plan (none costs more)", report.costly), "",
             *_plan_lines("The cheapest plan", report.cheap), ""]
    if report.all_cost_the_same:
        lines += ["Between these piles every plan costs the same.", ""]
    lines += [f"Wasserstein distance = cheapest cost / blocks = {number(cost(report.cheap))} / {number(report.mass)} "
              f"= {report.distance:.6g}",
              f"scipy.stats.wasserstein_distance: {report.scipy_distance:.6g}",
              f"best critic {' '.join(map(number, report.critic))}: mean score of the first pile - of the second "
              f"= {by_critic:.6g}"]
    return "\n".join(lines)


def _plan_lines(title, plan):
    """A heading, and the plan with the sums of its rows and columns; a dot is nothing moved."""
    columns = range(1, len(plan) + 1)
    rows = [["from \\ to", *map(str, columns), "sum"]]
    for column, amounts in zip(columns, plan):
        rows.append([str(column), *(number(amount) if amount else "." for amount in amounts), number(amounts.sum())])
    rows.append(["sum", *map(number, plan.sum(0)), number(plan.sum())])
    widths = [max(map(len, cells)) for cells in zip(*rows)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return [f"{title}: cost {number(cost(plan))} = sum of amount x distance", *lines]
