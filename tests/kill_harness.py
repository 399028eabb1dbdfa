"""Kills a training again and again, continues it each time, and compares its end with that of one left alone.

Half of the kills come at a random moment; the others strike before the n-th operation on the disk, n at random,
so that every kind of write is cut off too. SIGKILL leaves a process no time for anything.

    python tests/kill_harness.py SETTINGS N

is a run of the toy recipe that kills itself before its n-th operation on the disk; never, where n is 0.
"""

import json
import os
import pathlib
import random
import signal
import sys

import forked
import numpy as np
import short_runs
import toy_recipe

from wgan.config import TrainingConfig
from wgan.images import curves
from wgan.runs import checkpoints, files
from wgan.training.launch import launch

EPOCHS_PER_KILL = 8


def settings_of(folder, epochs):
    """A run that saves after every epoch, so that it writes most of the time."""
    return toy_recipe.config(folder, epochs=epochs, checkpoint_minutes=0.0, eval_every=4).to_json()


def kill_at_random(settings, draw):
    """Starts the run and kills it; True if it was killed before it had finished, and what it printed."""
    by_itself = draw.random() < 0.5
    run = forked.Script(__file__, json.dumps(settings), draw.randint(1, 80) if by_itself else 0)
    begun = []
    if not by_itself:
        begun.append(run.read_line())
        while draw.random() < 0.8 and begun[-1] and not begun[-1].startswith("epoch "):  # which is saved
            begun.append(run.read_line())
        run.wait(draw.uniform(0, 1))
        run.kill()
    output = "".join([*begun, run.read_to_end()])
    assert run.status in (0, -9), f"exit status {run.status}: {output}"
    return run.status == -9, output


def contents(settings):
    """All that a run leaves, but for times: variables, history, grids."""
    found = short_runs.state_in(settings["checkpoint_dir"])
    for path in sorted(pathlib.Path(settings["sample_dir"]).rglob("*")):
        if path.is_file() and path.name != ".run_id":
            found[path.name] = np.frombuffer(path.read_bytes(), np.uint8)
    for name in (checkpoints.GENERATOR_FILE, checkpoints.CRITIC_FILE, checkpoints.BEST_FILE):
        arrays = short_runs.arrays_in(pathlib.Path(settings["checkpoint_dir"], name))
        found.update({f"{name} {key}": array for key, array in arrays.items()})
    return found


def run(kills, seed, folder):
    """Kills a run of the toy recipe, which is registered, up to `kills` times; the epochs that were saved at each.

    Raises AssertionError where anything was lost. `seed` is of the moments; `folder` is empty.
    """
    draw, epochs = random.Random(seed), EPOCHS_PER_KILL * kills + 4
    killed, alone = (settings_of(pathlib.Path(folder) / name, epochs) for name in ("killed", "alone"))
    saved = [0]
    while len(saved) <= kills:
        was_killed, output = kill_at_random(killed, draw)
        if not was_killed:
            break
        state = checkpoints.newest_state(killed["checkpoint_dir"])
        saved.append(state.epoch if state else 0)
        assert saved[-1] >= saved[-2], f"a state was lost: {saved[-2]} epochs were saved, now {saved[-1]}"
        if saved[-2]:
            assert "continuing" not in output or f"after epoch {saved[-2]}\n" in output, output
        drawn = [int(path.stem[7:]) for path in pathlib.Path(killed["sample_dir"]).glob("sample_*.png")]
        assert max(drawn, default=0) <= saved[-1] + 1, "more than an epoch was lost"
        print(f"kill {len(saved) - 1}: {saved[-1]} epochs saved")
    for settings in (killed, alone):
        assert launch(TrainingConfig(**settings)) == 0
    short_runs.assert_same_arrays(contents(killed), contents(alone))
    left = [path for path in pathlib.Path(folder).rglob(".*") if path.name != ".run_id"]
    assert not left, f"left behind: {left}"
    return saved[1:]


def counted(function):
    """The function, which counts as an operation on the disk."""

    def call(*args, **kwargs):
        global operations
        operations -= 1
        if operations == 0:
            print("killed in", function.__name__, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return call


if __name__ == "__main__":
    settings, operations = json.loads(sys.argv[1]), int(sys.argv[2])
    curves.draw_curves = short_runs.write_no_curves
    if operations:
        os.replace, os.fsync, files.seal = map(counted, (os.replace, os.fsync, files.seal))
        pathlib.Path.unlink, pathlib.Path.write_text = counted(pathlib.Path.unlink), counted(pathlib.Path.write_text)
    with toy_recipe.registered():
        sys.exit(launch(TrainingConfig(**settings)))
