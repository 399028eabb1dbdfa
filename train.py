"""Trains a GAN: see `--help`. Installed, it is the command `wgan-train`."""

from wgan.apps.train import command

if __name__ == "__main__":
    command()
