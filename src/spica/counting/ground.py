"""The ground that a photo shows: its area in square metres, from what is known of the camera or of a frame in it.

Photos are taken straight from above; `gsd` is the ground sampling distance, in millimetres of ground for each pixel.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from spica.boxes import Boxes
from spica.labels.labelled import LEAST_VISIBLE

_MILLIMETRES = 1000.0


@runtime_checkable
class Ground(Protocol):
    """The part of a photo in which heads are counted."""

    def area(self, width: int, height: int, margin: float = 0.0) -> float:
        """Return the area in square metres in which heads are counted, on a photo of that many pixels.

        Around a whole photo lies a `margin`, in pixels, from which heads reach into it: see `border_margin`.
        """
        ...

    def holds(self, boxes: Boxes) -> Bool[np.ndarray, " n"]:
        """Return which boxes, in pixels of the photo, have their centre in it."""
        ...

    def pixel(self, width: int, height: int) -> float:
        """Return the millimetres of ground that a pixel shows, on a photo of that many pixels; the mean of all."""
        ...


@dataclass(frozen=True, slots=True)
class Sampled:
    """A whole photo, whose pixels each show `gsd` x `gsd` millimetres of ground.

    Raises:
        ValueError: if that is not a number above 0.
    """

    gsd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gsd) and self.gsd > 0):
            raise ValueError(f"gsd is {self.gsd}, expected millimetres above 0")

    def area(self, width: int, height: int, margin: float = 0.0) -> float:
        """Return the area in square metres, its margin included.

        >>> Sampled(0.5).area(2000, 1000)
        0.5
        """
        return (width + 2 * margin) * (height + 2 * margin) * (self.gsd / _MILLIMETRES) ** 2

    def holds(self, boxes: Boxes) -> Bool[np.ndarray, " n"]:
        """Return True for every box."""
        return np.ones(len(boxes), dtype=bool)

    def pixel(self, width: int, height: int) -> float:
        """Return `gsd`, whatever the photo's size."""
        del width, height
        return self.gsd


@dataclass(frozen=True, slots=True)
class FromAbove:
    """A whole photo taken from `height` metres above the heads, whose longer side spans `angle` degrees.

    Raises:
        ValueError: if the height is not above 0, or the angle not between 0 and 180.
    """

    height: float
    angle: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.height) and self.height > 0):
            raise ValueError(f"height is {self.height}, expected metres above 0")
        if not 0 < self.angle < 180:
            raise ValueError(f"angle of view is {self.angle}, expected degrees between 0 and 180")

    def area(self, width: int, height: int, margin: float = 0.0) -> float:
        """Return the area in square metres, its margin included.

        >>> round(FromAbove(height=1.0, angle=90).area(4000, 2000), 3)  # 2 x 1 m
        2.0
        """
        return Sampled(self.pixel(width, height)).area(width, height, margin)

    def holds(self, boxes: Boxes) -> Bool[np.ndarray, " n"]:
        """Return True for every box."""
        return np.ones(len(boxes), dtype=bool)

    def pixel(self, width: int, height: int) -> float:
        """Return the millimetres of ground that a pixel shows."""
        longest = 2 * self.height * math.tan(math.radians(self.angle) / 2)
        return longest * _MILLIMETRES / max(width, height)


@dataclass(frozen=True, slots=True, eq=False)
class Quadrat:
    """The inside of a frame of known sides, in metres, that lies on the field.

    `corners` (4, 2) are its inner corners in pixels of the photo, x and y, one after the other round the frame. A frame
    that is seen from aside is no rectangle on the photo, and has its own area all the same.

    Raises:
        ValueError: if a side is not above 0, or the corners make no convex shape.
    """

    corners: Float[np.ndarray, "4 2"]
    sides: tuple[float, float]

    def __post_init__(self) -> None:
        if not all(math.isfinite(side) and side > 0 for side in self.sides):
            raise ValueError(f"the frame has sides of {self.sides[0]:g} x {self.sides[1]:g}, expected metres above 0")
        turns = _turns(self.corners)
        if not (np.isfinite(self.corners).all() and ((turns > 0).all() or (turns < 0).all())):
            raise ValueError("the corners make no convex shape; expected them one after the other round the frame")

    def area(self, width: int, height: int, margin: float = 0.0) -> float:
        """Return the area in square metres; neither the photo's size nor a margin matters, as centres decide."""
        del width, height, margin
        return self.sides[0] * self.sides[1]

    def holds(self, boxes: Boxes) -> Bool[np.ndarray, " n"]:
        """Return which boxes have their centre inside the frame, or on it."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        edges = np.roll(self.corners, -1, axis=0) - self.corners
        offsets = centres[:, None].astype(np.float64) - self.corners[None]
        sides = edges[None, :, 0] * offsets[:, :, 1] - edges[None, :, 1] * offsets[:, :, 0]
        inside: Bool[np.ndarray, " n"] = (sides * np.sign(_turns(self.corners).sum()) >= 0).all(axis=1)
        return inside

    def pixel(self, width: int, height: int) -> float:
        """Return the millimetres of ground that a pixel inside the frame shows, the mean of all."""
        x, y = self.corners.astype(np.float64).T
        seen = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        return math.sqrt(self.area(width, height) / seen) * _MILLIMETRES


def border_margin(boxes: Boxes) -> float:
    """Return how far outside a photo the centre of a head may lie that is still counted, in pixels; 0 without heads.

    A head that the border cuts is labelled, and found, if 30 % of it are visible. Source: the labelling rule of the
    Global Wheat Head Dataset, David et al., Plant Phenomics 2020.
    """
    return (0.5 - LEAST_VISIBLE) * float(np.median((boxes[:, 2:] - boxes[:, :2]).mean(axis=1))) if len(boxes) else 0.0


def _turns(corners: Float[np.ndarray, "4 2"]) -> Float[np.ndarray, " 4"]:
    """Return at each corner how far the way round turns: above 0 to one side, below 0 to the other."""
    before = corners - np.roll(corners, 1, axis=0)
    after = np.roll(corners, -1, axis=0) - corners
    return np.asarray(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
