"""Recipes compared: what is run, what stops and continues, and whether the page says what the histories say."""

import html
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import compare
from wgan.apps.comparison import page, pictures, results, runs
from wgan.apps.comparison.plan import Budget, plan
from wgan.common import cli
from wgan.common.errors import UserError

ROOT = pathlib.Path(compare.__file__).parent
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
HEADER = "epoch,seconds,fid,kid,kid_error,precision,recall"

# Stands for train.py, whose flags it understands: writes one call's worth of epochs, as the file `behaviour.json`
# beside it says. A measured epoch takes 32 seconds, another one 2, or 0.1 where the run waits until it is stopped.
FAKE_TRAIN = f'''
import json, pathlib, signal, sys
sys.path.insert(0, {str(ROOT)!r})
import train
from wgan.config import TrainingConfig

if sys.platform != "win32":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
groups = train.define_flags()
values = {{name: value for name, value in groups.parse(sys.argv).items() if groups.given(name)}}
config = TrainingConfig.of_recipe(values.pop("recipe", "wgan_gp"), **values)
here, folder = pathlib.Path(__file__).parent, pathlib.Path(config.checkpoint_dir)
name = f"{{config.recipe}}/seed_{{config.seed}}"
with open(here / "calls.txt", "a") as file:
    file.write(name + "\\n")
behaviour = json.loads((here / "behaviour.json").read_text()).get(name, {{}})

folder.mkdir(parents=True, exist_ok=True)
(folder / "config.json").write_text(json.dumps({{
    "config": config.to_json(), "images": {{"name": "threes", "sha256": "", "count": 183, "shape": [32, 32, 1]}},
    "starts": [{{"device": "2 CPU cores", "python": "3.12", "tensorflow": "2.20", "keras": "3.10"}}]}}))
history = folder / "history.csv"
if not history.exists():
    history.write_text("epoch,seconds,kid,fid,precision,recall\\n")
begun = len(history.read_text().splitlines()) - 1
print(f"continuing after {{begun}}", flush=True)
with open(history, "a") as file:
    for epoch in range(begun + 1, behaviour.get("epochs", config.epochs) + 1):
        fid = 10 * epoch + config.batch_size + config.seed
        measured = epoch % config.eval_every == 0 or epoch == config.epochs
        usual = 0.1 if behaviour.get("waits") else 2
        file.write(f"{{epoch}},32,0.01,{{fid}},0.5,0.25\\n" if measured else f"{{epoch}},{{usual}},,,,\\n")
if behaviour.get("waits"):
    signal.sigwait([signal.SIGTERM])
    print("saved", flush=True)
    sys.exit(143)
print(behaviour.get("last_line", "done"), flush=True)
sys.exit(behaviour.get("status", 0))
'''


def planned(tmp_path, names=("wgan_gp", "dcgan"), seeds=2, budget=Budget(epochs=6), eval_every=2, **settings):
    settings = {"dataset": "digits", "label": "3", **settings}
    return plan(list(names), seeds, budget, tmp_path / "out", eval_every, **settings)


def begin(run, rows, header=HEADER):
    """What train.py would have left: a configuration and a history."""
    run.history_path.parent.mkdir(parents=True, exist_ok=True)
    run.history_path.write_text("\n".join([header, *rows]) + "\n")
    (run.history_path.parent / "config.json").write_text(json.dumps({
        "config": run.config.to_json(),
        "images": {"name": "digits 3", "count": 183, "sha256": "", "shape": [32, 32, 1]},
        "starts": [{"device": "GPU <b>", "python": "3.12", "tensorflow": "2.20", "keras": "3.10"}]}))


def published(tmp_path, runs_made, failures=None, budget=Budget(epochs=6)):
    """The page's rows as lists of cells' text, and the page."""
    page.publish(runs_made, "train.py", failures or {}, budget, "python compare.py --x <y>", tmp_path / "out")
    text = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    rows = [[html.unescape(re.sub("<[^>]*>", "|", cell)) for cell in re.findall("<td.*?</td>", row)]
            for row in re.findall("<tr><td>.*?</tr>", text)]
    return [[cell.strip("|") for cell in row] for row in rows], text


