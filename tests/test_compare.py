"""Recipes and settings compared: what is run, what stops and continues, and whether the page says what histories do."""

import html
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import wgan
from wgan.apps import compare, train
from wgan.apps.comparison import page, plan, runs
from wgan.apps.comparison.row import ROW_FILE
from wgan.common.errors import UserError
from wgan.config import TrainingConfig

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
HEADER = "epoch,seconds,fid,kid,kid_error,precision,recall"

# Stands for train.py, whose flags it understands: writes one call's worth of epochs, as the file `behaviour.json`
# beside it says. A measured epoch takes 32 seconds, another one 2, or 0.1 where the run waits until it is stopped.
FAKE_TRAIN = """
import json, os, pathlib, signal, sys
from wgan.apps import train
from wgan.config import TrainingConfig

if sys.platform != "win32":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
values = train.read_flags(sys.argv)
config = TrainingConfig.of_recipe(values.pop("recipe"), **values)
here, folder = pathlib.Path(__file__).parent, pathlib.Path(config.checkpoint_dir)
name = f"{folder.parent.parent.name}/seed_{config.seed}"
with open(here / "calls.txt", "a") as file:
    file.write(name + "\\n")
behaviour = json.loads((here / "behaviour.json").read_text()).get(name, {})

folder.mkdir(parents=True, exist_ok=True)
(folder / "config.json").write_text(json.dumps({
    "config": config.to_json(), "images": {"name": "threes", "sha256": "", "count": 183, "shape": [32, 32, 1]},
    "starts": [{"device": "2 CPU cores", "python": "3.12", "tensorflow": "2.20", "keras": "3.10"}]}))
history = folder / "history.csv"
if not history.exists():
    history.write_text("epoch,seconds,kid,fid,precision,recall\\n")
begun = len(history.read_text().splitlines()) - 1
print(f"continuing after {begun}", flush=True)
is_last_epoch = begun and config.epochs == begun + 1
waits = behaviour.get("waits") and not is_last_epoch
with open(history, "a") as file:
    for epoch in range(begun + 1, (config.epochs if is_last_epoch else behaviour.get("epochs", config.epochs)) + 1):
        fid = 10 * epoch + config.batch_size + config.seed
        measured = epoch % config.eval_every == 0 or epoch == config.epochs
        usual = 0.1 if waits else 2
        file.write(f"{epoch},32,0.01,{fid},0.5,0.25\\n" if measured else f"{epoch},{usual},,,,\\n")
if waits:
    print("ready", flush=True)
    number = signal.sigwait([signal.SIGTERM, signal.SIGINT])
    print("saved", flush=True)
    sys.exit(128 + number)
print(behaviour.get("last_line", "done"), flush=True)
if "killed_by" in behaviour:
    os.kill(os.getpid(), behaviour["killed_by"])
sys.exit(behaviour.get("status", 0))
"""


def comparison(tmp_path, **flags):
    usual = dict(dataset="digits", label="3", eval_every=2, epochs=6, output_dir=str(tmp_path / "out"))
    return plan.Comparison(**{**usual, **flags})


def planned(tmp_path, names="wgan_gp,dcgan", **flags):
    return comparison(tmp_path, recipes=names, **{"seeds": 2, **flags}).plan()


