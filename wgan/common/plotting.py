"""Drawing with matplotlib as it comes, whatever the user's matplotlibrc, environment and program have set."""

import contextlib
import os
import sys
import threading

from wgan.common.errors import UserError

_is_first = "matplotlib" not in sys.modules
# What shows figures in windows or notebooks, which nothing here does. matplotlib refuses to be imported where the name
# in the environment means nothing to it, such as that of a notebook's backend outside of the notebook.
_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
except UnicodeDecodeError as error:
    raise UserError(
        "matplotlib's settings file, a matplotlibrc in this folder or at home, is not in UTF-8; mend or remove it"
    ) from error
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
if _is_first and _backend:
    with contextlib.suppress(ValueError):  # for the calling program, which may draw too
        matplotlib.rcParams["backend"] = _backend

# What is used of matplotlib comes from here, so that nothing imports it earlier.
from matplotlib import patches, patheffects, ticker
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["Figure", "FigureCanvasAgg", "colormaps", "patches", "patheffects", "ticker", "usual_style"]

colormaps = matplotlib.colormaps
_one_at_a_time = threading.Lock()  # the settings are those of the whole process


@contextlib.contextmanager
def usual_style():
    """matplotlib's own settings for the length of the block, which draws a figure and writes it. Also a decorator."""
    with _one_at_a_time, matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
