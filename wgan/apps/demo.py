"""A page, made with Gradio, on which a trained generator can be tried in the browser.

`Drawings` answers what the controls ask for and knows nothing of the page; Gradio and TensorFlow are imported once
everything else is in order.
"""

import html
import math
import os
import pathlib
import socket
import sys
import tempfile
import time

import numpy as np

from wgan.apps.generate import GAP
from wgan.common import startup
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import animation, grids
from wgan.runs import trained
from wgan.runs.history import read_history
from wgan.runs.run_folder import HISTORY_FILE, RunFolder

MOST_SAMPLES = 256  # in the page's grid
MOST_SEED = 2**31 - 1
BATCH_SIZE = 64  # as generate.py's: another one may change a pixel by a grey level
FILM_FRAMES = 100
FIRST_GRID = (64, 0, 0)  # number, seed and truncation when the page opens
FIRST_WAY = (0, 1, 0.5)  # two seeds and the share of the way
_CSS = (".gradio-container img {image-rendering: pixelated} "  # the browser may enlarge further: no blur
        ".message {color: #b91c1c} .dark .message {color: #fca5a5}")


class Drawings:
    """The pictures for what the page's controls say, and what is wrong with that, if something is."""

    def __init__(self, pictures):
        """Args: pictures: a `wgan.apps.sampling.Pictures`."""
        self._pictures = pictures

    def grid(self, number, seed, truncation):
        """The grid that generate.py writes for the same values, enlarged.

        Args:
            number: of samples, 1 to MOST_SAMPLES.
            seed: 0 to MOST_SEED.
            truncation: where the latents' distribution is cut off; 0 or None: nowhere.

        Returns:
            uint8 [H, W, 3].

        Raises:
            UserError: a value is missing, is no number, or is out of bounds.
        """
        number = _whole("Samples", number, 1, MOST_SAMPLES)
        seed = _whole("Seed", seed, 0, MOST_SEED)
        if truncation is not None and not (_is_number(truncation) and 0 <= truncation < math.inf):
            raise UserError(f"Truncation is {truncation}; it must be a number above 0, or 0 for none")
        drawn = self._pictures(self._pictures.latents(seed, 0, number, truncation or None))
        return enlarged(grids.image_grid(drawn, math.ceil(math.sqrt(number)), GAP))

    def between(self, first_seed, second_seed, share):
        """One picture on the arc between the first samples of two seeds, enlarged.

        Args:
            first_seed, second_seed: 0 to MOST_SEED.
            share: of the way, 0 to 1; at either end it is the seed's sample to the bit.

        Returns:
            uint8 [H, W, 3].

        Raises:
            UserError: as `grid`.
        """
        from wgan.apps import sampling
        start = self._pictures.latents(_whole("From seed", first_seed, 0, MOST_SEED), 0, 1)
        end = self._pictures.latents(_whole("To seed", second_seed, 0, MOST_SEED), 0, 1)
        if not (_is_number(share) and 0 <= share <= 1):
            raise UserError(f"The share of the way is {share}; it must be from 0 to 1")
        # Arithmetic on the arc rounds: an end is taken as it is.
        latents = {0: start, 1: end}.get(share)
        return enlarged(self._pictures(sampling.slerp(start, end, share) if latents is None else latents)[0])


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(name, value, least, most):
    """The value as an int; raises UserError where it is none in these bounds."""
    if not (_is_number(value) and least <= value <= most and value == int(value)):
        shown = "empty" if value is None else value
        raise UserError(f"{name} is {shown}; it must be a whole number from {least} to {most}")
    return int(value)


def enlarged(picture):
    """Makes every pixel a square, so that the width comes as near to 512 pixels as a whole number of times can.

    Args:
        picture: uint8 [h, w, 1 or 3].

    Returns:
        uint8 [h * times, w * times, 3].
    """
    times = animation.usual_scale(picture.shape[1])
    return np.broadcast_to(picture, (*picture.shape[:2], 3)).repeat(times, axis=0).repeat(times, axis=1)


def describe(source):
    """A line on the run, the generator and its epoch, and its FID as far as one was measured.

    Args:
        source: a `wgan.runs.trained.Trained`.
    """
    of = source.config.dataset if source.config.label is None else f"{source.config.dataset}, {source.config.label}"
    return f"{source.config.recipe} trained on {of}: generator {source}, {_fid(source)}"


def _fid(source):
    """The history's FIDs are those of the generator that a run's folder stands for, and of no other file in it."""
    if "fid" in source.noted:
        return f"FID {source.noted['fid']:.3g}"
    if "epoch" in source.noted and source.path.name == trained.usual_weights(source.path.parent).name:
        history = read_history(source.path.with_name(HISTORY_FILE))
        measured = [epoch for epoch, row in history.items() if "fid" in row and epoch <= source.noted["epoch"]]
        if measured:
            last = max(measured)
            when = "" if last == source.noted["epoch"] else f" at epoch {last}"
            return f"FID {history[last]['fid']:.3g}{when}"
    return "FID not measured"


def make_film(source, sample_dir, folder):
    """Makes a film of the training's grids, a lossless WebP that every browser shows.

    Args:
        source: a `wgan.runs.trained.Trained`.
        sample_dir: folder with the run's grids.
        folder: where the film is put, a `pathlib.Path`.

    Returns:
        Its path.

    Raises:
        UserError: there are no grids, or they are those of another run.
        OSError: the grids cannot be read, or the film cannot be written.
    """
    run = RunFolder(TrainingConfig(checkpoint_dir=str(source.path.parent), sample_dir=sample_dir), flag="--sample_dir")
    run.check_samples_belong()
    return animation.write_animation(run.sample_dir, folder / "training.webp", max_frames=FILM_FRAMES,
                                     warn=lambda line: print(line, file=sys.stderr)).path


