"""Shows a trained generator on a page in the browser: samples, the way between two, the training's animation.

python demo.py --weights checkpoints --sample_dir samples --port 7860
"""

import functools
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
from wgan.common import cli, startup
from wgan.common.errors import UserError
from wgan.config import TrainingConfig
from wgan.images import animation, grids
from wgan.runs import trained
from wgan.runs.history import read_history
from wgan.runs.run_folder import HISTORY_FILE, RunFolder

MAX_SAMPLES, MAX_SEED, MAX_FRAMES = 256, 2**31 - 1, 100
BOUNDS = {"Samples": (1, MAX_SAMPLES), "Truncation": (0, 1000), "Share of the way": (0, 1)}  # others are seeds
BATCH_SIZE = 64  # as generate.py's: another one may change a pixel by a grey level
_CSS = ".gradio-container img {image-rendering: pixelated}"  # the browser may enlarge further: no blur


def grid(sampler, number, seed, truncation):
    """The grid that generate.py writes for the same values (truncation 0 is none), enlarged: uint8 [H, W, 3]."""
    drawn = sampler(sampler.latents(seed, 0, number, truncation or None))
    return enlarged(grids.image_grid(drawn, math.ceil(math.sqrt(number)), GAP))


def between(sampler, first_seed, second_seed, share):
    """One image on the arc between the first samples of two seeds, enlarged: uint8 [H, W, 3].

    At either end, share 0 or 1, it is the seed's sample to the bit.
    """
    from wgan.apps.image_sampler import slerp

    start, end = (sampler.latents(seed, 0, 1) for seed in (first_seed, second_seed))
    # Arithmetic on the arc rounds: an end is taken as it is.
    return enlarged(sampler({0: start, 1: end}.get(share, slerp(start, end, share)))[0])


def enlarged(image):
    """uint8 [h, w, 1 or 3] with every pixel a square, about 512 pixels wide: uint8 [h * times, w * times, 3]."""
    times = animation.usual_scale(image.shape[1])
    return np.broadcast_to(image, (*image.shape[:2], 3)).repeat(times, axis=0).repeat(times, axis=1)


def describe(source):
    """A line on the run of a `wgan.runs.trained.Trained`, the generator, its epoch, and its FID if one was measured."""
    of = source.config.dataset if source.config.label is None else f"{source.config.dataset}, {source.config.label}"
    fid, when = source.noted.get("fid"), ""
    # The history's figures are those of the generator that a run's folder stands for, and of no other file in it.
    if fid is None and "epoch" in source.noted and source.path == trained.usual_weights(source.path.parent):
        measured = {
            epoch: row["fid"]
            for epoch, row in read_history(source.path.with_name(HISTORY_FILE)).items()
            if "fid" in row and epoch <= source.noted["epoch"]
        }
        last = max(measured, default=None)
        fid, when = measured.get(last), "" if last == source.noted["epoch"] else f" at epoch {last}"
    figure = "FID not measured" if fid is None else f"FID {fid:.3g}{when}"
    return f"{source.config.recipe} trained on {of}: generator {source}, {figure}"


def animate(source, sample_dir, folder):
    """Writes the training's grids as a WebP, which every browser shows; its path, and why there is none otherwise."""
    run = RunFolder(TrainingConfig(checkpoint_dir=str(source.path.parent), sample_dir=sample_dir), flag="--sample_dir")
    try:
        run.check_samples_belong()
        return animation.write_animation(
            run.sample_dir,
            pathlib.Path(folder, "training.webp"),
            max_frames=MAX_FRAMES,
            warn=lambda line: print(line, file=sys.stderr),
        ).path, None
    except (UserError, OSError) as error:
        return None, str(error)


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
        raise UserError("the page needs Gradio: pip install gradio") from None
    return gradio


