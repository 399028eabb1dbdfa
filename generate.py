"""Draws samples from a trained generator: see `--help`. Installed, it is the command `wgan-generate`."""

from wgan.apps.generate import command

if __name__ == "__main__":
    command()
