"""The raw value between a label file and Labels: what was read, not yet checked against photos or sense."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from spica.labels.photofiles import Photos
from spica.labels.problems import Place, Problem

Edges: TypeAlias = tuple[float, float, float, float]

UNKNOWN_SOURCE = "unknown"


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A photo as a label file lists it; `width` and `height` are None where the file does not tell them."""

    id: str
    path: Path
    place: Place
    width: int | None = None
    height: int | None = None
    source: str = UNKNOWN_SOURCE
    session: str = ""


@dataclass(frozen=True, slots=True)
class BoxRow:
    """A box as read: left, top, right, bottom, possibly senseless (negative size, not finite, far outside).

    The edges are pixels, or, where `relative`, fractions of the photo's width and height. `label` is what the file
    calls the thing in the box, "" where it has one kind of thing alone. A box that is `ignored` holds something that
    nobody is sure of, or many heads at once.
    """

    image: str
    edges: Edges
    place: Place
    relative: bool = False
    label: str = ""
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Annotations:
    """Everything read from a folder: photos, boxes, and what could not be read at all.

    Raises:
        ValueError: if an image is listed twice, or a box belongs to no image; readers report both as problems.
    """

    folder: Path
    images: tuple[AnnotatedImage, ...]
    rows: tuple[BoxRow, ...]
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        ids = {image.id for image in self.images}
        if len(ids) < len(self.images):
            raise ValueError("an image is listed twice; report the second listing as a problem")
        if strays := {row.image for row in self.rows} - ids:
            raise ValueError(f"boxes of images that are not listed: {sorted(strays)[:3]}; report them as problems")


def annotations_without_twins(
    photos: Photos, images: Iterable[AnnotatedImage], rows: Iterable[BoxRow], problems: Iterable[Problem]
) -> Annotations:
    """Return the annotations of `photos`, less the images that two photos claim to show; those become errors."""
    twins = photos.twins()
    ambiguous = {problem.image for problem in twins}
    kept = tuple(image for image in images if image.id not in ambiguous)
    boxes = tuple(row for row in rows if row.image not in ambiguous)
    return Annotations(photos.folder, kept, boxes, (*problems, *twins))


def number(text: str) -> float:
    """Return the number that `text` holds, which may be nan or inf.

    Raises:
        ValueError: if it holds none. Python's own underscores (1_000) are not numbers in a label file.
    """
    if "_" in text:
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def whole_number(text: str) -> int:
    """Return the positive whole number that `text` holds; "1024.0" is one, too.

    Raises:
        ValueError: if it holds none.
    """
    value = number(text)
    if not math.isfinite(value) or value != int(value) or value <= 0:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(value)