def settings_file(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def begin(run, rows, header=HEADER):
    """What train.py would have left: a configuration and a history."""
    run.history_path.parent.mkdir(parents=True, exist_ok=True)
    run.history_path.write_text("\n".join([header, *rows]) + "\n")
    stored = {
        "config": run.config.to_json(),
        "images": {"name": "digits 3", "count": 183, "sha256": "", "shape": [32, 32, 1]},
        "starts": [{"device": "GPU <b>", "python": "3.12", "tensorflow": "2.20", "keras": "3.10"}],
    }
    (run.history_path.parent / "config.json").write_text(json.dumps(stored))


def published(tmp_path, runs_made, failures=None):
    """The page's rows as lists of cells' text, and the page."""
    page.publish(runs_made, failures or {}, comparison(tmp_path), "python compare.py --x <y>")
    text = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    rows = [
        [html.unescape(re.sub(r"(<[^>]*>|\n)+", "|", cell)) for cell in re.findall("<td.*?</td>", row, re.DOTALL)]
        for row in re.findall("<tr><td>.*?</tr>", text, re.DOTALL)
    ]
    return [[cell.strip("|") for cell in row] for row in rows], text


def test_every_recipe_has_a_seed_before_the_next_and_its_own_settings_on_the_same_images(tmp_path):
    made = planned(tmp_path, "wgan_gp,wgan_clip,gan_mlp", precision="float32")
    assert list(map(str, made)) == [
        f"{name}, seed {seed}" for seed in (0, 1) for name in ("wgan_gp", "wgan_clip", "gan_mlp")
    ]
    configs = [run.config for run in made[:3]]
    assert [(config.batch_size, config.critic_steps, config.optimizer) for config in configs] == [
        (32, 5, "adam"),
        (256, 5, "rmsprop"),
        (128, 1, "adam"),
    ]
    assert {
        (config.dataset, config.label, config.image_size, config.epochs, config.eval_every, config.precision)
        for config in configs
    } == {("digits", "3", 32, 6, 2, "float32")}
    assert made[5].config.checkpoint_dir == str(tmp_path / "out/gan_mlp/seed_1/checkpoints")


@pytest.mark.parametrize("label", [None, "horse"])
def test_a_conditional_recipe_is_compared_on_all_classes(tmp_path, label):
    flags = dict(recipes="wgan_gp,wgan_gp_conditional", dataset="cifar10", epochs=5)
    with pytest.raises(UserError, match="wgan_gp_conditional.* learns all classes"):
        comparison(tmp_path, **flags, label=label).plan()
    assert [run.config.label for run in comparison(tmp_path, **flags, label="all").plan()] == ["all", "all"]
    [alone] = comparison(tmp_path, **{**flags, "recipes": "wgan_gp_conditional", "label": None}).plan()
    assert alone.config.label == "all"


def test_settings_go_before_common_ones_and_those_before_the_flags(tmp_path):
    content = {
        "common": {"batch_size": 64, "learning_rate": 1, "label": 4, "deterministic": True},
        "one": {"batch_size": 8, "sample_every": 3, "learning_rate": 1e-3, "recipe": "dcgan"},
        "two": {"label": None, "learning_rate": None, "batch_size": 256},
    }
    first, second = comparison(tmp_path, settings=settings_file(tmp_path, content)).plan()
    one, two = first.config, second.config
    assert (one.batch_size, one.label, one.sample_every, one.learning_rate) == (8, "4", 3, 1e-3)
    assert (one.recipe, one.critic_steps, one.image_size, one.deterministic) == ("dcgan", 1, 32, True)
    assert (two.batch_size, two.label, two.sample_every, two.learning_rate) == (256, "3", 2, 1e-3)
    assert first.summary == "--batch_size 8 --sample_every 3 --learning_rate 0.001 --recipe dcgan"
    for run in (first, second):
        given = train.read_flags(["train.py", *run.command[2:]])
        assert run.config == TrainingConfig.of_recipe(given.pop("recipe"), **given)


@pytest.mark.parametrize(
    "flags, words",
    [
        ("", "exactly one of them"),
        ("--epochs 6 --seconds 5", "exactly one of them"),
        ("--seconds 0", "--seconds is 0.0; it must be more than 0"),
        ("--seconds nan", "--seconds is nan"),
        ("--epochs 0", "--epochs is 0"),
        ("--epochs 6 --seeds 0", "--seeds is 0; it must be at least 1"),
        ("--recipes wgan_gp,wgan_klip", "--recipes names 'wgan_klip' (did you mean \"wgan_clip\"?)"),
        ("--epochs 6 --recipes gaussian_1d", "gaussian_1d: it makes numbers on a line"),
        ("--recipes dcgan,wgan_gp,dcgan", "--recipes names dcgan twice; for several runs of each give --seeds"),
        ("--recipes ,", "--recipes names ''; choose from wgan_gp"),
        ("--settings /no/such/file.json", "give --recipes, names separated by commas, or --settings"),
        ("--epochs 6 --eval_every -1", "--eval_every is -1"),
        ("--epochs 6 --label ten", "wgan_gp: "),
        ("--epochs 6 --image_size 28", "wgan_gp: --recipe wgan_gp draws images of 32 or 64 or 128"),
        ("--epochs 6 --dataset gaussian", "makes images, and gaussian has none"),
    ],
)
def test_a_wrong_flag_is_answered_in_one_line(refusal, flags, words):
    assert words in refusal(compare, "--recipes", "wgan_gp", "--dataset", "digits", *flags.split())


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", "holds no settings (Expecting property name"),
        ('{"a": {"seed": 1}, "a": {}}', "it has 'a' twice"),
        ('{"a": {"flips": "on", "flips": "off"}}', "it has 'flips' twice"),
        ([], "holds no settings (it is no dictionary of dictionaries)"),
        ({"common": {}}, "holds no settings"),
        ({"plain": 3}, "holds no settings (it is no dictionary of dictionaries)"),
        ({"../plain": {}}, '"../plain" cannot name a folder'),
        ({"Plain": {}}, '"Plain" cannot name a folder'),
        ({"": {}}, "cannot name a folder"),
        (
            {"plain": {"learnig_rate": 1e-3}},
            "plain: Unknown command line flag 'learnig_rate'. Did you mean: learning_rate",
        ),
        ({"common": {"fresh": True}, "plain": {}}, "fresh is not for a file of settings"),
        ({"plain": {"seed": 3}}, "plain: seed is not for"),
        ({"plain": {"batch_size": "many"}}, "many"),
        ({"plain": {"batch_size": 8.5}}, "8.5"),
        ({"plain": {"recipe": "dcgam"}}, "plain: --recipe is 'dcgam'"),
        ({"plain": {"batch_size": 1}}, "plain: --batch_size is 1; it must be at least 2"),
        ({"plain": {"dataset": "cifar10", "label": "hrose"}}, "plain: cifar10 has no class 'hrose'"),
    ],
)
def test_a_wrong_settings_file_is_answered_in_one_line(refusal, tmp_path, content, words):
    path = settings_file(tmp_path, content)
    assert words in refusal(compare, "--settings", path, "--dataset", "digits", "--epochs", "6")


