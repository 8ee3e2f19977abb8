"""From a photo's result to its part in counts: the heads on the ground that it shows, and that ground's area."""

from collections.abc import Collection
from dataclasses import replace

from spica.counting.counts import Part, held
from spica.counting.ground import Ground, border_margin
from spica.prediction.flags import knows_size
from spica.prediction.journal import Outcome

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
