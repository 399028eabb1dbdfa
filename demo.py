"""A page in the browser on which a trained generator can be tried: samples, the way between two, the training's film.

    python demo.py --weights checkpoints --sample_dir samples --port 7860
"""

import sys

from wgan.apps.demo import serve
from wgan.common import cli
from wgan.runs.trained import WEIGHTS_HELP


def define_flags():
    """Which run, and where the page is."""
    groups = cli.FlagGroups("Shows a trained generator on a page in the browser, until Ctrl-C: samples of any seed, "
                            "the way between two of them, and the training's film. Needs: pip install gradio. "
                            "Works offline.")
    groups.define("Run", "weights", str, "checkpoints", WEIGHTS_HELP)
    groups.define("Run", "sample_dir", str, "samples", "Folder with the run's grids (sample_00001.png ...), for the "
                  "film.")
    groups.define("Page", "port", int, 7860, "Of the page's address, 1 to 65535.")
    groups.define("Page", "host", str, "127.0.0.1", "Address to listen at, IPv4 or a name. The usual one can be "
                  "reached from this machine alone, 0.0.0.0 from the whole network, by anybody.")
    return groups


def main(argv):
    """Serves the page until it is interrupted."""
    serve(**define_flags().parse(argv))


if __name__ == "__main__":
    cli.run(main, sys.argv)
