"""What the documentation says: links lead somewhere, commands and flags are real, and so is what it says of recipes."""

import dataclasses
import functools
import importlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import short_runs
from short_runs import ROOT

from wgan.config import TrainingConfig
from wgan.recipes import RECIPES

PAGES = [ROOT / "README.md", ROOT / "pretrained/README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENTRY_SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
FLAGS_OF_OTHER_PROGRAMS = {"logdir", "samples_per_plugin"}  # tensorboard
_CODE = re.compile(r"(?:^```.*?^```)|(?:^ {4}[^\n]*$)|(?:`[^`]+`)", re.MULTILINE | re.DOTALL)


def text_of(page):
    return page.read_text(encoding="utf-8")


@functools.cache
def flags_of(script):
    """The flags that the script's real help lists; `script` is a path from the project's folder."""
    if "/" not in script:
        text = importlib.import_module(f"wgan.apps.{script.removesuffix('.py')}").define_flags().help_text()
    else:
        text = subprocess.run(
            [sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    return set(re.findall(r"^  --(\w+)", text, re.MULTILINE)) | {"help"}


def commands_on(page):
    """The words of every command `python some_script.py ...` in the page's code."""
    for code in _CODE.findall(text_of(page)):
        for line in re.split(r"&&|\n(?=\s{4}|```)", code.strip("`")):
            found = re.search(r"python3? ((?:\w+/)*\w+\.py)(?![\w/])(.*)", line, re.DOTALL)
            if found:
                yield found[1], shlex.split(found[2], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_to_headings_in_them(page):
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text_of(page)):
        path = page.parent / target if target else page
        assert path.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-") for words in headings]


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), {ROOT / "README.md"}
    while new:
        reached |= new
        links = {page.parent / target for page in new for target in re.findall(r"\]\(([^)#:]+\.md)", text_of(page))}
        new = {link.resolve() for link in links} - reached
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_scripts_and_flags_that_exist(page):
    for script, words in commands_on(page):
        assert (ROOT / script).is_file(), script
        if script in ENTRY_SCRIPTS and "--help" not in words:
            module = importlib.import_module(f"wgan.apps.{script.removesuffix('.py')}")
            values = module.define_flags().parse([script, *words])  # raises for a flag or value that is not so
            if script == "train.py":
                check_training(values, words)
        else:
            named = {word[2:].split("=")[0] for word in words if word.startswith("--")}
            assert named <= flags_of(script), (script, words)


def check_training(values, words):
    given = {name: value for name, value in values.items() if f"--{name}" in words}
    given.pop("fresh", None), given.pop("dry_run", None)
    TrainingConfig.of_recipe(given.pop("recipe", "wgan_gp"), **given).check()


def test_commands_are_found():
    """Or the test above would pass over nothing."""
    assert {script for page in PAGES for script, _ in commands_on(page)} >= set(ENTRY_SCRIPTS)
    assert ("train.py", ["--label", "7", "--epochs", "12000"]) in list(commands_on(ROOT / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_are_named_exist(page):
    others = {script for script, _ in commands_on(page) if "/" in script}
    known = set().union(*map(flags_of, {*ENTRY_SCRIPTS, *others}))
    named = {flag for code in _CODE.findall(text_of(page)) for flag in re.findall(r"(?<![\w-])--([a-z]\w+)", code)}
    assert named <= known | FLAGS_OF_OTHER_PROGRAMS


def test_the_page_on_flags_has_them_all():
    assert set(re.findall(r"--(\w+)", text_of(ROOT / "docs/flags.md"))) == set().union(*map(flags_of, ENTRY_SCRIPTS))


def test_what_is_marked_as_fixed_within_a_run_is_what_the_configuration_says():
    table = [line for line in text_of(ROOT / "docs/flags.md").splitlines() if line.startswith("| `--")]
    marked = {name for line in table if "**R**" in line for name in re.findall(r"`--(\w+)`", line)}
    assert marked == {field.name for field in dataclasses.fields(TrainingConfig) if field.metadata["decides_result"]}


def test_the_readme_stays_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 120  # three screens


def test_the_page_on_recipes_has_them_all_with_their_settings():
    page = text_of(ROOT / "docs/recipes.md")
    told = {
        name: (int(batch), int(steps))
        for name, batch, steps in re.findall(r"^\| `(\w+)` \|[^|]*\| (\d+) \| (\d+) \|", page, re.MULTILINE)
    }
    configs = {name: TrainingConfig.of_recipe(name) for name in RECIPES}
    assert told == {name: (config.batch_size, config.critic_steps) for name, config in configs.items()}
    assert set(re.findall(r"^\*\*`(\w+)`\*\*", page, re.MULTILINE)) == set(RECIPES)


@pytest.mark.slow
def test_the_recipe_in_the_docs_can_be_trained_and_compared(tmp_path):
    """As a user would: the file goes into wgan/recipes/ of a copy of the project."""
    page = text_of(ROOT / "docs/recipes.md")
    [name] = re.findall(r"`wgan/recipes/(\w+)\.py`, puts", page)
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shutil.copytree(ROOT / "wgan", tmp_path / "wgan", ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("train.py", "compare.py"):
        shutil.copy(ROOT / script, tmp_path)
    (tmp_path / "wgan/recipes" / f"{name}.py").write_text(code)
    words = short_runs.flags(short_runs.settings(tmp_path, recipe=name))
    trained = subprocess.run([sys.executable, "train.py", *words], cwd=tmp_path, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    header, *rows = (tmp_path / "checkpoints/history.csv").read_text().splitlines()
    assert len(rows) == 2 and "gradient_penalty" in header and "wasserstein_estimate" in header
    shown = subprocess.run([sys.executable, "compare.py", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert name in shown.stdout.split()
