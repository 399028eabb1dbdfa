"""Shows trained generators on a page in the browser: samples, the way between two seeds, figures, the training.

python demo.py --checkpoint_dir checkpoints --sample_dir samples --port 7860
"""

import contextlib
import copy
import dataclasses
import functools
import html
import math
import os
import pathlib
import random
import socket
import sys
import tempfile
import time
from typing import NamedTuple

import numpy as np

from wgan.apps import run_summary
from wgan.apps.generate import GAP
from wgan.apps.walks import slerp
from wgan.common import cli, options, signals, startup
from wgan.common.errors import UserError
from wgan.common.options import option
from wgan.images import grids
from wgan.runs import trained

USUAL_PLACES = ("checkpoints", "pretrained")
TITLE = "Images drawn by a neural network"
INSTALL = "pip install 'gradio>=6,<7'"
MAX_SEED = 9999  # a slider of all 2**31 could not be set
BATCH_SIZE = 64  # as generate.py's: another one may change a pixel by a grey level
NO_TRUNCATION = 3  # the slider's right end
IN_TURN = -1  # in place of a class's number
WIDTH = 1024  # pixels of an enlarged grid, about: most screens show it smaller, so that it is never blurred
_CAPTION = "The same random numbers, drawn after more and more epochs of training."
_CSS = """
.gradio-container {max-width: 1280px !important}
#introduction h1, #worth h2 {margin: 0}
#worth small + h2, #worth p + h2 {margin-top: 1em}
.figures {display: grid; grid-template-columns: repeat(auto-fill, minmax(6em, 1fr)); gap: .5em; max-width: 44em}
.figure {display: flex; flex-direction: column}
.figure b {font-size: 1.5em; line-height: 1.2}
#worth table {width: 100%; margin: .7em 0; border: 0}
#worth th, #worth td {text-align: right; padding: .3em .5em; border: 0 solid var(--border-color-primary)}
#worth tr {border: 0; border-bottom: 1px solid var(--border-color-primary)}
#worth th:first-child, #worth td:first-child {text-align: left}
#worth pre {overflow-x: auto}
#animation .image-frame, #animation img {width: 100%; object-fit: contain; image-rendering: pixelated}
.icon-button-wrapper {display: none}
"""


@dataclasses.dataclass(frozen=True)
class PageRequest:
    """Which generators are shown, and where."""

    checkpoint_dir: str | None = option(None, "Run")
    """A run's folder, or one with several, such as a run per class: the page gives the choice. Default: those of
    checkpoints and pretrained."""
    weights: str | None = option(None, "Run")
    """A generator's weights file in it. Alone it is as for generate.py: a run's folder or a file."""
    sample_dir: str | None = option(None, "Run")
    """Folder with the run's grids (sample_00001.png ...), for the animation. Default: where the run put them."""
    port: int = option(7860, "Page", at_least=1, at_most=65535)
    """Of the page's address."""
    host: str = option("127.0.0.1", "Page")
    """Address to listen at, IPv4 or a name. The usual one can be reached from this machine alone, 0.0.0.0 from the
    whole network, by anybody."""


class Control(NamedTuple):
    """A slider, in Gradio's words; `elem_id` is also the argument of `grid` that it sets."""

    elem_id: str
    label: str
    minimum: float
    maximum: float
    value: float
    step: float  # 1: whole numbers alone
    info: str

    def bounded(self, value):
        """What can be drawn for a number that is still being typed: None, beyond the ends, or not whole."""
        within = self.minimum if value is None else min(max(value, self.minimum), self.maximum)
        return int(within) if self.step == 1 else within


CONTROLS = (
    Control(
        "seed", "Seed", 0, MAX_SEED, 0, 1, "Each seed gives other samples; the same seed always gives the same ones."
    ),
    Control(
        "truncation",
        "Truncation",
        0.1,
        NO_TRUNCATION,
        NO_TRUNCATION,
        0.1,
        "Keeps the random numbers within a limit: lower gives more typical, less varied samples. At 3 there is none.",
    ),
    Control(
        "interpolation",
        "Interpolation",
        0,
        1,
        0,
        0.01,
        "Turns the samples of one seed into those of another: 0 shows the first seed's, 1 the second seed's.",
    ),
    Control("second_seed", "Second seed", 0, MAX_SEED, 1, 1, "The seed that the interpolation leads to."),
    Control("number", "Number of samples", 1, 64, 16, 1, "Fewer samples are shown larger."),
)


