"""What `spica count` does with a raster: counts of the whole and of plots drawn on it, as tables and layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spica.cli.terminal import say

if TYPE_CHECKING:
    from spica.counting.counts import Count
    from spica.labels.problems import Problem
    from spica.prediction.reading import Results


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be counted on a raster: its file, the plots on it, and the picture to be drawn."""

    raster: Path
    plots: Path | None
    column: str
    map: Path | None


def say_what_is_lost(paths: Sequence[Path]) -> None:
    """Say how many rasters are taken as photos, if there are any."""
    from spica.rasters.raster import rasters_among

    if rasters := rasters_among(paths):
        say(
            f"{len(rasters):,} GeoTIFF(s) are taken as photos, {rasters[0]} first: their coordinates and scale are not "
            "used; give them one by one"
        )


def count_raster(
    results: "Results", wanted: Wanted, out: Path, level: float, gsd: float
) -> tuple[list["Count"], tuple["Problem", ...]]:
    """Write counts.csv, and plots.csv and plots.gpkg if there are plots; return counts and problems.

    Raises:
        ImageError: if the raster has another size, or lies elsewhere, than when it was predicted.
    """
    from spica.counting.answer import COUNTS, PLOTS
    from spica.counting.counts import count
    from spica.counting.tables import COUNT_COLUMNS, PLOT_COLUMNS, write_counts
    from spica.errors import ImageError
    from spica.rasters.counting import plot_parts, whole_part, write_plots
    from spica.rasters.density import density_of, write_map
    from spica.rasters.plots import outlines, read_plots
    from spica.rasters.raster import opened

    (photo,) = results.photos
    with opened(wanted.raster) as raster:
        if (raster.width, raster.height) != (photo.width, photo.height):
            raise ImageError(
                f"{wanted.raster}: has {raster.width} x {raster.height} pixels, expected {photo.width} x "
                f"{photo.height} as when it was predicted; predict it again"
            )
        if results.place and results.place != raster.place:
            raise ImageError(
                f"{wanted.raster}: lies at {raster.place or 'no place'}, expected {results.place} as when it was "
                "predicted (coordinate system and transform); predict it again"
            )
        plots, problems = read_plots(wanted.plots, raster, wanted.column) if wanted.plots is not None else ((), ())
        rows = [count([whole_part(raster, photo, gsd)], results.counts, level=level)]
        write_counts(out / COUNTS, rows, COUNT_COLUMNS)
        if wanted.plots is not None:
            rows = [count([part], results.counts, level=level) for part in plot_parts(plots, raster, photo)]
            write_counts(out / PLOTS, rows, PLOT_COLUMNS)
            if raster.coordinates is not None:
                write_plots(out, plots, rows, raster.coordinates.crs)
        if wanted.map is not None:
            density = density_of(raster, photo.boxes, raster.gsd or gsd)
            write_map(wanted.map, raster, density, outlines(plots, raster))
    return rows, problems
