"""What share of the main job's time goes into drawing and saving.

    python benchmarks/side_work.py --data_dir DIR --epochs 60

Runs the real program in a temporary folder with its default settings and adds up the time that it spends in callbacks.
"""

import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from wgan.common import cli
from wgan.config import TrainingConfig


class Meter:
    """Seconds spent per name."""

    def __init__(self):
        self.seconds = {}

    def timed(self, name, function):
        """`function`, with the time of its calls added up under `name`."""

        def measured(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start

        return measured


def measure(config):
    """Runs `config`; (seconds per name, wall-clock seconds of the epochs after the first)."""
    from wgan.common import startup

    startup.import_tensorflow()
    from wgan.evaluation.callback import Evaluation
    from wgan.runs import history
    from wgan.training import callbacks, launch

    meter = Meter()
    for watcher in (
        callbacks.WatchNumbers,
        callbacks.HistoryWriter,
        callbacks.SampleGrids,
        callbacks.Checkpoints,
        callbacks.Progress,
        Evaluation,
    ):
        for event in ("on_epoch_end", "on_train_end"):
            setattr(watcher, event, meter.timed(watcher.__name__, getattr(watcher, event)))
    launch.launch(config)
    rows = history.read_history(pathlib.Path(config.checkpoint_dir, "history.csv"))
    return meter.seconds, sum(row["seconds"] for epoch, row in rows.items() if epoch > 1)


def main(argv):
    groups = cli.FlagGroups(__doc__)
    groups.define("Run", "data_dir", str, None, "As in train.py.")
    groups.define("Run", "epochs", int, 60, "More are more exact.")
    values = groups.parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig.of_recipe(
            "wgan_gp", label="7", checkpoint_dir=f"{folder}/c", sample_dir=f"{folder}/s", **values
        )
        parts, total = measure(config)
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"{seconds / total:7.2%}  {name}")
    print(f"{sum(parts.values()) / total:7.2%}  of {total:.0f} s in all")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
