"""Means over seeds, their spread, and both in writing."""

import datetime
import math
import statistics


def spread(values):
    """`values` with their mean and their standard deviation (n - 1), each None where there are too few."""
    return {"mean": statistics.fmean(values) if values else None,
            "sd": statistics.stdev(values) if len(values) > 1 else None, "values": values}


def with_spread(figure):
    """Four digits of the mean, and the standard deviation to the same place; `?` where one seed has none."""
    mean, deviation = figure["mean"], figure["sd"]
    if mean is None:
        return "—"
    largest = max(abs(mean), deviation or 0)
    places = max(0, 3 - math.floor(math.log10(largest))) if largest else 0
    return f"{mean:.{places}f} ± {'?' if deviation is None else f'{deviation:.{places}f}'}"


def three_places(figure):
    """The mean alone."""
    return "—" if figure["mean"] is None else f"{figure['mean']:.3f}"


def duration(seconds):
    """`1:02:03`."""
    return "—" if seconds is None else str(datetime.timedelta(seconds=round(seconds)))


def three_digits(value):
    """`0.0123`."""
    return "—" if value is None else f"{value:.3g}"
