"""What `spica count` does with photos that overlap: finds which ground they share, and counts it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count as numbered
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spica.cli.terminal import misuse, progress
from spica.errors import ImageError, needing

if TYPE_CHECKING:
    from spica.counting.counts import Count, Part
    from spica.counting.ground import Ground
    from spica.counting.intervals import CountModel
    from spica.counting.overlaps import Overlaps
    from spica.counting.registration import Features
    from spica.labels.problems import Problem
    from spica.prediction.journal import Outcome
    from spica.prediction.reading import Results

OVERLAPS = "overlaps.csv"
_UNKNOWN = "overlap_unknown"  # flag of a photo that is gone, so that its pixels cannot be compared


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the pixels of photos say: their features, where they were taken, and what is wrong with them."""

    features: "list[Features | None]"
    positions: list[tuple[float, float] | None]
    problems: "tuple[Problem, ...]"


def check_overlapping(*, raster: bool, frame: bool) -> None:
    """Stop before any work if overlaps cannot be looked for."""
    if raster:
        misuse("--overlapping is for photos; a raster has coordinates, and shows all ground once")
    if frame:
        misuse("--overlapping and --frame do not go together: in a frame only its own heads count")
    with needing("ground", "--overlapping"):
        import skimage  # noqa: F401 - asked for before hours of detecting


def counted_once(
    results: "Results", parts: Sequence["Part"], grounds: Mapping[str, "Ground"], out: Path
) -> "tuple[list[Part], tuple[Problem, ...]]":
    """Return each photo's part in sums over its plot, and the photos that are gone; write overlaps.csv.

    Photos of different plots are not compared: a plot is the ground that its own photos show.
    """
    from spica.counting.ground import border_margin
    from spica.counting.sharing import View, shares

    looked = _looked(results)
    overlaps = _overlaps([part.plot for part in parts], looked)
    views = [View(one.width, one.height, one.boxes, border_margin(one.boxes)) for one in results.photos]
    once = []
    for part, view, share, seen in zip(parts, views, shares(views, overlaps.around()), looked.features, strict=True):
        ground = grounds.get(part.image)
        area = None if ground is None else ground.area(view.width, view.height, view.margin) * share.part
        flags = part.flags if seen is not None else (*part.flags, _UNKNOWN)
        once.append(replace(part, found=share.heads, area=area, share=share.part, flags=flags))
    _write(out / OVERLAPS, results.photos, overlaps)
    alone = len(once) - len(overlaps.around())
    typer.echo(
        f"{len(overlaps.links):,} pairs of photos share ground ({out / OVERLAPS}); {alone:,} of {len(once):,} photos"
        " have no neighbour, and count whole"
    )
    return once, looked.problems


def with_shares(rows: Sequence["Count"], once: Sequence["Part"]) -> "list[Count]":
    """Return the counts of whole photos, with what each adds to sums."""
    return [
        replace(row, found_once=part.found, area_once=part.area, flags=tuple(sorted(set(part.flags))))
        for row, part in zip(rows, once, strict=True)
    ]


def total(once: Sequence["Part"], model: "CountModel | None", level: float) -> "list[Count]":
    """Return the count of all photos together, and say it; nothing if there are none."""
    from spica.counting.counts import count

    if not once:
        return []
    row = count(once, model, level=level)
    heads = row.found if row.heads is None else row.heads
    limits = "" if row.low is None or row.high is None else f" ({row.low:,.0f} to {row.high:,.0f})"
    ground = "" if row.area is None or row.density is None else f" on {row.area:.2f} m², {row.density:.0f} on each"
    typer.echo(f"all photos together, shared ground counted once: {heads:,.0f} heads{limits}{ground}")
    return [row]


def _looked(results: "Results") -> _Looked:
    """Return what the pixels of all photos say; a photo that is gone or has changed is a problem."""
    from spica.counting.registration import features_of
    from spica.images import position_of
    from spica.labels.problems import Place, error
    from spica.prediction.reading import paths_of

    there = paths_of(results)
    looked = _Looked([], [], ())
    problems = []
    with progress() as bar:
        for photo in bar.track(results.photos, description="features"):
            path = there.get(photo.name, Path(photo.name))
            try:
                features, position = features_of(path), position_of(path)
                broken = "" if (features.width, features.height) == (photo.width, photo.height) else "has another size"
            except ImageError as gone:
                broken = str(gone).removeprefix(f"{path}: ")
            looked.features.append(None if broken else features)
            looked.positions.append(None if broken else position)
            if broken:
                remedy = "put it back where it was predicted; it counts whole, as if it shared no ground"
                problems.append(error("gone", Place(path), photo.name, broken, remedy))
    return replace(looked, problems=tuple(problems))


def _overlaps(plots: Sequence[str], looked: _Looked) -> "Overlaps":
    """Return which photos of the same plot share ground."""
    from spica.counting.overlaps import candidates, find_overlaps

    pairs = []
    for plot in sorted(set(plots)):
        own = [number for number, name in zip(numbered(), plots, strict=False) if name == plot]
        within = candidates(len(own), [looked.positions[number] for number in own])
        pairs += [(own[one], own[other]) for one, other in within]
    with progress() as bar:
        task = bar.add_task("pairs", total=len(pairs))
        return find_overlaps(looked.features, pairs, lambda done, all_: bar.update(task, completed=done, total=all_))


def _write(file: Path, photos: Sequence["Outcome"], overlaps: "Overlaps") -> None:
    """Write which photos share ground, and which part of each the other shows."""
    from spica.counting.registration import shared_part
    from spica.counting.tables import OVERLAP_COLUMNS
    from spica.labels.table import write_table

    rows = []
    for (first, second), link in overlaps.links.items():
        one, other = photos[first], photos[second]
        sizes = (one.width, one.height), (other.width, other.height)
        parts = shared_part(link.lies, *sizes[0], sizes[1]), shared_part(link.lies.inverse(), *sizes[1], sizes[0])
        way = "" if link.way is None else photos[link.way].name
        rows.append([one.name, other.name, *(f"{part:.3f}" for part in parts), link.lies.fitting, way])
    write_table(file, OVERLAP_COLUMNS, rows)
