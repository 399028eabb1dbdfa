"""Turns the grids of a training into an animation: see `--help`. Installed, it is the command `wgan-export-gif`."""

from wgan.apps.export_gif import command

if __name__ == "__main__":
    command()
