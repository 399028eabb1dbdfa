"""What the runs of a comparison have come to: a dictionary per setting, from the histories of its runs."""

import shlex
import statistics

from wgan.apps.comparison.runs import MEASURED, training_times
from wgan.runs.history import read_history
from wgan.runs.run_folder import RunFolder, events


def results(planned, failures):
    """Reads the histories of all runs; `failures` says in words why some have none, or not all of it.

    Returns:
        A list of dictionaries, one per setting in the order of the plan: `name`, `summary`, `settings` in words,
        `planned` (seeds) and `runs` (see `_run`). Over the seeds whose runs are finished: `seeds`, which they are;
        `fid`, `kid`, `precision` and `recall` of each one's last measurement, as `spread` gives them; `measured_at`
        and `epochs`, one number per seed; `training_seconds` and `wall_seconds`, means per run; and
        `seconds_per_epoch`, the median of all epochs that were not measured; None where nothing is known.
    """
    by_name = {}
    for run in planned:
        by_name.setdefault(run.setting, []).append(run)
    return [_setting(runs, failures) for runs in by_name.values()]


def _setting(runs, failures):
    described = [_run(run, failures) for run in runs]
    finished = [run for run in described if run["finished"]]
    last = [run["measurements"][-1] for run in finished if run["measurements"]]
    per_epoch = [run["seconds_per_epoch"] for run in finished if run["seconds_per_epoch"] is not None]
    return {
        "name": runs[0].setting,
        "summary": runs[0].summary,
        "settings": settings_in_words(runs[0].config),
        "planned": len(described),
        "seeds": [run["seed"] for run in finished],
        **{name: spread([row[name] for row in last if name in row]) for name in MEASURED},
        "measured_at": [row["epoch"] for row in last],
        "epochs": [run["epochs"] for run in finished],
        "seconds_per_epoch": statistics.median(per_epoch) if per_epoch else None,
        "training_seconds": spread([run["training_seconds"] for run in finished])["mean"],
        "wall_seconds": spread([run["wall_seconds"] for run in finished])["mean"],
        "runs": described,
    }


def spread(values):
    """`values` with their mean and their standard deviation (n - 1), each None where there are too few."""
    return {
        "mean": statistics.fmean(values) if values else None,
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "values": values,
    }


def settings_in_words(config):
    """What makes an update of this setting more or less work, and its samples better, than those of another."""
    times = "1 critic update" if config.critic_steps == 1 else f"{config.critic_steps} critic updates"
    rates = f"{config.learning_rate:g}"
    if config.critic_learning_rate not in (None, config.learning_rate):
        rates += f", critic {config.critic_learning_rate:g}"
    more = (", averaged" if config.ema_decay else "") + (", mirrored images too" if config.mirrors else "")
    return f"batches of {config.batch_size}, {times} per generator update, {config.optimizer} {rates}{more}"


def _run(run, failures):
    """One run: `seed`, `finished`, `state` in words, `epochs` it has come to, `training_seconds` (see
    `runs.training_times`), `wall_seconds` with the measurements', `seconds_per_epoch`, `measurements` (a list of
    dictionaries with `epoch`, `training_seconds` and what was measured), and its `command`."""
    history = {epoch: row for epoch, row in read_history(run.history_path).items() if epoch <= run.config.epochs}
    times, finished, reached = training_times(history), run.is_finished(), max(history, default=0)
    seconds = [row["seconds"] for row in history.values()]
    plain = [row["seconds"] for row in history.values() if "fid" not in row] or seconds
    begun = f"not finished: {reached:,} updates so far" if reached else "not begun"
    return {
        "seed": run.seed,
        "finished": finished,
        "state": "finished" if finished else failures.get(run, begun),
        "epochs": reached,
        "training_seconds": times.get(reached, 0.0),
        "wall_seconds": sum(seconds),
        "seconds_per_epoch": statistics.median(plain) if plain else None,
        "measurements": [
            {"epoch": epoch, "training_seconds": times[epoch]}
            | {name: row[name] for name in (*MEASURED, "kid_error") if name in row}
            for epoch, row in history.items()
            if "fid" in row
        ],
        "command": shlex.join(["python", *(run.ending_at(reached) if finished else run).command]),  # to be repeated
    }


def images_and_machines(planned):
    """What the runs that have begun were trained on (the distinct `images` of their `config.json`), and with (their
    devices, precisions and versions, in words without repeats)."""
    stored = list(filter(None, (RunFolder(run.config).stored_run() for run in planned)))
    machines = [
        f"{start.get('device')} in {found['config'].precision}, Python {start.get('python')}, "
        f"TensorFlow {start.get('tensorflow')}, Keras {start.get('keras')}"
        for found in stored
        for start in events(found, "starts")
    ]
    images = {found["images"]["sha256"]: found["images"] for found in stored}
    return list(images.values()), list(dict.fromkeys(machines))
