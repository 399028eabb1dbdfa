"""Exports a trained generator for use without this project: SavedModel, ONNX, LiteRT, or a .keras file.

    python export_model.py --weights checkpoints --format onnx --out generator.onnx
"""

import sys

from wgan.apps.export_model import MOST_DIFFERENCE, SUFFIXES, export_model
from wgan.common import cli
from wgan.runs.trained import WEIGHTS_HELP


def define_flags():
    """Which generator, in which format, and where it goes."""
    groups = cli.FlagGroups("Exports a trained generator: latents [N, D] to images [N, H, W, C] in [-1, 1], float32, "
                            f"N free. Reads the result back and refuses it where a sample differs by more than "
                            f"{MOST_DIFFERENCE:g} from the original's.")
    groups.define("Files", "weights", str, "checkpoints", WEIGHTS_HELP)
    groups.define("Files", "format", str, "saved_model", f"One of {', '.join(SUFFIXES)}. saved_model, a folder, and "
                  "litert, a .tflite, are TensorFlow's; onnx needs: pip install onnx onnxruntime tf2onnx; keras is "
                  "read where wgan.models.networks is imported.")
    groups.define("Files", "out", str, None, "What to write. Default: generator_saved_model, generator.onnx, "
                  "generator.tflite or generator.keras.")
    return groups


def main(argv):
    """Exports, with one line about it; returns the exit status."""
    print(export_model(**define_flags().parse(argv)))
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
