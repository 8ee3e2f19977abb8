"""The command that scores a detector, or a file of predictions, against labels."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spica.cli.detecting import Device, Gsd, Tile, ViewCount, Views, Weights, found_on, looks_of
from spica.cli.terminal import misuse, progress, say, show

if TYPE_CHECKING:
    from spica.detections import Detections
    from spica.labels.labelled import Labels
    from spica.prediction.looking import Looks
    from spica.prediction.runtime import Detector
    from spica.scoring.evaluation import Evaluation


_EVALUATION, _REPORT = "evaluation.json", "report.html"
_LONGEST_ID = 4096  # letters; behind an id there may be all boxes of a photo, more than a field of CSV may hold


def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of labelled photos, in any known layout.")],
    *,
    weights: Annotated[list[Path] | None, Weights] = None,
    views: Annotated[ViewCount, Views] = "1",
    tile: Annotated[int | None, Tile] = None,
    gsd: Annotated[float | None, Gsd] = None,
    submission: Annotated[
        Path | None, typer.Option(help="Score this file of predictions instead of a detector.")
    ] = None,
    rule: Annotated[str, typer.Option(help="kaggle, numba_plus1, rsna, wilds or ada: see docs/metric.md.")] = "kaggle",
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least score of a head. Default: as the weights recommend; 0 for a file."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json, report.html and plots.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Only images named in this file: one id a line, or a file of folds.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Only this fold of the file that --images names.")] = None,
    part: Annotated[
        Literal["train", "validation", "held_out"] | None,
        typer.Option(help="Only images that had this part in the training of --weights."),
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only images of this source; may be repeated.")] = None,
    average_precision: Annotated[
        bool | None,
        typer.Option("--ap/--no-ap", help="COCO average precision as well. Default: if its extra is installed."),
    ] = None,
    device: Annotated[str, Device] = "auto",
) -> None:
    """Score a detector, or a file of predictions, against labels."""
    if weights and submission is not None:
        misuse("give either --weights or --submission")
    if submission is not None and (views != "1" or tile is not None or gsd is not None):
        misuse("--views, --tile and --gsd are for a detector, not for --submission")
    if fold is not None and images is None:
        misuse("--fold needs the file of folds: --images FILE")
    if part is not None and len(weights or ()) != 1:
        misuse("--part needs the one run folder that knows the parts: --weights RUN")
    looks = looks_of(tile, gsd)
    if out is not None:
        _require_place(out)
    from spica.loading import load_ensemble
    from spica.scoring.evaluation import evaluate as evaluated
    from spica.scoring.rules import rule_named

    by_rule = rule_named(rule)
    asked = _asked(images, fold, weights[0] if weights else None, part)
    labels = _labels(data)
    lacking, labels = _lacking(asked, labels, strictly=images), _chosen(labels, asked, source or ())
    if submission is None:
        detect = load_ensemble(weights or (), device, views=int(views))
        remarks = _say_exposure(weights or (), detect.card.trained_on, labels)
        found, recommended, subject = _detected(detect, labels, looks), detect.card.threshold, detect.name
        unread = len(labels) - len(found)
        lacking += (f"{unread:,} photos that cannot be read are left out",) if unread else ()
        labels = tuple(image for image in labels if image.id in found)
    else:
        found, recommended = _submitted(submission, labels, strictly=images is None and not source), 0.0
        subject, remarks = submission.name, ()
    threshold = recommended if score is None else score
    with_ap = _has_average_precision() if average_precision is None else average_precision
    evaluation = evaluated(found, labels, threshold, by_rule, average_precision=with_ap)
    evaluation = replace(evaluation, remarks=(*remarks, *lacking))
    show(evaluation)
    if out is not None:
        _make_place(out)
        _write_report(out, found, labels, evaluation, f"{subject} on {data.resolve().name}")
        _write(out, found, labels, evaluation)
        typer.echo(f"written to {out}")


def _has_average_precision() -> bool:
    """Return whether average precision can be had, and say what it needs if not."""
    from importlib.util import find_spec

    there = find_spec("faster_coco_eval") is not None
    if not there:
        say("without average precision, which needs: pip install 'spica-wheat[evaluate]'")
    return there


def _labels(folder: Path) -> "Labels":
    """Return the sound labels of a folder and say how many problems it has."""
    from spica.labels.folder import read_labels

    labels, problems = read_labels(folder)
    if problems:
        say(f"{folder}: {len(problems)} problem(s), see `spica data check {folder}`")
    return labels


def _asked(images: Path | None, fold: int | None, weights: Path | None, part: str | None) -> "dict[Path, set[str]]":
    """Return the ids asked for, by the file that names them.

    Raises:
        AnnotationError: if a file cannot be read, or there is no such fold or part.
    """
    from spica.errors import AnnotationError
    from spica.labels.parts import parts_file, read_parts

    asked = {} if images is None else {images: _ids(images, fold)}
    if part is not None and weights is not None:
        file = parts_file(weights)
        asked[file] = {name for name, had in read_parts(file).items() if had == part}
        if not asked[file]:
            raise AnnotationError(f"{file}: no image had the part {part}; choose another part")
    return asked


def _say_exposure(weights: Sequence[Path], trained_on: str, labels: "Labels") -> tuple[str, ...]:
    """Say what the weights were trained on, as far as that is known, and return it in sentences.

    Of a run it is said how many of the photos that were; of the shipped model, which is taken without weights, what its
    card says.

    Raises:
        AnnotationError: if a table of parts cannot be read.
    """
    from spica.labels.parts import exposure, parts_file, read_parts

    if not weights:
        remark = f"the shipped model was trained on {trained_on}; on photos that it was trained on its score flatters"
        say(remark)
        return (remark,)
    files = [file for file in map(parts_file, weights) if file.is_file()]
    remarks = tuple(f"{exposure((image.id for image in labels), read_parts(file))} ({file})" for file in files)
    for remark in remarks:
        say(f"{remark}; --part chooses")
    return remarks


def _lacking(asked: "Mapping[Path, set[str]]", labels: "Labels", strictly: Path | None) -> tuple[str, ...]:
    """Say which of the images asked for are not among the labels, and return it in sentences.

    Raises:
        AnnotationError: if some are not that the file `strictly` names.
    """
    from spica.errors import AnnotationError, listed

    known = {image.id for image in labels}
    remarks = []
    for file, ids in asked.items():
        if missing := sorted(ids - known):
            remark = f"{file}: {len(missing):,} of {len(ids):,} images have no sound label: {listed(missing)}"
            if file == strictly:
                raise AnnotationError(f"{remark}; see `spica data check`, or delete them from the file")
            say(f"{remark}; the others are evaluated")
            remarks.append(remark)
    return tuple(remarks)


def _chosen(labels: "Labels", asked: "Mapping[Path, set[str]]", sources: Sequence[str]) -> "Labels":
    """Return the labels of the images and sources asked for.

    Raises:
        AnnotationError: if a source is not there, or nothing is left.
    """
    from spica.errors import AnnotationError

    for ids in asked.values():
        labels = tuple(image for image in labels if image.id in ids)
    if sources:
        known = sorted({image.source for image in labels})
        if unknown := sorted(set(sources) - set(known)):
            raise AnnotationError(f"no image has the source {unknown[0]!r}; the labels have {', '.join(known)}")
        labels = tuple(image for image in labels if image.source in sources)
    if not labels:
        raise AnnotationError("no labelled image is left to evaluate on; see `spica data check`")
    return labels


def _ids(file: Path, fold: int | None) -> set[str]:
    """Return the ids in a text file, one a line; or those of one fold of a file of folds.

    Raises:
        AnnotationError: if the file cannot be read, or there is no such fold.
    """
    from spica.errors import AnnotationError
    from spica.labels.folds import read_folds

    if fold is not None:
        folds = read_folds(file)
        if fold > len(folds):
            raise AnnotationError(f"{file}: there is no fold {fold}, expected 1 to {len(folds)}")
        return set(folds[fold - 1])
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{file}: cannot be read ({error}), expected a text file with one id a line") from error
    # The first column of a CSV file serves as well: its header is no id.
    return {_first_field(line.strip()) for line in lines if line.strip()} - {"image_id"}


def _first_field(line: str) -> str:
    return next(csv.reader([line[:_LONGEST_ID]]))[0].strip()


def _detected(detect: "Detector", labels: "Labels", looks: "Looks") -> dict[str, "Detections"]:
    """Return what is found on each photo; those that cannot be read are told and left out.

    Raises:
        ImageError: if none can be read.
    """
    found = found_on(detect, [image.path for image in labels], looks)
    return {image.id: found[image.path] for image in labels if image.path in found}


def _submitted(file: Path, labels: "Labels", *, strictly: bool) -> dict[str, "Detections"]:
    """Return the predictions in a file for the labelled images; `strictly`, it must hold no others.

    Raises:
        SubmissionError: if an image is missing, or is there but not labelled.
    """
    from spica.errors import SubmissionError
    from spica.prediction.submission import check_submission, read_submission

    found = read_submission(file)
    if not strictly:
        ids = {image.id for image in labels}
        found = {name: detections for name, detections in found.items() if name in ids}
    if problems := check_submission(found, labels):
        raise SubmissionError(f"{file}: {'; '.join(problems)}")
    return found


def _require_place(folder: Path) -> None:
    """Do nothing if the results can be written: those of an earlier evaluation may be replaced, nothing else.

    Raises:
        OutputError: if another file would be overwritten.
    """
    from spica.errors import OutputError
    from spica.report.page import is_page
    from spica.scoring.plots import PLOTS

    if is_page(folder / _REPORT):  # it is written first, so all the rest is an evaluation's
        return
    if foreign := [name for name in (_REPORT, _EVALUATION, *PLOTS) if os.path.lexists(folder / name)]:
        raise OutputError(
            f"{folder}: holds {', '.join(foreign)} and no report.html of spica evaluate, so it is not known whose they "
            "are; name another folder, or delete them"
        )


def _make_place(folder: Path) -> None:
    """Make the folder of the results; a new or empty one is marked, so that no plot in it is taken for a photo."""
    from spica.images import make_folder, mark_drawn

    make_folder(folder)
    if not any(folder.iterdir()):
        mark_drawn(folder)


def _write(folder: Path, found: Mapping[str, "Detections"], labels: "Labels", evaluation: "Evaluation") -> None:
    from spica.errors import MissingExtraError
    from spica.images import write_atomically
    from spica.scoring.plots import write_plots
    from spica.scoring.rules import rule_named

    # A path that is not text has odd bytes, which JSON knows as \uNNNN.
    write_atomically(folder / _EVALUATION, evaluation.to_json().encode("utf-8", "backslashreplace"))
    try:
        write_plots(folder, found, labels, evaluation, rule_named(evaluation.rule))
    except MissingExtraError as error:
        say(f"without plots: {error}")


def _write_report(
    folder: Path, found: Mapping[str, "Detections"], labels: "Labels", evaluation: "Evaluation", subject: str
) -> None:
    from spica.images import write_atomically
    from spica.report import findings, report_page, sharpness_of, worst_pictures
    from spica.scoring.rules import rule_named

    with progress() as bar:
        sharpness = sharpness_of(bar.track(labels, description="report"))
    said = findings(found, labels, evaluation, sharpness, rule_named(evaluation.rule))
    pictures = worst_pictures(evaluation.worst, found, labels, evaluation.threshold)
    # A file name that is not text has odd bytes, which are written as \xNN.
    page = report_page(said, pictures, subject).encode("utf-8", "backslashreplace")
    write_atomically(folder / _REPORT, page)
