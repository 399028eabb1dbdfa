"""The page of a comparison, and the same figures as JSON."""

import json
import math
import os
import pathlib

from wgan.apps import templates
from wgan.apps.comparison import row
from wgan.apps.comparison.curves import draw_curves
from wgan.apps.comparison.plan import PAGE_FILE, REPORT_FILE
from wgan.apps.comparison.results import images_and_machines, results
from wgan.runs import files

CURVES_FILE = "curves.png"
TEMPLATE = pathlib.Path(__file__).with_name("page.html.jinja")


def publish(planned, failures, comparison, command):
    """Writes `index.html` with its images, and `comparison.json`, each complete or not at all; what is in the latter.

    `failures` is a dictionary from runs to words, and `command` the line that made the `Comparison`.
    """
    folder = comparison.folder
    folder.mkdir(parents=True, exist_ok=True)
    notes = row.draw_outdated(planned)
    images, machines = images_and_machines(planned)
    found = {
        "command": command,
        "budget": comparison.budget._asdict(),
        "processor_cores": os.cpu_count(),
        "machines": machines,
        "images": images,
        "notes": notes,
        "results": results(planned, failures),
    }
    draw_curves(found["results"], folder / CURVES_FILE)
    files.write_text(folder / REPORT_FILE, json.dumps(found, indent=2) + "\n")  # first: the page is known by it
    files.write_text(folder / PAGE_FILE, page(found, str(comparison.budget), row.rows_for_page(planned, folder)))
    return found


def page(found, budget, rows):
    """The page as HTML, for what `publish` writes to `comparison.json`."""
    template = templates.read(TEMPLATE, spread=spread_in_words, number=number, span=span)
    return template.render(found, budget=budget, rows=rows, curves_file=CURVES_FILE, report_file=REPORT_FILE)


def spread_in_words(spread):
    """Four digits of the mean, and where there are several seeds the standard deviation to the same place."""
    mean, std = spread["mean"], spread["std"]
    if mean is None:
        return "—"
    largest = max(abs(mean), std or 0)
    places = max(0, 3 - math.floor(math.log10(largest))) if largest else 0
    return f"{mean:.{places}f}" + ("" if std is None else f" ± {std:.{places}f}")


def number(value, form):
    """A number in a format such as `.3f`."""
    return "—" if value is None else format(value, form)


def span(numbers):
    """`500`, or `480–500` where seeds differ."""
    return "–".join(f"{value:,}" for value in sorted({min(numbers), max(numbers)})) if numbers else "—"
