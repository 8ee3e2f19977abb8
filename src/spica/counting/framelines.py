"""Long straight lines on a photo, and the quadrilaterals that four of them make."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

_ANGLES = 180  # a line's normal in steps of 1 degree: on a side of 300 pixels that is 5 pixels, refined later
_SPREAD = 2  # degrees by which the direction of an edge on a rough bar, or of a few pixels, is off
_LINES = 64  # the four sides have 8 edges, 16 with shadows; the others are rows, stems and leaves
_SEAM = 4  # degrees and pixels to either side in which a line is the only one: edges of one bar count once
_ALIGNED = 6.0  # degrees within which an edge belongs to a line: the step, the spread, and noise
_SLANT = 14.0  # degrees between opposite sides: perspective of a frame that fills a photo tilted by 20 degrees
_SQUARE = 20.0  # degrees by which a corner may differ from 90, likewise
_LEAST_SIDE = 0.2  # of the photo's shorter side: a smaller frame is not what the photo is about
_LEAST_EDGE = 0.15  # part of each side with an edge along it, over the mean of both: many sides are half hidden
_SAME = 0.06  # of a side: quadrilaterals that close are edges of the same bars
_MOST = 14  # quadrilaterals that are looked at closely; that bounds the time


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """How strong the edge at each pixel is, from 0 to 1, and the direction across it, in degrees from 0 to 180."""

    strength: Float[np.ndarray, "height width"]
    across: Float[np.ndarray, "height width"]


def edges_of(lab: Float[np.ndarray, "height width 3"]) -> Edges:
    """Return the edges of a photo in Lab, in whatever channel they show.

    Source: S. Di Zenzo, A note on the gradient of a multi-image, CVGIP 1986.
    """
    from scipy.ndimage import gaussian_filter

    slopes = [[gaussian_filter(lab[..., c], 1.0, order=order) for c in range(3)] for order in ((0, 1), (1, 0))]
    x, y = (np.stack(of_channels) for of_channels in slopes)
    xx, yy, xy = (x * x).sum(0), (y * y).sum(0), (x * y).sum(0)
    size = np.sqrt((xx + yy + np.hypot(xx - yy, 2 * xy)) / 2)
    # A weak edge of a grey bar counts half as much as the hardest edge of a leaf, not a tenth.
    strength = size / (size + np.median(size) + 1e-6)
    return Edges(strength, np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180)


def quadrilaterals(edges: Edges, ratio: float) -> Float[np.ndarray, "n 4 2"]:
    """Return the corners of likely quadrilaterals, likeliest first; `ratio` is that of the frame's sides, from 1 on.

    Corners go round, x and y in pixels. Inner and outer edges of a bar give the same quadrilateral or nearly so.
    """
    lines = _strongest_lines(edges)
    pairs = _opposite(lines, _LEAST_SIDE * min(edges.strength.shape))
    corners, sides = _crossed(lines, pairs)
    fits = _plausible(corners, ratio, edges)
    corners, sides = corners[fits], sides[fits]
    support = _support(edges, lines, corners, sides)
    likely = np.flatnonzero(support.min(axis=1) >= _LEAST_EDGE)
    order = likely[np.argsort(-np.sqrt(support[likely]).sum(axis=1), kind="stable")]
    return _different(corners[order])


def lengths(corners: Float[np.ndarray, "*n 4 2"]) -> Float[np.ndarray, "*n 4"]:
    """Return the length of each side, from its corner to the next."""
    return np.asarray(np.linalg.norm(np.roll(corners, -1, axis=-2) - corners, axis=-1))


def plausible(corners: Float[np.ndarray, "n 4 2"], ratio: float, most: float = 1.25) -> Bool[np.ndarray, " n"]:
    """Return which corners may be those of a rectangle with sides of that ratio, seen roughly from above.

    `most` is the factor by which the ratio may be off: 1.25 is a tilt of 37 degrees.
    """
    side = lengths(corners)
    first, second = (side[:, 0] + side[:, 2]) / 2, (side[:, 1] + side[:, 3]) / 2
    seen = np.maximum(first, second) / np.maximum(np.minimum(first, second), 1e-6)
    # A tilted square may look longer either way.
    fits = (seen <= ratio * most) & (seen * most >= ratio)
    opposite = np.maximum(side[:, :2] / side[:, 2:], side[:, 2:] / side[:, :2]).max(axis=1)
    return np.asarray(fits & (opposite <= 1.35))  # a frame as wide as half of its distance, tilted by 20 degrees


def _strongest_lines(edges: Edges) -> Float[np.ndarray, "k 2"]:
    """Return angle of the normal in degrees, and distance from the photo's centre, of the lines with the most edges."""
    from scipy.ndimage import maximum_filter, uniform_filter1d

    votes = _votes(edges)
    padded = np.concatenate([votes[-_SEAM:, ::-1], votes, votes[:_SEAM, ::-1]])
    # The field's leaves have edges everywhere: what counts is how much a line stands out from those beside it.
    padded -= uniform_filter1d(padded, 41, axis=1)
    peaks = (padded == maximum_filter(padded, 2 * _SEAM + 1)) & (padded > 0)
    peaks[:_SEAM] = peaks[-_SEAM:] = False
    angle, place = np.nonzero(peaks)
    best = np.argsort(-padded[angle, place], kind="stable")[:_LINES]
    return np.stack([angle[best] - _SEAM, place[best] - votes.shape[1] // 2], axis=1).astype(np.float64)


def _votes(edges: Edges) -> Float[np.ndarray, "angles places"]:
    """Return for each line how much edge lies along it: a Hough transform in which edges vote in their direction alone.

    Source: D. H. Ballard, Generalizing the Hough transform to detect arbitrary shapes, Pattern Recognition 1981.
    """
    height, width = edges.strength.shape
    reach = int(np.hypot(height, width) / 2) + 2
    rows, columns = np.nonzero(edges.strength > 0.5)  # the stronger half, by construction
    x, y = columns - (width - 1) / 2, rows - (height - 1) / 2
    weight, angle = edges.strength[rows, columns], np.rint(edges.across[rows, columns]).astype(np.int64)
    votes = np.zeros(_ANGLES * (2 * reach + 1))
    for off in range(-_SPREAD, _SPREAD + 1):
        turned = (angle + off) % _ANGLES
        normal = np.radians(np.arange(_ANGLES))
        place = np.rint(x * np.cos(normal)[turned] + y * np.sin(normal)[turned]).astype(np.int64) + reach
        votes += np.bincount(turned * (2 * reach + 1) + place, weight, votes.size)
    return np.asarray(votes.reshape(_ANGLES, 2 * reach + 1))


def _opposite(lines: Float[np.ndarray, "k 2"], apart: float) -> Int[np.ndarray, "n 2"]:
    """Return pairs of lines that may be opposite sides: nearly parallel, and some way apart."""
    pairs = np.array(list(combinations(range(len(lines)), 2)), dtype=np.int64).reshape(-1, 2)
    turn = lines[pairs[:, 0], 0] - lines[pairs[:, 1], 0]
    flipped = np.abs(turn) > 90  # across the seam a line is the same with the other sign
    distance = np.abs(lines[pairs[:, 0], 1] - np.where(flipped, -1, 1) * lines[pairs[:, 1], 1])
    return np.asarray(pairs[(_between(turn) <= _SLANT) & (distance >= apart)])


def _between(turn: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Return the angle between two lines, from 0 to 90 degrees."""
    return np.asarray(np.abs((turn + 90) % 180 - 90))


def _crossed(
    lines: Float[np.ndarray, "k 2"], pairs: Int[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "m 4 2"], Int[np.ndarray, "m 4"]]:
    """Return the corners of any two pairs that cross, from the photo's centre, and which line each side lies on."""
    one, other = np.triu_indices(len(pairs), 1)
    a, b = pairs[one], pairs[other]
    square = (_between(lines[a, 0] - lines[b, 0]) >= 90 - _SQUARE).all(axis=1)
    square &= (_between(lines[a, 0] - lines[b[:, ::-1], 0]) >= 90 - _SQUARE).all(axis=1)
    a, b = a[square], b[square]
    sides = np.stack([a[:, 0], b[:, 0], a[:, 1], b[:, 1]], axis=1)
    return _meeting(lines, np.roll(sides, 1, axis=1), sides), sides


def _meeting(
    lines: Float[np.ndarray, "k 2"], one: Int[np.ndarray, "m 4"], other: Int[np.ndarray, "m 4"]
) -> Float[np.ndarray, "m 4 2"]:
    """Return where lines meet; they are not parallel."""
    cos, sin, far = np.cos(np.radians(lines[:, 0])), np.sin(np.radians(lines[:, 0])), lines[:, 1]
    area = cos[one] * sin[other] - sin[one] * cos[other]
    x = (far[one] * sin[other] - far[other] * sin[one]) / area
    y = (far[other] * cos[one] - far[one] * cos[other]) / area
    return np.stack([x, y], axis=-1)


def _plausible(corners: Float[np.ndarray, "m 4 2"], ratio: float, edges: Edges) -> Bool[np.ndarray, " m"]:
    """Return which corners, from the photo's centre, lie on the photo and have the shape of the frame."""
    height, width = edges.strength.shape
    whole = (np.abs(corners) <= np.array([width, height]) / 2).all(axis=(1, 2))
    large = lengths(corners).min(axis=1) >= _LEAST_SIDE * min(height, width)
    return np.asarray(whole & large & plausible(corners, ratio))


def _support(
    edges: Edges, lines: Float[np.ndarray, "k 2"], corners: Float[np.ndarray, "m 4 2"], sides: Int[np.ndarray, "m 4"]
) -> Float[np.ndarray, "m 4"]:
    """Return which part of each side has an edge along it, from 0 to 1."""
    sums = _edge_sums(edges, lines)
    reach = sums.shape[1] // 2
    normal = np.radians(lines[sides, 0])
    ends = [-np.sin(normal) * end[..., 0] + np.cos(normal) * end[..., 1] for end in (corners, np.roll(corners, -1, 1))]
    low, high = np.minimum(*ends), np.maximum(*ends)
    first, last = np.rint(low).astype(np.int64) + reach, np.rint(high).astype(np.int64) + reach
    return np.asarray((sums[sides, last] - sums[sides, first]) / np.maximum(last - first, 1))


def _edge_sums(edges: Edges, lines: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k reach"]:
    """Return along each line the sum of the edges so far, within a pixel to either side."""
    height, width = edges.strength.shape
    reach = int(np.hypot(height, width) / 2) + 3
    along, normal = np.arange(-reach, reach + 1), np.radians(lines[:, :1])
    best = np.zeros((len(lines), len(along)))
    for beside in (-1, 0, 1):
        far = lines[:, 1:] + beside
        x = np.rint(far * np.cos(normal) - along * np.sin(normal) + (width - 1) / 2).astype(np.int64)
        y = np.rint(far * np.sin(normal) + along * np.cos(normal) + (height - 1) / 2).astype(np.int64)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = x.clip(0, width - 1), y.clip(0, height - 1)
        near = inside & (_between(edges.across[y, x] - lines[:, :1]) <= _ALIGNED)
        best = np.maximum(best, edges.strength[y, x] * near)
    return np.asarray(np.cumsum(best, axis=1))


def _different(corners: Float[np.ndarray, "m 4 2"]) -> Float[np.ndarray, "n 4 2"]:
    """Return the first of each group of quadrilaterals that lie on the same bars, the first groups alone."""
    kept: list[np.ndarray] = []
    centred = corners - corners.mean(axis=1, keepdims=True)
    order = np.argsort(np.arctan2(centred[..., 1], centred[..., 0]), axis=1)
    for one in np.take_along_axis(corners, order[..., None], axis=1):
        near = _SAME * lengths(one).mean()
        if all(np.abs(np.roll(one, turn, 0) - other).max() > near for other in kept for turn in (-1, 0, 1)):
            kept.append(one)
        if len(kept) == _MOST:
            break
    return np.array(kept).reshape(-1, 4, 2)