def test_the_table_says_what_the_histories_say(tmp_path):
    made, fids, rng = planned(tmp_path), {}, np.random.default_rng(5)
    for run in made:
        fid, kid, precision = fids[run.setting, run.seed] = rng.uniform((20, 0.1, 0), (90, 0.9, 1))
        seconds = 3 + run.seed
        plain, measured = f"{seconds},,,,,", f"{seconds + 40},1,1,0,1,1"
        last = f"6,{seconds + 40},{fid},{kid},0.01,{precision},0.25"
        begin(run, [f"1,{seconds + 7},,,,,", f"2,{measured}", f"3,{plain}", f"4,{measured}", f"5,{plain}", last])
    rows, text = published(tmp_path, made)
    for row, name in zip(rows, ("wgan_gp", "dcgan"), strict=True):
        found = np.array([fids[name, 0], fids[name, 1]])
        assert row[0].startswith(f"{name}|")
        for cell, values in zip(row[1:3], found.T):
            mean, std = map(float, cell.split(" ± "))
            assert mean == pytest.approx(np.mean(values), rel=2e-3)
            assert std == pytest.approx(np.std(values, ddof=1), rel=2e-3, abs=1e-4)
        assert float(row[3]) == pytest.approx(found[:, 2].mean(), abs=1e-3) and row[4] == "0.250"
        # An update takes 3 or 4 seconds, the first one 7 more, and each of three measurements 40.
        assert row[5:] == ["6", "6", "3.5", "0:00:28", "0:02:28", "2 of 2"]
    best = min(("wgan_gp", "dcgan"), key=lambda name: fids[name, 0][0] + fids[name, 1][0])
    assert re.findall(r"<td><b>(\w+)</b>(?:(?!</tr>).)*class=\"best\"", text, re.DOTALL) == [best]
    assert "batches of 128, 1 critic update per generator update, adam 0.0003" in rows[1][0]
    assert "averaged" in rows[0][0] and "averaged" not in rows[1][0]
    stored = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))
    assert stored["results"][1]["runs"][1]["measurements"][-1]["fid"] == pytest.approx(fids["dcgan", 1][0])
    assert stored["results"][0]["runs"][0]["measurements"][0]["training_seconds"] == 10 + 3


