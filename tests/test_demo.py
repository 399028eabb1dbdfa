"""The page that shows a generator: what it draws, in a browser and without one, and how it begins and ends."""

import base64
import datetime
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import short_runs
from PIL import Image

from wgan.apps import demo, generate, run_summary
from wgan.apps.image_sampler import ImageSampler, draw_latents
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import grids
from wgan.runs import sample_files, trained

PATIENCE = 60  # seconds that a condition on the page may take
ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "pretrained"


@pytest.fixture(scope="module")
def sampler(run_with_weights):
    return ImageSampler(trained.locate(run_with_weights).load(), demo.BATCH_SIZE)


def write_grids(folder):
    """Those of two epochs."""
    folder.mkdir()
    for epoch, level in ((1, 50), (2, 200)):
        grids.save_png(sample_files.sample_path(folder, epoch), np.full((70, 70, 1), level, np.uint8))
    return folder


@pytest.fixture(scope="module")
def run_of_classes(tmp_path_factory):
    """The folder of a run on all classes of the digits, written without training."""
    settings = short_runs.settings(tmp_path_factory.mktemp("classes"), label="all")
    return short_runs.write_untrained(TrainingConfig.of_recipe("wgan_gp_conditional", **settings))


@pytest.fixture
def two_runs(run_with_weights, tmp_path):
    """A folder with two runs: one with an animation, and one without an average, whose samples are others."""
    folder = tmp_path / "runs"
    shutil.copytree(run_with_weights, folder / "averaged")
    frames = [Image.new("RGB", (70, 70), (level, 0, 0)) for level in (50, 200)]
    frames[0].save(folder / "averaged/training.gif", save_all=True, append_images=frames[1:], duration=60_000)
    shutil.copytree(run_with_weights, folder / "plain", ignore=shutil.ignore_patterns("generator_ema*"))
    return folder


def read_png(file):
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def test_images_are_those_of_generate_py_and_of_the_arc_between_them(sampler, run_with_weights, tmp_path):
    out = str(tmp_path / "a.png")
    generate.generate(generate.SampleRequest(str(run_with_weights), out, num=10, seed=4, truncation=1.5))
    expected = read_png(out).repeat(7, 0).repeat(7, 1)  # 138 pixels become 966
    np.testing.assert_array_equal(demo.grid(sampler, 10, 4, 1.5), expected)
    for share, seed in ((0, 3), (1, 5)):
        np.testing.assert_array_equal(
            demo.grid(sampler, 10, 3, 1.5, second_seed=5, interpolation=share), demo.grid(sampler, 10, seed, 1.5)
        )
    start, end = (draw_latents(seed, 0, 1, 8).astype(np.float64) for seed in (3, 5))
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    directions = start / lengths[0] + end / lengths[1]
    middle = sampler(directions / np.linalg.norm(directions) * np.mean(lengths))[0]
    drawn = demo.grid(sampler, 1, 3, second_seed=5, interpolation=0.5)[::28, ::28][2:-2, 2:-2]  # but for the border
    assert abs(drawn.astype(int) - middle).max() <= 1


@pytest.mark.parametrize("channels, size", [(1, 28), (3, 128)])
def test_images_of_any_recipe_are_enlarged_by_a_whole_number(channels, size):
    image = np.random.default_rng(0).integers(0, 256, (size, size, channels), np.uint8)
    large = demo.enlarged(image)
    times = large.shape[1] // size
    assert 900 < large.shape[1] < 1150 and large.shape[2] == 3
    np.testing.assert_array_equal(large, np.kron(np.broadcast_to(image, (size, size, 3)), np.ones((times, times, 1))))


@pytest.mark.parametrize(
    "measured, told",
    [
        ({}, ["This has not been measured yet"]),
        ({5: 31.234}, ["<td>31.2</td>", "Measured after 5 epochs"]),
        ({5: 31.234, 7: 20, 8: 10}, ["<td>20</td>", "Measured after 7 epochs"]),
    ],
)
def test_figures_are_the_last_ones_that_are_not_later(run_with_weights, tmp_path, measured, told):
    run = shutil.copytree(run_with_weights, tmp_path / "run")
    rows = [f"{epoch},1.5,{measured.get(epoch, '')}" for epoch in range(1, 10)]
    (run / "history.csv").write_text("\n".join(["epoch,seconds,fid", *rows]))
    introduction, worth, _ = run_summary.summarize(trained.locate(run))
    assert "<b>7</b>" in introduction and "<b>0:00:10</b>" in introduction and "183 images of 32×32" in introduction
    assert all(phrase in worth for phrase in told)
    _, worth, _ = run_summary.summarize(trained.locate(run / "generator.weights.h5"))  # not what was measured
    assert f"python evaluate.py --checkpoint_dir {run} --weights generator.weights.h5" in worth


