"""Settings compared over several seeds: FID and KID with their spread, and the wall time.

    python benchmarks/compare_settings.py --settings settings.json --seeds 3 --epochs 2000 --data_dir DIR

The settings file gives every setting a name and flags of train.py. Those under "common" go to all settings; a
setting's own come before them, and null stands for the default of the recipe, which is a flag ("recipe") as well:

    {"common": {"label": "7", "eval_every": 100}, "usual": {}, "slow": {"learning_rate": 2e-4, "beta_1": 0.5}}

Each setting and seed is a run of train.py in OUTPUT_DIR/SETTING/seed_N. All settings run with one seed before any
runs with the next, so that a comparison which is stopped early is still fair. The same command continues it.
"""

import dataclasses
import json
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wgan.apps.comparison import runs as runs_of
from wgan.apps.comparison.figures import duration, spread, three_digits, three_places, with_spread
from wgan.apps.comparison.runs import Run
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.common.messages import did_you_mean, listed, one_line
from wgan.config import TrainingConfig, value_type
from wgan.recipes import DEFAULT
from wgan.runs import files
from wgan.runs.history import read_history

TRAIN = ROOT / "train.py"
COMMON = "common"
REPORT_FILE = "comparison.json"
FIELDS = {field.name: field for field in dataclasses.fields(TrainingConfig)}
SET_HERE = {"seed": "--seeds", "epochs": "--epochs", "checkpoint_dir": "--output_dir", "sample_dir": "--output_dir"}
REMEDY = "Remove that folder, give the setting another name, or choose another --output_dir"
EXAMPLE = '{"common": {"label": "7", "eval_every": 100}, "usual": {}, "slow": {"learning_rate": 2e-4}}'


def read_settings(path):
    """Reads the settings file.

    Returns:
        A dictionary from the settings' names, in the file's order, to their flags: dictionaries from names of
        `TrainingConfig`'s fields to values of the fields' types.

    Raises:
        UserError: all that is wrong with the file but the bounds of values, which `plan` checks.
    """
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    found = _as_object(found, f"{path} should map names of settings to their flags")
    common = found.pop(COMMON, {})
    if not found:
        raise UserError(f'{path} has no settings; the least is {{"plain": {{}}}}')
    _check_names(path, found)
    common = _typed_flags(f"{path}, {COMMON}", common)
    settings = {name: {**common, **_typed_flags(f"{path}, {name}", flags)} for name, flags in found.items()}
    return {name: {flag: value for flag, value in flags.items() if value is not None}
            for name, flags in settings.items()}


def _without_repeats(pairs):
    """A JSON object as a dictionary; of two equal names JSON would silently take the second."""
    found = {}
    for name, value in pairs:
        if name in found:
            raise UserError(f'the settings file has "{one_line(name)}" twice in one place: remove one of them')
        found[name] = value
    return found


def _as_object(value, what):
    if not isinstance(value, dict):
        raise UserError(f"{what}, as in {{...}}, and is {one_line(json.dumps(value), longest=60)}")
    return value


def _check_names(path, names):
    """Names become folders, some of them on disks that do not tell capitals."""
    folded = {COMMON: COMMON}
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", name):
            raise UserError(f'{path}: "{one_line(name)}" cannot name a folder everywhere; use up to 100 letters of '
                            "a-z, digits, - and _, with no - in front")
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise UserError(f'{path}: "{name}" differs only in capitals from "{other}"; choose another name')


def _typed_flags(where, flags):
    """The flags of one setting with values of their fields' types; `where` begins the messages."""
    flags = _as_object(flags, f"{where}: it should map flags to values")
    typed = {}
    for flag, value in flags.items():
        if flag in SET_HERE:
            raise UserError(f'{where}: "{flag}" follows from {SET_HERE[flag]} of this command; remove it')
        if flag not in FIELDS:
            raise UserError(f'{where}: train.py has no flag "{one_line(flag)}" that could be compared'
                            f"{did_you_mean(flag, FIELDS.keys() - SET_HERE.keys())}")
        typed[flag] = None if value is None else _typed(where, flag, value)
    return typed


