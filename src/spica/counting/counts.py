"""Counts of photos and plots: heads with their interval, and heads per square metre where the area is known.

boxes of a photo --(ground)--> part --(count model)--> count of the photo, or with other parts of the plot
"""

from collections.abc import Sequence
from dataclasses import dataclass

from spica.boxes import Boxes
from spica.counting.ground import Ground
from spica.counting.intervals import CountModel, counted


@dataclass(frozen=True, slots=True)
class Part:
    """What was found on the ground that a photo shows: its heads, and its area in square metres if that is known.

    `known` says that the heads have a size that the detector knows; `flags` are those of `spica.prediction.flags`.
    `share` is which part of the photo's ground that is, below 1 where photos overlap and each has a share of it.
    """

    plot: str
    image: str
    found: float
    area: float | None = None
    flags: tuple[str, ...] = ()
    known: bool = True
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Count:
    """How many heads a photo or a plot has, and how dense they stand.

    `image` is empty for a plot. `found` is how many boxes there are. `heads` is their number corrected for what the
    detector misses and invents on the average, from `low` to `high` is its interval; all three are None if nothing is
    known of that. The area, in square metres, and the densities, in heads per square metre, are None where the ground
    is not known; the density is of `found` if `heads` is None. `found_once` and `area_once` are what a photo adds
    to sums over photos that overlap; None where that was not asked for.
    """

    plot: str
    image: str
    photos: int
    found: float
    heads: float | None
    low: float | None
    high: float | None
    area: float | None
    density: float | None
    density_low: float | None
    density_high: float | None
    flags: tuple[str, ...]
    found_once: float | None = None
    area_once: float | None = None


def held(boxes: Boxes, ground: Ground | None) -> int:
    """Return how many boxes have their centre in the ground, all of them if it is not known."""
    return len(boxes) if ground is None else int(ground.holds(boxes).sum())


def count(parts: Sequence[Part], model: CountModel | None, *, level: float = 0.9) -> Count:
    """Return the count of a photo, which is one part, or of a plot, which is several that share no ground.

    Of photos that overlap, parts are shares: all of them together are as many independent photos as the ground would
    fill without overlap. That a head was seen several times is taken to say nothing: what hides it may hide it in all.
    What photos of a field share does not average out, so that a plot's interval is wider than if they were independent.

    Raises:
        ValueError: if there are no parts, or they are of several plots.
    """
    if len({part.plot for part in parts}) != 1:
        raise ValueError(f"there are {len(parts)} parts of several plots or none, expected those of one plot")
    found = sum(part.found for part in parts)
    areas = [part.area for part in parts if part.area is not None]
    area = sum(areas) if len(areas) == len(parts) else None
    heads = low = high = None
    if model is not None:
        known = all(part.known for part in parts)
        estimate = counted(model, found, level=level, photos=sum(part.share for part in parts), known=known)
        heads, low, high = estimate.heads, estimate.low, estimate.high
    return Count(
        plot=parts[0].plot,
        image=parts[0].image if len(parts) == 1 else "",
        photos=len(parts),
        found=found,
        heads=heads,
        low=low,
        high=high,
        area=area,
        density=_over(found if heads is None else heads, area),
        density_low=_over(low, area),
        density_high=_over(high, area),
        flags=tuple(sorted({flag for part in parts for flag in part.flags})),
    )


def _over(heads: float | None, area: float | None) -> float | None:
    return None if heads is None or area is None else heads / area