def test_the_figures_of_evaluate_py_are_shown_of_the_file_that_they_are_of(run_with_weights, tmp_path):
    run = shutil.copytree(run_with_weights, tmp_path / "run")
    report = json.loads((SHIPPED / "horses/evaluation.json").read_text(encoding="utf-8"))
    (run / "evaluation.json").write_text(json.dumps({**report, "weights": {**report["weights"], "epoch": 7}}))
    assert run_summary.last_report(trained.locate(run))[1]["rows"] == report["rows"]
    assert run_summary.summarize(trained.locate(run))[2] is None
    shutil.copy(SHIPPED / "horses/nearest.png", run)
    assert run_summary.summarize(trained.locate(run))[2].shape == (274, 274, 3)
    on_others = {**report, "reference": {**report["reference"], "images_of_the_run": False}}
    (run / "evaluation.json").write_text(json.dumps({**on_others, "weights": {**report["weights"], "epoch": 7}}))
    assert run_summary.last_report(trained.locate(run)) == (None, None)
    (run / "evaluation.json").write_text(json.dumps({**report, "weights": {**report["weights"], "epoch": 7}}))
    (run / "nearest.png").write_bytes(b"x")
    with pytest.raises(UserError, match="nearest.png is damaged"):
        run_summary.summarize(trained.locate(run))
    other = trained.locate(run / "generator.weights.h5")
    assert run_summary.last_report(other) == (None, None) and run_summary.summarize(other)[2] is None
    for damaged in ("{", json.dumps({**report, "rows": [{**report["rows"][0], "kid": None}]})):
        (run / "evaluation.json").write_text(damaged)
        with pytest.raises(UserError, match="evaluation.json is damaged .* write it anew with evaluate.py"):
            run_summary.summarize(trained.locate(run))


def test_shipped_generators_are_found_with_their_figures_and_their_animation(tmp_path, monkeypatch):
    found = demo.find_generators(SHIPPED)
    assert [source.path.parent for source in found] == sorted(path.parent for path in SHIPPED.glob("*/config.json"))
    monkeypatch.chdir(ROOT)
    assert [source.path.resolve() for source in demo.find_generators("")][-len(found) :] == [
        source.path for source in found
    ]
    for source in found:
        introduction, worth, _ = run_summary.summarize(source)
        row = json.loads((source.path.with_name("evaluation.json")).read_text(encoding="utf-8"))["rows"][0]
        figures = {"FID": f"{row['fid']:.3g}", "KID": f"{row['kid']:.3f}", "epochs": f"{source.noted['epoch']:,.0f}"}
        figures |= {name: f"{row[name]:.0%}".replace("%", " %") for name in ("precision", "recall")}
        for name, value in figures.items():
            assert f"<b>{value}</b><span>{name}</span>" in introduction
        assert "half of the real images" in worth and "Does it copy?" in worth
    [horses] = [source for source in found if source.path.parent.name == "horses"]
    seconds = json.loads((SHIPPED / "horses/config.json").read_text(encoding="utf-8"))["training_seconds"]
    spent = datetime.timedelta(seconds=round(seconds))
    assert f"<b>{spent}</b><span>training time</span>" in run_summary.summarize(horses)[0]
    animation, _ = run_summary.animate(horses, None, tmp_path)
    assert Path(animation).read_bytes() == (SHIPPED / "horses/training.gif").read_bytes()


def test_of_several_runs_those_that_draw_no_images_are_left_out(two_runs, capsys):
    assert [source.path.parent.name for source in demo.find_generators(two_runs)] == ["averaged", "plain"]
    (two_runs / "plain/config.json").write_text("{")
    assert [source.path.parent.name for source in demo.find_generators(two_runs)] == ["averaged"]
    assert capsys.readouterr().err.startswith(f"left out: {two_runs}/plain/config.json cannot be read")
    [alone] = demo.find_generators(two_runs / "averaged/generator.weights.h5")
    assert alone.path.name == "generator.weights.h5"