def serve(weights, sample_dir, host, port):
    """Shows the page until the process is interrupted; leaves no file behind.

    Args:
        weights: a run's folder, or a generator's file in it.
        sample_dir: folder with the run's grids.
        host, port: where to listen, an IPv4 address or a name, and 1 to 65535.

    Raises:
        UserError: for all that the user can mend.
        KeyboardInterrupt: at the end.
    """
    source = trained.locate(weights)
    sample_dir = os.path.expanduser(sample_dir)
    _check_address(host, port)
    with tempfile.TemporaryDirectory(prefix="wgan_demo_") as folder:
        gradio = _import_gradio(folder)
        startup.import_tensorflow()
        from wgan.apps import sampling
        drawings = Drawings(sampling.Pictures(source.load(), BATCH_SIZE))
        try:
            film, no_film = make_film(source, sample_dir, pathlib.Path(folder)), None
        except (UserError, OSError) as error:
            film, no_film = None, str(error)
        page = _page(gradio, drawings, describe(source), film, no_film)
        try:
            _open(page, gradio, host, port)
            print(f"the page is at {page.local_url} (Ctrl-C ends it)", flush=True)
            while True:
                time.sleep(3600)  # which Ctrl-C ends on every system, unlike waiting for a thread
        finally:
            page.close(verbose=False)


def _check_address(host, port):
    """Raises UserError where the page could not be served there: found out before the work, not after it."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port is {port}; it must be from 1 to 65535")
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    except (OSError, UnicodeError):
        raise UserError(f"--host {host!r} is no IPv4 address and no name of one") from None
    with socket.socket() as trial:
        if os.name == "posix":  # a page that ended a moment ago is not in the way; elsewhere this means something else
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OSError as error:
            raise UserError(f"port {port} of {host} cannot be used ({error.strerror}); choose another with --port, "
                            "or end what is there") from None


def _import_gradio(folder):
    """Imports Gradio, told to keep its files in `folder`, to report to nobody, and to reach itself without a proxy.

    Its other variables belong to the user's other pages: what is served, to whom, is this command's to say.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", GRADIO_RUN_HISTORY="False",
                      GRADIO_TEMP_DIR=folder, no_proxy="*")
    try:
        import gradio
    except ImportError:
        raise UserError("the page needs Gradio: pip install gradio") from None
    return gradio


def _page(gradio, drawings, line, film, no_film):
    """The page with all its controls; `film` is a path, or None where `no_film` says why there is none."""
    with gradio.Blocks(title="A trained generator", analytics_enabled=False, fill_width=True) as page:
        gradio.HTML(f"<h2>A trained generator</h2><p>{html.escape(line)}</p>", elem_id="run")
        with gradio.Row():
            with gradio.Column():
                _grid_part(gradio, page, drawings)
            with gradio.Column():
                _way_part(gradio, page, drawings)
            with gradio.Column():
                gradio.HTML("<h3>The training</h3>")
                if film is None:
                    gradio.HTML(html.escape(no_film), elem_id="no_film")
                else:
                    _picture(gradio, film, "film", "webp")
    return page


def _grid_part(gradio, page, drawings):
    gradio.HTML("<h3>Samples</h3>")
    number, seed, truncation = FIRST_GRID
    with gradio.Row():
        controls = [gradio.Number(number, label="Samples", elem_id="number", min_width=80),
                    gradio.Number(seed, label="Seed", elem_id="seed", min_width=80),
                    gradio.Number(truncation, label="Truncation, or 0", step=0.1, elem_id="truncation", min_width=80)]
    _connect(gradio, page, drawings.grid, controls, "grid")


def _way_part(gradio, page, drawings):
    gradio.HTML("<h3>From one sample to another</h3>")
    first, second, share = FIRST_WAY
    with gradio.Row():
        seeds = [gradio.Number(first, label="From seed", elem_id="first_seed", min_width=80),
                 gradio.Number(second, label="To seed", elem_id="second_seed", min_width=80)]
    slider = gradio.Slider(0, 1, share, step=0.01, label="Share of the way", elem_id="share")
    _connect(gradio, page, drawings.between, [*seeds, slider], "way")


def _connect(gradio, page, draw, controls, name):
    """Puts a picture below the controls that follows them, and a line that says what is wrong with their values."""
    message = gradio.HTML(elem_id=f"{name}_message", elem_classes="message", visible=False)
    picture = _picture(gradio, None, f"{name}_picture", "png")

    def follow(*values):
        try:
            return draw(*values), gradio.HTML(visible=False)
        except UserError as error:
            return gradio.skip(), gradio.HTML(html.escape(str(error)), visible=True)

    # The first picture is drawn as all others are: what is on the page shows that the page is listened to. Of the
    # changes that come while one is being drawn, the last alone counts.
    gradio.on([page.load, *(control.change for control in controls)], follow, controls, [picture, message],
              trigger_mode="always_last", show_progress="hidden")


def _picture(gradio, picture, name, format):
    """A picture alone: a label or buttons would cover its upper edge, and one of them shares it with a web site."""
    return gradio.Image(picture, format=format, show_label=False, buttons=[], elem_id=name)


def _open(page, gradio, host, port):
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # no font to download
    try:
        page.launch(server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True,
                    ssr_mode=False, mcp_server=False, footer_links=[], theme=theme, css=_CSS)
    except OSError:
        raise UserError(f"port {port} of {host} was taken meanwhile; choose another with --port") from None