def test_every_recipe_has_a_seed_before_the_next_and_its_own_settings_on_the_same_images(tmp_path):
    made = planned(tmp_path, ("wgan_gp", "wgan_clip", "gan_mlp"), precision="float32")
    assert list(map(str, made)) == [f"{name}, seed {seed}" for seed in (0, 1)
                                    for name in ("wgan_gp", "wgan_clip", "gan_mlp")]
    configs = [run.config for run in made[:3]]
    assert [(config.batch_size, config.critic_steps, config.optimizer) for config in configs] == [
        (256, 5, "adam"), (256, 5, "rmsprop"), (128, 1, "adam")]
    assert {(config.dataset, config.label, config.image_size, config.epochs, config.eval_every, config.precision)
            for config in configs} == {("digits", "3", 32, 6, 2, "float32")}
    assert made[5].config.checkpoint_dir == str(tmp_path / "out/gan_mlp/seed_1/checkpoints")


@pytest.mark.parametrize("arguments, words", [
    (["--recipes", "wgan_gp,wgan_klip"], 'no recipe is called "wgan_klip" (did you mean "wgan_clip"?)'),
    (["--recipes", "gaussian_1d"], "gaussian_1d makes numbers on a line"),
    (["--recipes", ""], "--recipes is missing: choose from wgan_gp"),
    (["--recipes", " , "], "--recipes is missing"),
    (["--recipes", "dcgan,wgan_gp,dcgan"], "--recipes has dcgan twice"),
    (["--seconds", "5"], "exactly one of them"),
    (["--seeds", "0"], "--seeds is 0; it must be at least 1"),
    (["--epochs", "0"], "wgan_gp: --epochs is 0"),
    (["--eval_every", "-1"], "--eval_every is -1"),
    (["--image_size", "28"], "wgan_gp: --recipe wgan_gp draws images of 32 or 64 or 128"),
    (["--dataset", "gaussian"], "makes images, and gaussian has none"),
    (["--label", "ten"], "wgan_gp: "),
])
def test_a_wrong_flag_is_answered_in_one_line(tmp_path, capsys, arguments, words):
    usual = ["--recipes", "wgan_gp", "--dataset", "digits", "--epochs", "6", "--output_dir", str(tmp_path / "out")]
    status, err = refused(capsys, [*usual, *arguments])
    assert status == 2 and err.startswith("compare.py: ") and len(err.splitlines()) == 1 and words in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments, words", [
    ([], "exactly one of them"), (["--seconds", "0"], "--seconds is 0; it must be more than 0"),
    (["--seconds", "nan"], "--seconds is nan"), (["--seconds", "inf"], "--seconds is inf")])
def test_a_budget_is_a_number_of_updates_or_a_time(capsys, arguments, words):
    status, err = refused(capsys, ["--recipes", "wgan_gp", "--dataset", "digits", *arguments])
    assert status == 2 and len(err.splitlines()) == 1 and words in err


def refused(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.run(compare.main, ["compare.py", *arguments])
    return stop.value.code, capsys.readouterr().err


def test_the_table_says_what_the_histories_say(tmp_path):
    made = planned(tmp_path)
    fids = {}
    rng = np.random.default_rng(5)
    for run in made:
        fid, kid, precision = fids[run.setting, run.seed] = rng.uniform((20, 0.1, 0), (90, 0.9, 1))
        seconds = 3 + run.seed
        begin(run, [f"1,{seconds + 7},,,,,", f"2,{seconds + 40},1,1,0,1,1", f"3,{seconds},,,,,",
                    f"4,{seconds + 40},1,1,0,1,1", f"5,{seconds},,,,,",
                    f"6,{seconds + 40},{fid},{kid},0.01,{precision},0.25"])
    rows, text = published(tmp_path, made)
    for row, name in zip(rows, ("wgan_gp", "dcgan")):
        found = np.array([fids[name, 0], fids[name, 1]])
        assert row[0].startswith(f"{name}||")
        for cell, values in zip(row[1:3], found.T):
            mean, deviation = map(float, cell.split(" ± "))
            assert mean == pytest.approx(np.mean(values), rel=2e-3)
            assert deviation == pytest.approx(np.std(values, ddof=1), rel=2e-3, abs=1e-4)
        assert float(row[3]) == pytest.approx(found[:, 2].mean(), abs=1e-3) and row[4] == "0.250"
        # An update takes 3 or 4 seconds, the first one 7 more, and each of three measurements 40.
        assert row[5:] == ["6", "6", "3.5", "0:00:28", "0:02:28", "2 of 2"]
    best = min(("wgan_gp", "dcgan"), key=lambda name: fids[name, 0][0] + fids[name, 1][0])
    assert re.findall(r"<td><b>(\w+)</b>(?:(?!</tr>).)*class=\"best\"", text) == [best]
    assert "batches of 128, 1 critic update per generator update, adam 0.0003" in rows[1][0]
    stored = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))
    assert stored["results"][1]["runs"][1]["measurements"][-1]["fid"] == pytest.approx(fids["dcgan", 1][0])
    assert stored["results"][0]["runs"][0]["measurements"][0]["training_seconds"] == 10 + 3


