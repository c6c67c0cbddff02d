"""Figures as SVG for a page: colours follow the page's theme, letters stay letters, the same data give the same bytes.

matplotlib knows fixed colours only. Each colour here is the light theme's, and the finished SVG names the page's CSS
variable in its place, so that one drawing serves light, dark and print.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH_INCHES = 9.0

# Distinguishable with impaired colour vision. Source: Okabe and Ito, "Color universal design", 2008, darkened for text.
THEME = {
    "ink": "#1b2430",
    "muted": "#5b6673",
    "rule": "#d4d9df",
    "fused": "#0b62a8",
    "tabular": "#b35900",
    "anomaly": "#0a7d5a",
    "autoencoder": "#a3447c",
    "sequence": "#6f6a12",
    "fraud": "#c0392b",
    "legitimate": "#7a8794",
}
"""CSS variable of the page by its colour in the light theme."""

_STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that every machine measures text alike
    "font.size": 9,
    "svg.fonttype": "none",
    "text.color": THEME["ink"],
    "axes.labelcolor": THEME["ink"],
    "axes.edgecolor": THEME["muted"],
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": THEME["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": THEME["muted"],
    "ytick.color": THEME["muted"],
    "xtick.labelcolor": THEME["ink"],
    "ytick.labelcolor": THEME["ink"],
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
}

_STRETCHED_LIMIT = 1e-5
STRETCHED_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


@contextmanager
def style(name: str) -> Iterator[None]:
    """Sets matplotlib's style while a figure is made; `name` keeps the ids of a page's figures apart."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        yield


def new_figure(height_inches: float) -> "Figure":
    """Returns an empty figure as wide as the page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def to_svg(figure: "Figure", *, label: str) -> Markup:
    """Returns the figure as an SVG element for an HTML page.

    Args:
        figure: the finished figure.
        label: what it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    # Outside a page of their own these are noise, or would style the page.
    drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r'( xmlns(:\w+)?="[^"]*"| width="[^"]*pt"| height="[^"]*pt")', "", drawn, count=4)
    for name, colour in THEME.items():
        drawn = drawn.replace(colour, f"var(--{name})")
    drawn = re.sub(r"\n\s*", "\n", drawn)
    return Markup(drawn.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))  # noqa: S704 - our own  # nosec B704


def stretched(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Returns places of scores on an axis stretched at both ends: their log-odds, bounded."""
    bounded = np.clip(np.asarray(scores, np.float64), _STRETCHED_LIMIT, 1.0 - _STRETCHED_LIMIT)
    return np.asarray(np.log(bounded) - np.log1p(-bounded))


def stretch(axis: "Axis", ticks: tuple[float, ...] = STRETCHED_TICKS) -> None:
    """Labels an axis of `stretched` scores."""
    axis.set_ticks(stretched(np.array(ticks)).tolist(), labels=[f"{tick:g}" for tick in ticks])
