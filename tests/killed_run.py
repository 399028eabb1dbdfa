"""A run of the toy recipe that kills itself before its n-th operation on the disk; never, where n is 0.

python tests/killed_run.py SETTINGS N
"""

import json
import os
import pathlib
import signal
import sys

import short_runs
import toy_recipe

from wgan.config import TrainingConfig
from wgan.images import curves
from wgan.runs import files
from wgan.training.launch import launch

settings, operations = json.loads(sys.argv[1]), int(sys.argv[2])


def counted(function):
    def call(*args, **kwargs):
        global operations
        operations -= 1
        if operations == 0:
            print("killed in", function.__name__, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return call


curves.draw_curves = short_runs.write_no_curves
if operations:
    os.replace, os.fsync, files.seal = map(counted, (os.replace, os.fsync, files.seal))
    pathlib.Path.unlink, pathlib.Path.write_text = counted(pathlib.Path.unlink), counted(pathlib.Path.write_text)
with toy_recipe.registered():
    sys.exit(launch(TrainingConfig(**settings)))
