"""What `spica count` does with photos: counts of each and of plots, by what the user says of the ground, as tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spica.cli.frames import Frame, check_frame, frames_on
from spica.cli.overlapping import counted_once, total, with_shares
from spica.cli.terminal import fail, misuse, say

if TYPE_CHECKING:
    from spica.counting.counts import Count
    from spica.counting.ground import Ground
    from spica.labels.problems import Problem
    from spica.prediction.reading import Results


@dataclass(frozen=True, slots=True)
class Measures:
    """What the user says of the ground on the photos; nothing, or one of the three."""

    gsd: float | None
    height: float | None
    angle: float | None
    frame: Frame | None

    def used(self, gsd: float) -> str | None:
        """Return by what areas are measured, `gsd` being that of the user or of the results; None if by nothing."""
        known = {"frame": self.frame, "height": self.height, "gsd": gsd}
        return next((name for name, value in known.items() if value), None)


@dataclass(frozen=True, slots=True)
class Sums:
    """How photos are added up: by the plots in a column of a table, or where they overlap; and the level of limits."""

    plots: Path | None
    column: str
    overlapping: bool
    level: float


def count_photos(
    results: "Results", measures: Measures, sums: Sums, out: Path
) -> "tuple[list[Count], tuple[Problem, ...]]":
    """Write counts.csv, and plots.csv of plots or of ground that is shared; return counts and problems."""
    from spica.counting.answer import COUNTS, PLOTS
    from spica.counting.counts import count
    from spica.counting.tables import COUNT_COLUMNS, ONCE_COLUMNS, PLOT_COLUMNS, read_plots, write_counts
    from spica.prediction.copies import copies_told
    from spica.prediction.parts import by_plot, part_of
    from spica.prediction.reading import known_photos

    names, column = [photo.name for photo in results.photos], sums.column
    plot_of, problems = ({}, ()) if sums.plots is None else read_plots(sums.plots, known_photos(results), column)
    grounds, unread = _grounds(measures, results)
    framed = measures.frame is not None
    parts = [
        part_of(photo, plot_of.get(photo.name, ""), grounds.get(photo.name), framed=framed) for photo in results.photos
    ]
    rows = [count([part], results.counts, level=sums.level) for part in parts]
    if sums.overlapping:
        parts, unknown = counted_once(results, parts, grounds, out)
        problems = (*problems, *unknown)
        write_counts(out / COUNTS, with_shares(rows, parts), ONCE_COLUMNS)
    else:
        write_counts(out / COUNTS, rows, COUNT_COLUMNS)
    if sums.plots is not None:
        rows = [count(own, results.counts, level=sums.level) for own in by_plot(parts)]
        write_counts(out / PLOTS, rows, PLOT_COLUMNS)
    elif sums.overlapping:
        write_counts(out / PLOTS, total(parts, results.counts, sums.level), PLOT_COLUMNS)
    _say_doubts(results, grounds, len(names) - len(plot_of) if sums.plots is not None else 0)
    if not sums.overlapping and (copies := copies_told(results)):  # ground that two photos share is counted once
        say(copies)
    return rows, (*problems, *unread)


def check_measures(measures: Measures) -> None:
    """Stop if the measures do not go together, or cannot be taken."""
    given = [measures.gsd is not None, measures.height is not None, measures.frame is not None]
    if sum(given) > 1:
        misuse("give one of --gsd, --height with --angle, and --frame")
    if (measures.height is None) != (measures.angle is None):
        misuse("--height and --angle go together")
    if measures.frame is not None:
        check_frame(measures.frame)


def check_plots(sums: Sums) -> None:
    """Find what will not do before hours of detecting: plots that are no table, or one that lacks a column.

    Raises:
        AnnotationError: if the table cannot be read.
    """
    from spica.counting.naming import KnownPhotos
    from spica.counting.tables import read_plots
    from spica.rasters.plots import PLOT_SUFFIXES

    if sums.plots is None:
        return
    if sums.plots.suffix.lower() in PLOT_SUFFIXES:
        fail(
            f"error: {sums.plots}: polygons need one GeoTIFF with coordinates to lie on; for photos give a CSV: "
            "image,plot"
        )
    read_plots(sums.plots, KnownPhotos(()), sums.column)


def sides_of(frame: str) -> tuple[float, float]:
    """Return the sides of a frame in metres."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", frame)
    if found is None or not all(float(side) > 0 for side in found.groups()):
        misuse(f"--frame is {frame!r}, expected two sides in metres, such as 0.5x0.5")
    return float(found[1]), float(found[2])


def _grounds(measures: Measures, results: "Results") -> "tuple[Mapping[str, Ground], tuple[Problem, ...]]":
    """Return the ground on each photo where it is known, and what is to be said of the frames on the others."""
    from spica.counting.ground import FromAbove, Sampled

    if measures.frame is not None:
        return frames_on(results, measures.frame)
    names = [photo.name for photo in results.photos]
    if measures.height is not None and measures.angle is not None:
        return dict.fromkeys(names, FromAbove(measures.height, measures.angle)), ()
    gsd = measures.gsd or results.gsd
    return dict.fromkeys(names, Sampled(gsd)) if gsd else {}, ()


def _say_doubts(results: "Results", grounds: "Mapping[str, Ground]", without_plot: int) -> None:
    """Say what makes measures and plots doubtful, though every file could be read."""
    from spica.prediction.parts import doubt_of

    if doubt := doubt_of(results.photos, grounds):
        say(f"is the measure right? by it {doubt}; --gsd is in millimetres, --frame and --height are in metres")
    if without_plot:
        say(f"{without_plot:,} of {len(results.photos):,} photos are in no plot")
