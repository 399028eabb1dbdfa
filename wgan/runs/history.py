"""The figures of every epoch: kept in memory, stored with each checkpoint, written as CSV and read from it."""

import csv
import io
import math

import numpy as np

from wgan.common.errors import UserError
from wgan.runs import files

COLUMNS = (  # states hold them by place: new ones go to the end
    "epoch",
    "wasserstein_estimate",
    "gradient_penalty",
    "gradient_norm",
    "critic_loss",
    "critic_real",
    "critic_fake",
    "generator_loss",
    "seconds",
    "fid",
    "kid",
    "kid_error",
    "precision",
    "recall",
    "training_estimate",
    "heldout_estimate",
    "class_loss",
    "accuracy_real",
    "accuracy_fake",
    "heldout_accuracy",
    "heldout_accuracy_alone",
    "mean",
    "std",
    "wasserstein_distance",
)


def columns(recipe):
    """Those of `COLUMNS` that a `Recipe` fills, in their order."""
    return tuple(name for name in COLUMNS if name in ("epoch", "seconds", *recipe.figures, *recipe.measures))


class History:
    """Rows of `COLUMNS`, one per epoch; `rows` holds them as tuples of floats, NaN for what was not measured."""

    def __init__(self, rows=()):
        """Args: rows: sequence of rows, or float array [epochs, columns]; the last columns may be missing."""
        missing = (np.nan,) * len(COLUMNS)
        self.rows = [(*map(float, row), *missing)[: len(COLUMNS)] for row in rows]

    def append(self, epoch, figures, seconds):
        """Adds an epoch: its number from 1, a mapping from columns to what was measured, and its wall-clock time."""
        named = {**figures, "epoch": epoch, "seconds": seconds}
        self.rows.append(tuple(float(named.get(column, np.nan)) for column in COLUMNS))

    def column(self, name):
        """One column as float64 [epochs]."""
        return self.to_array()[:, COLUMNS.index(name)]

    def to_array(self):
        """float64 [epochs, len(COLUMNS)]."""
        return np.array(self.rows, np.float64).reshape(-1, len(COLUMNS))

    def write_csv(self, path, shown, written):
        """Adds to a CSV file the rows after the first `written`, in one write; None: writes the file anew.

        It may be read at any time. `shown` are those of `COLUMNS` that it has.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, shown, extrasaction="ignore", lineterminator="\n")
        if written is None:
            writer.writeheader()
        for row in self.rows[written or 0 :]:  # with the digits that a float32 has; nothing for what was not measured
            writer.writerow({name: "" if math.isnan(value) else f"{value:.9g}" for name, value in zip(COLUMNS, row)})
        if written is None:
            files.write_text(path, text.getvalue())
        else:
            with open(path, "a", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())


def read_history(path):
    """Reads a `history.csv`, which may just be growing: {epoch: {column: float}}, empty where there is none.

    Cells that are empty or not finite, and rows that are not complete, are left out.
    """
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            rows = [{name: _finite(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    except FileNotFoundError:
        return {}
    except csv.Error as error:
        raise UserError(f"{path} is damaged ({error}): restore it, or remove it") from error
    rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return {int(row["epoch"]): row for row in rows if "epoch" in row and "seconds" in row}


def _finite(cell):
    try:
        value = float(cell)
    except (TypeError, ValueError):  # nothing was measured, or the line was cut off
        return None
    return value if math.isfinite(value) else None
