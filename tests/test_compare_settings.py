"""Settings compared over seeds: what is run, in which order, and the figures that come of it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks import compare_settings
from wgan.apps.comparison.runs import command_of
from wgan.common import cli
from wgan.common.errors import UserError

SETTINGS = {"common": {"dataset": "digits", "label": "3", "eval_every": 2}, "plain": {}, "fast": {"beta_1": 0.5}}

# Stands for train.py: does one call's worth of epochs, as the file `behaviour.json` beside it says.
FAKE_TRAIN = '''
import json, os, pathlib, signal, sys, time

given = dict(word[2:].split("=", 1) for word in sys.argv[1:])
given.setdefault("seed", "0")
here, folder = pathlib.Path(__file__).parent, pathlib.Path(given["checkpoint_dir"])
name = f"{folder.parent.parent.name}/{folder.parent.name}"
with open(here / "calls.txt", "a") as file:
    file.write(name + "\\n")
behaviour = json.loads((here / "behaviour.json").read_text()).get(name, {})

folder.mkdir(parents=True, exist_ok=True)
config = {name: value if name == "label" or not value[0].isdigit() else json.loads(value)
          for name, value in given.items()}
(folder / "config.json").write_text(json.dumps({"config": config, "images": {"sha256": "", "count": 0}}))
history = folder / "history.csv"
if not history.exists():
    history.write_text("epoch,seconds,kid,fid,precision,recall\\n")
begun = len(history.read_text().splitlines()) - 1
print(f"continuing after {begun}", flush=True)

if behaviour.get("waits"):
    def stop(number, frame):
        print("saved", flush=True)
        sys.exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    print("ready", flush=True)
    time.sleep(60)
    sys.exit(3)

with open(history, "a") as file:
    for epoch in range(begun + 1, behaviour.get("epochs", int(given["epochs"])) + 1):
        file.write(f"{epoch},2,0.01,{10 * epoch + int(given['seed'])},0.5,0.25\\n")
print(behaviour.get("last_line", "done"), flush=True)
if "killed_by" in behaviour:
    os.kill(os.getpid(), behaviour["killed_by"])
sys.exit(behaviour.get("status", 0))
'''


def write_history(run, rows, header="epoch,wasserstein_estimate,seconds,fid,kid,kid_error,precision,recall"):
    run.history_path.parent.mkdir(parents=True, exist_ok=True)
    run.history_path.write_text("\n".join([header, *rows]) + "\n")


def settings_file(tmp_path, settings):
    path = tmp_path / "settings.json"
    path.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return path


def planned(tmp_path, settings=SETTINGS, seeds=3, epochs=4, **more):
    settings = compare_settings.read_settings(settings_file(tmp_path, settings))
    return compare_settings.plan(settings, seeds, epochs, tmp_path / "out", **more)


def test_every_setting_has_a_seed_before_the_next_seed_begins(tmp_path):
    runs = planned(tmp_path, seeds=2)
    assert list(map(str, runs)) == ["plain, seed 0", "fast, seed 0", "plain, seed 1", "fast, seed 1"]
    assert [run.config.seed for run in runs] == [0, 0, 1, 1]
    assert runs[3].config.checkpoint_dir == str(tmp_path / "out/fast/seed_1/checkpoints")
    assert len({run.config.sample_dir for run in runs}) == 4


def test_a_setting_goes_before_the_common_flags_and_those_before_the_defaults(tmp_path):
    settings = {"common": {"label": 3, "dataset": "digits", "batch_size": 64, "learning_rate": 1},
                "one": {"batch_size": 8, "sample_every": 2, "learning_rate": 1e-3},
                "two": {"label": None, "learning_rate": None}}
    one, two = (run.config for run in planned(tmp_path, settings, seeds=1, data_dir=str(tmp_path)))
    assert (one.batch_size, one.label, one.sample_every, one.learning_rate) == (8, "3", 2, 1e-3)
    assert (two.batch_size, two.label, two.sample_every, two.learning_rate) == (64, "all", 4, 4e-4)
    assert one.data_dir == two.data_dir == str(tmp_path)


def test_a_recipe_has_its_own_defaults_which_flags_go_before(tmp_path):
    settings = {"common": {"dataset": "digits", "batch_size": 64}, "one": {"recipe": "dcgan", "learning_rate": 2e-4},
                "two": {"recipe": "dcgan", "batch_size": None}}
    one, two = planned(tmp_path, settings, seeds=1)
    assert (one.config.critic_steps, one.config.image_size, one.config.batch_size) == (1, 28, 64)
    assert (two.config.batch_size, two.config.learning_rate) == (128, 3e-4)
    words = command_of(one, compare_settings.TRAIN)
    assert {"--recipe=dcgan", "--batch_size=64", "--learning_rate=0.0002"} <= set(words)  # the usual one, not dcgan's
    assert not any(word.startswith("--critic_steps") for word in words)


def test_the_command_says_what_differs_from_the_defaults(tmp_path):
    run = planned(tmp_path, {"one": {"dataset": "digits", "deterministic": True, "beta_1": 0.5}}, seeds=2)[1]
    python, script, *words = command_of(run, compare_settings.TRAIN)
    assert (python, script) == (sys.executable, str(compare_settings.ROOT / "train.py"))
    assert set(words) == {"--dataset=digits", "--label=all", "--deterministic=True", "--beta_1=0.5", "--epochs=4",
                          "--sample_every=4", "--seed=1", f"--checkpoint_dir={run.folder / 'checkpoints'}",
                          f"--sample_dir={run.folder / 'samples'}"}


def test_train_understands_the_command(tmp_path):
    import train
    run = planned(tmp_path, {"one": {"dataset": "digits", "deterministic": True, "beta_1": 0.5}}, seeds=2)[1]
    values = train.define_flags().parse(command_of(run, compare_settings.TRAIN)[1:])
    assert {name: values[name] for name in run.config.to_json()} == run.config.to_json()


@pytest.mark.parametrize("settings, words", [
    ("{", "is not JSON"),
    ([], "should map names of settings to their flags"),
    ({"common": {}}, "has no settings"),
    ({"plain": 3}, "plain: it should map flags to values"),
    ({"plain": {"learnig_rate": 1e-3}},
     'train.py has no flag "learnig_rate" that could be compared (did you mean "learning_rate"?)'),
    ({"common": {"fresh": True}, "plain": {}}, 'common: train.py has no flag "fresh"'),
    ({"plain": {"seed": 3}}, '"seed" follows from --seeds of this command'),
    ({"plain": {"epochs": 3}}, '"epochs" follows from --epochs'),
    ({"common": {"checkpoint_dir": "c"}, "plain": {}}, '"checkpoint_dir" follows from --output_dir'),
    ({"plain": {"sample_dir": "s"}}, '"sample_dir" follows from --output_dir'),
    ({"../plain": {}}, '"../plain" cannot name a folder'),
    ({"comparison.json": {}}, "cannot name a folder"),
    ({"": {}}, "cannot name a folder"),
    ({"plain": {}, "Plain": {}}, '"Plain" differs only in capitals from "plain"'),
    ({"Common": {}}, '"Common" differs only in capitals from "common"'),
    ('{"plain": {}, "plain": {"beta_1": 0}}', '"plain" twice'),
    ({"plain": {"batch_size": "many"}}, 'plain: batch_size is "many"; it must be a whole number'),
    ({"plain": {"batch_size": 8.5}}, "batch_size is 8.5; it must be a whole number"),
    ({"plain": {"batch_size": True}}, "batch_size is true; it must be a whole number"),
    ({"plain": {"learning_rate": "1"}}, 'learning_rate is "1"; it must be a number'),
    ({"plain": {"deterministic": 1}}, "deterministic is 1; it must be true or false"),
    ({"plain": {"label": ["7"]}}, "it must be text in quotes"),
    ({"plain": {"recipe": "dcgam"}}, "plain: --recipe is 'dcgam'; choose one of wgan_gp"),
    ({"plain": {"batch_size": 1}}, "plain: --batch_size is 1; it must be at least 2"),
    ({"plain": {"label": "hrose"}}, "plain: cifar10 has no class 'hrose' (did you mean \"horse\"?)"),
])
def test_a_wrong_settings_file_is_answered_in_one_line(tmp_path, capsys, settings, words):
    path = settings_file(tmp_path, settings)
    status, _, err = run_main(capsys, "--settings", str(path), "--output_dir", str(tmp_path / "out"))
    assert status == 2
    assert err.startswith("compare_settings.py: ") and len(err.splitlines()) == 1 and words in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments, words", [
    (["--seeds", "0"], "--seeds is 0; it must be at least 1"),
    (["--epochs", "0"], "--epochs is 0; it must be at least 1"),
    (["--epochs", "10", "--at", "5,11"], '--at has "11"; it takes epochs from 1 to --epochs 10'),
    (["--at", "5,,6"], '--at has ""'),
    (["--data_dir", "/no/such/folder"], "/no/such/folder"),
    (["--settings", "/no/such/file.json"], "/no/such/file.json"),
    (["--settings", ""], "--settings is missing"),
])
def test_a_wrong_flag_is_answered_in_one_line(tmp_path, capsys, arguments, words):
    path = settings_file(tmp_path, SETTINGS)
    status, _, err = run_main(capsys, "--settings", str(path), "--output_dir", str(tmp_path / "out"), *arguments)
    assert status == 2
    assert len(err.splitlines()) == 1 and words in err


def run_main(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.run(compare_settings.main, ["compare_settings.py", *arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_epochs_to_report_are_the_last_or_those_given_in_order():
    assert compare_settings.epochs_to_report(None, 50) == [50]
    assert compare_settings.epochs_to_report("20, 5,20", 50) == [5, 20]


def test_mean_and_standard_deviation_are_over_the_seeds_at_the_epoch(tmp_path):
    runs = planned(tmp_path, {"one": {"dataset": "digits"}})
    for run, (fid, kid) in zip(runs, [(40, 0.02), (44, 0.03), (48, 0.07)]):
        write_history(run, ["1,9,7,,,,,", f"2,9,1,{fid},{kid},0.001,0.5,{kid}", "3,9,2,,,,,", "4,9,90,1,1,1,1,1"])
    [row] = compare_settings.compare(runs, [2])
    assert row["fid"] == {"mean": 44, "sd": pytest.approx(4), "values": [40, 44, 48]}
    assert row["kid"]["mean"] == pytest.approx(0.04) and row["kid"]["sd"] == pytest.approx(0.0007**0.5)
    assert row["precision"]["mean"] == 0.5 and row["recall"]["mean"] == pytest.approx(0.04)
    assert (row["setting"], row["epoch"], row["seeds"], row["planned"]) == ("one", 2, [0, 1, 2], 3)
    assert (row["wall_seconds"], row["seconds_per_epoch"]) == (8, 4)
    assert "| one | 3 of 3 | 44.00 ± 4.00 | 0.04000 ± 0.02646 | 0.500 | 0.040 | 0:00:08 | 4 |" in (
        compare_settings.report([row]))


def test_there_is_a_table_for_every_epoch_with_a_line_for_every_setting(tmp_path):
    runs = planned(tmp_path)
    for run in runs:
        write_history(run, [f"{epoch},0,60,{epoch},{epoch},0,1,1" for epoch in range(1, 5)])
    rows = compare_settings.compare(runs, [2, 4])
    assert [(row["epoch"], row["setting"]) for row in rows] == [(2, "plain"), (2, "fast"), (4, "plain"), (4, "fast")]
    text = compare_settings.report(rows)
    first, second = text.index("After 2 epochs:"), text.index("After 4 epochs:")
    assert text[first:second].count("0:02:00") == text[second:].count("0:04:00") == 2
    assert "note" not in text


def test_what_is_missing_counts_as_missing(tmp_path):
    """Of four seeds one is finished, one is on its way, one was cut off in a line, and one has not begun."""
    runs = planned(tmp_path, {"one": {"dataset": "digits"}}, seeds=4, epochs=2)
    write_history(runs[0], ["1,9,3,,,,,", "2,9,3,41,0.5,0,1,0"])
    write_history(runs[1], ["1,9,5,,,,,"])
    write_history(runs[2], ["1,9,7,,,,,", "2,9"])
    assert [compare_settings.read_history(run.history_path).keys() for run in runs] == [{1, 2}, {1}, {1}, set()]
    [row] = compare_settings.compare(runs, [2])
    assert (row["seeds"], row["unmeasured"], row["wall_seconds"]) == ([0], [], 6)
    assert row["fid"] == {"mean": 41, "sd": None, "values": [41]}
    assert "| one | 1 of 4 | 41.00 ± ? | 0.5000 ± ? | 1.000 | 0.000 | 0:00:06 | 3 |" in compare_settings.report([row])


def test_nothing_at_all_gives_a_table_of_dashes(tmp_path):
    text = compare_settings.report(compare_settings.compare(planned(tmp_path), [4]))
    assert "| plain | 0 of 3 | — | — | — | — | — | — |" in text and "note" not in text


@pytest.mark.parametrize("header, row", [
    ("epoch,seconds,fid,kid,precision,recall", "2,5,,,,"),
    ("epoch,seconds,fid,kid,precision,recall", "2,5,nan,nan,0,0"),
    ("epoch,seconds,fid,kid,precision,recall", "2,5,inf,0,0,0"),
    ("epoch,seconds", "2,5"),
])
def test_an_epoch_without_figures_has_dashes_and_a_note(tmp_path, header, row):
    runs = planned(tmp_path, {"one": {"dataset": "digits"}}, seeds=2, epochs=2)
    write_history(runs[0], ["1,5,1,1,1,1", "2,5,3,3,3,3"], "epoch,seconds,fid,kid,precision,recall")
    write_history(runs[1], [f"1,7{',' * (header.count(',') - 1)}", row], header)
    text = compare_settings.report(compare_settings.compare(runs, [2]))
    assert "| one | 1 of 2 | 3.000 ± ? |" in text and "| 0:00:11 | 5 |" in text
    assert "note: one has no finite FID after 2 epochs (seeds: 1): it was not measured there" in text


def test_what_will_not_be_measured_is_said_before(tmp_path, capsys):
    settings = {name: {"dataset": "digits", "eval_every": every} for name, every in [("a", 2), ("b", 3), ("c", 0)]}
    compare_settings.note_unmeasured(planned(tmp_path, settings, epochs=8), [2, 6, 8])
    assert capsys.readouterr().err.splitlines() == [
        "note: b measures nothing after 2 epochs: its eval_every is 3",
        "note: c measures nothing after 2, 6, 8 epochs: its eval_every is 0"]


@pytest.mark.parametrize("mean, deviation, text", [
    (45.123, 1.26, "45.12 ± 1.26"), (1234.5, 20.3, "1234 ± 20"), (-0.0001, 0.0123, "-0.00010 ± 0.01230"),
    (0, 0, "0 ± 0"), (3, None, "3.000 ± ?"), (None, None, "—")])
def test_figures_have_four_digits(mean, deviation, text):
    assert compare_settings.with_spread({"mean": mean, "sd": deviation}) == text


@pytest.fixture
def fake_train(tmp_path, monkeypatch):
    """Puts a script in train.py's place; a function that runs a comparison with it."""
    script = tmp_path / "fake_train.py"
    script.write_text(FAKE_TRAIN)
    monkeypatch.setattr(compare_settings, "TRAIN", script)
    path = settings_file(tmp_path, SETTINGS)

    def run(*arguments, behaviour=()):
        (tmp_path / "calls.txt").write_text("")
        (tmp_path / "behaviour.json").write_text(json.dumps(dict(behaviour)))
        status = compare_settings.main(["compare_settings.py", "--settings", str(path), "--output_dir",
                                        str(tmp_path / "out"), "--seeds", "2", "--epochs", "4", *arguments])
        return status, (tmp_path / "calls.txt").read_text().split()
    return run


