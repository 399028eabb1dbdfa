"""The order of the packages, which docs/structure.md tells; lint, format and types, as `pyproject.toml` sets them."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_imports_run_one_way():
    """In a process of its own, since import-linter sets up logging for a whole one."""
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    found = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_package_is_in_the_document():
    entries = {entry.name for entry in (ROOT / "wgan").iterdir() if not entry.name.startswith("__")} - {"py.typed"}
    document = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    tree = document.split("```")[1]
    assert {line.split()[0].rstrip("/") for line in tree.splitlines() if line.startswith("  ")} == entries


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache"),
        ("ruff", "format", "--check", "--no-cache"),
        pytest.param(("mypy", "--cache-dir=/dev/null"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_nothing_is_found(command):
    found = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
