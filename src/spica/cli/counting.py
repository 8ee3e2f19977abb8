"""The command that turns boxes into answers: heads per photo, plot and square metre."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spica.cli.detecting import Device, Gsd, ViewCount, Views, Weights, detected, looks_of, results_of
from spica.cli.frames import FRAME_PICTURES, FRAMES, Frame
from spica.cli.overlapping import OVERLAPS, check_overlapping
from spica.cli.photos import Measures, Sums, check_measures, check_plots, count_photos, sides_of
from spica.cli.rasters import Wanted, count_raster
from spica.cli.terminal import console, fail, misuse, say

if TYPE_CHECKING:
    from spica.counting.answer import Answer
    from spica.counting.counts import Count
    from spica.labels.problems import Problem
    from spica.prediction.reading import Results

_SHOWN = 20  # rows on the terminal


def count(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS | PHOTO|FOLDER...", help="One folder of spica predict's results, or photos."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for counts.csv, and plots.csv if plots are given.")],
    gsd: Annotated[float | None, Gsd] = None,
    height: Annotated[
        float | None, typer.Option(min=0.01, help="Metres from the camera to the heads, looking straight down.")
    ] = None,
    angle: Annotated[
        float | None, typer.Option(min=1, max=179, help="Degrees that the longer side of a photo spans.")
    ] = None,
    frame: Annotated[
        str | None, typer.Option(metavar="0.5x0.5", help="Metres of the inner sides of a frame that lies on the field.")
    ] = None,
    corners: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the frame's inner corners: image,x1,y1,x2,y2,x3,y3,x4,y4; pixels. Others are found."
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the plot of each photo: image,plot. For a GeoTIFF polygons: .gpkg, .geojson, .shp."
        ),
    ] = None,
    plot_id: Annotated[str, typer.Option(metavar="COLUMN", help="Column with the names of plots.")] = "plot",
    density_map: Annotated[
        Path | None, typer.Option("--map", metavar="FILE.png", help="Draw a map of the density on a GeoTIFF.")
    ] = None,
    overlapping: Annotated[
        bool, typer.Option(help="Photos overlap: find by their pixels where, and count no ground twice in sums.")
    ] = False,
    level: Annotated[Literal["90", "95"], typer.Option(help="Percent of the intervals.")] = "90",
    weights: Annotated[list[Path] | None, Weights] = None,
    views: Annotated[ViewCount, Views] = "1",
    device: Annotated[str, Device] = "auto",
    pictures: Annotated[bool, typer.Option(help="Draw the heads on a copy of each photo.")] = True,
) -> None:
    """Count heads per photo, plot and square metre, with intervals; exit with 1 if a photo or a row was left out."""
    if frame is None and corners is not None:
        misuse("--corners needs --frame")
    measures = Measures(gsd, height, angle, None if frame is None else Frame(sides_of(frame), corners, out, pictures))
    check_measures(measures)
    sums = Sums(plots, plot_id, overlapping, int(level) / 100)
    results, raster = _given(paths, out)
    if results is not None and (weights or views != "1" or device != "auto"):
        misuse(f"--weights, --views and --device are for photos; {paths[0]} holds what {results.model} found")
    wanted = None if raster is None else Wanted(raster, plots, plot_id, density_map)
    known_gsd = gsd or (0.0 if results is None else results.gsd)
    if wanted is not None:
        measured = _check_for_raster(wanted, measures, known_gsd)
    elif density_map is not None:
        misuse("--map is for one GeoTIFF, or results on one")
    else:
        check_plots(sums)
        measured = measures.used(known_gsd)
    if overlapping:
        check_overlapping(raster=wanted is not None, frame=measures.frame is not None)
    answer = _answer(out, wanted, measures, sums)
    answer.check()
    if results is None:
        looks = looks_of(None, gsd)
        models = (weights or (), views, device)
        results = detected(paths, out, "count", models, lambda order: replace(order, pictures=pictures, looks=looks))
    answer.begin(
        {"counted": paths, "model": results.model, "score": results.score}
        | {"measured_by": measured, "gsd": known_gsd if measured == "gsd" else None}
        | {"height": height, "angle": angle, "frame": frame, "level": sums.level}
        | {"corners": corners, "plots": plots, "overlapping": overlapping}
    )
    if wanted is not None:
        rows, problems = count_raster(results, wanted, out, sums.level, known_gsd)
    else:
        rows, problems = count_photos(results, measures, sums, out)
    _tell(rows, plots is not None, results, problems, out)


def _answer(out: Path, wanted: Wanted | None, measures: Measures, sums: Sums) -> "Answer":
    """Return which files will be written, and which must not be."""
    from spica.counting.answer import COUNTS, PLOTS, Answer, named_in

    files, frame = [COUNTS], measures.frame
    if sums.plots is not None or sums.overlapping:
        files.append(PLOTS)
    if sums.plots is not None and wanted is not None:
        from spica.rasters.counting import PLOTS_GPKG

        files.append(PLOTS_GPKG)
    if wanted is not None and wanted.map is not None:
        files.append(named_in(out, wanted.map))
    if frame is not None:
        files += [FRAMES, FRAME_PICTURES]
    if sums.overlapping:
        files.append(OVERLAPS)
    given = (sums.plots, None if frame is None else frame.corners)
    return Answer(out, tuple(files), tuple(path for path in given if path is not None))


def _given(paths: list[Path], out: Path) -> tuple["Results | None", Path | None]:
    """Return the results that are to be counted, None if photos are to be looked at; and the raster, if it is one.

    Stops if they cannot be counted, or `out` holds what must not be written over.
    """
    from spica.prediction.reading import is_result_folder
    from spica.rasters.raster import only_raster

    if is_result_folder(out):
        misuse(f"--out {str(out)!r} holds results of spica predict, which would be written over; name another folder")
    results = results_of(paths)
    raster = only_raster(paths if results is None else results.inputs)
    if results is not None and results.raster and raster is None:
        where = results.inputs[0]
        fail(f"error: {where}: the raster of these results is not there; go to the folder where it was predicted")
    return results, raster


def _tell(rows: Sequence["Count"], plots: bool, results: "Results", problems: Sequence["Problem"], out: Path) -> None:
    """Show the counts, and say what is to be known of them; fail if a photo or a row was left out."""
    _show(rows, plots)
    if results.counts is None:
        say(
            "nothing is known of how sure these counts are: the model was not judged on three sources, or several "
            "models or another --score were asked for"
        )
    for problem in problems:
        say(problem.line())
    left_out = sum(problem.severity == "error" for problem in problems)
    if results.failed or left_out:
        fail(f"counts lack {len(results.failed)} photos and {left_out} rows, see above: {out}")
    typer.echo(f"written to {out}")


def _check_for_raster(wanted: Wanted, measures: Measures, gsd: float) -> str | None:
    """Return by what the raster is measured; stop before hours of detecting if plots or a map do not fit it."""
    from spica.rasters.plots import read_plots
    from spica.rasters.raster import opened

    if measures.height is not None or measures.frame is not None:
        misuse("--height and --frame are for photos; a raster is measured by its coordinates, or by --gsd")
    if wanted.map is not None and wanted.map.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        misuse(f"--map is {str(wanted.map)!r}, expected a name that ends with .png or .jpg")
    with opened(wanted.raster) as raster:
        if wanted.plots is not None:
            read_plots(wanted.plots, raster, wanted.column)
        if wanted.map is not None and not (raster.gsd or gsd):
            misuse(f"--map needs metres, and {wanted.raster} has no coordinate system on the earth; give --gsd")
        if raster.coordinates is None:
            return measures.used(gsd)
    if measures.gsd is not None:
        say(f"--gsd does not change areas and densities here: {wanted.raster} is measured by its coordinates")
    return "coordinates"


def _show(rows: Sequence["Count"], plots: bool) -> None:
    """Print the first rows as a table."""
    from rich.table import Table

    table = Table("plot" if plots else "photo", "heads", "interval", "m²", "heads/m²", "interval", "flags")
    for row in rows[:_SHOWN]:
        heads = f"{row.found:.0f}" if row.heads is None else f"{row.heads:.0f}"
        area = "" if row.area is None else f"{row.area:.2f}"
        density = "" if row.density is None else f"{row.density:.0f}"
        limits = _limits(row.low, row.high), _limits(row.density_low, row.density_high)
        name = row.plot if plots else row.image
        table.add_row(name, heads, limits[0], area, density, limits[1], " ".join(row.flags))
    console().print(table)
    if len(rows) > _SHOWN:
        typer.echo(f"and {len(rows) - _SHOWN:,} more rows")


def _limits(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.0f} to {high:.0f}"
