"""The command that lists the labels that look wrong, and the photos most worth labelling."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spica.cli.detecting import Device, Weights, found_on
from spica.cli.terminal import misuse, say

if TYPE_CHECKING:
    from spica.detections import Detections
    from spica.labels.labelled import Labels
    from spica.labels.problems import Place
    from spica.report.suspects import Suspicions

_SUSPECTS, _WORTH, _PAGE = "suspects.csv", "worth.csv", "suspects.html"
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

    _require_place(out)
    labels, places = _labels(data, photos)
    labelled = {image.id: image.path for image in labels}
    sources = {image.id: image.source for image in labels}
    others = labelled
    if unlabelled is not None:
        others = _others(unlabelled, labelled.values())
        sources = {name: name.rpartition("/")[0] or "unknown" for name in others}
    looked, threshold, subject = _found((labelled, others), weights or (), submission, device)
    threshold = threshold if score is None else score
    labels = tuple(image for image in labels if image.path in looked)
    found, seen = (
        {name: looked[path] for name, path in paths.items() if path in looked} for paths in (labelled, others)
    )
    listed = suspected(found, labels, threshold)
    worths = most_worth([worth_of(name, sources[name], one, threshold) for name, one in seen.items()])
    told = f"{data.resolve().name}, {len(labels):,} photos, beside {subject} from score {threshold:g} on"
    _write(out, Suspicions(listed, worths, places, found, others, seen, threshold, told), first)
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


def _others(folder: Path, labelled: Iterable[Path]) -> dict[str, Path]:
    """Return the photos in a folder that are none of those labelled, by their id; files are compared, not names.

    Raises:
        ImageError: if there is no such photo, or two have the same id.
    """
    from spica.errors import ImageError
    from spica.images import name_photos
    from spica.labels.photofiles import digest
    from spica.labels.photoids import photo_ids

    photos, known = name_photos([folder]), {digest(path) for path in labelled}
    others: dict[str, Path] = {}
    for name, photo in photo_ids(photos).items():
        if digest(photos[name]) in known:
            continue
        if photo in others:
            raise ImageError(f"{folder}: two photos have the id {photo}, expected one; delete or rename one of them")
        others[photo] = photos[name]
    if not others:
        raise ImageError(f"{folder}: all photos there are labelled, expected some without labels; name another folder")
    if len(others) < len(photos):
        say(f"{folder}: {len(photos) - len(others):,} photo(s) are labelled and not among those to be labelled")
    return others


def _found(
    photos: Sequence[Mapping[str, Path]], weights: Sequence[Path], submission: Path | None, device: str
) -> "tuple[dict[Path, Detections], float, str]":
    """Return what a detector, or a file, found on each photo; the score from which it is sure; and its name.

    Photos that cannot be read are told and left out.

    Raises:
        SubmissionError: if a photo is missing in the file, or two have the same id, which the file cannot tell apart.
    """
    from spica.loading import load_ensemble

    names = {path: name for paths in photos for name, path in paths.items()}
    if submission is not None:
        return _submitted(names, submission), _LEAST_SUBMITTED, submission.name
    detect = load_ensemble(weights, device)
    say(f"with labels that it was trained on, {detect.name} has learnt to agree: see docs/data.md")
    return found_on(detect, names), detect.card.threshold, detect.name


def _submitted(names: Mapping[Path, str], file: Path) -> "dict[Path, Detections]":
    """Return what a file says was found on each photo, given its id.

    Raises:
        SubmissionError: as `_found`.
    """
    from spica.errors import SubmissionError
    from spica.prediction.submission import read_submission

    submitted = read_submission(file)
    if missing := [name for name in names.values() if name not in submitted]:
        raise SubmissionError(f"{file}: {len(missing)} image(s) are missing, first {missing[0]}; add them")
    name, count = Counter(names.values()).most_common(1)[0]
    if count > 1:
        raise SubmissionError(f"{file}: a labelled photo and another one have the id {name}; rename the other one")
    return {path: submitted[name] for path, name in names.items()}


def _require_place(folder: Path) -> None:
    """Do nothing if page and tables can be written: those of earlier suspects may be replaced, nothing else.

    Raises:
        OutputError: if another file would be overwritten.
    """
    from spica.errors import OutputError
    from spica.labels.table import may_replace
    from spica.report.page import is_page
    from spica.report.suspects import SUSPECT_COLUMNS, WORTH_COLUMNS

    page = folder / _PAGE
    own = {
        _SUSPECTS: may_replace(folder / _SUSPECTS, SUSPECT_COLUMNS),
        _WORTH: may_replace(folder / _WORTH, WORTH_COLUMNS),
        _PAGE: not os.path.lexists(page) or is_page(page),
    }
    if foreign := [name for name, is_own in own.items() if not is_own]:
        raise OutputError(
            f"{folder}: holds {', '.join(foreign)}, which spica data suspects did not write; name another folder"
        )


def _write(folder: Path, said: "Suspicions", first: int) -> None:
    from spica.images import make_folder, write_atomically
    from spica.labels.table import write_table
    from spica.report.suspects import suspect_rows, suspects_page, worth_rows

    make_folder(folder)
    for file, (columns, *rows) in ((_SUSPECTS, suspect_rows(said)), (_WORTH, worth_rows(said))):
        write_table(folder / file, columns, rows)
    page = suspects_page(said, first).encode("utf-8", "backslashreplace")
    write_atomically(folder / _PAGE, page)