def test_only_finished_runs_are_in_the_table_and_the_others_are_named(tmp_path):
    made = planned(tmp_path)
    begin(made[0], [f"{epoch},2,{90 - epoch},0.5,0,0.5,0.5" for epoch in range(1, 7)])
    begin(made[2], [f"{epoch},2,10,0.5,0,0.5,0.5" for epoch in range(1, 5)])
    begin(made[1], ["1,2,,,,,", "2,"])  # cut off in a row
    rows, _ = published(tmp_path, made, {made[1]: "failed with status 1: oops"})
    assert rows[0][1] == "84.00" and rows[0][-1] == "1 of 2" and "seed 1 not finished: 4 updates so far" in rows[0][0]
    assert rows[1][1:] == [*["—"] * 9, "0 of 2"]
    assert "seed 0 failed with status 1: oops" in rows[1][0] and "seed 1 not begun" in rows[1][0]


def test_names_and_messages_are_escaped(tmp_path):
    run = planned(tmp_path, "wgan_gp", seeds=1)[0]._replace(setting="<b>&", summary="<i>&")
    begin(run, ["1,2,,,,,"])
    rows, text = published(tmp_path, [run], {run: "<u>&"})
    assert rows[0][0].startswith("<b>&|<i>&|") and rows[0][0].endswith("<u>&")
    assert text.count("&lt;b&gt;&amp;") == 3 and "&lt;i&gt;&amp;" in text and text.count("&lt;u&gt;&amp;") == 2
    assert "GPU &lt;b&gt; in auto, Python 3.12" in text and "--x &lt;y&gt;" in text
    assert "<i>" not in text and "<u>" not in text


def test_the_page_stands_by_itself(tmp_path):
    made = planned(tmp_path)
    for run in made:
        begin(run, [f"{epoch},2,{90 - epoch},0.5,0,0.5,0.5" for epoch in range(1, 7)])
        run.log_path.write_text("")
        if run.seed == 0:
            Image.new("L", (12 * 34 + 2, 36)).save(run.folder / ROW_FILE)
    _, text = published(tmp_path, made)
    targets = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {"curves.png", "dcgan/seed_0/row.png", "comparison.json", "dcgan/seed_1/log.txt"} <= set(targets)
    assert all((tmp_path / "out" / target).is_file() and not target.startswith("/") for target in targets)
    assert "<script" not in text and "http" not in text
    assert re.findall(r'row.png" width="(\d+)"', text) == 2 * [str(2 * (12 * 34 + 2))]  # each pixel is two by two
    assert not list((tmp_path / "out").glob(".tmp-*"))


def test_a_row_is_drawn_again_when_its_weights_are_newer_and_a_failure_is_noted(tmp_path, monkeypatch):
    made, drawn = planned(tmp_path), []

    def draw(command, **options):
        path = pathlib.Path(command[-2])
        drawn.append(path)
        if "dcgan" in str(path):
            return subprocess.CompletedProcess([], 1, "", "Traceback\n  of many lines\nValueError: bad weights\n")
        Image.new("L", (12 * 34 + 2, 36)).save(path)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(subprocess, "run", draw)
    for run in made:
        begin(run, ["1,2,,,,,"])
        run.history_path.with_name("generator.weights.h5").write_text("")
    for _ in range(2):
        _, text = published(tmp_path, made)
    first, second = (tmp_path / "out" / name / "seed_0/row.png" for name in ("wgan_gp", "dcgan"))
    assert drawn == [first, second, second]
    assert '<p class="bad">no new samples of dcgan, seed 0: ValueError: bad weights</p>' in text
    newer = first.stat().st_mtime + 10
    os.utime(made[0].history_path.with_name("generator.weights.h5"), (newer, newer))
    published(tmp_path, made)
    assert drawn[3:] == [first, second]


