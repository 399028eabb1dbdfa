"""What a page says of a trained generator: what it learned from, its figures, and the animation of its training."""

import json
import os
import pathlib
import shlex
import shutil
import sys
import tempfile

from wgan.apps import templates
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import animation
from wgan.runs import checkpoints, trained
from wgan.runs.history import read_history
from wgan.runs.run_folder import HISTORY_FILE, PAIRS_FILE, REPORT_FILE, RunFolder

ANIMATION_FILE = "training.gif"  # that a folder of pretrained/ has in place of the run's grids
MAX_FRAMES = 100
TEMPLATE = pathlib.Path(__file__).with_name("run_summary.html.jinja")


def summarize(source):
    """What is known of a `wgan.runs.trained.Trained`, in three parts of a page.

    The first is an introduction with the figures, the second a table that says what these are worth, both HTML. The
    third shows the samples that come nearest to training images, uint8 [H, W, 3], or is None where `evaluate.py` did
    not measure this generator last. Raises UserError where its report beside the weights is damaged.
    """
    folder, pairs = source.path.parent, source.path.with_name(PAIRS_FILE)
    epoch, report = last_report(source)
    nearest = _read_pairs(pairs) if report and "features" in report and pairs.exists() else None
    flag = [] if source.path == trained.usual_weights(folder) else ["--weights", source.path.name]
    known = {
        "config": source.config,
        "images": source.images,
        "generator": str(source),
        "epoch": source.noted.get("epoch"),
        "seconds": training_seconds(folder, source.noted.get("epoch", 0)),
        "measured_at": epoch,
        "report": report,
        "has_nearest": nearest is not None,
        "command": shlex.join(["python", "evaluate.py", "--checkpoint_dir", str(folder), *flag]),
    }
    parts = templates.read(TEMPLATE).module
    return str(parts.introduction(known)), str(parts.worth(known)), nearest


def last_report(source):
    """The last measurement of a `Trained` that is not later than its epoch; (None, None) where nothing was measured.

    That is the measurement's epoch, and a dictionary as `evaluation.json` holds it: `rows` begins with the samples.
    """
    path, epoch = source.path, source.noted.get("epoch", 0)
    measured = {epoch: {"rows": [source.noted]}} if "fid" in source.noted else {}
    # The history's figures are those of the generator that a run's folder stands for, and of no other file in it.
    if path.name in (trained.usual_weights(path.parent).name, checkpoints.BEST_FILE):
        history = read_history(path.with_name(HISTORY_FILE)).items()
        measured.update((number, {"rows": [row]}) for number, row in history if "fid" in row)
    report = _read_report(path.with_name(REPORT_FILE))
    if report and pathlib.PurePath(report["weights"]["file"]).name == path.name:
        measured[report["weights"].get("epoch", 0)] = report
    last = max((number for number in measured if number <= epoch), default=None)
    return last, measured.get(last)


def _read_report(path):
    """What `evaluate.py` wrote, None where it wrote nothing, or compared with other images than the run's; UserError
    where what the page shows is not in it."""
    if not path.exists():
        return None
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        figures = [row[name] for row in report["rows"] for name in ("fid", "kid", "precision", "recall")]
        numbers = [*figures, report["rows"][0]["images"], report["weights"].get("epoch", 0)]
        if not all(isinstance(number, (int, float)) for number in numbers):
            raise ValueError("a figure is not a number")
        pathlib.PurePath(report["weights"]["file"])
        return report if report["reference"]["images_of_the_run"] else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}): write it anew with evaluate.py, or remove it") from error


def _read_pairs(path):
    try:
        return animation.read_grid(path)
    except UserError as error:
        raise UserError(f"{path} is damaged ({error}): write it anew with evaluate.py, or remove it") from error


def training_seconds(folder, epoch):
    """Those up to an epoch by the run's history, or as its configuration notes them; None where neither does."""
    seconds = [row["seconds"] for number, row in read_history(folder / HISTORY_FILE).items() if number <= epoch]
    stored = RunFolder(TrainingConfig(checkpoint_dir=str(folder))).stored_run()
    return sum(seconds) if seconds else stored.get("training_seconds")


def animate(source, sample_dir, folder):
    """The training of a `Trained` as an animation in `folder`; its path, or None and why there is none.

    It is the one beside the weights, or made of the run's grids: in `sample_dir`, or where the run put them.
    """
    sample_dir = sample_dir and pathlib.Path(os.path.expanduser(sample_dir))
    beside, made = source.path.with_name(ANIMATION_FILE), pathlib.Path(tempfile.mkdtemp(dir=folder))
    if beside.exists() and sample_dir is None:
        return shutil.copy(beside, made), None
    config = TrainingConfig(
        checkpoint_dir=str(source.path.parent), sample_dir=str(sample_dir or source.config.sample_dir)
    )
    run = RunFolder(config, flag="--sample_dir")
    try:
        run.check_samples_belong()
        written = animation.write_animation(
            run.sample_dir,
            made / "training.webp",
            max_frames=MAX_FRAMES,
            warn=lambda line: print(line, file=sys.stderr),
        )
        return str(written.path), None
    except (UserError, OSError) as error:
        return None, str(error)
