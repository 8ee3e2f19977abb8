"""Layers: polygons with columns, written as GeoPackage and GeoJSON, whole or not at all."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spica.detections import Detections
from spica.errors import OutputError, needing
from spica.images import write_atomically
from spica.prediction.results import HEADS_GEOJSON, HEADS_GPKG
from spica.rasters.coordinates import WGS84, Coordinates, Corners, converted

_DIGITS = 9  # of degrees: 0.1 mm; the 7 that RFC 7946 suggests are a centimetre, which is half a head


def write_heads(out: Path, found: Detections, where: Coordinates) -> None:
    """Write a polygon for each head, with `head`, its row in detections.csv from 1, and `score`.

    heads.gpkg has the coordinates of the raster, heads.geojson longitude and latitude of WGS 84, as RFC 7946 says.

    Raises:
        OutputError: if one of them cannot be written.
    """
    corners = where.of_boxes(found.boxes)
    numbers, scores = np.arange(1, len(found) + 1), np.round(found.scores.astype(np.float64), 5)
    columns: dict[str, np.ndarray] = {"head": numbers, "score": scores}
    write_layer(out / HEADS_GPKG, "heads", polygons_of(corners), columns, where.crs)
    turned = converted(corners.reshape(-1, 2), where.crs, WGS84).reshape(-1, 4, 2)
    write_layer(out / HEADS_GEOJSON, "heads", polygons_of(turned), columns, WGS84)


def write_layer(path: Path, name: str, shapes: np.ndarray, columns: Mapping[str, np.ndarray], crs: str) -> None:
    """Write polygons with their columns; the suffix says the format: .gpkg or .geojson, the latter in WGS 84.

    Raises:
        OutputError: if that fails.
    """
    with needing("geo", str(path)):
        import shapely
        from pyogrio.errors import DataSourceError
        from pyogrio.raw import write
    driver, kind, options = _format(path)
    if driver == "GeoJSON":
        shapes = shapely.orient_polygons(shapes)  # RFC 7946, section 3.1.6: outer rings go against the clock
    stream = io.BytesIO()
    try:
        write(
            stream,
            shapely.to_wkb(shapes, output_dimension=2),
            list(columns.values()),
            list(columns),
            layer=name,
            driver=driver,
            geometry_type=kind,
            promote_to_multi=kind == "MultiPolygon",
            crs=crs,
            layer_options=options,
        )
    except (DataSourceError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written as {driver} ({error}); the coordinates may be wrong") from error
    write_atomically(path, stream.getvalue())


def polygons_of(corners: Corners) -> np.ndarray:
    """Return a polygon for each four corners."""
    import shapely

    return np.asarray(shapely.polygons(corners)) if len(corners) else np.zeros(0, dtype=object)


def _format(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Return GDAL's name of a format, the kind of its shapes and its options."""
    if path.suffix == ".geojson":
        return "GeoJSON", "Polygon", {"RFC7946": "YES", "COORDINATE_PRECISION": str(_DIGITS)}
    return "GPKG", "MultiPolygon" if path.stem == "plots" else "Polygon", {}
