"""Plots: polygons on a raster, checked one by one, with the square metres in which heads can be seen."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from spica.boxes import Boxes
from spica.errors import AnnotationError
from spica.labels.problems import Place, Problem, error
from spica.prediction.tiles import Tile
from spica.rasters.coordinates import Coordinates, Points, converted
from spica.rasters.raster import Raster
from spica.rasters.shapes import Shape, in_frame, read_layer, sound_polygons

PLOT_SUFFIXES = frozenset({".gpkg", ".geojson", ".json", ".shp"})
PLOT_ID = "plot"  # column with the names of plots, if no other is asked for
PARTLY_OUTSIDE = "partly_outside"

_WHOLE = 0.995  # of a plot that is inside: single dark pixels count as nodata in some files
_SAMPLES = 1000  # points along the longer side of a plot at which is looked for pixels


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """A plot: its polygon in coordinates of the raster, its whole area and that with pixels, in square metres."""

    name: str
    shape: Shape
    area: float
    inside: float

    @property
    def flags(self) -> tuple[str, ...]:
        """Whether a part of it cannot be seen."""
        return (PARTLY_OUTSIDE,) if self.inside < _WHOLE * self.area else ()


def read_plots(file: Path, raster: Raster, column: str = PLOT_ID) -> tuple[tuple[Plot, ...], tuple[Problem, ...]]:
    """Return the plots of a GeoPackage, GeoJSON or shapefile that lie on a raster; `column` has their names.

    Each plot that is left out is a problem: without a name, with one that is there already, without an area, not to be
    repaired, or where the raster has no pixels. So is one that was repaired.

    Raises:
        AnnotationError: if the file cannot be read, has no coordinate system or no such column, or the raster no
            coordinates.
        MissingExtraError: if the packages of the extra `geo` are not installed.
    """
    where = raster.coordinates
    if where is None:
        raise AnnotationError(
            f"{file}: {raster.path} has no coordinate system on the earth, which plots need; "
            "export it with its coordinates, or count without plots"
        )
    layer = read_layer(file, column=column)
    names = [_text(one) for one in layer.values]
    plots: dict[str, Plot] = {}
    problems: list[Problem] = []
    for number, (name, shape) in enumerate(zip(names, layer.shapes, strict=True), start=1):
        place = Place(file, number, "feature")
        if name in plots:
            text = f"the plot {name} is there already"
            problems.append(error("listed twice", place, "", text, "give each a name of its own; it is left out"))
            continue
        for one in _checked(place, name, shape):
            if isinstance(one, Problem):
                problems.append(one)
                continue
            plot = _on_raster(name, one, layer.crs, raster, where)
            if plot is None:
                text = f"the plot {name} lies where {raster.path.name} has no pixels"
                problems.append(error("outside", place, "", text, "check the coordinate systems; it is left out"))
            else:
                plots[name] = plot
    return tuple(plots.values()), tuple(problems)


def heads_in(plots: tuple[Plot, ...], boxes: Boxes, where: Coordinates) -> Int[np.ndarray, " plots"]:
    """Return how many boxes, in pixels of the raster, have their centre in each plot; plots may share them."""
    import shapely

    centres = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    tree = shapely.STRtree(shapely.points(where.of_pixels(centres)))
    inside = tree.query([plot.shape for plot in plots], predicate="intersects")
    return np.asarray(np.bincount(inside[0], minlength=len(plots)))


def seen_part(raster: Raster, shape: Shape | None = None) -> float:
    """Return the part of a shape, in pixels of the frame and inside it, where the raster has pixels; of all for None.

    It is sampled at up to a million points, so that its error is about a thousandth.
    """
    width, height = raster.frame
    left, top, right, bottom = (0, 0, width, height) if shape is None else shape.bounds
    left, top = max(0, math.floor(left)), max(0, math.floor(top))
    tile = Tile(left, top, max(1, min(width, math.ceil(right)) - left), max(1, min(height, math.ceil(bottom)) - top))
    scale = min(1.0, _SAMPLES / max(tile.width, tile.height))
    size = max(1, round(tile.height * scale)), max(1, round(tile.width * scale))
    valid = raster.valid(tile, size)
    if valid is None:
        return 1.0
    if shape is None:
        return float(valid.mean())
    within = _within(shape, tile, size)
    return float(valid[within].mean()) if within.any() else float(valid.any())


def outlines(plots: tuple[Plot, ...], raster: Raster) -> list[Points]:
    """Return the outer rings of plots, in pixels of the frame."""
    import shapely

    if raster.coordinates is None:
        return []
    parts = shapely.get_parts(np.array([plot.shape for plot in plots], dtype=object))
    return [in_frame(np.array(part.exterior.coords), raster, raster.coordinates) for part in parts]


def _within(shape: Shape, tile: Tile, size: tuple[int, int]) -> np.ndarray:
    """Return which of (rows, columns) points of a window are in a shape."""
    from rasterio import Affine
    from rasterio.features import geometry_mask

    points = Affine(tile.width / size[1], 0, tile.left, 0, tile.height / size[0], tile.top)
    return np.asarray(geometry_mask([shape], out_shape=size, transform=points, invert=True))


def _text(value: Any) -> str:
    """Return the name of a plot as text: numbers without a point if they are whole, "" for nothing."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value) if whole else value).strip()


def _checked(place: Place, name: str, shape: Shape) -> Iterator[Shape | Problem]:
    """Yield the polygon of a plot, repaired if that keeps its area, and what is wrong with it."""
    if not name:
        yield error("no name", place, "", "the name of the plot is empty", "name it; the plot is left out")
    else:
        yield from sound_polygons(place, f"the plot {name}", shape)


def _on_raster(name: str, shape: Shape, crs: str, raster: Raster, where: Coordinates) -> Plot | None:
    """Return a plot of a polygon in `crs`; None if no pixel of the raster is in it."""
    import shapely

    local = where.local_crs()
    here = shapely.transform(shape, lambda points: converted(points, crs, where.crs))
    if not np.isfinite(here.bounds).all():
        return None
    inside = here.intersection(shapely.Polygon(where.outline))
    pixels = shapely.transform(inside, lambda points: in_frame(points, raster, where))
    whole, seen = (shapely.transform(one, lambda points: converted(points, where.crs, local)) for one in (here, inside))
    plot = Plot(name, here, whole.area, seen.area)
    if not inside.area > 0:
        return None
    plot = replace(plot, inside=seen.area * seen_part(raster, pixels))
    return plot if plot.inside > 0 else None
