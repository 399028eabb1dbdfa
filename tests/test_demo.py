"""The page that shows a generator: what it draws, in a browser and without one, and how it begins and ends."""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wgan.apps import demo, generate
from wgan.apps.image_sampler import ImageSampler, draw_latents
from wgan.common import cli
from wgan.images import grids
from wgan.runs import sample_files, trained

PATIENCE = 60  # seconds that a condition on the page may take


@pytest.fixture(scope="module")
def sampler(run_with_weights):
    return ImageSampler(trained.locate(run_with_weights).load(), demo.BATCH_SIZE)


@pytest.fixture(scope="module")
def sample_dir(tmp_path_factory):
    """A folder with the grids of two epochs."""
    folder = tmp_path_factory.mktemp("grids")
    for epoch, level in ((1, 50), (2, 200)):
        grids.save_png(sample_files.sample_path(folder, epoch), np.full((70, 70, 1), level, np.uint8))
    return folder


def read_png(file):
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def first_sample(sampler, seed):
    """[32, 32, 3], from a grid of it alone: 36 pixels with the border, 14 times."""
    return demo.grid(sampler, 1, seed, 0)[::14, ::14][2:-2, 2:-2]


def test_images_are_those_of_generate_py_and_of_the_arc_between_them(sampler, run_with_weights, tmp_path):
    generate.generate(run_with_weights, str(tmp_path / "a.png"), num=10, seed=4, truncation=1.5)
    expected = read_png(tmp_path / "a.png").repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(demo.grid(sampler, 10, 4, 1.5), expected)
    for share, seed in ((0, 3), (1, 5)):
        np.testing.assert_array_equal(demo.between(sampler, 3, 5, share)[::16, ::16], first_sample(sampler, seed))
    start, end = (draw_latents(seed, 0, 1, 8).astype(np.float64) for seed in (3, 5))
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    directions = start / lengths[0] + end / lengths[1]
    middle = sampler(directions / np.linalg.norm(directions) * np.mean(lengths))[0]
    assert abs(demo.between(sampler, 3, 5, 0.5)[::16, ::16].astype(int) - middle).max() <= 1


@pytest.mark.parametrize(
    "measured, told",
    [({}, "FID not measured"), ({5: 31.234}, "FID 31.2 at epoch 5"), ({5: 31.234, 7: 20, 8: 10}, "FID 20")],
)
def test_the_line_on_the_run_has_the_last_fid_that_is_not_later(run_with_weights, tmp_path, measured, told):
    run = shutil.copytree(run_with_weights, tmp_path / "run")
    rows = [f"{epoch},1.5,{measured.get(epoch, '')}" for epoch in range(1, 10)]
    (run / "history.csv").write_text("\n".join(["epoch,seconds,fid", *rows]))
    line = demo.describe(trained.locate(run))
    assert line == f"wgan_gp trained on digits, 3: generator {run}/generator_ema.weights.h5, epoch 7, {told}"
    assert demo.describe(trained.locate(run / "generator.weights.h5")).endswith("FID not measured")  # not what was