def test_only_finished_runs_are_in_the_table_and_the_others_are_named(tmp_path):
    made = planned(tmp_path)
    begin(made[0], [f"{epoch},2,{90 - epoch},0.5,0,0.5,0.5" for epoch in range(1, 7)])
    begin(made[2], [f"{epoch},2,10,0.5,0,0.5,0.5" for epoch in range(1, 5)])
    begin(made[1], ["1,2,,,,,"])
    rows, text = published(tmp_path, made, {made[1]: "failed with status 1: <oops>"})
    assert rows[0][1] == "84.00" and rows[0][-1] == "1 of 2" and "seed 1 not finished: 4 updates so far" in rows[0][0]
    assert rows[1][1:] == [*["—"] * 9, "0 of 2"]
    assert "seed 0 failed with status 1: <oops>" in rows[1][0] and "seed 1 not begun" in rows[1][0]
    assert "&lt;oops&gt;" in text and "<oops>" not in text and "GPU &lt;b&gt;" in text


def test_the_page_stands_by_itself(tmp_path):
    made = planned(tmp_path)
    for run in made:
        begin(run, [f"{epoch},2,{90 - epoch},0.5,0,0.5,0.5" for epoch in range(1, 7)])
        run.log_path.write_text("")
        if run.seed == 0:
            Image.new("L", (12 * 34 + 2, 36)).save(run.folder / pictures.ROW_FILE)
    _, text = published(tmp_path, made)
    targets = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {"curves.png", "sheet.png", "comparison.json", "dcgan/seed_1/log.txt"} <= set(targets)
    assert all((tmp_path / "out" / target).is_file() and not target.startswith("/") for target in targets)
    assert "<script" not in text and "http" not in text and "python compare.py --x &lt;y&gt;" in text
    with Image.open(tmp_path / "out/sheet.png") as sheet:
        assert sheet.height == 2 * 2 * 36  # two rows, every pixel twice as large
    assert not list((tmp_path / "out").glob(".tmp-*"))


def test_a_row_is_drawn_again_when_its_weights_are_newer_and_a_failure_is_noted(tmp_path, monkeypatch):
    made, drawn = planned(tmp_path), []

    def draw(checkpoint_dir, path, reals_path):
        drawn.append(path)
        if "dcgan" in str(path):
            return subprocess.CompletedProcess([], 1, "", "Traceback\n  of many lines\nValueError: <bad> weights\n")
        Image.new("L", (12 * 34 + 2, 36)).save(path)
        return subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(pictures, "_in_a_process", draw)
    for run in made:
        begin(run, ["1,2,,,,,"])
        run.history_path.with_name("generator.weights.h5").write_text("")
    for _ in range(2):
        _, text = published(tmp_path, made)
    first, second = (tmp_path / "out" / name / "seed_0/row.png" for name in ("wgan_gp", "dcgan"))
    assert drawn == [first, second, second]
    assert '<p class="bad">no new samples of dcgan, seed 0: ValueError: &lt;bad&gt; weights</p>' in text
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
    assert "Not measured: wgan_gp, dcgan" in text and "trained on different images" in text


def test_training_time_leaves_measurements_out():
    history = {1: {"seconds": 9.0}, 2: {"seconds": 1.0}, 3: {"seconds": 31.0, "fid": 5.0}, 4: {"seconds": 1.0},
               5: {"seconds": 0.5, "precision": 0.0}}
    assert runs.training_times(history) == {1: 9.0, 2: 10.0, 3: 11.0, 4: 12.0, 5: 12.5}
    assert runs.training_times({1: {"seconds": 3.0, "fid": 5.0}, 2: {"seconds": 4.0, "fid": 5.0}}) == {1: 3.0, 2: 7.0}
    assert runs.trained_seconds({}) == 0


