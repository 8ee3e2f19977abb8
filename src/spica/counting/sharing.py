"""Heads and ground counted once where photos overlap: each by one over the number of photos that see its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spica.boxes import Boxes
from spica.counting.registration import Registration, grid, inside


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a photo of that size shows: `boxes` of heads, and a `margin` round it in pixels, from which heads count."""

    width: int
    height: int
    boxes: Boxes
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a photo adds to a sum over photos: `heads`, and the `part` of its ground; and how many `others` share it."""

    heads: float
    part: float
    others: int


def shares(views: Sequence[View], around: Mapping[int, Mapping[int, Registration]]) -> list[Share]:
    """Return what each photo adds to sums over photos in which no ground is counted twice.

    `around` says for the number of a photo how it lies on each of the photos that share ground with it. A head counts
    by one over the number of photos on which its centre lies, or within their margins, its own photo included; so does
    each place of a photo and the margin around it.
    """
    found = []
    for number, view in enumerate(views):
        others = around.get(number, {})
        on = [(lies, views[other]) for other, lies in others.items()]
        centres = (view.boxes[:, :2] + view.boxes[:, 2:]).astype(np.float64) / 2
        ground = grid(view.width, view.height, view.margin)
        found.append(Share(float(weights(centres, on).sum()), float(weights(ground, on).mean()), len(others)))
    return found


def weights(points: Float[np.ndarray, "n 2"], on: Sequence[tuple[Registration, View]]) -> Float[np.ndarray, " n"]:
    """Return one over the number of photos that see each point of a photo, given how that lies on the other photos."""
    seen = np.ones(len(points))
    for lies, view in on:
        seen += inside(lies.moved(points), view.width, view.height, view.margin)
    return 1 / seen
