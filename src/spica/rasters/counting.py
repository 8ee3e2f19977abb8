"""Counts on a raster: of the whole, and of each plot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spica.counting.counts import Count, Part
from spica.counting.ground import Sampled, border_margin
from spica.counting.tables import PLOT_COLUMNS
from spica.prediction.flags import knows_size
from spica.prediction.journal import Outcome
from spica.rasters.layers import write_layer
from spica.rasters.plots import Plot, heads_in, seen_part
from spica.rasters.raster import Raster

PLOTS_GPKG = "plots.gpkg"
_TEXTS = ("plot", "flags")
_DIGITS = {"area_m2": 4}  # of others one, as in plots.csv


def whole_part(raster: Raster, photo: Outcome, gsd: float = 0.0) -> Part:
    """Return what was found on the whole raster, and the area of its pixels; by `gsd`, in mm, if it has no coordinates.

    The area includes the margin from which heads reach into it, as that of a photo does. Along edges of what has no
    pixels inside the raster there is none.
    """
    width, height = raster.frame
    x, y = width / raster.width, height / raster.height
    margin = border_margin(photo.boxes * np.array([x, y, x, y], dtype=np.float32))
    millimetres = raster.gsd or gsd
    area = seen_part(raster) * Sampled(millimetres).area(width, height, margin) if millimetres else None
    return Part("", photo.name, len(photo.boxes), area, photo.flags, knows_size(photo.flags))


def plot_parts(plots: tuple[Plot, ...], raster: Raster, photo: Outcome) -> list[Part]:
    """Return what was found in each plot: the heads whose centre it holds, and the area of its pixels."""
    if raster.coordinates is None or not plots:
        return []
    found = heads_in(plots, photo.boxes, raster.coordinates).tolist()
    return [
        Part(plot.name, photo.name, heads, plot.inside, (*photo.flags, *plot.flags), knows_size(photo.flags))
        for plot, heads in zip(plots, found, strict=True)
    ]


def write_plots(out: Path, plots: Sequence[Plot], counts: Sequence[Count], crs: str) -> None:
    """Write plots.gpkg: the polygons with the columns of plots.csv; an unknown number is null.

    Raises:
        OutputError: if it cannot be written.
    """
    columns: dict[str, np.ndarray] = {
        name: np.array([_value(one, name) for one in counts], dtype=_kind(name)) for name in PLOT_COLUMNS
    }
    shapes = np.array([plot.shape for plot in plots], dtype=object)
    write_layer(out / PLOTS_GPKG, "plots", shapes, columns, crs)


def _kind(name: str) -> type:
    return object if name in _TEXTS else np.int64 if name in {"photos", "found"} else np.float64


def _value(one: Count, name: str) -> str | float:
    if name in _TEXTS:
        return one.plot if name == "plot" else " ".join(one.flags)
    value = one.area if name == "area_m2" else getattr(one, name)
    return float("nan") if value is None else round(value, _DIGITS.get(name, 1))
