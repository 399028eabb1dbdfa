"""Lint, format and types, as `pyproject.toml` sets them."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


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