def grid(sampler, number=16, seed=0, truncation=None, second_seed=0, interpolation=0):
    """A grid of `number` samples on the arcs between those of two seeds, enlarged: uint8 [H, W, 3].

    `interpolation` is the share of the way, 0 to 1. At either end it is the grid that generate.py writes for that seed,
    to the bit; `truncation` is generate.py's too, None for none.
    """
    start, end = (sampler.latents(each, 0, number, truncation) for each in (seed, second_seed))
    # Arithmetic on the arc rounds: an end is taken as it is.
    latents = {0: start, 1: end}.get(interpolation, slerp(start, end, interpolation))
    return enlarged(grids.image_grid(sampler(latents), math.ceil(math.sqrt(number)), GAP))


def enlarged(image):
    """uint8 [h, w, 1 or 3] with every pixel a square, about `WIDTH` pixels wide: uint8 [h * times, w * times, 3]."""
    times = max(1, round(WIDTH / image.shape[1]))
    return np.broadcast_to(image, (*image.shape[:2], 3)).repeat(times, axis=0).repeat(times, axis=1)


def find_generators(place, flag="--checkpoint_dir"):
    """The generators that the page shows, as `wgan.runs.trained.Trained`; UserError where there is none.

    `place`, which `flag` has named, is a run's folder, a folder of such folders, a weights file, or "" for the
    `USUAL_PLACES`. Of several, those that draw no images, or are damaged, are left out with a line to standard error.
    """
    places = [pathlib.Path(os.path.expanduser(each)) for each in ([place] if place else USUAL_PLACES)]
    if not any(each.exists() for each in places):
        wanted = " or ".join(map(str, places))
        raise UserError(f"there is no {wanted}; name a run's folder with --checkpoint_dir, or a file with --weights")
    candidates = [folder for each in places for folder in (each, *sorted(each.glob("*/")))]
    folders = [folder for folder in candidates if trained.usual_weights(folder).is_file()]
    found = []
    for folder in folders if len(folders) > 1 else ():
        try:
            found.append(trained.locate(folder))
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
    return found or [trained.locate([*folders, places[0]][0], flag)]


class Shown:
    """A generator on the page; what takes time is done when it is first needed."""

    def __init__(self, source, sample_dir, folder):
        """Args: source: a `wgan.runs.trained.Trained`; sample_dir: of its grids, or None; folder: for the animation."""
        self.source, self._places = source, (sample_dir, folder)

    @functools.cached_property
    def _current(self):
        return trained.locate(self.source.path)  # a run may have gone on since the page began

    @functools.cached_property
    def sampler(self):
        """Its `ImageSampler`."""
        from wgan.apps.image_sampler import ImageSampler

        return ImageSampler(self._current.load(), BATCH_SIZE)

    @functools.cached_property
    def story(self):
        """The page but for the samples: HTML, HTML, an image, an animation's path, HTML; None for what is missing."""
        introduction, worth, pairs = run_summary.summarize(self._current)
        animation, why = run_summary.animate(self._current, *self._places)
        nearest = None if pairs is None else enlarged(pairs)
        return introduction, worth, nearest, animation, html.escape(why or _CAPTION)

    @property
    def classes(self):
        """What the page's choice of a class offers: names and numbers."""
        return [("all in turn", IN_TURN), *((name, number) for number, name in enumerate(self.source.class_names))]

    def draw(self, label, *values):
        """The `grid` for the number of a class and the values of the `CONTROLS`."""
        sampler = copy.copy(self.sampler)
        sampler.label = label if label in range(sampler.num_classes) else None
        chosen = {control.elem_id: control.bounded(value) for control, value in zip(CONTROLS, values)}
        truncation = chosen.pop("truncation")
        return grid(sampler, truncation=truncation if truncation < NO_TRUNCATION else None, **chosen)


