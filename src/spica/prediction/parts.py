"""From a photo's result to its part in counts: the heads on the ground that it shows, and that ground's area."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from spica.boxes import LEAST_FOR_MEDIAN, median_side
from spica.counting.counts import Part, held
from spica.counting.ground import Ground, border_margin
from spica.prediction.flags import knows_size
from spica.prediction.journal import Outcome

_HEAD_SIDES = (10.0, 60.0)  # mm, root of a box's area; the median of rres_1 is 25
_PHOTO_AREAS = (0.02, 200.0)  # square metres; with less no photo shows a stand, with more no heads
NO_FRAME = "no_frame"  # flag of a photo on which the corners of the frame are not known


def part_of(photo: Outcome, plot: str, ground: Ground | None, *, framed: bool) -> Part:
    """Return what was found on the ground that a photo of a plot shows; all of it if the ground is not known.

    `framed` says that the ground is a frame on the field: a photo without one gets a flag.
    """
    missing = (NO_FRAME,) if framed and ground is None else ()
    return Part(
        plot=plot,
        image=photo.name,
        found=held(photo.boxes, ground),
        area=None if ground is None else ground.area(photo.width, photo.height, border_margin(photo.boxes)),
        flags=(*photo.flags, *missing),
        known=knows_size(photo.flags),
    )


def doubt_of(photos: Collection[Outcome], grounds: Mapping[str, Ground]) -> str:
    """Return why the measures of the ground are hardly right, in words; "" if nothing speaks against them.

    A wrong unit, such as centimetres for millimetres, still gives a density.
    """
    pixels = {one.name: grounds[one.name].pixel(one.width, one.height) for one in photos if one.name in grounds}
    known = [one for one in photos if one.name in pixels]
    sides = [median_side(one.boxes) * pixels[one.name] for one in known if len(one.boxes) >= LEAST_FOR_MEDIAN]
    areas = [one.width * one.height * (pixels[one.name] / 1000) ** 2 for one in known]
    for values, (low, high), text in (
        (sides, _HEAD_SIDES, "a head measures {0:.3g} mm, expected {1:g} to {2:g} mm"),
        (areas, _PHOTO_AREAS, "a photo shows {0:.3g} square metres, expected {1:g} to {2:g}"),
    ):
        if values and not low <= (middle := float(np.median(values))) <= high:
            return text.format(middle, low, high)
    return ""


def by_plot(parts: Collection[Part]) -> list[list[Part]]:
    """Return the parts of each plot, plots by name; photos of no plot are left out.

    So are photos without a frame beside those with one: heads on a whole photo and in a frame do not add up. Their
    flag stays.
    """
    names = sorted({part.plot for part in parts} - {""})
    return [_alike([part for part in parts if part.plot == name]) for name in names]


def _alike(parts: list[Part]) -> list[Part]:
    """Return the parts of a plot that add up: those with a frame, if there are any."""
    framed = [part for part in parts if NO_FRAME not in part.flags]
    if len(framed) in {0, len(parts)}:
        return parts
    return [replace(framed[0], flags=(*framed[0].flags, NO_FRAME)), *framed[1:]]
