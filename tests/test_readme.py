"""What the README says about the flags, against the flags."""

import pathlib
import re

import compare
import demo
import earth_mover
import evaluate
import export_gif
import export_model
import generate
import train

README = pathlib.Path(train.__file__).with_name("README.md").read_text(encoding="utf-8")


def flags_of(script):
    return set(re.findall(r"^  --(\w+)", script.define_flags().help_text(), re.MULTILINE))


def test_every_flag_is_in_the_readme_and_no_other():
    named = set(re.findall(r"--(\w+)", README))
    scripts = (train, evaluate, export_gif, earth_mover, generate, export_model, compare, demo)
    assert named == {"help"}.union(*map(flags_of, scripts))


def test_what_is_marked_as_fixed_within_a_run_is_what_the_configuration_says():
    import dataclasses

    from wgan.config import TrainingConfig
    table = [line for line in README.splitlines() if line.startswith("| `--")]
    marked = {name for line in table if "**R**" in line for name in re.findall(r"`--(\w+)`", line)}
    decisive = {field.name for field in dataclasses.fields(TrainingConfig) if field.metadata["decides_result"]}
    assert marked == decisive
