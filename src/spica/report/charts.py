"""Charts as SVG: axes with ticks, and lines, bars and dots in them; each is a piece of markup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float

from spica.report.markup import Markup, element

# Okabe and Ito's palette, told apart with every kind of colour blindness; yellow, which white paper swallows, left out.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# Drawn around (0, 0): the second thing, beside colour, that tells dots apart.
SHAPES = (
    "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "M-2.7-2.7h5.4v5.4h-5.4z",
    "M0-3.6L3.5 2.6h-7z",
    "M0-4L4 0L0 4L-4 0z",
    "M-1-3.5h2v2.5h2.5v2h-2.5v2.5h-2v-2.5h-2.5v-2h2.5z",
)
DASHES = ("none", "9 4", "2 3")  # likewise for lines

_WIDTH, _HEIGHT = 460.0, 400.0  # units of the view; on a telephone one is 0.75 of a pixel
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 22.0, 46.0  # margins with room for ticks and labels
_TICK_GAP, _LABEL_GAP = 6.0, 6.0
_LINE_OF_TEXT = 13.0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`, with a label, its unit included, and the values at which it has ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]


SHARE_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def share_axis(label: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(label, 0, 1, SHARE_TICKS)


def count_axis(label: str, most: int) -> Axis:
    """Return an axis from 0 to a round number that is at least `most`, with four to eight ticks.

    >>> count_axis("heads", 118).ticks
    (0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0)
    """
    rough = max(most, 4) / 7
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(1.0, next(power * unit for unit in (1, 2, 5, 10) if power * unit >= rough))
    ticks = tuple(step * number for number in range(math.ceil(max(most, 4) / step) + 1))
    return Axis(label, 0, ticks[-1], ticks)


def chart(title: str, x: Axis, y: Axis, marks: Sequence[Markup]) -> Markup:
    """Return a chart; `title` is what a reader who cannot see it is told. Marks made with the same axes lie in it."""
    grid = [*(_x_tick(x, value) for value in x.ticks), *(_y_tick(y, value) for value in y.ticks)]
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    labels = [
        element("text", x.label, x=(_LEFT + _WIDTH - _RIGHT) / 2, y=_HEIGHT - _LABEL_GAP, text_anchor="middle"),
        element("text", y.label, transform=f"translate({_LINE_OF_TEXT} {middle:g}) rotate(-90)", text_anchor="middle"),
    ]
    return element(
        "svg",
        element("title", title),
        element("g", *grid, class_="grid"),
        *marks,
        element("g", *labels, class_="axis"),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        class_="chart",
    )


def line(
    x: Axis, y: Axis, xs: Float[np.ndarray, " n"], ys: Float[np.ndarray, " n"], colour: str, dash: str = "none"
) -> Markup:
    """Return a line through the points; where one is NaN it has a gap."""
    strokes = []
    for exists, points in groupby(zip(xs.tolist(), ys.tolist(), strict=True), key=lambda point: point[1] == point[1]):
        if exists:
            strokes.append("M" + "L".join(f"{_x(x, left):.1f} {_y(y, up):.1f}" for left, up in points))
    return element("path", d="".join(strokes), fill="none", stroke=colour, stroke_width=2.5, stroke_dasharray=dash)


def dot(x: Axis, y: Axis, at: tuple[float, float], colour: str, shape: str, title: str) -> Markup:
    """Return a dot, of which a browser shows the title under the pointer."""
    place = f"translate({_x(x, at[0]):.1f} {_y(y, at[1]):.1f})"
    return element("path", element("title", title), d=shape, fill=colour, transform=place, class_="dot")


def bars(x: Axis, y: Axis, edges: Float[np.ndarray, " edges"], ys: Float[np.ndarray, " n"]) -> Markup:
    """Return grey bars from 0 to each value, between neighbouring edges, of which there is one more."""
    zero = _y(y, 0)
    drawn = []
    for left, right, value in zip(edges[:-1].tolist(), edges[1:].tolist(), ys.tolist(), strict=True):
        start, end, top = _x(x, left) + 1, _x(x, right) - 1, _y(y, value)
        drawn.append(element("rect", x=start, y=top, width=end - start, height=zero - top))
    return element("g", *drawn, class_="bars")


def diagonal(x: Axis, y: Axis) -> Markup:
    """Return the line on which both values are equal."""
    high = min(x.high, y.high)
    ends = {"x1": _x(x, 0), "y1": _y(y, 0), "x2": _x(x, high), "y2": _y(y, high)}
    return element("line", class_="diagonal", **ends)


def upright(x: Axis, value: float, text: str) -> Markup:
    """Return a dashed vertical line with a text above it."""
    place = _x(x, value)
    middle = (x.low + x.high) / 2
    return element(
        "g",
        element("line", x1=place, x2=place, y1=_TOP, y2=_HEIGHT - _BOTTOM),
        # Away from the nearer end, so that the text stays inside.
        element("text", text, x=place, y=_TOP - _TICK_GAP, text_anchor="end" if value > middle else "start"),
        class_="upright",
    )


def key(colour: str, dash: str | None = None, shape: str | None = None) -> Markup:
    """Return a sample of a line or of a dot, for a legend."""
    sample = (
        element("path", d="M1 7H25", fill="none", stroke=colour, stroke_width=2.5, stroke_dasharray=dash or "none")
        if shape is None
        else element("path", d=shape, fill=colour, transform="translate(13 7) scale(1.3)")
    )
    return element("svg", sample, viewBox="0 0 26 14", class_="key", aria_hidden="true")


def _x_tick(axis: Axis, value: float) -> Markup:
    place = _x(axis, value)
    return element(
        "g",
        element("line", x1=place, x2=place, y1=_TOP, y2=_HEIGHT - _BOTTOM),
        element("text", f"{value:g}", x=place, y=_HEIGHT - _BOTTOM + _LINE_OF_TEXT + 3, text_anchor="middle"),
    )


def _y_tick(axis: Axis, value: float) -> Markup:
    place = _y(axis, value)
    return element(
        "g",
        element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=place, y2=place),
        element("text", f"{value:g}", x=_LEFT - _TICK_GAP, y=place + 4, text_anchor="end"),
    )


def _x(axis: Axis, value: float) -> float:
    return _LEFT + (value - axis.low) / (axis.high - axis.low) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - (value - axis.low) / (axis.high - axis.low) * (_HEIGHT - _TOP - _BOTTOM)
