"""Bars along the sides of a quadrilateral: where they are, how much of them is seen, where their inner edges lie."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from spica.counting.framelines import lengths

_SAMPLES = 56  # along a side
_ENDS = 0.05  # of a side, left out at both ends: corners are rounded, or joined by a piece of another width
_REACH = 0.13  # of a side, to both sides of it, where the bar is looked for
_FARTHEST = 45  # pixels, likewise; that bounds the time
_LIGHT, _HUE = 11.0, 8.0  # Lab units in which a bar is one colour along its length: light changes more than hue
_SEEN = 0.33  # part of a side that must have one colour to be a bar: canopies reach 0.3
_STEP = 14.0  # Lab units in a pixel: more is the border of bar and shadow, less the shade of a round pipe
_THINNEST = 2.0  # pixels of a bar; of a thinner one the colour is not known
_CHOICES = 4  # stripes beside a side from which the bar is chosen: it, its shadow, a row, one more
_UNLIKE = 40.0  # Lab units of hue in which the bars of a frame would have nothing in common
_FINE = 0.25  # pixels, steps in which the edge is looked for
_CONTRAST = 14.0  # Lab units between bar and what it lies on; with less the edge is noise
_STRAIGHT = 0.8  # pixels by which an edge may miss its line: rough paint, and pixels


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """The bars found along a quadrilateral.

    `corners` are the inner ones. `seen` is which part of each bar has its colour, `straight` which part of each side
    has the edge of the bar on the line. `unlike` is how much the hues of two bars differ at most, in Lab units;
    `uneven` how many times the widest is as wide as the thinnest.
    """

    corners: Float[np.ndarray, "4 2"]
    seen: Float[np.ndarray, " 4"]
    straight: Float[np.ndarray, " 4"]
    unlike: float
    uneven: float


@dataclass(frozen=True, slots=True, eq=False)
class _Stripe:
    """A stripe of one colour beside a side, `start` to `stop` pixels outward."""

    start: float
    stop: float
    seen: float
    colour: Float[np.ndarray, "3"]


def bars_along(lab: Float[np.ndarray, "height width 3"], corners: Float[np.ndarray, "4 2"]) -> Bars | None:
    """Return the bars along a quadrilateral whose sides lie on or near them; None if one side has none."""
    bars = None
    for _ in range(2):  # the second time the sides are parallel to the bars
        bars = _fitted(lab, corners)
        if bars is None:
            return None
        corners = bars.corners
    return bars


def _fitted(lab: Float[np.ndarray, "height width 3"], corners: Float[np.ndarray, "4 2"]) -> Bars | None:
    corners = corners if _area(corners) > 0 else corners[::-1]
    reach = int(min(_REACH * lengths(corners).mean(), _FARTHEST))
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    near = _beside(lab, corners, offsets)
    stripes = [_stripes(side, offsets) for side in near]
    if not all(stripes):
        return None
    chosen = _alike(stripes)
    edges = [_edge(lab, corners, number, stripe) for number, stripe in enumerate(chosen)]
    lines = [(edge, share) for edge, share in edges if edge is not None]
    if len(lines) < 4:
        return None
    moved = _moved(corners, np.array([edge for edge, _ in lines]))
    widths = [stripe.stop - stripe.start for stripe in chosen]
    hues = np.array([stripe.colour[1:] for stripe in chosen])
    return Bars(
        moved,
        np.array([stripe.seen for stripe in chosen]),
        np.array([share for _, share in lines]),
        float(np.linalg.norm(hues[:, None] - hues[None], axis=-1).max()),
        max(widths) / min(widths),
    )


def _area(corners: Float[np.ndarray, "4 2"]) -> float:
    """Return twice the area, above 0 if the corners go round clockwise as seen on the photo."""
    after = np.roll(corners, -1, axis=0)
    return float((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum())


def _beside(
    lab: Float[np.ndarray, "height width 3"], corners: Float[np.ndarray, "4 2"], offsets: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "4 n d 3"]:
    """Return the colours beside each side: along it, and `offsets` pixels outward."""
    from scipy.ndimage import map_coordinates

    after = np.roll(corners, -1, axis=0)
    along = (after - corners) / lengths(corners)[:, None]
    outward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    share = np.linspace(_ENDS, 1 - _ENDS, _SAMPLES)[:, None]
    on = corners[:, None] + share * (after - corners)[:, None]
    places = on[:, :, None] + offsets[:, None] * outward[:, None, None]
    channels = [
        map_coordinates(lab[..., c], places[..., ::-1].transpose(3, 0, 1, 2), order=1, mode="nearest") for c in range(3)
    ]
    return np.asarray(np.stack(channels, axis=-1), dtype=np.float64)


def _commonest(colours: Float[np.ndarray, "n d 3"]) -> tuple[Bool[np.ndarray, "n d"], Float[np.ndarray, "d 3"]]:
    """Return at each offset which samples have the colour that most of them share, and that colour."""
    scaled = (colours / np.array([_LIGHT, _HUE, _HUE])).astype(np.float32)
    apart = np.abs(scaled[:, None] - scaled[None]).max(axis=-1)
    close = apart <= 1
    best = close.sum(axis=1).argmax(axis=0)
    share = close[best, :, np.arange(colours.shape[1])].T
    mean = (colours * share[..., None]).sum(axis=0) / share.sum(axis=0)[:, None]
    return share, mean


def _stripes(colours: Float[np.ndarray, "n d 3"], offsets: Float[np.ndarray, " d"]) -> list[_Stripe]:
    """Return the stripes of one colour along a side, those that are seen best."""
    share, colour = _commonest(colours)
    part = share.mean(axis=0)
    one = part >= _SEEN
    breaks = np.r_[True, np.linalg.norm(np.diff(colour, axis=0), axis=1) > _STEP]
    found, start = [], None
    for place in range(len(offsets) + 1):
        ends = place == len(offsets) or not one[place] or breaks[place]
        if start is not None and ends:
            run = slice(start, place)
            if place - start >= _THINNEST and start > 0 and place < len(offsets):
                found.append(
                    _Stripe(offsets[start], offsets[place - 1], float(part[run].mean()), colour[run].mean(axis=0))
                )
            start = None
        if start is None and place < len(offsets) and one[place]:
            start = place
    return sorted(found, key=lambda stripe: -stripe.seen)[:_CHOICES]


def _alike(stripes: list[list[_Stripe]]) -> tuple[_Stripe, ...]:
    """Return the stripe of each side that makes the best frame: seen well, alike in hue and width, no shadow."""

    def worth(chosen: tuple[_Stripe, ...]) -> float:
        hues = np.array([stripe.colour[1:] for stripe in chosen])
        widths = np.log([stripe.stop - stripe.start for stripe in chosen])
        # A shadow is darker than what casts it.
        strong = float(np.mean([np.linalg.norm(stripe.colour) for stripe in chosen])) / 100
        seen = float(np.mean([stripe.seen for stripe in chosen]))
        return seen + strong - float(np.ptp(hues, axis=0).max()) / _UNLIKE - 0.5 * float(np.ptp(widths))

    return max(product(*stripes), key=worth)


def _edge(
    lab: Float[np.ndarray, "height width 3"], corners: Float[np.ndarray, "4 2"], side: int, stripe: _Stripe
) -> tuple[Float[np.ndarray, "2"] | None, float]:
    """Return how far outward the inner edge lies at both ends of a side, and on which part of it it is seen."""
    offsets = np.arange(stripe.start - 5, stripe.start + min(4.0, stripe.stop - stripe.start) + _FINE, _FINE)
    colours = _beside(lab, corners, offsets)[side]
    bar = offsets >= stripe.start + min(1.0, (stripe.stop - stripe.start) / 2)
    share, colour = _commonest(colours[:, bar])
    seen = share.mean(axis=1) >= 0.5
    apart = np.linalg.norm(colours - colour[0], axis=2)
    inside: Int[np.ndarray, " d"] = np.flatnonzero(~bar)
    height = apart[:, inside].max(axis=1)
    beyond = apart[:, inside] > height[:, None] / 2
    # From the bar inward, the last place before what lies on the ground.
    last = beyond.shape[1] - 1 - beyond[:, ::-1].argmax(axis=1)
    usable = seen & (height >= _CONTRAST) & beyond.any(axis=1)
    return _line(np.linspace(_ENDS, 1 - _ENDS, _SAMPLES)[usable], offsets[inside[last]][usable] + _FINE / 2)


def _line(
    along: Float[np.ndarray, " n"], outward: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "2"] | None, float]:
    """Return the line through most of the places, at both ends of the side, and the part of the side on it."""
    from skimage.measure import LineModelND, ransac

    if len(along) < 8:  # of 56: with fewer, anything is a line
        return None, 0.0
    # Scaled so that residuals are pixels outward: the line is nearly parallel to the side.
    points = np.stack([along * 1000, outward], axis=1)
    model, on = ransac(points, LineModelND, 2, _STRAIGHT, max_trials=60, rng=0)
    if model is None or on is None or on.sum() < 8:
        return None, 0.0
    slope, start = np.polyfit(along[on], outward[on], 1)
    return np.array([start, start + slope]), float(on.sum() / _SAMPLES)


def _moved(corners: Float[np.ndarray, "4 2"], edges: Float[np.ndarray, "4 2"]) -> Float[np.ndarray, "4 2"]:
    """Return the corners of the lines that lie `edges` pixels outward of the sides' ends."""
    after = np.roll(corners, -1, axis=0)
    along = (after - corners) / lengths(corners)[:, None]
    outward = np.stack([along[:, 1], -along[:, 0]], axis=1)
    first, second = corners + edges[:, :1] * outward, after + edges[:, 1:] * outward
    ways = second - first
    normal = np.stack([ways[:, 1], -ways[:, 0]], axis=1)
    far = (normal * first).sum(axis=1)
    return np.array([np.linalg.solve(normal[[side - 1, side]], far[[side - 1, side]]) for side in range(4)])