@pytest.fixture
def fake_train(tmp_path, monkeypatch):
    """Puts a script in train.py's place; a function that makes a comparison with it."""
    script = tmp_path / "fake_train.py"
    script.write_text(FAKE_TRAIN)
    monkeypatch.setattr(compare, "TRAIN", script)
    monkeypatch.setattr(runs, "SHORTEST_LOOK", 0.05)

    def run(*arguments, budget=("--epochs", "4"), behaviour=()):
        (tmp_path / "calls.txt").write_text("")
        (tmp_path / "behaviour.json").write_text(json.dumps(dict(behaviour)))
        status = compare.main(["compare.py", "--recipes", "wgan_gp,gan_mlp", "--dataset", "digits", "--label", "3",
                               "--eval_every", "2", "--output_dir", str(tmp_path / "out"), *budget, *arguments])
        return status, (tmp_path / "calls.txt").read_text().split()
    return run


def results_in(tmp_path):
    found = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))["results"]
    return {recipe["recipe"]: recipe for recipe in found}


def test_the_same_command_goes_on_and_another_one_is_refused(fake_train, tmp_path, capsys):
    stopped = {"gan_mlp/seed_0": {"epochs": 1, "status": 143}}
    assert fake_train("--seeds", "2", behaviour=stopped) == (143, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["fid"]["values"] == [40 + 256]
    assert fake_train("--seeds", "2") == (0, ["gan_mlp/seed_0", "wgan_gp/seed_1", "gan_mlp/seed_1"])
    assert results_in(tmp_path)["gan_mlp"]["fid"]["values"] == [40 + 128, 41 + 128]
    assert "wgan_gp: FID 296.5 ± 0.7 (2 of 2 seeds)" in capsys.readouterr().out
    assert "continuing after 1" in (tmp_path / "out/gan_mlp/seed_0/log.txt").read_text()
    assert fake_train("--seeds", "2") == (0, [])

    before = (tmp_path / "out/index.html").read_bytes()
    for arguments, budget, words in [
            (["--label", "5"], ("--epochs", "4"), "holds a run with other settings: label was 3, now 5"),
            (["--image_size", "64"], ("--epochs", "4"), "image_size was 32, now 64"),
            ([], ("--epochs", "3"), "holds a comparison with --epochs 4, which --epochs 3 cannot go on with"),
            ([], ("--seconds", "9"), "holds a comparison with --epochs 4, which --seconds 9 cannot")]:
        with pytest.raises(UserError, match=words):
            fake_train(*arguments, budget=budget)
    assert (tmp_path / "out/index.html").read_bytes() == before
    assert fake_train(budget=("--epochs", "6")) == (0, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["fid"]["values"] == [60 + 256]


def test_a_comparison_does_not_write_among_the_pictures(fake_train, tmp_path):
    (tmp_path / "out").mkdir()
    for number in range(16):
        Image.new("RGB", (32, 32)).save(tmp_path / "out" / f"{number}.png")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="--output_dir .*out holds pictures of --data_dir"):
        fake_train("--dataset", "folder", "--data_dir", str(tmp_path / "out"), "--label", "all")
    assert sorted(set(tmp_path.rglob("*")) - set(before)) == [tmp_path / "behaviour.json", tmp_path / "calls.txt"]


def test_another_kind_of_comparison_in_the_folder_is_refused(fake_train, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/comparison.json").write_text('{"settings": {}, "results": []}')
    with pytest.raises(UserError, match="is of another comparison, or damaged"):
        fake_train()


def test_a_failure_is_on_the_page_and_the_others_go_on(fake_train, tmp_path, capsys):
    behaviour = {"wgan_gp/seed_0": {"status": 1, "epochs": 3, "last_line": "ValueError: too bad"}}
    assert fake_train(behaviour=behaviour) == (1, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    assert "wgan_gp, seed 0 failed with status 1: ValueError: too bad" in capsys.readouterr().err
    assert "seed 0 failed with status 1: ValueError: too bad" in (tmp_path / "out/index.html").read_text()
    assert results_in(tmp_path)["gan_mlp"]["seeds"] == [0] and results_in(tmp_path)["wgan_gp"]["seeds"] == []
    assert fake_train() == (0, ["wgan_gp/seed_0"])
    assert "failed" not in (tmp_path / "out/index.html").read_text()


@POSIX
def test_a_run_is_stopped_when_its_time_is_over_and_has_then_finished(fake_train, tmp_path):
    """Updates take 0.1 seconds, and those that are measured count for as much."""
    behaviour = {"wgan_gp/seed_0": {"waits": True, "epochs": 5}, "gan_mlp/seed_0": {"waits": True, "epochs": 7}}
    assert fake_train(budget=("--seconds", "0.3"), behaviour=behaviour) == (0, ["wgan_gp/seed_0", "gan_mlp/seed_0"])
    found = results_in(tmp_path)
    assert (found["wgan_gp"]["epochs"], found["gan_mlp"]["epochs"]) == ([5], [7])
    assert found["gan_mlp"]["measured_at"] == [6] and found["gan_mlp"]["training_seconds"] == pytest.approx(0.7)
    assert "saved" in (tmp_path / "out/gan_mlp/seed_0/log.txt").read_text()
    assert fake_train(budget=("--seconds", "0.3")) == (0, [])
    # What a continued run did before counts: of 0.6 seconds one recipe has used 0.5, the other all.
    behaviour = {"wgan_gp/seed_0": {"waits": True, "epochs": 6}}
    assert fake_train(budget=("--seconds", "0.6"), behaviour=behaviour) == (0, ["wgan_gp/seed_0"])
    assert results_in(tmp_path)["wgan_gp"]["epochs"] == [6]


@POSIX
def test_a_run_that_somebody_else_stopped_stops_the_comparison(fake_train):
    behaviour = {"wgan_gp/seed_0": {"epochs": 2, "status": 143}}
    assert fake_train(budget=("--seconds", "500"), behaviour=behaviour) == (143, ["wgan_gp/seed_0"])


def test_two_recipes_are_trained_measured_and_shown(tmp_path):
    """The real train.py; the samples on the sheet are those of its weights."""
    arguments = ["--recipes", "gan_mlp,lsgan_mlp", "--dataset", "digits", "--label", "3", "--epochs", "2",
                 "--eval_every", "2", "--precision", "float32", "--output_dir", str(tmp_path)]
    assert compare.main(["compare.py", *arguments]) == 0
    stored = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert stored["notes"] == [] and stored["images"][0]["count"] == 183
    for recipe in stored["results"]:
        [measurement] = recipe["runs"][0]["measurements"]
        assert measurement["epoch"] == 2 and np.isfinite([measurement["fid"], measurement["kid"]]).all()
        assert len(recipe["fid"]["values"]) == 1 and "TensorFlow" in stored["machines"][0]
    with Image.open(tmp_path / "gan_mlp/seed_0/row.png") as picture:
        row = np.asarray(picture)
    assert row.shape == (36, 12 * 34 + 2)
    expected = samples_by_hand(tmp_path / "gan_mlp/seed_0/checkpoints/generator.weights.h5")
    for number, image in enumerate(expected):
        shown = row[2:34, 2 + 34 * number:34 + 34 * number]
        assert np.abs(shown - image).max() <= 1  # a grey level, where rounding is close
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 3 * 2 * 36


def samples_by_hand(path):
    """The generator of gan_mlp in numpy: the twelve images of seed 0, as grey levels."""
    from wgan.models import randomness
    from wgan.models.networks import perceptrons
    generator = perceptrons.Generator(100, (32, 32, 1), (256, 256))
    generator(np.zeros([1, 100], np.float32))
    generator.load_weights(path)
    x = randomness.latents(12, generator, randomness.stream(0, 0, randomness.Purpose.PREVIEW_LATENTS)).numpy()
    *hidden, (last, bias) = np.array(generator.get_weights(), object).reshape(-1, 2)
    for weights, biases in hidden:
        x = np.maximum(x @ weights + biases, 0)
    return np.tanh(x @ last + bias).reshape(12, 32, 32) * 127.5 + 127.5


def test_settings_are_said_in_words(tmp_path):
    [run] = planned(tmp_path, ["wgan_clip"], seeds=1)
    assert results.settings_in_words(run.config) == (
        "batches of 256, 5 critic updates per generator update, rmsprop 5e-05")