def _typed(where, flag, value):
    kind = value_type(FIELDS[flag])
    accepted, wanted = {bool: (bool, "true or false"), int: (int, "a whole number"),
                        float: ((int, float), "a number"), str: ((str, int), "text in quotes")}[kind]
    if not isinstance(value, accepted) or isinstance(value, bool) != (kind is bool):  # True is an int to Python
        raise UserError(f"{where}: {flag} is {one_line(json.dumps(value), longest=60)}; it must be {wanted}")
    return kind(value)


def plan(settings, seeds, epochs, output_dir, data_dir=None):
    """All runs, in the order in which they are made: every setting with seed 0, then every setting with seed 1 ...

    Args:
        settings: what `read_settings` gave.
        seeds: how many.
        epochs: of every run.
        output_dir: the folder of the comparison.
        data_dir: for the settings that name none; may be None.

    Raises:
        UserError: a value out of its bounds, or data that is not there.
    """
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}; it must be at least 1")
    runs = []
    for seed in range(seeds):
        for name, flags in settings.items():
            folder = pathlib.Path(output_dir).expanduser() / name / f"seed_{seed}"
            values = {"data_dir": data_dir, "sample_every": epochs, **flags, "seed": seed, "epochs": epochs,
                      "checkpoint_dir": str(folder / "checkpoints"), "sample_dir": str(folder / "samples")}
            runs.append(Run(name, seed, runs_of.checked(name, _configuration(name, values)), folder))
    return runs


def _configuration(name, values):
    """Flags over what their recipe has, and that over the usual settings."""
    try:
        return TrainingConfig.of_recipe(values.pop("recipe", DEFAULT), **values)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def compare(runs, epochs):
    """What the runs have come to so far.

    Args:
        runs: what `plan` gave.
        epochs: those to report.

    Returns:
        A list of dictionaries, one per epoch and setting: `seeds`, those that count, because their FID at that
        epoch is known, of `planned`; `unmeasured`, those that have come so far and have no FID; `fid`, `kid`,
        `precision` and `recall` over the seeds that count, as `spread` gives them; `wall_seconds`, the mean time to
        that epoch, and `seconds_per_epoch`, the median, over all seeds that have come so far, or None.
    """
    histories = {(run.setting, run.seed): read_history(run.history_path) for run in runs}
    rows = []
    for epoch in epochs:
        for setting in dict.fromkeys(run.setting for run in runs):
            of_setting = {seed: history for (name, seed), history in histories.items() if name == setting}
            rows.append({"epoch": epoch, "setting": setting, "planned": len(of_setting),
                         **_figures({seed: history for seed, history in of_setting.items() if epoch in history},
                                    epoch)})
    return rows


def _figures(histories, epoch):
    """The figures of one setting; `histories` are those of the seeds that have come to `epoch`."""
    measured = {seed: history[epoch] for seed, history in histories.items() if "fid" in history[epoch]}
    seconds = [[row["seconds"] for number, row in history.items() if number <= epoch]
               for history in histories.values()]
    return {"seeds": list(measured), "unmeasured": [seed for seed in histories if seed not in measured],
            **{column: spread([row[column] for row in measured.values() if column in row])
               for column in ("fid", "kid", "precision", "recall")},
            "wall_seconds": statistics.fmean(map(sum, seconds)) if seconds else None,
            "seconds_per_epoch": statistics.median(sum(seconds, [])) if seconds else None}


def report(rows):
    """The rows of `compare` as text: a table in Markdown for each epoch, and notes on what is missing."""
    lines = ["Mean ± standard deviation over the seeds. FID and KID rest on the project's own features and compare "
             "only with each other. The wall time includes the measurements; s / epoch is the median."]
    for epoch in dict.fromkeys(row["epoch"] for row in rows):
        lines += ["", f"After {epoch} epochs:", "",
                  "| setting | seeds | FID | KID | precision | recall | wall time | s / epoch |",
                  "|---|---|---|---|---|---|---|---|"]
        lines += [_table_line(row) for row in rows if row["epoch"] == epoch]
    notes = [f"note: {row['setting']} has no finite FID after {row['epoch']} epochs (seeds: "
             f"{listed(row['unmeasured'])}): it was not measured there, see eval_every, or the run has diverged"
             for row in rows if row["unmeasured"]]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _table_line(row):
    seconds, wall = row["seconds_per_epoch"], row["wall_seconds"]
    cells = [row["setting"], f"{len(row['seeds'])} of {row['planned']}", with_spread(row["fid"]),
             with_spread(row["kid"]), three_places(row["precision"]), three_places(row["recall"]),
             duration(wall), three_digits(seconds)]
    return f"| {' | '.join(cells)} |"


