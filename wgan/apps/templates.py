"""HTML from templates (jinja2), in which names are escaped and a missing one is an error."""

import datetime

import jinja2


def read(path, **filters):
    """The `jinja2.Template` in a file, which has `duration` and further filters by name."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(filters, duration=duration)
    return environment.from_string(path.read_text(encoding="utf-8"))


def duration(seconds):
    """`1:02:03`."""
    return "—" if seconds is None else str(datetime.timedelta(seconds=round(seconds)))