def test_the_animation_is_made_of_the_grids_of_this_run_and_of_no_other(run_with_weights, tmp_path):
    source = trained.locate(run_with_weights)
    folder = write_grids(tmp_path / "grids")
    animation, why = run_summary.animate(source, str(folder), tmp_path)
    with Image.open(animation) as image:
        assert (image.n_frames, why) == (2, None)
    (folder / ".run_id").write_text("of another run")
    animation, why = run_summary.animate(source, str(folder), tmp_path)
    assert animation is None and "holds grids of a run that is not in" in why
    animation, why = run_summary.animate(source, None, tmp_path)  # where the run put its grids
    assert animation is None and f"no grids (sample_00001.png ...) in {source.config.sample_dir}" in why


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_page_as_ctrl_c_does(run_script, monkeypatch, number, status):
    monkeypatch.setattr(demo, "serve", lambda request: signal.raise_signal(number))
    assert run_script(demo) == (status, "", "demo.py: interrupted\n")


def test_what_cannot_be_served_is_said_in_one_line(run_with_weights, refusal, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "gradio", None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        for flags, phrase in (
            ([], "the page needs Gradio: pip install 'gradio>=6,<7'"),
            (["--port", "0"], "--port is 0"),
            (["--checkpoint_dir", "nowhere"], "there is no nowhere; name a run's folder with --checkpoint_dir"),
            (["--weights", "nothing.h5"], f"there is no {run_with_weights}/nothing.h5"),
            (["--checkpoint_dir", ""], "--checkpoint_dir is empty"),
            (["--port", str(other.getsockname()[1])], "cannot listen at port"),
            (["--host", "no such host"], "cannot listen at port 7860 of no such host"),
        ):
            assert phrase in refusal(demo, "--checkpoint_dir", run_with_weights, *flags)
        (run_with_weights / "empty").mkdir()
        message = refusal(demo, "--checkpoint_dir", f"{run_with_weights}/empty")
        assert "empty holds no run" in message and "give a run's folder with --checkpoint_dir" in message
    monkeypatch.setitem(sys.modules, "gradio", types.SimpleNamespace(__version__="5.49.1"))
    assert "needs Gradio 6, and 5.49.1 is installed" in refusal(demo, "--checkpoint_dir", run_with_weights)


# --- in the browser ---

# Runs demo.py and writes down every address that it, or what it starts, asks for or connects to.
WATCHED = """
import os, runpy, sys
log = open(sys.argv[1], "a", buffering=1)
def watch(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        log.write(f"{args[1][0]}\\n")
    elif event == "socket.getaddrinfo":
        log.write(f"{args[0]}\\n")
sys.addaudithook(watch)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no browser: neither chromium nor chrome with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=1440,1000"):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which root cannot have
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(two_runs, run_of_classes, tmp_path):
    """`demo.py` at work in a process of its own, among a user's settings of Gradio; and its page's address."""
    pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    shutil.copytree(run_of_classes, two_runs / "several")
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path), MPLBACKEND="no_such_backend")
    environment.update(GRADIO_SHARE="True", GRADIO_ROOT_PATH="/elsewhere")
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    words = [ROOT / "demo.py", "--checkpoint_dir", two_runs, "--port", str(port)]
    command = [sys.executable, "-c", WATCHED, tmp_path / "addresses", *words]
    pipes = dict(text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process = subprocess.Popen(command, env=environment, **pipes)
    line = process.stdout.readline()
    assert line.startswith("the page is at http://127.0.0.1:"), process.communicate()
    yield process, line.split()[4]
    process.kill()
    process.communicate()


def wait_for(browser, condition, what):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, PATIENCE, poll_frequency=0.1).until(lambda _: condition(), f"waited for {what}")


def shown(browser, name):
    """The pixels of an image as the browser has them, uint8 [H, W, 3]; None while it has none."""
    data = browser.execute_script(
        """
        const img = document.querySelector(`#${arguments[0]} img`);
        if (!img || !img.complete || !img.naturalWidth) return null;
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
        canvas.getContext("2d").drawImage(img, 0, 0);
        return canvas.toDataURL("image/png");""",
        name,
    )
    return data and read_png(io.BytesIO(base64.b64decode(data.split(",")[1])))


def fill(browser, name, value):
    from selenium.webdriver.common.keys import Keys

    field = browser.find_element("css selector", f"#{name} input[type=number]")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value), Keys.TAB)


def number_in(browser, name):
    return float(browser.find_element("css selector", f"#{name} input[type=number]").get_property("value"))


def wait_for_image(browser, expected):
    """Waits until the samples are `expected`, but for a grey level."""

    def is_there():
        pixels = shown(browser, "samples")
        return pixels is not None and pixels.shape == expected.shape and abs(pixels - expected.astype(int)).max() <= 1

    wait_for(browser, is_there, "other samples")


def wait_for_text(browser, name, text):
    wait_for(browser, lambda: text in browser.find_element("css selector", name).text, f"{text!r} in {name}")


def check_what_it_opens_with(browser, sampler, two_runs):
    wait_for_image(browser, demo.grid(sampler))  # without a click
    wait_for(browser, lambda: shown(browser, "animation") is not None, "the animation")
    red = shown(browser, "animation")[-1, -1]
    assert abs(red.astype(int) - (50, 0, 0)).max() < 5  # the first frame of the two
    assert "generator_ema.weights.h5, epoch 7" in browser.find_element("id", "worth").text
    assert f"evaluate.py --checkpoint_dir {two_runs}/averaged" in browser.find_element("id", "worth").text
    for control in demo.CONTROLS:  # each says what it does
        assert control.info in browser.find_element("id", control.elem_id).text


def check_the_controls(browser, sampler):
    from selenium.webdriver.common.keys import Keys

    chosen = {"second_seed": 1}
    for name, value in (("number", 4), ("seed", 7), ("truncation", 0.5), ("interpolation", 0.5), ("second_seed", 5)):
        chosen[name] = value
        fill(browser, name, value)
        wait_for_image(browser, demo.grid(sampler, **chosen))
    slider = browser.find_element("css selector", "#interpolation input[type=range]")
    for key, seed in ((Keys.END, 5), (Keys.HOME, 7)):
        slider.send_keys(key)
        wait_for_image(browser, demo.grid(sampler, 4, seed, 0.5))

    browser.find_element("id", "new").click()
    wait_for(browser, lambda: number_in(browser, "seed") != 7, "another seed")
    wait_for_image(browser, demo.grid(sampler, 4, int(number_in(browser, "seed")), 0.5))
    for value, drawn in ((-1, 0), (12345, demo.MAX_SEED), (7, 7)):  # the field keeps to the slider's ends
        fill(browser, "seed", value)
        wait_for_image(browser, demo.grid(sampler, 4, drawn, 0.5))
        assert number_in(browser, "seed") == drawn


def check_the_other_generator(browser, two_runs):
    browser.find_elements("css selector", "#generator input")[1].click()
    other = ImageSampler(trained.locate(two_runs / "plain").load(), demo.BATCH_SIZE)
    wait_for_image(browser, demo.grid(other, 4, 7, 0.5))
    wait_for_text(browser, "#worth", f"{two_runs}/plain/generator.weights.h5, epoch 7")
    wait_for_text(browser, "#note", "no grids (sample_00001.png ...) in")
    assert not browser.find_elements("css selector", "#animation img")
    assert not browser.find_elements("id", "class")


def check_the_choice_of_a_class(browser, two_runs):
    from selenium.webdriver.common.keys import Keys

    browser.find_elements("css selector", "#generator input")[2].click()
    generator = trained.locate(two_runs / "several").load()
    wait_for_image(browser, demo.grid(ImageSampler(generator, demo.BATCH_SIZE), 4, 7, 0.5))  # the classes in turn
    wait_for(browser, lambda: browser.find_elements("css selector", "#class input"), "the choice of a class")
    browser.find_element("css selector", "#class input").send_keys(Keys.CONTROL, "a")
    browser.find_element("css selector", "#class input").send_keys("3", Keys.ENTER)
    wait_for_image(browser, demo.grid(ImageSampler(generator, demo.BATCH_SIZE, label=3), 4, 7, 0.5))


def addresses_asked(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }


def test_the_page_follows_its_controls_asks_nobody_else_and_leaves_nothing(page, browser, sampler, two_runs, tmp_path):
    process, url = page
    browser.get(url)
    check_what_it_opens_with(browser, sampler, two_runs)
    check_the_controls(browser, sampler)
    check_the_other_generator(browser, two_runs)
    check_the_choice_of_a_class(browser, two_runs)
    asked = addresses_asked(browser)
    assert len(asked) > 5 and all(address.startswith((url, "data:", "blob:")) for address in asked)
    assert set((tmp_path / "addresses").read_text().split()) == {"127.0.0.1"}
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "demo.py: interrupted\n")
    assert not list(tmp_path.glob("wgan_demo_*"))
