"""Heads that were drawn or corrected as polygons over a raster, in QGIS say, as boxes in its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from spica.labels.problems import Place, Problem, error, warning
from spica.rasters.coordinates import Coordinates
from spica.rasters.raster import Raster
from spica.rasters.shapes import Shape, in_frame, moved, read_layer

_LEFT_OUT = "draw a polygon around the head, or delete it; it is left out"
_KEPT = "look at it; it is kept as the box around all of it"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Boxes of heads in pixels of the frame, float64, and the feature that each comes from; parts may be outside."""

    boxes: Float[np.ndarray, "n 4"]
    places: tuple[Place, ...]


def read_drawn(file: Path, raster: Raster, where: Coordinates, layer: str | None) -> tuple[Drawn, list[Problem]]:
    """Return the heads of a layer, each as the box around its polygon in pixels, and what is wrong with features.

    What columns say is not asked for: a feature that was drawn by hand has none. A feature that is no polygon, or lies
    where the raster is not, is left out. One that crosses itself or has several parts is kept.

    Raises:
        AnnotationError: if the file cannot be read, has no coordinate system or several layers to choose from.
        MissingExtraError: if the packages of the extra `geo` are not installed.
    """
    features = read_layer(file, name=layer, option="--layer")
    boxes: list[tuple[float, ...]] = []
    places: list[Place] = []
    problems: list[Problem] = []
    for fid, shape in zip(features.fids, features.shapes, strict=True):
        place = Place(file, fid, "fid")
        flaws = list(_flaws(place, shape))
        if not any(one.severity == "error" for one in flaws):
            box = _box(shape, features.crs, raster, where)
            if _meets(box, raster):
                boxes.append(box)
                places.append(place)
            else:
                flaws = [_outside(place, raster)]
        problems.extend(flaws)
    return Drawn(np.array(boxes, dtype=np.float64).reshape(-1, 4), tuple(places)), problems


def _flaws(place: Place, shape: Shape) -> Iterator[Problem]:
    """Yield what is wrong with the shape of a feature."""
    if shape is None or shape.is_empty:
        yield error("no polygon", place, "", "the feature has no shape, expected a polygon", _LEFT_OUT)
    elif shape.geom_type not in {"Polygon", "MultiPolygon"}:
        yield error("no polygon", place, "", f"the feature is a {shape.geom_type}, expected a polygon", _LEFT_OUT)
    elif shape.geom_type == "MultiPolygon" and len(shape.geoms) > 1:
        yield warning("several parts", place, "", f"the polygon has {len(shape.geoms)} parts, expected one head", _KEPT)
    elif not shape.is_valid:
        yield warning("crossing", place, "", "the polygon crosses itself", _KEPT)


def _box(shape: Shape, crs: str, raster: Raster, where: Coordinates) -> tuple[float, ...]:
    """Return left, top, right, bottom of a shape in pixels of the frame; NaN or infinite if it cannot be projected."""
    import shapely

    corners = shapely.get_coordinates(moved(shape, crs, where))
    with np.errstate(invalid="ignore"):  # infinite corners, which are told as outside
        pixels = in_frame(corners, raster, where)
    return (*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist())


def _meets(box: tuple[float, ...], raster: Raster) -> bool:
    left, top, right, bottom = box
    finite = bool(np.isfinite(box).all())
    return finite and right > 0 and bottom > 0 and left < raster.frame[0] and top < raster.frame[1]


def _outside(place: Place, raster: Raster) -> Problem:
    text = f"the polygon lies outside {raster.path.name}"
    return error("outside", place, "", text, "check the coordinate system, or delete it; it is left out")