def results_in(tmp_path):
    rows = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))["results"]
    return {(row["setting"], row["epoch"]): row for row in rows}


def test_a_comparison_runs_reports_and_does_not_run_again(fake_train, tmp_path, capsys):
    assert fake_train("--at", "2,4") == (0, ["plain/seed_0", "fast/seed_0", "plain/seed_1", "fast/seed_1"])
    out = capsys.readouterr().out
    assert out.count("After 4 epochs:") == 4
    assert "| plain | 2 of 2 | 40.50 ± 0.71 | 0.01000 ± 0.00000 | 0.500 | 0.250 | 0:00:08 | 2 |" in out
    assert results_in(tmp_path)["fast", 2]["fid"]["values"] == [20, 21]
    stored = json.loads((tmp_path / "out/comparison.json").read_text())["settings"]
    assert stored["fast"] == {"dataset": "digits", "label": "3", "eval_every": 2, "sample_every": 4, "beta_1": 0.5}

    assert fake_train() == (0, [])
    out = capsys.readouterr().out
    assert out.startswith("4 of 4 runs are finished") and out.count("After 4 epochs:") == 1

    assert fake_train("--epochs", "5", "--seeds", "1") == (0, ["plain/seed_0", "fast/seed_0"])
    log = (tmp_path / "out/plain/seed_0/log.txt").read_text()
    assert log.count("continuing after 0") == log.count("continuing after 4") == 1 and log.count("$ ") == 2


