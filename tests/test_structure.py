"""The order of the packages, which docs/structure.md tells; lint, format and types, as `pyproject.toml` sets them."""

import subprocess
import sys

import pytest
from short_runs import ROOT


def test_every_package_is_in_the_document():
    entries = {entry.name for entry in (ROOT / "wgan").iterdir() if not entry.name.startswith("__")} - {"py.typed"}
    document = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    tree = document.split("```")[1]
    assert {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("  ")} == entries


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"),
        ("-m", "ruff", "check", "--no-cache"),
        ("-m", "ruff", "format", "--check", "--no-cache"),
        pytest.param(("-m", "mypy", "--cache-dir=/dev/null"), marks=pytest.mark.slow),
    ],
    ids=["imports run one way", "ruff check", "ruff format", "mypy"],
)
def test_nothing_is_found(command):
    """Each in a process of its own: import-linter, say, sets up logging for a whole one."""
    found = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
