"""What a process that trains takes of the machine, early and late; in a process of its own, for in one that has done
other things before, what these leave behind and give back drowns it.

    python tests/long_run.py 12000 DIR

The last line is a JSON object from the epochs 100 and 12,000 to bytes of memory, threads, open files and traced
graphs.
"""

import gc
import json
import sys

import psutil
import short_runs

from wgan.config import TrainingConfig
from wgan.training import callbacks
from wgan.training.launch import launch

EARLY = 100  # epochs


def saving_often(epochs):
    """A class of checkpoints that saves every fifth of the early epochs, for the allocator keeps the room of the
    first few saves for later ones, and often enough after them for what a save leaves open to add up."""

    class SavingOften(callbacks.Checkpoints):
        def on_epoch_end(self, epoch, logs=None):
            if epoch % (5 if epoch < EARLY else max(5, epochs // 60)) == 0:
                self._last_save = None
            super().on_epoch_end(epoch, logs)

    return SavingOften


def measuring(found, epochs):
    """A class of sample grids that puts into `found` what its process takes, after the early and the last epoch."""
    process = psutil.Process()

    class Measuring(callbacks.SampleGrids):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if epoch + 1 in (EARLY, epochs):
                gc.collect()
                files = process.num_handles() if sys.platform == "win32" else process.num_fds()
                found[epoch + 1] = {
                    "bytes": process.memory_info().rss,
                    "threads": process.num_threads(),
                    "files": files,
                    "graphs": self.model.update_critic.experimental_get_tracing_count(),
                }

    return Measuring


if __name__ == "__main__":
    epochs, found = int(sys.argv[1]), {}
    callbacks.Checkpoints, callbacks.SampleGrids = saving_often(epochs), measuring(found, epochs)  # type: ignore[misc]
    settings = short_runs.settings(sys.argv[2], recipe="gan_mlp", epochs=epochs, batch_size=2)
    status = launch(TrainingConfig(**settings))
    print(json.dumps(found))
    sys.exit(status)