def test_where_there_are_no_grids_of_the_run_the_page_says_so(
    run_with_weights, sampler, sample_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    gradio = pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    other = shutil.copytree(sample_dir, tmp_path / "<other>")
    (other / ".run_id").write_text("of another run")
    film, why = demo.animate(trained.locate(run_with_weights), str(other), tmp_path)
    page = demo.make_page(gradio, sampler, "a run", film, why)
    parts = {part["props"].get("elem_id"): part["props"].get("value") for part in page.get_config_file()["components"]}
    assert "&lt;other&gt; holds grids of a run that is not in" in parts["no_film"] and "film" not in parts


def test_what_cannot_be_served_is_said_in_one_line(run_with_weights, tmp_path, monkeypatch, capsys):
    pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.create_server(("127.0.0.1", 0)) as other:
        for flags, phrase in (
            (["--port", "0"], "--port is 0"),
            (["--weights", "nowhere"], "there is no nowhere"),
            (["--port", str(other.getsockname()[1])], "cannot listen at port"),
            (["--host", "no such host"], "cannot listen at port 7860 of no such host"),
        ):
            with pytest.raises(SystemExit) as stop:
                cli.run(demo.main, ["demo.py", "--weights", str(run_with_weights), *flags])
            out, err = capsys.readouterr()
            assert stop.value.code == 2 and out == "" and len(err.splitlines()) == 1 and phrase in err
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(SystemExit):
        cli.run(demo.main, ["demo.py", "--weights", str(run_with_weights)])
    assert capsys.readouterr().err == "demo.py: the page needs Gradio: pip install gradio\n"


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
def page(run_with_weights, sample_dir, tmp_path):
    """`demo.py` at work in a process of its own, among a user's settings of Gradio; and its page's address."""
    pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    script = Path(__file__).resolve().parents[1] / "demo.py"
    environment = {
        **os.environ,
        "PYTHONPATH": str(script.parent),
        "TMPDIR": str(tmp_path),
        "GRADIO_SHARE": "True",
        "GRADIO_ROOT_PATH": "/elsewhere",
        "MPLBACKEND": "no_such_backend",
    }
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port = trial.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WATCHED,
            tmp_path / "addresses",
            script,
            "--weights",
            run_with_weights,
            "--sample_dir",
            sample_dir,
            "--port",
            str(port),
        ],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = process.stdout.readline()
    assert line.startswith("the page is at http://127.0.0.1:"), process.communicate()
    yield process, line.split()[4]
    process.kill()
    process.communicate()


def wait_for(browser, condition, what):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, PATIENCE).until(lambda _: condition(), f"waited for {what}")


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

    field = browser.find_element("css selector", f"#{name} input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value), Keys.TAB)


def wait_for_image(browser, name, expected):
    """Waits until the image is `expected`, but for a grey level."""

    def is_there():
        pixels = shown(browser, name)
        return pixels is not None and pixels.shape == expected.shape and abs(pixels - expected.astype(int)).max() <= 1

    wait_for(browser, is_there, f"another image in {name}")


def test_the_page_follows_its_controls_asks_nobody_else_and_leaves_nothing(
    page, browser, sampler, run_with_weights, tmp_path
):
    from selenium.webdriver.common.keys import Keys

    process, url = page
    browser.get(url)
    wait_for_image(browser, "grid", demo.grid(sampler, 64, 0, 0))
    wait_for_image(browser, "way", demo.between(sampler, 0, 1, 0.5))
    wait_for(browser, lambda: shown(browser, "film") is not None, "the animation")
    assert (shown(browser, "film")[-1, -1] == (50, 50, 50)).all()  # the first frame of the two
    line = browser.find_element("id", "run").text
    assert f"generator {run_with_weights}/generator_ema.weights.h5, epoch 7, FID not measured" in line

    for name, value, expected in (("number", 4, (4, 0, 0)), ("seed", 7, (4, 7, 0)), ("truncation", 0.5, (4, 7, 0.5))):
        fill(browser, name, value)
        wait_for_image(browser, "grid", demo.grid(sampler, *expected))
    fill(browser, "first_seed", 3)
    fill(browser, "second_seed", 5)
    wait_for_image(browser, "way", demo.between(sampler, 3, 5, 0.5))
    browser.find_element("css selector", "#share input[type=range]").send_keys(Keys.END)
    wait_for_image(browser, "way", demo.between(sampler, 3, 5, 1))
    fill(browser, "seed", -1)
    wait_for(
        browser,
        lambda: "Seed must be from 0 to 2147483647" in browser.find_element("css selector", "body").text,
        "what is wrong with the seed",
    )
    fill(browser, "seed", 8)
    wait_for_image(browser, "grid", demo.grid(sampler, 4, 8, 0.5))

    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }
    assert len(asked) > 5 and all(address.startswith((url, "data:", "blob:")) for address in asked)
    assert set((tmp_path / "addresses").read_text().split()) == {"127.0.0.1"}
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "demo.py: interrupted\n")
    assert not list(tmp_path.glob("wgan_demo_*"))
