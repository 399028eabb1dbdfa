"""The page of a comparison, and the same figures as JSON."""

import html
import json
import os
import pathlib

from wgan.apps.comparison import pictures
from wgan.apps.comparison.figures import duration, three_digits, three_places, with_spread
from wgan.apps.comparison.plan import REPORT_FILE
from wgan.apps.comparison.results import images_of, machines_of, results
from wgan.runs import files

PAGE_FILE = "index.html"
HEADINGS = ("recipe", "FID", "KID", "precision", "recall", "measured after", "updates", "seconds / update",
            "training", "total time", "seeds")
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1250px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .45em .6em; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; min-width: 18em; }
td { white-space: nowrap; } td:first-child { white-space: normal; }
.wide { overflow-x: auto; } .best { font-weight: bold; } .small { color: #666; font-size: 13px; } .bad { color: #a00; }
img { max-width: 100%; } pre { background: #f4f4f4; padding: .7em; overflow-x: auto; } code { font-size: 13px; }
"""
READING = (
    "Every recipe made the same images of the same size, and was given the same budget. All else is the recipe's own, "
    "its batch size and its number of critic updates too, so that one update is not the same work in all of them: "
    "look at both curves. FID and KID are better when lower, precision (how many samples look real) and recall (how "
    "much of the real variety they reach) when higher; all rest on this project's own features and compare only within "
    "this page. Figures are those of the last measurement: the mean over the finished seeds, ± the standard deviation "
    "where there are several. Training time has the seconds in it that TensorFlow takes to prepare the first update, "
    "not those of the measurements; the total time has both. Seconds per update is the median.")


def publish(planned, script, failures, budget, command, output_dir):
    """Writes `index.html` with its pictures, and `comparison.json`, each complete or not at all.

    Args:
        planned: all `Run`s.
        script: train.py, for the runs' commands.
        failures: a dictionary from runs to words.
        budget: a `wgan.apps.comparison.plan.Budget`.
        command: the words of the command that made the comparison.
        output_dir: the folder of the comparison.

    Returns:
        What is in `comparison.json`.
    """
    output_dir = pathlib.Path(output_dir).expanduser()
    output_dir.mkdir(parents=True, exist_ok=True)
    notes = pictures.make_rows(planned, output_dir)
    found = {"command": command, "budget": {"epochs": budget.epochs, "seconds": budget.seconds},
             "processor_cores": os.cpu_count(), "machines": machines_of(planned), "images": images_of(planned),
             "notes": notes, "results": results(planned, script, failures)}
    has_sheet = pictures.draw_sheet(planned, output_dir)
    pictures.draw_curves(found["results"], output_dir / pictures.CURVES_FILE)
    files.write_text(output_dir / PAGE_FILE, page(found, str(budget), has_sheet))
    files.write_text(output_dir / REPORT_FILE, json.dumps(found, indent=2) + "\n")
    return found


def page(found, budget, has_sheet):
    """The page as HTML, for what `publish` writes to `comparison.json`."""
    sheet = (f'<h2>Samples</h2>\n<p class="small">From the same latents of seed 0, with the weights that seed 0 ended '
             f'with.</p>\n<img src="{pictures.SHEET_FILE}" alt="A row of samples per recipe, and one of real images">'
             if has_sheet else "")
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Recipes compared</title>
<style>{STYLE}</style></head>
<body>
<h1>Recipes compared</h1>
<p>{_escaped(_images(found["images"]))}; {_escaped(budget)} each.</p>
{_warnings(found)}
{_table(found["results"])}
<p class="small">{_escaped(READING)}</p>
<h2>FID</h2>
<img src="{pictures.CURVES_FILE}" alt="FID over updates, and over time, a line per recipe">
{sheet}
<h2>How it was made</h2>
<pre>{_escaped(found["command"])}</pre>
<p>{_escaped("; ".join(found["machines"]) or "No run has begun")}. The machine of the last call has
{found["processor_cores"]} processor cores.</p>
<details><summary>The runs</summary>
{_runs(found["results"])}
</details>
<p class="small">All figures: <a href="{REPORT_FILE}">{REPORT_FILE}</a></p>
</body>
</html>
"""


def _escaped(text):
    return html.escape(str(text))


def _images(stored):
    """'digits 3, 183 images of 32 x 32 x 1' of what the runs keep about their images."""
    return "; ".join(f"{each.get('name')}, {each['count']:,} images of {' x '.join(map(str, each.get('shape', ())))}"
                     for each in stored) or "No run has begun"


def _warnings(found):
    """What makes the figures doubtful or is missing, as paragraphs."""
    warnings = list(found["notes"])
    if len(found["images"]) > 1:
        warnings.append("The runs were trained on different images: their figures do not compare.")
    unmeasured = [recipe["recipe"] for recipe in found["results"] if recipe["seeds"] and not recipe["fid"]["values"]]
    if unmeasured:
        warnings.append(f"Not measured: {', '.join(unmeasured)}; see --eval_every.")
    return "\n".join(f'<p class="bad">{_escaped(warning)}</p>' for warning in warnings)


def _table(recipes):
    known = [recipe["fid"]["mean"] for recipe in recipes if recipe["fid"]["mean"] is not None]
    rows = [_table_row(recipe, recipe["fid"]["mean"] is not None and recipe["fid"]["mean"] == min(known))
            for recipe in recipes]
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    return (f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{"".join(rows)}</tbody>\n'
            "</table></div>")


def _table_row(recipe, is_best):
    states = [f'<br><span class="bad">seed {run["seed"]} {_escaped(run["state"])}</span>'
              for run in recipe["runs"] if not run["finished"]]
    first = (f'<b>{_escaped(recipe["recipe"])}</b><br>{_escaped(recipe["summary"])}<br>'
             f'<span class="small">{_escaped(recipe["settings"])}</span>{"".join(states)}')
    cells = [figure(recipe["fid"]), figure(recipe["kid"]), three_places(recipe["precision"]),
             three_places(recipe["recall"]), _range(recipe["measured_at"]), _range(recipe["epochs"]),
             three_digits(recipe["seconds_per_epoch"]), duration(recipe["training_seconds"]),
             duration(recipe["wall_seconds"]), f"{len(recipe['seeds'])} of {recipe['planned']}"]
    marks = [' class="best"' if is_best and place == 0 else "" for place in range(len(cells))]
    return f"<tr><td>{first}</td>{''.join(f'<td{mark}>{cell}</td>' for mark, cell in zip(marks, cells))}</tr>\n"


def figure(values):
    """What `spread` gave, in writing: with its deviation where it has one."""
    return with_spread(values).removesuffix(" ± ?")


def _range(numbers):
    """`500`, or `480–500` where seeds differ."""
    if not numbers:
        return "—"
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _runs(recipes):
    """A line per run: its state, its log, and its command."""
    lines = []
    for recipe in recipes:
        for run in recipe["runs"]:
            log = f"{recipe['recipe']}/seed_{run['seed']}/log.txt"
            lines.append(f'<p>{_escaped(recipe["recipe"])}, seed {run["seed"]}: {_escaped(run["state"])} '
                         f'(<a href="{log}">log</a>)<br><code>python {_escaped(run["command"])}</code></p>')
    return "\n".join(lines)
