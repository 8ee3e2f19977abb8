"""The command that makes labelled photos of an orthomosaic and of the heads that were corrected over it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spica.cli.data import Layout
from spica.cli.terminal import progress, say

if TYPE_CHECKING:
    from spica.rasters.cutting import Cuttings


def cut(
    raster: Annotated[Path, typer.Argument(metavar="RASTER", help="GeoTIFF with coordinates.")],
    heads: Annotated[
        Path, typer.Argument(metavar="HEADS", help="Polygons of its heads: GeoPackage, GeoJSON or shapefile.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="New folder.")],
    side: Annotated[int, typer.Option(min=64, help="Width and height of the photos in pixels.")] = 1024,
    area: Annotated[
        Path | None,
        typer.Option(help="Polygons of the parts whose heads are all there. Default: the whole raster counts as such."),
    ] = None,
    to: Annotated[Layout, typer.Option(help="Layout to write.")] = "kaggle",
    source: Annotated[str | None, typer.Option(help="Source of the photos. Default: the name of the raster.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of HEADS, if it has several.")] = None,
    area_layer: Annotated[str | None, typer.Option(help="Layer of the file of --area, if it has several.")] = None,
) -> None:
    """Cut an orthomosaic into labelled photos, with the heads that were corrected over it in QGIS."""
    from spica.rasters.cutting import Cut, cut_raster

    wanted = Cut(raster, heads, side, source or raster.stem, area, layer, area_layer)
    if area is None:
        say(f"{raster}: all of it counts as labelled, as no --area is given: where no head is drawn there is none")
    with progress() as bar:
        task = bar.add_task("photos", total=None)
        done = cut_raster(wanted, out, to, told=lambda now, total: bar.update(task, completed=now, total=total))
    _tell(done, heads, out)


def _tell(done: "Cuttings", heads: Path, out: Path) -> None:
    """Say what was wrong, and what there is now."""
    for problem in done.problems:
        say(f"{problem.severity}: {problem.line()}")
    if done.empty:
        say(f"{done.empty:,} parts without pixels are left out")
    boxes = sum(image.heads for image in done.labels)
    typer.echo(f"{done.used:,} of {done.features:,} features of {heads} lie on the photos")
    typer.echo(f"{len(done.labels):,} images, {boxes:,} heads: {out}")
