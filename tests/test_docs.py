"""Links in the documentation lead somewhere, and what it says about recipes is so."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import train

ROOT = pathlib.Path(train.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_to_files(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def recipes_page():
    return (ROOT / "docs/recipes.md").read_text(encoding="utf-8")


def test_the_page_on_recipes_has_them_all_with_their_settings():
    from wgan.config import TrainingConfig
    from wgan.recipes import RECIPES
    page = recipes_page()
    told = {name: (int(batch), int(steps)) for name, batch, steps in re.findall(
        r"^\| `(\w+)` \|[^|]*\| (\d+) \| (\d+) \|", page, re.MULTILINE)}
    configs = {name: TrainingConfig.of_recipe(name) for name in RECIPES}
    assert told == {name: (config.batch_size, config.critic_steps) for name, config in configs.items()}
    assert set(re.findall(r"^\*\*`(\w+)`\*\*", page, re.MULTILINE)) == set(RECIPES)


def test_the_recipe_in_the_docs_can_be_trained_and_compared(tmp_path):
    """As a user would: the file goes into wgan/recipes/ of a copy of the project."""
    [name] = re.findall(r"`wgan/recipes/(\w+)\.py`, puts", recipes_page())
    [code] = re.findall(r"```python\n(.*?)```", recipes_page(), re.DOTALL)
    shutil.copytree(ROOT / "wgan", tmp_path / "wgan", ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("train.py", "compare.py"):
        shutil.copy(ROOT / script, tmp_path)
    (tmp_path / "wgan/recipes" / f"{name}.py").write_text(code)
    words = ["--recipe", name, "--dataset", "digits", "--label", "3", "--epochs", "2", "--eval_every", "0",
             "--precision", "float32"]
    trained = subprocess.run([sys.executable, "train.py", *words], cwd=tmp_path, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    header, *rows = (tmp_path / "checkpoints/history.csv").read_text().splitlines()
    assert len(rows) == 2 and "gradient_penalty" in header and "wasserstein_estimate" in header
    shown = subprocess.run([sys.executable, "compare.py", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert name in shown.stdout.split()