def test_runs_without_measurements_and_runs_on_other_images_are_pointed_out(tmp_path):
    made = planned(tmp_path, seeds=1)
    for run, sha256 in zip(made, "ab"):
        begin(run, [f"{epoch},2" for epoch in range(1, 7)], "epoch,seconds")
        path = run.history_path.with_name("config.json")
        path.write_text(path.read_text().replace('"sha256": ""', f'"sha256": "{sha256}"'))
    rows, text = published(tmp_path, made)
    assert rows[0][1:6] == ["—"] * 5 and rows[0][6] == "6"
    assert "Not measured: dcgan" in text and "trained on different images" in text


def test_training_time_leaves_measurements_out():
    rows = [(9.0, {}), (1.0, {}), (31.0, {"fid": 5.0}), (1.0, {}), (0.5, {"precision": 0.0})]
    history = {epoch: {"seconds": seconds, **figures} for epoch, (seconds, figures) in enumerate(rows, 1)}
    assert runs.training_times(history) == {1: 9.0, 2: 10.0, 3: 11.0, 4: 12.0, 5: 12.5}
    assert runs.training_times({1: {"seconds": 3.0, "fid": 5.0}, 2: {"seconds": 4.0, "fid": 5.0}}) == {1: 3.0, 2: 7.0}


@pytest.fixture
def fake_train(tmp_path, monkeypatch):
    """Puts a script in train.py's place; a function that makes a comparison with it."""
    script = tmp_path / "fake_train.py"
    script.write_text(FAKE_TRAIN)
    monkeypatch.setattr(runs, "TRAIN", [str(script)])
    monkeypatch.setattr(runs, "SHORTEST_LOOK", 0.05)

    def run(*arguments, budget=("--epochs", "4"), compared=("--recipes", "wgan_gp,gan_mlp"), behaviour=()):
        (tmp_path / "calls.txt").write_text("")
        (tmp_path / "behaviour.json").write_text(json.dumps(dict(behaviour)))
        usual = f"compare.py --dataset digits --label 3 --eval_every 2 --output_dir {tmp_path}/out".split()
        return compare.main([*usual, *compared, *budget, *arguments]), (tmp_path / "calls.txt").read_text().split()

    return run


def results_in(tmp_path):
    found = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))["results"]
    return {setting["name"]: setting for setting in found}


