"""Coordinates: from pixels of a raster to places on the earth, and to square metres."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from spica.boxes import Boxes

Points: TypeAlias = Float[np.ndarray, "n 2"]
Corners: TypeAlias = Float[np.ndarray, "n 4 2"]
Transform: TypeAlias = tuple[float, float, float, float, float, float]

WGS84 = "EPSG:4326"


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a raster of `width` x `height` pixels lies.

    `transform` (a, b, c, d, e, f) turns the pixel edge (column, row) into x = a column + b row + c and
    y = d column + e row + f of the coordinate system `crs`, a WKT or a name; x is east or longitude.
    """

    crs: str
    transform: Transform
    width: int
    height: int

    def of_pixels(self, pixels: Points) -> Points:
        """Return the places of points that are given as column and row.

        >>> Coordinates("EPSG:32632", (0.5, 0, 100, 0, -0.5, 200), 10, 10).of_pixels(np.array([[2.0, 4.0]])).tolist()
        [[101.0, 198.0]]
        """
        a, b, c, d, e, f = self.transform
        return pixels @ np.array([[a, d], [b, e]], dtype=np.float64) + np.array([c, f], dtype=np.float64)

    def to_pixels(self, places: Points) -> Points:
        """Return column and row of places; the inverse of `of_pixels`."""
        a, b, c, d, e, f = self.transform
        turned = np.linalg.inv(np.array([[a, d], [b, e]], dtype=np.float64))
        return np.asarray((places - np.array([c, f])) @ turned)

    def of_boxes(self, boxes: Boxes) -> Corners:
        """Return the four corners of each box, one after the other; a box is turned as the raster is."""
        corners = boxes.astype(np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
        return self.of_pixels(corners).reshape(-1, 4, 2)

    @property
    def outline(self) -> Points:
        """The four corners of the raster."""
        whole = np.array([[0, 0, self.width, self.height]], dtype=np.float32)
        return np.asarray(self.of_boxes(whole)[0])

    def local_crs(self) -> str:
        """Return a coordinate system in metres around the raster's middle, in which areas are exact.

        It is Lambert's azimuthal equal-area projection of the WGS 84 ellipsoid; lengths are off by less than a
        millionth within 10 km. Web Mercator and degrees, in which a metre is none, are so measured as well as UTM.
        """
        longitude, latitude = converted(self.outline.mean(axis=0, keepdims=True), self.crs, WGS84)[0].tolist()
        return f"+proj=laea +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m"

    def pixel_sides(self) -> tuple[float, float]:
        """Return width and height of a pixel on the ground in metres, as the mean over the raster."""
        corners = converted(self.outline, self.crs, self.local_crs())
        steps = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        across, down = (steps[0] + steps[2]) / 2, (steps[1] + steps[3]) / 2
        return float(across) / self.width, float(down) / self.height

    def pixel_area(self) -> float:
        """Return the square metres of ground in a pixel, as the mean over the raster."""
        x, y = converted(self.outline, self.crs, self.local_crs()).T
        doubled = float(x @ np.roll(y, -1) - y @ np.roll(x, -1))  # shoelace formula
        return abs(doubled) / 2 / (self.width * self.height)

    def gsd(self) -> float:
        """Return the ground sampling distance in millimetres: the side of a square as large as a pixel."""
        return 1000 * math.sqrt(self.pixel_area())


def converted(points: Points, source: str, target: str) -> Points:
    """Return points of one coordinate system in another one; x is east or longitude in both.

    A point that cannot be projected becomes infinite, and with it those beside it where PROJ refuses them together.
    """
    from rasterio._err import CPLE_BaseError  # has no public name, though rasterio lets it through
    from rasterio.warp import transform

    if not len(points):
        return points
    try:
        x, y = transform(source, target, points[:, 0].tolist(), points[:, 1].tolist())
    except CPLE_BaseError:  # metres that are called degrees: PROJ refuses them all, and does not say which
        return np.full(points.shape, np.inf)
    return np.column_stack([x, y]).astype(np.float64)
