"""Shows what the Wasserstein distance of two piles of blocks is: two plans to move one into the other, as a picture.

    python earth_mover.py --first 1,4,2,0,1,2 --second 2,1,1,3,3,0
"""

import sys

from wgan.apps.earth_mover import MOST_COLUMNS, compare, read_piles, table
from wgan.common import cli


def define_flags():
    """Which piles, and where the picture goes."""
    groups = cli.FlagGroups("Shows the earth mover's (Wasserstein-1) distance of two piles of blocks: a costly plan to "
                            "move one into the other beside the cheapest one. Prints both and draws them.")
    groups.define("Piles", "first", str, "1,4,2,0,1,2", f"Blocks in each column, at most {MOST_COLUMNS} columns.")
    groups.define("Piles", "second", str, "2,1,1,3,3,0", "The same number of blocks in all. A pile with fewer columns "
                  "gets empty ones at its right.")
    groups.define("Files", "output", str, "earth_mover.png", "Picture to write, a .png.")
    return groups


def main(argv):
    """Prints the plans and writes the picture; returns the exit status."""
    settings = define_flags().parse(argv)
    from wgan.apps.earth_mover_picture import (  # matplotlib: neither the help nor a wrong flag waits for it
        check_output,
        draw,
    )
    check_output(settings["output"])
    report = compare(*read_piles(settings["first"], settings["second"]))
    draw(report, settings["output"])
    print(table(report))
    print(f"wrote {settings['output']}")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
