"""The command that makes labels of what a detector finds on photos without labels, to learn from them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spica.cli.data import fail_if_left_out, with_usable_names
from spica.cli.detecting import BOXES, Device, ViewCount, Views, Weights, detected, results_of
from spica.cli.terminal import fail, misuse, say

if TYPE_CHECKING:
    from spica.prediction.reading import Results

LABELS = "labels"  # folder of the labels
# On fields never seen, with four views, 70 % of the boxes of a score of 0.5 are heads and 16 % of those of 0.2.
_KEEP, _IGNORE = 0.5, 0.2
_LAYOUT = "coco"  # the one that knows boxes that are to be ignored


def pseudo_label(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS | PHOTO|FOLDER...", help="One folder of spica predict's results, or photos."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for labels/, a data set in COCO layout to train on.")],
    keep: Annotated[float, typer.Option(min=0, max=1, help="Score from which a box is a head.")] = _KEEP,
    ignore: Annotated[
        float, typer.Option(min=0, max=1, help="Score from which a box is ignored, not taken for background.")
    ] = _IGNORE,
    source: Annotated[str, typer.Option(help="Source of the photos in the labels.")] = "pseudo-labels",
    flagged: Annotated[bool, typer.Option("--flagged", help="Also take photos with a flag.")] = False,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos, if they have moved since they were predicted.")
    ] = None,
    weights: Annotated[list[Path] | None, Weights] = None,
    views: Annotated[ViewCount, Views] = "1",
    device: Annotated[str, Device] = "auto",
) -> None:
    """Make labels of what is found on photos without any, for `spica train --also`; exit with 1 if a photo failed."""
    from spica.labels.folder import require_new, write_labels
    from spica.labels.pseudolabels import Certainty, pseudo_labels
    from spica.prediction.correcting import to_be_corrected
    from spica.rasters.raster import only_raster

    if ignore > keep:
        misuse(f"--ignore is {ignore:g} and --keep {keep:g}, expected --ignore to be the lower one")
    require_new(out / LABELS)
    results = results_of(paths)
    if looked := results is None:
        if only_raster(paths):
            misuse("pseudo-labels are made of photos; cut a raster into photos first")
        models = (weights or (), views, device)
        results = detected(
            paths, out, "pseudo-label", models, lambda order: replace(order, score=ignore, pictures=False)
        )
    if results.score > ignore:
        fail(
            f"error: {paths[0]}: holds boxes from a score of {results.score:g} on, expected from {ignore:g}; predict "
            f"again with --score {ignore:g}, or give --ignore {results.score:g}"
        )
    chosen = results if flagged else _without_flags(results)
    labels = pseudo_labels(to_be_corrected(chosen, photos), Certainty(keep, ignore), source)
    if unsure := len(chosen.photos) - len(labels):
        say(f"{unsure:,} photos without a head of score {keep:g} or more are left out")
    if not labels:
        fail(f"error: no photo is left to be labelled of {len(results.photos):,}; see {out}")
    named = with_usable_names(out, labels)
    write_labels(named, out / LABELS, _LAYOUT)
    heads, doubtful = sum(image.heads for image in named), sum(len(image.ignored) for image in named)
    typer.echo(f"{len(named):,} images, {heads:,} heads, {doubtful:,} boxes to be ignored: {out / LABELS}")
    failed = f"{len(results.failed)} photos failed: {(out / BOXES if looked else paths[0]) / 'errors.csv'}"
    if results.failed and len(named) < len(labels):
        say(failed)
    fail_if_left_out(len(labels) - len(named), "rename them and begin again")
    if results.failed:
        fail(failed)


def _without_flags(results: "Results") -> "Results":
    """Return the results on photos of which nothing makes the count doubtful, and say what is left out."""
    flags = Counter(flag for photo in results.photos for flag in photo.flags)
    sound = tuple(photo for photo in results.photos if not photo.flags)
    if flags:
        told = ", ".join(f"{flag} {number:,}" for flag, number in sorted(flags.items()))
        say(f"{len(results.photos) - len(sound):,} photos with flags are left out ({told}); --flagged takes them")
    return replace(results, photos=sound)
