"""Kills a training again and again, continues it each time, and compares its end with that of one left alone.

    python tests/kill_harness.py --kills 100

Half of the kills come at a random moment; the others strike before the n-th operation on the disk, n at random,
so that every kind of write is cut off too. SIGKILL leaves a process no time for anything.
"""

import argparse
import json
import pathlib
import random
import tempfile

import forked
import short_runs
import toy_recipe

from wgan.config import TrainingConfig

KILLED_RUN = pathlib.Path(__file__).with_name("killed_run.py")
EPOCHS_PER_KILL = 3


def settings_of(folder, epochs):
    """A run that saves after every epoch, so that it writes most of the time."""
    return toy_recipe.config(folder, epochs=epochs, checkpoint_minutes=0.0, eval_every=4).to_json()


def kill_at_random(settings, draw):
    """Starts the run and kills it; True if it was killed before it had finished, and what it printed."""
    by_itself = draw.random() < 0.5
    run = forked.Script(KILLED_RUN, json.dumps(settings), draw.randint(1, 80) if by_itself else 0)
    begun = []
    if not by_itself:
        begun = [run.read_line() for _ in range(draw.randint(1, 3))]  # to the first epoch at most
        run.wait(draw.uniform(0, 2))
        run.kill()
    output = "".join([*begun, run.read_to_end()])
    if run.status not in (0, -9):
        raise AssertionError(f"exit status {run.status}: {output}")
    return run.status == -9, output


def saved_epoch(settings):
    """The epoch of the newest whole state on disk, 0 without one."""
    from wgan.runs import checkpoints

    state = checkpoints.newest_state(settings["checkpoint_dir"])
    return state.epoch if state else 0


def contents(settings):
    """All that a run leaves, but for times: variables, history, grids."""
    import numpy as np

    from wgan.runs import checkpoints

    found = short_runs.state_in(settings["checkpoint_dir"])
    for path in sorted(pathlib.Path(settings["sample_dir"]).rglob("*")):
        if path.is_file() and path.name != ".run_id":
            found[path.name] = np.frombuffer(path.read_bytes(), np.uint8)
    for name in (checkpoints.GENERATOR_FILE, checkpoints.CRITIC_FILE, checkpoints.BEST_FILE):
        arrays = short_runs.arrays_in(pathlib.Path(settings["checkpoint_dir"], name))
        found.update({f"{name} {key}": array for key, array in arrays.items()})
    return found


def run(kills, seed, folder, progress=print):
    """Kills a run of the toy recipe, which is registered, `kills` times; raises AssertionError where anything was lost.

    Args:
        kills: how often.
        seed: of the moments.
        folder: an empty folder.
        progress: called with a line after each kill.
    """
    from wgan.training.launch import launch

    draw, epochs = random.Random(seed), EPOCHS_PER_KILL * kills + 4
    killed, alone = (settings_of(pathlib.Path(folder) / name, epochs) for name in ("killed", "alone"))
    before = done = 0
    while done < kills:
        was_killed, output = kill_at_random(killed, draw)
        if not was_killed:
            progress(f"the run came to its end after {done} kills")
            break
        done += 1
        epoch = saved_epoch(killed)
        assert epoch >= before, f"a state was lost: {before} epochs were saved, now {epoch}"
        if before:
            assert "continuing" not in output or f"after epoch {before}\n" in output, output
        before = epoch
        progress(f"kill {done}: {epoch} epochs saved; {output.strip().splitlines()[-1] if output.strip() else ''}")
    for settings in (killed, alone):
        assert launch(TrainingConfig(**settings)) == 0
    short_runs.assert_same_arrays(contents(killed), contents(alone))
    left = [path for path in pathlib.Path(folder).rglob(".*") if path.name != ".run_id"]
    assert not left, f"left behind: {left}"
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with toy_recipe.registered(), tempfile.TemporaryDirectory() as folder:
        done = run(arguments.kills, arguments.seed, folder)
    print(f"{done} kills, and the same end as without")


if __name__ == "__main__":
    main()
