"""Shapes: the features of one layer of a GeoPackage, GeoJSON or shapefile, and polygons that can be relied on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from spica.errors import AnnotationError, needing
from spica.labels.problems import Place, Problem, error, warning
from spica.rasters.coordinates import Coordinates, Points, converted
from spica.rasters.raster import Raster

_KEPT_AREA = 1e-3  # relative: a repair that changes an area by more changes the polygon
_LEAST_AREA = 1e-6  # of the square of the way round: a thousand times as thin as a plot could be

Shape: TypeAlias = Any  # a shape of shapely


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The shapes of a layer and their coordinate system; None is a feature without a shape.

    `fids` are the numbers that the file gives its features, which QGIS shows; `values` those of the column asked for.
    """

    file: Path
    shapes: np.ndarray
    fids: list[int]
    values: list[Any]
    crs: str


def read_layer(file: Path, *, column: str | None = None, name: str | None = None, option: str = "") -> Layer:
    """Return one layer of a file: that called `name`, or the only one with shapes; and its `column`, if one is named.

    `option` is what chooses a layer in the command, "" where nothing does. Tables without shapes, such as the styles
    that QGIS keeps in a GeoPackage, are no layers.

    Raises:
        AnnotationError: if there is no such file or layer, or several layers, the column is missing, or the coordinate
            system is.
        MissingExtraError: if the packages of the extra `geo` are not installed.
    """
    with needing("geo", str(file)):
        import pyogrio
        import shapely
        from pyogrio.errors import DataSourceError
    if not file.exists():
        raise AnnotationError(f"{file}: there is no such file, expected polygons; check the path")
    try:
        chosen = _chosen(file, name, option)
        _require_column(file, chosen, column)
        columns = [] if column is None else [column]
        meta, fids, shapes, fields = pyogrio.raw.read(
            file, layer=chosen, columns=columns, force_2d=True, return_fids=True
        )
    except (DataSourceError, OSError) as broken:
        text = " ".join(str(broken).split("\n"))
        raise AnnotationError(f"{file}: cannot be read ({text}), expected polygons; export it anew") from broken
    if not _is_on_earth(meta["crs"]):
        raise AnnotationError(
            f"{file}: has no coordinate system (a shapefile has it in a file .prj); export it with one"
        )
    # Of shapes that are broken at all, GEOS makes none: None, as for a feature without one.
    values = list(fields[0]) if columns else [None] * len(shapes)
    return Layer(file, shapely.from_wkb(shapes, on_invalid="ignore"), fids.tolist(), values, meta["crs"])


def _is_on_earth(crs: str | None) -> bool:
    """Return whether a coordinate system is one of the earth: a GeoPackage can say that it knows none."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        known = CRS.from_user_input(crs) if crs else None
    except CRSError:
        return False
    return known is not None and (known.is_projected or known.is_geographic)


def sound_polygons(place: Place, what: str, shape: Shape) -> Iterator[Shape | Problem]:
    """Yield the polygon, or several as one, of a feature, and what is wrong with it; `what` says what it is.

    One that crosses itself is repaired if that keeps its area.
    """
    if shape is None or shape.is_empty or "Polygon" not in shape.geom_type:
        kind = "nothing" if shape is None or shape.is_empty else shape.geom_type
        yield error("no polygon", place, "", f"{what} is {kind}, expected a polygon", "draw it; it is left out")
    else:
        yield from _repaired(place, what, shape)


def moved(shape: Shape, crs: str, where: Coordinates) -> Shape:
    """Return a shape in `crs` in coordinates of a raster; what cannot be projected becomes infinite."""
    import shapely

    return shapely.transform(shape, lambda points: converted(points, crs, where.crs))


def in_frame(points: Points, raster: Raster, where: Coordinates) -> Points:
    """Return places as pixels of the frame."""
    part = np.array([raster.frame[0] / raster.width, raster.frame[1] / raster.height])
    return np.asarray(where.to_pixels(points) * part)


def _chosen(file: Path, name: str | None, option: str) -> str:
    """Return the name of the layer to be read.

    Raises:
        AnnotationError: if there is none, or several to choose from.
    """
    import pyogrio

    layers = [str(one) for one, kind in pyogrio.list_layers(file) if kind is not None]
    there = ", ".join(layers)
    if not layers:
        raise AnnotationError(
            f"{file}: holds no polygons, which a GeoTIFF needs; expected a GeoPackage, GeoJSON or shapefile "
            "(.gpkg, .geojson, .shp)"
        )
    if name is not None and name not in layers:
        raise AnnotationError(f"{file}: has the layers {there}, expected {name}; name one of them by {option}")
    if name is None and len(layers) != 1:
        remedy = f"name one by {option}" if option else "export it alone"
        raise AnnotationError(f"{file}: has the layers {there}, expected one; {remedy}")
    return layers[0] if name is None else name


def _require_column(file: Path, layer: str, column: str | None) -> None:
    """Do nothing if a layer has a column, or none is asked for.

    Raises:
        AnnotationError: if it has not.
    """
    import pyogrio

    columns = [str(name) for name in pyogrio.read_info(file, layer=layer)["fields"]]
    if column is not None and column not in columns:
        there = ", ".join(columns) or "none"
        raise AnnotationError(f"{file}: has the columns {there}, expected {column}; name another one by --plot-id")


def _repaired(place: Place, what: str, shape: Shape) -> Iterator[Shape | Problem]:
    """Yield a polygon that crosses itself nowhere, and what is wrong with it."""
    import shapely

    mended = shape if shape.is_valid else _polygons(shapely.make_valid(shape))
    reason = shapely.is_valid_reason(shape)
    if not mended.area > _LEAST_AREA * mended.length**2:
        yield error("no area", place, "", f"{what} has no area", "draw it anew; it is left out")
    elif abs(mended.area - shape.area) > _KEPT_AREA * mended.area:
        text = f"{what} crosses itself ({reason}), and a repair would change its area"
        yield error("crossing", place, "", text, "draw it anew; it is left out")
    else:
        if mended is not shape:
            text = f"{what} was repaired ({reason}), with the same area"
            yield warning("repaired", place, "", text, "draw it anew if that is wrong")
        yield mended


def _polygons(shape: Shape) -> Shape:
    """Return the polygons of a shape as one; lines and points go."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.union_all([part for part in parts if part.geom_type == "Polygon"])
