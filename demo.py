"""Shows a trained generator on a page in the browser: see `--help`. Installed, it is the command `wgan-demo`."""

from wgan.apps.demo import command

if __name__ == "__main__":
    command()