def publish(runs, epochs, output_dir):
    """Writes `comparison.json` and prints the tables."""
    rows = compare(runs, epochs)
    settings = {run.setting: {name: value for name, value in runs_of.what_differs(run.config).items()
                              if name not in SET_HERE} for run in runs}
    path = pathlib.Path(output_dir).expanduser() / REPORT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps({"settings": settings, "results": rows}, indent=2) + "\n")
    print(f"\n{report(rows)}\n", flush=True)


def run_all(runs, epochs, output_dir):
    """Makes the runs that are not finished, in turn, and publishes the comparison after each.

    Args:
        runs: what `plan` gave.
        epochs: those to report.
        output_dir: the folder of the comparison.

    Returns:
        The exit status, as `wgan.apps.comparison.runs.run_all` gives it.
    """
    return runs_of.run_all(runs, TRAIN, lambda failed: publish(runs, epochs, output_dir))


def note_unmeasured(runs, epochs):
    """Says before hours have gone by which of the epochs to report will have no figures."""
    for setting, config in {run.setting: run.config for run in runs}.items():
        every = config.eval_every
        without = [epoch for epoch in epochs if not every or epoch % every and epoch != config.epochs]
        if without:
            print(f"note: {setting} measures nothing after {listed(without)} epochs: its eval_every is {every}",
                  file=sys.stderr)


def epochs_to_report(text, last):
    """The epochs in a text such as `400,700,2000`, in order; without a text the last one."""
    if text is None:
        return [last]
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not re.fullmatch("[0-9]{1,9}", word) or not 1 <= int(word) <= last:
            raise UserError(f'--at has "{one_line(word)}"; it takes epochs from 1 to --epochs {last}, separated by '
                            "commas")
    return sorted({int(word) for word in words})


def define_flags():
    """The flags of this script."""
    groups = cli.FlagGroups("Trains every setting of a file with several seeds, in turn, and reports FID and KID with "
                            "their spread and the wall time. The same command continues where the last one stopped.")
    groups.define("Comparison", "settings", str, None, "A JSON file with names of settings and their flags of "
                  f'train.py; those under "{COMMON}" go to all: {EXAMPLE}')
    groups.define("Comparison", "seeds", int, 3, "Runs per setting, with the seeds 0, 1 ...")
    groups.define("Comparison", "epochs", int, TrainingConfig.epochs, "Of every run.")
    groups.define("Comparison", "data_dir", str, None, "As in train.py, for settings that name none.")
    groups.define("Report", "at", str, None, "Epochs to report, separated by commas. Default: the last.")
    groups.define("Report", "report_only", bool, False, "Run nothing; report what there is.")
    groups.define("Files", "output_dir", str, "comparison", f"The runs' folders, and the report as {REPORT_FILE}.")
    return groups


def main(argv):
    """Runs and reports as the flags say; returns the exit status."""
    values = define_flags().parse(argv)
    if not values["settings"]:
        raise UserError("--settings is missing; it names the file with the settings (--help shows what is in it)")
    settings, output_dir = read_settings(values["settings"]), values["output_dir"]
    runs = plan(settings, values["seeds"], values["epochs"], output_dir, values["data_dir"])
    epochs = epochs_to_report(values["at"], values["epochs"])
    runs_of.check_settings_unchanged(runs, REMEDY)
    if values["report_only"]:
        publish(runs, epochs, output_dir)
        return 0
    note_unmeasured(runs, epochs)
    return run_all(runs, epochs, output_dir)


if __name__ == "__main__":
    cli.run(main, sys.argv)
