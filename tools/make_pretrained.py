"""Makes a folder of pretrained/ from a run: its averaged generator, its configuration, its figures, 64 samples,
and the animation of its training.

python tools/make_pretrained.py --checkpoint_dir checkpoints --out pretrained/horses
"""

import json
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wgan.apps import run_summary
from wgan.apps.generate import SampleRequest, generate
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.evaluation.evaluate import evaluate
from wgan.images.animation import write_animation
from wgan.runs import checkpoints, files, sample_files, trained
from wgan.runs.run_folder import CONFIG_FILE, PLACES, REPORT_FILE

SAMPLES_FILE = "samples.png"


def define_flags():
    """Which run, and where to."""
    groups = cli.FlagGroups(
        "Makes a folder of pretrained/ from a run: the averaged generator, its configuration "
        "without the paths of this machine, evaluation.json, a grid of samples, and the training's animation."
    )
    groups.define("Files", "checkpoint_dir", str, "checkpoints", "The run.")
    groups.define("Files", "data_dir", str, None, "Where its images are now. Default: where they were in training.")
    groups.define("Files", "out", str, None, "The folder to make, such as pretrained/horses.")
    return groups


def main(argv):
    """Prints what the generator is worth; returns the exit status."""
    flags = define_flags().parse(argv)
    if not flags["out"]:
        raise UserError("--out is missing: the folder to make, such as pretrained/horses")
    run, out = trained.locate(flags["checkpoint_dir"]), pathlib.Path(flags["out"]).expanduser()
    if run.path.name != checkpoints.AVERAGED_FILE:
        raise UserError(f"{flags['checkpoint_dir']} has no {checkpoints.AVERAGED_FILE}; train with --ema_decay above 0")
    out.mkdir(parents=True, exist_ok=True)
    copy_run(run, out)
    animate(run, out)
    measure(out, flags["data_dir"] or run.config.data_dir)
    print(generate(SampleRequest(weights=str(out), out=str(out / SAMPLES_FILE))))
    return 0


def copy_run(run, out):
    """Copies the generator of a `Trained`, and the configuration beside it as if made with default paths."""
    with files.atomic_path(out / checkpoints.AVERAGED_FILE) as temporary:
        shutil.copyfile(run.path, temporary)
    stored = json.loads((run.path.parent / CONFIG_FILE).read_text(encoding="utf-8"))
    usual = TrainingConfig().to_json()
    stored["config"].update({name: usual[name] for name in PLACES if name in stored["config"]})
    stored.pop("working_dir", None)  # of runs that an earlier version began
    stored["training_seconds"] = run_summary.training_seconds(run.path.parent, run.noted.get("epoch", 0))
    files.write_text(out / CONFIG_FILE, json.dumps(stored, indent=2) + "\n")


def animate(run, out):
    """Writes the training's animation, where the grids of a `Trained` are still there."""
    if sample_files.list_samples(run.config.sample_dir):
        write_animation(run.config.sample_dir, out / run_summary.ANIMATION_FILE, max_frames=40, fps=5, scale=2)


def measure(out, data_dir):
    """Writes the figures of the generator in `out`; the file that they are of is named without its folder."""
    evaluate(out, data_dir=data_dir)
    report = json.loads((out / REPORT_FILE).read_text(encoding="utf-8"))
    report["weights"]["file"] = checkpoints.AVERAGED_FILE
    files.write_text(out / REPORT_FILE, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main)