def import_gradio(folder):
    """Imports Gradio, told to keep its files in `folder`, to report to nobody, and to reach itself without a proxy.

    Its other variables belong to the user's other pages: what is served, and to whom, are this command's flags.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_DISABLE_TELEMETRY="1",
        GRADIO_RUN_HISTORY="False",
        GRADIO_TEMP_DIR=str(folder),
        no_proxy="*",
    )
    try:
        import gradio
    except ImportError:
        raise UserError(f"the page needs Gradio: {INSTALL}") from None
    if gradio.__version__.partition(".")[0] != "6":
        raise UserError(f"the page needs Gradio 6, and {gradio.__version__} is installed: {INSTALL}")
    return gradio


def check_address(host, port):
    """Raises UserError where the page could not be served there: found out before the work, not after it."""
    try:
        socket.create_server((host, port)).close()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"cannot listen at port {port} of {host} ({error}); choose another --port, or as --host an "
            "IPv4 address of this machine or a name of it"
        ) from None


def make_page(gradio, generators):
    """The `gradio.Blocks` for a list of `Shown`, which begins with the first of them."""
    image = functools.partial(gradio.Image, show_label=False, container=False, buttons=[])
    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        names = list(zip(_names([shown.source.path.parent for shown in generators]), range(len(generators))))
        introduction, worth, nearest, animation, note = generators[0].story
        story = [gradio.HTML(introduction, elem_id="introduction")]
        with gradio.Row():
            with gradio.Column(scale=3):
                first = generators[0].draw(IN_TURN, *(control.value for control in CONTROLS))
                samples = image(first, elem_id="samples", format="png", alt_text="Samples of the generator")
            with gradio.Column(scale=2):
                choice = gradio.Radio(names, value=0, label="Generator", visible=len(names) > 1, elem_id="generator")
                label = _choice_of_class(gradio, generators[0])
                button = gradio.Button("New samples", variant="primary", elem_id="new")
                sliders = {control.elem_id: gradio.Slider(**control._asdict()) for control in CONTROLS}
        with gradio.Row():
            with gradio.Column():
                story.append(gradio.HTML(worth, elem_id="worth"))
                story.append(image(nearest, visible=nearest is not None, elem_id="nearest", format="png"))
            with gradio.Column():
                gradio.HTML("<h2>How it was trained</h2>")
                story.append(image(animation, visible=animation is not None, elem_id="animation"))
                story.append(gradio.HTML(note, elem_id="note"))
        _connect(gradio, generators, [choice, label, *sliders.values()], samples)
        choice.change(_tell(gradio, generators), choice, [label, *story], show_progress="minimal")
        button.click(_two_seeds, None, [sliders["seed"], sliders["second_seed"]], show_progress="hidden")
    return page


def _names(folders):
    """By which the user tells the generators in these folders apart: the folder's name, or the path to it."""
    names = [folder.resolve().name for folder in folders]
    return [str(folder) if names.count(name) > 1 else name for folder, name in zip(folders, names)]


def _choice_of_class(gradio, shown):
    """For a generator that is asked for a class."""
    is_asked = bool(shown.source.class_names)
    return gradio.Dropdown(shown.classes, value=IN_TURN, label="Class", visible=is_asked, elem_id="class")


def _two_seeds():
    """Both, since it may be the second one's samples that are shown."""
    return random.sample(range(MAX_SEED + 1), 2)


def _connect(gradio, generators, controls, samples):
    """The samples follow the controls. Of the changes that come while some are drawn, the last alone counts."""

    def follow(number, *values):
        with _told(gradio):
            return generators[number].draw(*values)

    gradio.on(
        [control.change for control in controls],
        follow,
        controls,
        samples,
        trigger_mode="always_last",
        show_progress="hidden",
        preprocess=False,  # would refuse numbers that are still being typed, each with a traceback
    )


def _tell(gradio, generators):
    def tell(number):
        with _told(gradio):
            introduction, worth, *images, note = generators[number].story
        label = _choice_of_class(gradio, generators[number])
        return label, introduction, worth, *(gradio.Image(each, visible=each is not None) for each in images), note

    return tell


@contextlib.contextmanager
def _told(gradio):
    """What the user can mend is shown on the page."""
    try:
        yield
    except UserError as error:
        raise gradio.Error(str(error), print_exception=False) from None


def serve(request):
    """Shows the page of a `PageRequest` until it is interrupted, by KeyboardInterrupt; leaves no file behind.

    Raises:
        UserError: for all that the user can mend.
    """
    options.check(request)
    place = os.path.join(request.checkpoint_dir or "", request.weights or "")
    sources = find_generators(place, "--weights" if request.weights else "--checkpoint_dir")
    check_address(request.host, request.port)
    with tempfile.TemporaryDirectory(prefix="wgan_demo_") as folder:
        gradio = import_gradio(folder)
        startup.import_tensorflow()
        sample_dir = request.sample_dir if len(sources) == 1 else None  # it is of one run
        page = make_page(gradio, [Shown(source, sample_dir, folder) for source in sources])
        theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # none to download
        theme = theme.set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")
        try:
            page.launch(
                server_name=request.host,
                server_port=request.port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                mcp_server=False,
                footer_links=[],
                theme=theme,
                css=_CSS,
            )
            print(f"the page is at {page.local_url} (Ctrl-C ends it)", flush=True)
            while True:
                time.sleep(3600)  # which Ctrl-C ends on every system, unlike waiting for a thread
        finally:
            page.close(verbose=False)


def define_flags():
    """Which run, and where the page is."""
    return cli.FlagGroups(
        "Shows trained generators on a page in the browser, until Ctrl-C: samples, the way between those of two "
        "seeds, figures, and the training's animation. Needs Gradio 6. Works offline.",
        PageRequest,
    )


def main(argv):
    """Serves the page until it is interrupted."""
    request = PageRequest(**define_flags().parse(argv))
    with signals.handled(signals.end):
        serve(request)


command = functools.partial(cli.run, main)
