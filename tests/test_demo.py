"""The page that shows a generator: what it draws, as functions and in a browser, and how it begins and ends."""

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

import demo as script
import generate
from wgan.apps import demo, sampling
from wgan.common import cli
from wgan.common.errors import UserError
from wgan.images import grids
from wgan.runs import sample_files, trained

PATIENCE = 60  # seconds that a condition on the page may take


@pytest.fixture(scope="module")
def drawings(run_with_weights):
    return demo.Drawings(sampling.Pictures(trained.locate(run_with_weights).load(), demo.BATCH_SIZE))


@pytest.fixture(scope="module")
def sample_dir(tmp_path_factory):
    """A folder with the grids of two epochs."""
    folder = tmp_path_factory.mktemp("grids")
    for epoch, level in ((1, 50), (2, 200)):
        grids.save_png(sample_files.sample_path(folder, epoch), np.full((70, 70, 1), level, np.uint8))
    return folder


def run_main(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.run(script.main, ["demo.py", *map(str, arguments)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def read_png(file):
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


# --- what is drawn ---

def test_the_grid_is_generate_py_s_enlarged_without_blur(drawings, run_with_weights, tmp_path):
    generate.main(["generate.py", "--weights", str(run_with_weights), "--num", "10", "--seed", "4",
                   "--truncation", "1.5", "--out", str(tmp_path / "a.png")])
    with Image.open(tmp_path / "a.png") as small:  # 4 columns and 3 rows: 138 x 104 pixels
        expected = np.asarray(small.convert("RGB").resize((138 * 4, 104 * 4), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(drawings.grid(10, 4, 1.5), expected)
    assert (drawings.grid(10, 4, 0) != expected).any()
    np.testing.assert_array_equal(drawings.grid(10.0, 4, 0), drawings.grid(10, 4, None))


def first_sample(drawings, seed):
    """[32, 32, 3], from a grid of it alone: 36 pixels with the border, 14 times."""
    return drawings.grid(1, seed, 0)[::14, ::14][2:-2, 2:-2]


def test_the_way_leads_along_the_arc_from_one_seed_s_sample_to_the_other_s(drawings, run_with_weights):
    for share, seed in ((0, 3), (1, 5), (0.0, 3), (1.0, 5)):
        np.testing.assert_array_equal(drawings.between(3, 5, share)[::16, ::16], first_sample(drawings, seed))
    start, end = (sampling.draw_latents(seed, 0, 1, 8).astype(np.float64) for seed in (3, 5))
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    sum_of_directions = start / lengths[0] + end / lengths[1]
    middle = sum_of_directions / np.linalg.norm(sum_of_directions) * np.mean(lengths)
    expected = grids.to_uint8(trained.locate(run_with_weights).load()(middle, training=False).numpy())[0]
    assert abs(drawings.between(3, 5, 0.5)[::16, ::16].astype(int) - expected).max() <= 1
    assert abs(first_sample(drawings, 3).astype(int) - expected).max() > 20


@pytest.mark.parametrize("values, phrase", [
    ((0, 0, 0), "Samples is 0; it must be a whole number from 1 to 256"), ((257, 0, 0), "Samples is 257"),
    ((1.5, 0, 0), "Samples is 1.5"), ((None, 0, 0), "Samples is empty"), (("9", 0, 0), "Samples is 9"),
    ((1, -1, 0), "Seed is -1"), ((1, 2**31, 0), "Seed is 2147483648"), ((1, float("nan"), 0), "Seed is nan"),
    ((1, float("inf"), 0), "Seed is inf"), ((1, True, 0), "Seed is True"),
    ((1, 0, -0.5), "Truncation is -0.5"), ((1, 0, float("nan")), "Truncation is nan"),
    ((1, 0, "1"), "Truncation is 1")])
def test_values_out_of_bounds_are_refused(drawings, values, phrase):
    with pytest.raises(UserError, match=phrase):
        drawings.grid(*values)


@pytest.mark.parametrize("values, phrase", [
    ((-1, 0, 0), "From seed is -1"), ((0, None, 0), "To seed is empty"), ((0, 0, 1.01), "share of the way is 1.01"),
    ((0, 0, None), "share of the way is None")])
def test_ways_out_of_bounds_are_refused(drawings, values, phrase):
    with pytest.raises(UserError, match=phrase):
        drawings.between(*values)


# --- the run ---

@pytest.mark.parametrize("measured, told", [
    ({}, "FID not measured"), ({5: 31.234}, "FID 31.2 at epoch 5"), ({5: 31.234, 7: 20, 8: 10}, "FID 20"),
    ({8: 10}, "FID not measured")])
def test_the_line_on_the_run_has_the_last_fid_that_is_not_later(run_with_weights, tmp_path, measured, told):
    run = shutil.copytree(run_with_weights, tmp_path / "run")
    rows = [f"{epoch},1.5,{measured.get(epoch, '')}" for epoch in range(1, 10)]
    (run / "history.csv").write_text("\n".join(["epoch,seconds,fid", *rows]))
    line = demo.describe(trained.locate(run))
    assert line == f"wgan_gp trained on digits, 3: generator {run}/generator_ema.weights.h5, epoch 7, {told}"
    assert demo.describe(trained.locate(run / "generator.weights.h5")).endswith("FID not measured")  # not what was


def test_a_file_that_has_its_own_fid_is_shown_with_that(run_with_weights):
    assert demo.describe(trained.locate(run_with_weights)._replace(noted={"fid": 3.14159})).endswith("FID 3.14")


def test_the_film_has_the_run_s_grids(run_with_weights, sample_dir, tmp_path):
    with Image.open(demo.make_film(trained.locate(run_with_weights), str(sample_dir), tmp_path)) as film:
        assert film.n_frames == 2
        for number, level in enumerate((50, 200)):
            film.seek(number)
            assert film.convert("RGB").getpixel((200, 200)) == (level,) * 3


def test_grids_that_are_missing_or_another_run_s_make_no_film(run_with_weights, sample_dir, tmp_path):
    source = trained.locate(run_with_weights)
    with pytest.raises(UserError, match="no grids"):
        demo.make_film(source, str(tmp_path / "nowhere"), tmp_path)
    other = shutil.copytree(sample_dir, tmp_path / "other")
    (other / ".run_id").write_text("of another run")
    with pytest.raises(UserError, match="holds grids of a run that is not in .*; choose another --sample_dir$"):
        demo.make_film(source, str(other), tmp_path)
    assert not (tmp_path / "training.webp").exists()


# --- bad input ---

@pytest.mark.parametrize("flags, phrase", [
    (("--port", 0), "--port is 0"), (("--port", 65536), "--port is 65536"), (("--port", "x"), "port"),
    (("--host", "no such host"), "--host 'no such host'"), (("--host", "::1"), "no IPv4 address"),
    (("--weights", "nowhere"), "there is no nowhere"), (("stray",), "stray")])
def test_bad_flags_are_refused_in_one_line(run_with_weights, tmp_path, monkeypatch, capsys, flags, phrase):
    monkeypatch.chdir(tmp_path)
    status, out, err = run_main(capsys, "--weights", run_with_weights, *flags)
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert err.startswith("demo.py: ") and phrase in err


def test_a_port_in_use_is_said_in_one_line(run_with_weights, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, err = run_main(capsys, "--weights", run_with_weights, "--port", port)
    assert status == 2 and out == "" and len(err.splitlines()) == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in err and "--port" in err


def test_a_missing_gradio_is_said_with_what_installs_it(run_with_weights, monkeypatch, capsys):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "gradio", None)
    status, out, err = run_main(capsys, "--weights", run_with_weights, "--port", free_port())
    assert (status, out, err) == (2, "", "demo.py: the page needs Gradio: pip install gradio\n")


# --- in the browser ---

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return trial.getsockname()[1]


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


class Page:
    """`demo.py` at work in a process of its own; `url` is its address."""

    def __init__(self, weights, sample_dir, folder):
        self.folder, self.log = folder, folder / "addresses"
        path = Path(script.__file__)
        environment = {**os.environ, "PYTHONPATH": str(path.parent), "TMPDIR": str(folder)}
        environment.pop("GRADIO_ANALYTICS_ENABLED", None)  # the script itself has to see to that
        environment.update(GRADIO_ROOT_PATH="/elsewhere", GRADIO_SHARE="True", MPLBACKEND="no_such_backend")
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, self.log, path, "--weights", weights, "--sample_dir", sample_dir, "--port",
             str(free_port())], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        assert line.startswith("the page is at http://127.0.0.1:"), self.process.communicate()
        self.url = line.split()[4]


@pytest.fixture(scope="module")
def page(run_with_weights, sample_dir, tmp_path_factory):
    pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    page = Page(run_with_weights, sample_dir, tmp_path_factory.mktemp("page"))
    yield page
    page.process.kill()
    page.process.communicate()


@pytest.fixture(scope="module")
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
def opened(browser, page):
    """The page as it is when it opens, with its pictures."""
    browser.get(page.url)
    for name in ("grid_picture", "way_picture", "film"):
        wait_for(browser, lambda: shown(browser, name) is not None, f"{name} in the page")
    return browser


def wait_for(browser, condition, what):
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(browser, PATIENCE).until(lambda _: condition(), f"waited for {what}")


def shown(browser, name):
    """The pixels of a picture as the browser has them, uint8 [H, W, 3]; None while it has none."""
    data = browser.execute_script("""
        const img = document.querySelector(`#${arguments[0]} img`);
        if (!img || !img.complete || !img.naturalWidth) return null;
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
        canvas.getContext("2d").drawImage(img, 0, 0);
        return canvas.toDataURL("image/png");""", name)
    return data and read_png(io.BytesIO(base64.b64decode(data.split(",")[1])))


def fill(browser, name, value):
    from selenium.webdriver.common.keys import Keys
    field = browser.find_element("css selector", f"#{name} input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value), Keys.TAB)


def wait_for_picture(browser, name, expected):
    """Waits until the picture is `expected`, but for a grey level, and gives its pixels."""
    from selenium.common.exceptions import TimeoutException

    def is_there():
        pixels = shown(browser, name)
        return pixels is not None and pixels.shape == expected.shape and abs(pixels - expected.astype(int)).max() <= 1
    try:
        wait_for(browser, is_there, f"another {name}")
    except TimeoutException:
        pixels = shown(browser, name)
        differs = abs(pixels - expected.astype(int)).max() if pixels.shape == expected.shape else pixels.shape
        fields = browser.execute_script("return [...document.querySelectorAll('input')].map(field => field.value)")
        pytest.fail(f"{name} is not {expected.shape} as expected (by {differs}); the page's fields: {fields}")
    return shown(browser, name)


def test_the_grid_follows_its_controls(opened, drawings):
    first = wait_for_picture(opened, "grid_picture", drawings.grid(64, 0, 0))
    fill(opened, "number", 4)
    fill(opened, "seed", 7)
    of_seven = wait_for_picture(opened, "grid_picture", drawings.grid(4, 7, 0))
    fill(opened, "truncation", 0.5)
    cut_off = wait_for_picture(opened, "grid_picture", drawings.grid(4, 7, 0.5))
    fill(opened, "truncation", 0)
    fill(opened, "seed", 8)
    of_eight = wait_for_picture(opened, "grid_picture", drawings.grid(4, 8, 0))
    assert first.shape != of_seven.shape
    for other in (cut_off, of_eight):
        assert abs(other - of_seven.astype(int)).max() > 20
    fill(opened, "seed", 7)
    np.testing.assert_array_equal(wait_for_picture(opened, "grid_picture", drawings.grid(4, 7, 0)), of_seven)


def test_the_slider_leads_from_one_seed_s_picture_to_the_other_s(opened, drawings):
    from selenium.webdriver.common.keys import Keys
    fill(opened, "first_seed", 3)
    fill(opened, "second_seed", 5)
    middle = wait_for_picture(opened, "way_picture", drawings.between(3, 5, 0.5))
    slider = opened.find_element("css selector", "#share input[type=range]")
    fill(opened, "number", 1)
    for key, share, seed in ((Keys.HOME, 0, 3), (Keys.END, 1, 5)):
        slider.send_keys(key)
        end = wait_for_picture(opened, "way_picture", drawings.between(3, 5, share))
        fill(opened, "seed", seed)
        alone = wait_for_picture(opened, "grid_picture", drawings.grid(1, seed, 0))
        np.testing.assert_array_equal(end[::16, ::16], alone[::14, ::14][2:-2, 2:-2])
        assert abs(end - middle.astype(int)).max() > 20


# All begin with a minus: of others the page would draw the valid beginnings while they are being typed.
@pytest.mark.parametrize("name, value, part, message", [
    ("number", -1, "grid", "Samples is -1; it must be a whole number from 1 to 256"),
    ("truncation", -0.5, "grid", "Truncation is -0.5; it must be a number above 0, or 0 for none"),
    ("second_seed", -1, "way", "To seed is -1; it must be a whole number from 0 to 2147483647")])
def test_a_number_out_of_bounds_is_explained_in_the_page(opened, name, value, part, message):
    def text():
        return opened.execute_script(f"return document.querySelector('#{part}_message')?.innerText?.trim() || ''")
    before = shown(opened, f"{part}_picture")
    assert text() == ""
    fill(opened, name, value)
    wait_for(opened, lambda: text() == message, "the message")
    np.testing.assert_array_equal(shown(opened, f"{part}_picture"), before)
    fill(opened, name, 1)
    wait_for(opened, lambda: text() == "", "its end")


def test_the_page_tells_of_the_run_and_shows_its_film(opened, run_with_weights):
    line = opened.find_element("id", "run").text
    assert f"generator {run_with_weights}/generator_ema.weights.h5, epoch 7, FID not measured" in line
    assert (shown(opened, "film")[-1, -1] == (50, 50, 50)).all()  # the first frame of the two
    assert not opened.find_elements("id", "no_film")


def test_where_there_is_no_film_the_page_says_why(drawings, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    gradio = pytest.importorskip("gradio", reason="gradio, the extra for the page, is not installed")
    page = demo._page(gradio, drawings, "a run", None, "no grids in <samples>")
    parts = {part["props"].get("elem_id"): part["props"].get("value") for part in page.get_config_file()["components"]}
    assert parts["no_film"] == "no grids in &lt;samples&gt;" and "film" not in parts


def test_nobody_else_is_asked_for_anything(opened, page):
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {message["params"]["request"]["url"] for message in messages
             if message["method"] == "Network.requestWillBeSent"}
    assert len(asked) > 5 and [url for url in asked if not url.startswith((page.url, "data:", "blob:"))] == []
    assert set(page.log.read_text().split()) == {"127.0.0.1"}


def test_ctrl_c_ends_the_page_and_leaves_nothing(page):
    """The last one here, for it ends the page of all the others, and sees what they have left in its output."""
    page.process.send_signal(signal.SIGINT)
    out, err = page.process.communicate(timeout=PATIENCE)
    assert (page.process.returncode, out, err) == (130, "", "demo.py: interrupted\n")
    assert not list(page.folder.glob("wgan_demo_*"))
