"""The command that lists the labels that look wrong, and the photos most worth labelling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spica.cli.detecting import Device, Weights
from spica.cli.terminal import misuse, progress, say

if TYPE_CHECKING:
    from spica.detections import Detections
    from spica.labels.labelled import Labels
    from spica.labels.problems import Place
    from spica.report.suspects import Suspicions

_LEAST_SUBMITTED = 0.5  # threshold for a file of predictions, which tells none


def suspects(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled photos, in any known layout.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for suspects.html, suspects.csv and worth.csv.")],
    weights: Annotated[list[Path] | None, Weights] = None,
    submission: Annotated[
        Path | None, typer.Option(help="Compare with this file of predictions instead of a detector.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="Folder of photos without labels, to be ordered by how worth labelling they are."),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Score from which a box is sure. Default: as the weights say; 0.5 for a file."),
    ] = None,
    first: Annotated[int, typer.Option(min=1, help="Suspects on the page.")] = 100,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos, if they are not where the layout has them.")
    ] = None,
    device: Annotated[str, Device] = "auto",
) -> None:
    """List the labels that look wrong, and the photos most worth labelling, as a page of pictures."""
    if weights and submission is not None:
        misuse("give either --weights or --submission")
    from spica.report.suspects import Suspicions
    from spica.scoring.suspects import suspects as suspected
    from spica.scoring.worth import most_worth, worth_of

    labels, places = _labels(data, photos)
    others = _others(unlabelled, {image.id for image in labels})
    paths = {image.id: image.path for image in labels} | others
    found, threshold, subject = _found(paths, weights or (), submission, device)
    threshold = threshold if score is None else score
    listed = suspected({image.id: found[image.id] for image in labels}, labels, threshold)
    sources = {name: name.rpartition("/")[0] or "unknown" for name in others}
    sources = sources or {image.id: image.source for image in labels}
    worths = most_worth([worth_of(name, source, found[name], threshold) for name, source in sources.items()])
    told = f"{data.resolve().name}, {len(labels):,} photos, beside {subject} from score {threshold:g} on"
    _write(out, Suspicions(listed, worths, places, paths, found, threshold, told), first)
    typer.echo(f"{len(listed):,} suspects on {len(labels):,} photos, {len(worths):,} photos ordered: {out}")


def _labels(data: Path, photos: Path | None) -> "tuple[Labels, dict[str, tuple[Place, ...]]]":
    """Return the sound labels of a data set, and where each of their boxes stands.

    Raises:
        AnnotationError: if there are none.
    """
    from spica.errors import AnnotationError
    from spica.labels.audit import labels_from
    from spica.labels.folder import read_annotations
    from spica.labels.places import places_of

    annotations = read_annotations(data, photos=photos)
    labels, problems = labels_from(annotations)
    if problems:
        say(f"{data}: {len(problems)} problem(s), see `spica data check {data}`")
    if not labels:
        raise AnnotationError(f"{data}: no labelled image is left to look at; see `spica data check {data}`")
    return labels, places_of(annotations, labels)


def _others(folder: Path | None, labelled: set[str]) -> dict[str, Path]:
    """Return the photos in a folder that have no labels, by their id.

    Raises:
        ImageError: if there is no photo.
    """
    from spica.images import name_photos
    from spica.labels.photoids import photo_ids

    if folder is None:
        return {}
    photos = name_photos([folder])
    by_id = {photo: photos[name] for name, photo in photo_ids(photos).items()}
    others = {name: path for name, path in by_id.items() if name not in labelled}
    if len(others) < len(by_id):
        say(f"{folder}: {len(by_id) - len(others):,} photo(s) are labelled and not among those to be labelled")
    return others


def _found(
    paths: Mapping[str, Path], weights: Sequence[Path], submission: Path | None, device: str
) -> "tuple[dict[str, Detections], float, str]":
    """Return what a detector, or a file, found on each photo; the score from which it is sure; and its name.

    Raises:
        SubmissionError: if a photo is missing in the file.
    """
    from spica.errors import SubmissionError
    from spica.loading import load_ensemble
    from spica.prediction.runtime import detect_file
    from spica.prediction.submission import read_submission

    if submission is not None:
        submitted = read_submission(submission)
        if missing := [name for name in paths if name not in submitted]:
            raise SubmissionError(f"{submission}: {len(missing)} image(s) are missing, first {missing[0]}; add them")
        return {name: submitted[name] for name in paths}, _LEAST_SUBMITTED, submission.name
    detect = load_ensemble(weights, device)
    say(f"with labels that it was trained on, {detect.name} has learnt to agree: see docs/data.md")
    with progress() as bar:
        return (
            {name: detect_file(detect, path) for name, path in bar.track(paths.items(), description="photos")},
            detect.card.threshold,
            detect.name,
        )


def _write(folder: Path, said: "Suspicions", first: int) -> None:
    from spica.images import make_folder, write_atomically
    from spica.labels.table import write_table
    from spica.report.suspects import suspect_rows, suspects_page, worth_rows

    make_folder(folder)
    for file, (columns, *rows) in (("suspects.csv", suspect_rows(said)), ("worth.csv", worth_rows(said))):
        write_table(folder / file, columns, rows)
    page = suspects_page(said, first).encode("utf-8", "backslashreplace")
    write_atomically(folder / "suspects.html", page)
