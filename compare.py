"""Trains several recipes or settings and compares them: see `--help`. Installed, it is the command `wgan-compare`."""

from wgan.apps.compare import command

if __name__ == "__main__":
    command()
