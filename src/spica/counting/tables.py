"""Tables around counts: which plot a photo shows and where a frame lies on it come in, counts go out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from spica.counting.counts import Count
from spica.counting.ground import Quadrat
from spica.counting.naming import KnownPhotos, photos_meant
from spica.errors import listed
from spica.labels.problems import Place, Problem, error
from spica.labels.table import read_table, write_table

_Value = TypeVar("_Value")
_CORNERS = ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4")
_FIELDS = ("photos", "found", "heads", "low", "high", "area_m2", "density", "density_low", "density_high", "flags")
COUNT_COLUMNS = ("plot", "image", *_FIELDS[1:])
PLOT_COLUMNS = ("plot", *_FIELDS)
ONCE_COLUMNS = (*COUNT_COLUMNS, "found_once", "area_once_m2")
OVERLAP_COLUMNS = ("image", "other", "part_of_image", "part_of_other", "fitting", "by_way_of")


def read_plots(file: Path, photos: KnownPhotos, column: str = "plot") -> tuple[dict[str, str], tuple[Problem, ...]]:
    """Return the plot of each photo in a CSV file with columns image and `column`; further columns do not matter.

    A photo may be named by its path, or an end of it: see `photos_meant`. Photos that failed have a plot that lacks
    them, which is a problem of its own.

    Raises:
        AnnotationError: if the file cannot be read or lacks a column; a bad row is a problem and left out.
    """
    return _read(file, ("image", column), photos, partial(_plot, column))


def read_frames(
    file: Path, photos: KnownPhotos, sides: tuple[float, float]
) -> tuple[dict[str, Quadrat], tuple[Problem, ...]]:
    """Return the frame on each photo from a CSV file with its inner corners, in pixels: image, x1, y1, x2 ... y4.

    The frame's `sides` are in metres. Photos are named as in `read_plots`.

    Raises:
        AnnotationError: if the file cannot be read or lacks a column; a bad row is a problem and left out.
    """
    return _read(file, ("image", *_CORNERS), photos, partial(_frame, sides), numbers=_CORNERS)


def write_frames(file: Path, frames: Mapping[str, Quadrat], found: Collection[str]) -> None:
    """Write frames as `read_frames` reads them; the column `corners` says of which photos they were `found`, not given.

    Raises:
        AnnotationError: if a name holds a line break.
        OutputError: if the file cannot be written.
    """
    # A tenth of a pixel is far below what a user can see, or a frame be found to.
    rows = (
        [name, *(f"{edge:.1f}" for edge in frame.corners.ravel()), "found" if name in found else "given"]
        for name, frame in frames.items()
    )
    write_table(file, ("image", *_CORNERS, "corners"), rows)


def write_counts(file: Path, counts: Sequence[Count], columns: Sequence[str]) -> None:
    """Write counts as CSV with `COUNT_COLUMNS` or `PLOT_COLUMNS`: unknown numbers are empty, flags parted by spaces.

    Raises:
        AnnotationError: if a name holds a line break.
        OutputError: if the file cannot be written.
    """
    write_table(file, columns, ([_cells(one)[name] for name in columns] for one in counts))


def _cells(one: Count) -> dict[str, str]:
    numbers = {
        # A tenth of a head, and of a head per square metre, is far below what is known.
        **{name: _number(getattr(one, name), 1) for name in ("heads", "low", "high")},
        **{name: _number(getattr(one, name), 1) for name in ("density", "density_low", "density_high")},
        "area_m2": _number(one.area, 4),
        "area_once_m2": _number(one.area_once, 4),
        "found_once": _number(one.found_once, 2),
        "found": _number(one.found, 0 if isinstance(one.found, int) else 1),
    }
    texts = {"plot": one.plot, "image": one.image, "photos": str(one.photos)}
    return {**texts, **numbers, "flags": " ".join(one.flags)}


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _read(
    file: Path,
    columns: Sequence[str],
    photos: KnownPhotos,
    parsed: Callable[[Place, Mapping[str, str]], _Value | Problem],
    numbers: Collection[str] = (),
) -> tuple[dict[str, _Value], tuple[Problem, ...]]:
    """Return what each row says of its photo, and the problems of those that say nothing."""
    table = read_table(file, columns, numbers=numbers)
    names = (row["image"].strip() for _, row in table.rows)
    meant = photos_meant(names, [*photos.counted, *photos.failed], photos.folder)
    values: dict[str, _Value] = {}
    problems = list(table.problems)
    for place, row in table.rows:
        named = row["image"].strip()
        value, same = parsed(place, row), meant[named]
        if isinstance(value, Problem):
            problems.append(value)
        elif len(same) != 1:
            problems.append(_unclear(place, named, same))
        elif same[0] in photos.failed:
            text = "the photo could not be counted, so its plot lacks it"
            problems.append(error("failed photo", place, named, text, "see errors.csv, mend the photo, predict again"))
        elif same[0] in values:
            problems.append(error("listed twice", place, named, "the photo has a row already", "delete one of them"))
        else:
            values[same[0]] = value
    return values, tuple(problems)


def _unclear(place: Place, named: str, photos: Sequence[str]) -> Problem:
    """Return what is wrong with a row that names no photo, or several."""
    remedy = "name it as in counts.csv; the row is left out"
    if not photos:
        return error("unknown photo", place, named, "there is no such photo", remedy)
    return error("unclear photo", place, named, f"several photos have that name: {listed(photos)}", remedy)


def _plot(column: str, place: Place, row: Mapping[str, str]) -> str | Problem:
    plot = row[column].strip()
    if plot:
        return plot
    return error("no plot", place, row["image"], f"the {column} is empty", "name it; the row is left out")


def _frame(sides: tuple[float, float], place: Place, row: Mapping[str, str]) -> Quadrat | Problem:
    try:
        return Quadrat(np.array([float(row[name]) for name in _CORNERS]).reshape(4, 2), sides)
    except ValueError as broken:
        got = ", ".join(row[name] for name in _CORNERS)
        return error("corners", place, row["image"], f"{got}: {broken}", "mend the row; it is left out")
