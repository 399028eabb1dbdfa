"""Seconds per epoch of this project beside other implementations, on this machine.

    python benchmarks/speed.py --data_dir DIR               the comparison (PyTorch: pip install -e '.[torch]')
    python benchmarks/speed.py --table scaling              how the cost grows

The contestants run in turn, each in a process of its own, several rounds of all; medians and ratios of the
same run are what to quote, for single times vary with whatever else the machine does.
"""

import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.arithmetic import epoch_flops
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.runs import files


def run(**flags):
    """One process of `contestants.py`; what it printed, as a dictionary."""
    words = [f"--{flag}={value}" for flag, value in flags.items() if value is not None]
    answer = subprocess.run([sys.executable, HERE / "contestants.py", *words], stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        raise UserError(f"contestants.py {' '.join(words)} failed")
    return json.loads(answer.stdout.splitlines()[-1])


def compare(precisions, rounds, epochs, data_dir, batch_size):
    """The first table: one row per contestant and precision."""
    settings = dict(epochs=epochs, data_dir=data_dir, batch_size=batch_size)
    names = ["ours", "keras", "torch"]
    if importlib.util.find_spec("torch") is None:
        print("note: PyTorch is not installed, so it is left out (pip install -e '.[torch]')", file=sys.stderr)
        names.remove("torch")
    rows = []
    for precision in precisions:
        matmul = run(name="matmul", precision=precision)["flops_per_second"]
        found = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                found[name].append(run(name=name, precision=precision, **settings))
        for name, results in found.items():
            seconds = statistics.median(second for result in results for second in result["seconds"])
            rows.append(
                {
                    "name": name,
                    "precision": precision,
                    "seconds": seconds,
                    "flops_share": epoch_flops(batch_size, winograd=results[0]["winograd"]) / seconds / matmul,
                    "matmul_flops": matmul,
                    "first_epoch": statistics.median(result["first_epoch"] for result in results),
                    "peak_memory": max(result["peak_memory"] for result in results),
                }
            )
    return rows


def print_comparison(rows, batch_size):
    print(
        f"arithmetic of an epoch with merged upsampling: {epoch_flops(batch_size) / 1e9:.0f} GFLOP; with Winograd "
        f"convolutions, which ours has but on GPUs and in bfloat16 on AMX: "
        f"{epoch_flops(batch_size, winograd=True) / 1e9:.0f}\n"
    )
    print(
        "| implementation | precision | s / epoch | ours is faster by | of a matrix product's speed | first epoch | "
        "peak memory |"
    )
    print("|---|---|---|---|---|---|---|")
    ours = {row["precision"]: row["seconds"] for row in rows if row["name"] == "ours"}
    for row in rows:
        print(
            f"| {row['name']} | {row['precision']} | {row['seconds']:.2f} | "
            f"{row['seconds'] / ours[row['precision']]:.2f}x | {row['flops_share']:.0%} of "
            f"{row['matmul_flops'] / 1e12:.2f} TFLOP/s | {row['first_epoch']:.1f} s | "
            f"{row['peak_memory'] / 2**20:.0f} MiB |"
        )


SCALING = (
    [dict(batch_size=size) for size in (64, 128, 256, 512, 1024)]
    + [dict(image_size=size, batch_size=64, count=2000) for size in (32, 64, 128)]
    + [dict(count=count) for count in (6000, 60000)]
    + [dict(count=200000, folder=True)]
)


def scale(precision, epochs):
    """The second table: our own cost over batch size, image size and number of images."""
    rows = []
    for settings in SCALING:
        settings = {"batch_size": 256, "image_size": 32, "count": 6000, "folder": False, **settings}
        result = run(name="ours", precision=precision, epochs=epochs, **settings)
        seconds = statistics.median(result["seconds"])
        rows.append(
            {
                **settings,
                "seconds": seconds,
                "peak_memory": result["peak_memory"],
                "flops": epoch_flops(
                    settings["batch_size"], image_size=settings["image_size"], winograd=result["winograd"]
                )
                / seconds,
            }
        )
    return rows


def print_scaling(rows):
    print("| batch | image size | images | s / epoch | GFLOP/s | peak memory |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        place = " in a folder" if row["folder"] else ""
        print(
            f"| {row['batch_size']} | {row['image_size']} | {row['count']:,}{place} | {row['seconds']:.2f} | "
            f"{row['flops'] / 1e9:.0f} | {row['peak_memory'] / 2**20:.0f} MiB |"
        )


def main(argv):
    groups = cli.FlagGroups(__doc__)
    groups.define("Run", "table", str, "comparison", "comparison or scaling.")
    groups.define("Run", "precisions", str, "float32,bfloat16", "Separated by commas; the first one for scaling.")
    groups.define("Run", "rounds", int, 3, "Processes per contestant.")
    groups.define("Run", "epochs", int, 5, "Epochs to time in each, after a first one.")
    groups.define("Run", "batch_size", int, 32, "Images per update in the comparison.")
    groups.define("Run", "data_dir", str, None, "CIFAR-10 (as in train.py); noise without it.")
    groups.define("Run", "json", str, None, "Also write the rows to this file.")
    values = groups.parse(argv)
    if values["table"] not in ("comparison", "scaling"):
        raise UserError(f"--table is {values['table']!r}; choose comparison or scaling")
    precisions = values["precisions"].split(",")
    if values["table"] == "scaling":
        rows = scale(precisions[0], values["epochs"])
        print_scaling(rows)
    else:
        rows = compare(precisions, values["rounds"], values["epochs"], values["data_dir"], values["batch_size"])
        print_comparison(rows, values["batch_size"])
    if values["json"]:
        pathlib.Path(values["json"]).parent.mkdir(parents=True, exist_ok=True)
        files.write_text(values["json"], json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    cli.run(main, sys.argv)