def test_report_only_runs_nothing(fake_train, tmp_path, capsys):
    assert fake_train("--report_only") == (0, [])
    assert results_in(tmp_path)["plain", 4]["seeds"] == []
    assert "| plain | 0 of 2 |" in capsys.readouterr().out


def test_a_failure_is_named_and_the_others_go_on(fake_train, tmp_path, capsys):
    behaviour = {"fast/seed_0": {"status": 1, "epochs": 3, "last_line": "ValueError: too bad\n"}}
    status, calls = fake_train(behaviour=behaviour)
    assert (status, len(calls)) == (1, 4)
    assert capsys.readouterr().err.splitlines() == ["fast, seed 0 failed with status 1: ValueError: too bad",
                                                    "1 of 4 runs failed: fast, seed 0"]
    assert results_in(tmp_path)["fast", 4]["seeds"] == [1]

    assert fake_train() == (0, ["fast/seed_0"])
    assert "continuing after 3" in (tmp_path / "out/fast/seed_0/log.txt").read_text()
    assert results_in(tmp_path)["fast", 4]["seeds"] == [0, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops processes otherwise")
def test_a_run_that_was_killed_has_failed_and_the_others_go_on(fake_train, capsys):
    status, calls = fake_train(behaviour={"fast/seed_0": {"epochs": 1, "killed_by": 9}})
    assert (status, len(calls)) == (1, 4)
    assert "fast, seed 0 failed with status 137: done" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops processes otherwise")
@pytest.mark.parametrize("ending, status", [
    ({"status": 129}, 129), ({"status": 130}, 130), ({"status": 143}, 143), ({"killed_by": 15}, 143)])
def test_a_run_that_was_stopped_stops_the_comparison(fake_train, capsys, ending, status):
    behaviour = {"fast/seed_0": {"epochs": 1, **ending}}
    assert fake_train(behaviour=behaviour) == (status, ["plain/seed_0", "fast/seed_0"])
    assert "stopped in fast, seed 0; the same command continues" in capsys.readouterr().err
    assert fake_train() == (0, ["fast/seed_0", "plain/seed_1", "fast/seed_1"])


def test_other_settings_under_an_old_name_are_refused(fake_train, tmp_path):
    fake_train("--seeds", "1")
    settings_file(tmp_path, {**SETTINGS, "fast": {"beta_1": 0.25}})
    for arguments in ([], ["--report_only"]):
        with pytest.raises(UserError, match="fast.seed_0 holds a run with other settings: beta_1 was 0.5, now 0.25"):
            fake_train("--seeds", "1", *arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_run_once_which_saves_and_stops_the_comparison(fake_train, tmp_path, number, status):
    """To the whole process group, as a terminal sends Ctrl-C."""
    (tmp_path / "behaviour.json").write_text(json.dumps({"plain/seed_0": {"waits": True}}))
    code = ("import pathlib, sys\nfrom benchmarks import compare_settings\nfrom wgan.common import cli\n"
            "compare_settings.TRAIN = pathlib.Path(sys.argv.pop(1))\ncli.run(compare_settings.main, sys.argv)")
    log = tmp_path / "out/plain/seed_0/log.txt"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(compare_settings.TRAIN), "--settings", str(tmp_path / "settings.json"),
         "--output_dir", str(tmp_path / "out")], cwd=compare_settings.ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        deadline = time.monotonic() + 60
        while not (log.exists() and "ready" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, number)
        _, err = process.communicate()
    assert process.returncode == status
    assert err.splitlines()[-1] == "stopped in plain, seed 0; the same command continues"
    assert log.read_text().split()[-2:] == ["ready", "saved"]
    assert (tmp_path / "calls.txt").read_text().split() == ["plain/seed_0"]