def test_the_same_command_goes_on_and_another_one_is_refused(fake_train, tmp_path, capsys):
    stopped = {"gan_mlp/seed_0": {"epochs": 1, "status": 143}}
    assert fake_train("--seeds", "2", behaviour=stopped) == (143, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["fid"]["values"] == [40 + 32]
    assert fake_train("--seeds", "2", "--report_only") == (0, [])
    assert fake_train("--seeds", "2") == (0, ["gan_mlp/seed_0", "wgan_gp/seed_1", "gan_mlp/seed_1"])
    assert results_in(tmp_path)["gan_mlp"]["fid"]["values"] == [40 + 128, 41 + 128]
    assert "wgan_gp: FID 72.50 ± 0.71, KID 0.01000 ± 0.00000, precision 0.5" in capsys.readouterr().out
    assert "continuing after 1" in (tmp_path / "out/gan_mlp/seed_0/log.txt").read_text()
    assert fake_train("--seeds", "2") == (0, [])

    before = (tmp_path / "out/index.html").read_bytes()
    for compared, budget, words in [
        (
            ("--recipes", "dcgan"),
            ("--epochs", "4"),
            "a comparison with gan_mlp, wgan_gp too: repeat its flags, with --",
        ),
        (("--recipes", "wgan_gp,dcgan"), ("--epochs", "4"), "a comparison with gan_mlp too"),
        (("--recipes", "wgan_gp,gan_mlp"), ("--epochs", "9"), "a comparison with --epochs 4: repeat its flags"),
    ]:
        with pytest.raises(UserError, match=words):
            fake_train("--report_only", compared=compared, budget=budget)
    empty = ["compare.py", "--recipes", "wgan_gp", "--dataset", "digits", "--epochs", "4", "--report_only"]
    with pytest.raises(UserError, match="nothing here holds no comparison to report on"):
        compare.main([*empty, "--output_dir", f"{tmp_path}/nothing here"])
    assert not (tmp_path / "nothing here").exists()
    for arguments, budget, words in [
        (["--label", "5"], ("--epochs", "4"), "holds a run with other settings: label was 3, now 5"),
        (["--image_size", "64"], ("--epochs", "4"), "image_size was 32, now 64"),
        ([], ("--epochs", "3"), "holds a comparison with --epochs 4, which --epochs 3 cannot go on with"),
        ([], ("--seconds", "9"), "holds a comparison with --epochs 4, which --seconds 9 cannot"),
    ]:
        with pytest.raises(UserError, match=words):
            fake_train(*arguments, budget=budget)
    assert (tmp_path / "out/index.html").read_bytes() == before
    assert fake_train(budget=("--epochs", "6")) == (0, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["fid"]["values"] == [60 + 32]


def test_settings_are_compared_and_other_ones_under_an_old_name_refused(fake_train, tmp_path):
    compared = ("--settings", str(settings_file(tmp_path, {"plain": {}, "small": {"batch_size": 8}})))
    assert fake_train(compared=compared) == (0, ["plain/seed_0", "small/seed_0"])
    assert results_in(tmp_path)["small"]["fid"]["values"] == [40 + 8]
    settings_file(tmp_path, {"plain": {}, "small": {"batch_size": 16}})
    with pytest.raises(UserError, match="small.seed_0 holds a run with other settings: batch_size was 8, now 16"):
        fake_train(compared=compared)


def test_a_comparison_does_not_write_among_the_images(fake_train, tmp_path):
    (tmp_path / "out").mkdir()
    for number in range(16):
        Image.new("RGB", (32, 32)).save(tmp_path / "out" / f"{number}.png")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="--output_dir .*out holds .* of --data_dir"):
        fake_train("--dataset", "folder", "--data_dir", str(tmp_path / "out"), "--label", "all")
    assert sorted(set(tmp_path.rglob("*")) - set(before)) == [tmp_path / "behaviour.json", tmp_path / "calls.txt"]


def test_another_kind_of_comparison_in_the_folder_is_refused(fake_train, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/comparison.json").write_text('{"settings": {}, "results": []}')
    with pytest.raises(UserError, match="is of another comparison, or damaged"):
        fake_train()


@pytest.mark.parametrize(
    "ending, words",
    [
        ({"status": 1, "epochs": 3, "last_line": "ValueError: too bad"}, "failed with status 1: ValueError: too bad"),
        pytest.param({"killed_by": 9, "epochs": 3}, "failed with status 137: done", marks=POSIX),
    ],
)
def test_a_failure_is_on_the_page_and_the_others_go_on(fake_train, tmp_path, capsys, ending, words):
    assert fake_train(behaviour={"wgan_gp/seed_0": ending}) == (1, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert f"wgan_gp, seed 0 {words}" in capsys.readouterr().err
    assert f"seed 0 {words}" in (tmp_path / "out/index.html").read_text()
    assert results_in(tmp_path)["gan_mlp"]["seeds"] == [0] and results_in(tmp_path)["wgan_gp"]["seeds"] == []
    assert fake_train() == (0, ["wgan_gp/seed_0"])
    assert "failed" not in (tmp_path / "out/index.html").read_text()


@POSIX
def test_a_run_is_stopped_when_its_time_is_over_and_has_then_finished(fake_train, tmp_path):
    """Updates take 0.1 seconds, and those that are measured count for as much."""
    behaviour = {"wgan_gp/seed_0": {"waits": True, "epochs": 5}, "gan_mlp/seed_0": {"waits": True, "epochs": 7}}
    calls = ["wgan_gp/seed_0", "wgan_gp/seed_0", "gan_mlp/seed_0", "gan_mlp/seed_0"]  # each once more for a last epoch
    assert fake_train(budget=("--seconds", "0.3"), behaviour=behaviour) == (0, calls)
    found = results_in(tmp_path)
    assert (found["wgan_gp"]["epochs"], found["gan_mlp"]["epochs"]) == ([6], [8])
    assert found["gan_mlp"]["measured_at"] == [8] and found["gan_mlp"]["training_seconds"] == pytest.approx(0.8)
    log = (tmp_path / "out/gan_mlp/seed_0/log.txt").read_text()
    assert "saved" in log and log.count("(ends after 0.3 seconds of training") == 1
    assert "--epochs=8 " in found["gan_mlp"]["runs"][0]["command"]  # again it would change nothing
    assert fake_train(budget=("--seconds", "0.3")) == (0, [])
    # What a continued run did before counts: of 0.75 seconds one recipe has used 0.6, the other all. No epoch follows
    # one that was measured.
    behaviour = {"wgan_gp/seed_0": {"waits": True, "epochs": 8}}
    assert fake_train(budget=("--seconds", "0.75"), behaviour=behaviour) == (0, ["wgan_gp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["epochs"] == [8]


@POSIX
@pytest.mark.parametrize("ending, status", [({"status": 130}, 130), ({"killed_by": signal.SIGHUP}, 129)])
def test_a_run_that_somebody_else_stopped_stops_the_comparison(fake_train, capsys, ending, status):
    behaviour = {"wgan_gp/seed_0": {"epochs": 2, **ending}}
    assert fake_train(budget=("--seconds", "500"), behaviour=behaviour) == (status, ["wgan_gp/seed_0"])
    assert "stopped in wgan_gp, seed 0; the same command continues" in capsys.readouterr().err


@POSIX
@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_run_once_which_saves_and_stops_the_comparison(fake_train, tmp_path, number, status):
    """To the whole process group, as a terminal sends Ctrl-C."""
    (tmp_path / "behaviour.json").write_text(json.dumps({"wgan_gp/seed_0": {"waits": True}}))
    code = (
        "import sys\nfrom wgan.apps import compare\nfrom wgan.apps.comparison import runs\n"
        "runs.TRAIN = [sys.argv.pop(1)]\ncompare.command()"
    )
    words = f"--recipes wgan_gp --dataset digits --epochs 4 --output_dir {tmp_path}/out".split()
    command = [sys.executable, "-c", code, *runs.TRAIN, *words]
    options = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    with subprocess.Popen(command, env=runs.environment(), **options) as process:
        deadline, log = time.monotonic() + 60, tmp_path / "out/wgan_gp/seed_0/log.txt"
        while not (log.exists() and "ready" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, number)
        _, err = process.communicate()
    assert process.returncode == status
    assert err.splitlines()[-1] == "stopped in wgan_gp, seed 0; the same command continues"
    assert log.read_text().split()[-2:] == ["ready", "saved"]


def test_a_recipe_is_trained_measured_and_shown(tmp_path):
    """The real train.py; the samples shown are those of its weights."""
    words = "compare.py --recipes gan_mlp --dataset digits --label 3 --epochs 2 --eval_every 2".split()
    assert compare.main([*words, "--precision", "float32", "--output_dir", str(tmp_path)]) == 0
    stored = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert stored["notes"] == [] and stored["images"][0]["count"] == 183
    [recipe] = stored["results"]
    [measurement] = recipe["runs"][0]["measurements"]
    assert measurement["epoch"] == 2 and np.isfinite([measurement["fid"], measurement["kid"]]).all()
    assert len(recipe["fid"]["values"]) == 1 and "TensorFlow" in stored["machines"][0]
    samples = wgan.draw_samples(wgan.load_generator(tmp_path / "gan_mlp/seed_0/checkpoints"), 12)
    with Image.open(tmp_path / "gan_mlp/seed_0/row.png") as row:
        np.testing.assert_array_equal(np.asarray(row)[..., None], wgan.image_grid(samples, 12))
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count("seed_0/row.png") == 1
    assert (tmp_path / "gan_mlp/seed_0/reals.png").exists()
