"""Exports a trained generator for other programs: see `--help`. Installed, it is the command `wgan-export-model`."""

from wgan.apps.export_model import command

if __name__ == "__main__":
    command()
