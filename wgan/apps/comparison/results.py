"""What recipes have come to: a dictionary per recipe, from the histories of its runs."""

import shlex
import statistics

from wgan.apps.comparison import runs
from wgan.apps.comparison.figures import spread
from wgan.apps.comparison.runs import MEASURED
from wgan.runs.history import read_history
from wgan.runs.run_folder import RunFolder

ERRORS = ("kid_error",)


def results(planned, script, failures):
    """Reads all histories.

    Args:
        planned: all `Run`s.
        script: train.py, for the runs' commands.
        failures: a dictionary from runs to words.

    Returns:
        A list of dictionaries, one per recipe in the order of the plan: `recipe`, `summary`, `settings` in words,
        `planned` (seeds) and `runs` (see `_run`). Over the seeds whose runs are finished: `seeds`, which they are;
        `fid`, `kid`, `precision` and `recall` of each one's last measurement, as `spread` gives them; `measured_at`
        and `epochs`, one number per seed; `training_seconds` and `wall_seconds`, means per run; and
        `seconds_per_epoch`, the median of all epochs that were not measured; None where nothing is known.
    """
    described = [(run, _run(run, script, failures)) for run in planned]
    return [_recipe([pair for pair in described if pair[0].setting == name])
            for name in dict.fromkeys(run.setting for run in planned)]


def _recipe(pairs):
    config = pairs[0][0].config
    finished = [described for _, described in pairs if described["finished"]]
    last = [described["measurements"][-1] for described in finished if described["measurements"]]
    per_epoch = [described["seconds_per_epoch"] for described in finished
                 if described["seconds_per_epoch"] is not None]
    return {"recipe": config.recipe, "summary": config.recipe_spec.summary, "settings": settings_in_words(config),
            "planned": len(pairs), "seeds": [described["seed"] for described in finished],
            **{name: spread([row[name] for row in last if name in row]) for name in MEASURED},
            "measured_at": [row["epoch"] for row in last], "epochs": [described["epochs"] for described in finished],
            "seconds_per_epoch": statistics.median(per_epoch) if per_epoch else None,
            **{name: statistics.fmean(described[name] for described in finished) if finished else None
               for name in ("training_seconds", "wall_seconds")},
            "runs": [described for _, described in pairs]}


def settings_in_words(config):
    """What makes an update of this recipe more work, or less, than one of another."""
    times = "1 critic update" if config.critic_steps == 1 else f"{config.critic_steps} critic updates"
    return f"batches of {config.batch_size}, {times} per generator update, {config.optimizer} {config.learning_rate:g}"


def _run(run, script, failures):
    """One run: `seed`, `finished`, `state` in words, `epochs` it has come to, `training_seconds` (see
    `runs.training_times`), `wall_seconds` with the measurements', `seconds_per_epoch`, `measurements` (a list of
    dictionaries with `epoch`, `training_seconds` and what was measured), and its `command`."""
    history = {epoch: row for epoch, row in read_history(run.history_path).items() if epoch <= run.config.epochs}
    times, finished = runs.training_times(history), runs.is_finished(run)
    plain = [row["seconds"] for row in history.values() if "fid" not in row] or [
        row["seconds"] for row in history.values()]
    reached = max(history, default=0)
    return {"seed": run.seed, "finished": finished, "state": _state(run, finished, reached, failures),
            "epochs": reached, "training_seconds": times.get(reached, 0.0),
            "wall_seconds": sum(row["seconds"] for row in history.values()),
            "seconds_per_epoch": statistics.median(plain) if plain else None,
            "measurements": [{"epoch": epoch, "training_seconds": times[epoch],
                              **{name: row[name] for name in (*MEASURED, *ERRORS) if name in row}}
                             for epoch, row in history.items() if "fid" in row],
            "command": shlex.join(runs.command_of(run, script)[1:])}


def _state(run, finished, reached, failures):
    if finished:
        return "finished"
    if run in failures:
        return failures[run]
    return f"not finished: {reached:,} updates so far" if reached else "not begun"


def images_of(planned):
    """What the runs that have begun were trained on: the distinct `images` of their `config.json`."""
    return list({stored["images"]["sha256"]: stored["images"] for stored in _stored(planned)}.values())


def machines_of(planned):
    """The devices and versions that the runs were made with, in words, without repeats."""
    starts = [start for stored in _stored(planned) for start in stored.get("starts", ())]
    return list(dict.fromkeys(
        f"{start.get('device')}, Python {start.get('python')}, TensorFlow {start.get('tensorflow')}, "
        f"Keras {start.get('keras')}" for start in starts))


def _stored(planned):
    stored = [RunFolder(run.config).stored_run() for run in planned]
    return [each for each in stored if each is not None]
