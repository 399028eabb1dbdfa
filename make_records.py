"""Makes records of a folder of images: see `--help`. Installed, it is the command `wgan-make-records`."""

from wgan.apps.make_records import command

if __name__ == "__main__":
    command()