def check_address(host, port):
    """Raises UserError where the page could not be served there: found out before the work, not after it."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port is {port}; it must be from 1 to 65535")
    try:
        socket.create_server((host, port)).close()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"cannot listen at port {port} of {host} ({error}); choose another --port, or as --host an "
            "IPv4 address of this machine or a name of it"
        ) from None


def make_page(gradio, sampler, line, film, no_film):
    """The `gradio.Blocks`; `film` is a path, or None where `no_film` says why there is none."""
    image = functools.partial(gradio.Image, show_label=False, buttons=[])  # one of which shares it with a web site
    whole = functools.partial(gradio.Number, precision=0, min_width=80)
    with gradio.Blocks(title="A trained generator", analytics_enabled=False, fill_width=True) as page:
        gradio.HTML(f"<h2>A trained generator</h2><p>{html.escape(line)}</p>", elem_id="run")
        with gradio.Row():
            with gradio.Column():
                gradio.HTML("<h3>Samples</h3>")
                with gradio.Row():
                    of_grid = [
                        whole(64, label="Samples", elem_id="number"),
                        whole(0, label="Seed", elem_id="seed"),
                        gradio.Number(0, label="Truncation", step=0.1, elem_id="truncation", min_width=80),
                    ]
                _connect(gradio, page, functools.partial(grid, sampler), of_grid, image(elem_id="grid", format="png"))
            with gradio.Column():
                gradio.HTML("<h3>From one sample to another</h3>")
                with gradio.Row():
                    ends = [
                        whole(0, label="From seed", elem_id="first_seed"),
                        whole(1, label="To seed", elem_id="second_seed"),
                    ]
                share = gradio.Slider(0, 1, 0.5, step=0.01, label="Share of the way", elem_id="share")
                _connect(
                    gradio,
                    page,
                    functools.partial(between, sampler),
                    [*ends, share],
                    image(elem_id="way", format="png"),
                )
            with gradio.Column():
                gradio.HTML("<h3>The training</h3>")
                if film is None:
                    gradio.HTML(html.escape(no_film), elem_id="no_film")
                else:
                    image(film, elem_id="film", format="webp")
    return page


def _connect(gradio, page, draw, controls, image):
    """The image follows the controls. Of the changes that come while one is drawn, the last alone counts."""

    def follow(*values):
        for control, value in zip(controls, values):
            least, most = BOUNDS.get(control.label, (0, MAX_SEED))
            if value is None or not least <= value <= most:  # Gradio's own bounds would print a traceback
                raise gradio.Error(f"{control.label} must be from {least} to {most}", print_exception=False)
        return draw(*values)

    gradio.on(
        [page.load, *(control.change for control in controls)],
        follow,
        controls,
        image,
        trigger_mode="always_last",
        show_progress="hidden",
    )


def serve(weights, sample_dir, host, port):
    """Shows the page until it is interrupted, by KeyboardInterrupt; leaves no file behind. For the flags see the help.

    Raises:
        UserError: for all that the user can mend.
    """
    source = trained.locate(weights)
    check_address(host, port)
    with tempfile.TemporaryDirectory(prefix="wgan_demo_") as folder:
        gradio = import_gradio(folder)
        startup.import_tensorflow()
        from wgan.apps.image_sampler import ImageSampler

        sampler = ImageSampler(source.load(), BATCH_SIZE)
        page = make_page(gradio, sampler, describe(source), *animate(source, os.path.expanduser(sample_dir), folder))
        theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # none to download
        try:
            page.launch(
                server_name=host,
                server_port=port,
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
    groups = cli.FlagGroups(
        "Shows a trained generator on a page in the browser, until Ctrl-C: samples of any seed, "
        "the way between two of them, and the training's animation. Needs: pip install gradio. "
        "Works offline."
    )
    groups.define("Run", "weights", str, "checkpoints", trained.WEIGHTS_HELP)
    groups.define(
        "Run", "sample_dir", str, "samples", "Folder with the run's grids (sample_00001.png ...), for the animation."
    )
    groups.define("Page", "port", int, 7860, "Of the page's address, 1 to 65535.")
    groups.define(
        "Page",
        "host",
        str,
        "127.0.0.1",
        "Address to listen at, IPv4 or a name. The usual one can be "
        "reached from this machine alone, 0.0.0.0 from the whole network, by anybody.",
    )
    return groups


def main(argv):
    """Serves the page until it is interrupted."""
    serve(**define_flags().parse(argv))


command = functools.partial(cli.run, main)
