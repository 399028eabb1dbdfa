"""Measures the samples of a trained generator: see `--help`. Installed, it is the command `wgan-evaluate`."""

from wgan.apps.evaluate import command

if __name__ == "__main__":
    command()
