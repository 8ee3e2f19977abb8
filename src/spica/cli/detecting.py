"""Commands that use a detector: predict photos, evaluate against labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from spica.cli.terminal import fail, misuse, needing_torch, progress, say, show

if TYPE_CHECKING:
    from spica.detections import Detect, Detections
    from spica.labels.labelled import Labels
    from spica.model.checkpoint import NetworkDetect
    from spica.prediction.results import Outcome
    from spica.scoring.evaluation import Evaluation

_Weights = typer.Option(help="Run folder or weights file of a trained detector.")
_Score = typer.Option(min=0, max=1, help="Least score of a head. Default: what the weights recommend.")
_Device = typer.Option(help="auto, cpu, cuda or another device of PyTorch.")


def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PHOTO|FOLDER...", help="Photos, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="New folder for counts, boxes and pictures.")],
    weights: Annotated[Path, _Weights],
    score: Annotated[float | None, _Score] = None,
    submission: Annotated[Path | None, typer.Option(help="Write a Kaggle submission to this file as well.")] = None,
    device: Annotated[str, _Device] = "auto",
    pictures: Annotated[bool, typer.Option(help="Draw the heads on a copy of each photo.")] = True,
) -> None:
    """Find and count the heads on photos; exit with 1 if a photo failed."""
    from spica.prediction.folder import Order, predict_folder

    detect = _load(weights, device)
    threshold = detect.threshold if score is None else score
    order = Order(paths, out, threshold, pictures=pictures, submission=submission, model=str(weights))
    with progress() as bar:
        task = bar.add_task("photos", total=None)

        def told(outcome: "Outcome", photos: int) -> None:
            bar.update(task, advance=1, total=photos)
            if outcome.error:
                bar.console.print(f"{outcome.name}: {outcome.error}", markup=False, highlight=False, soft_wrap=True)

        summary = predict_folder(detect, order, told=told)
    typer.echo(
        f"{summary.heads:,} heads with a score of {threshold:g} or more on {summary.photos - summary.failed:,} photos "
        f"in {summary.seconds:.1f} s: {out}"
    )
    if summary.failed:
        fail(f"{summary.failed} of {summary.photos} photos failed: {out / 'errors.csv'}")


def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of labelled photos, in any known layout.")],
    *,
    weights: Annotated[Path | None, _Weights] = None,
    submission: Annotated[Path | None, typer.Option(help="Score this file of predictions instead.")] = None,
    rule: Annotated[str, typer.Option(help="kaggle, numba_plus1, rsna, wilds or ada: see docs/metric.md.")] = "kaggle",
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least score of a head. Default: as the weights recommend; 0 for a file."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json and plots.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Only images named in this file: one id a line, or a file of folds.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Only this fold of the file that --images names.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only images of this source; may be repeated.")] = None,
    average_precision: Annotated[bool, typer.Option("--ap/--no-ap", help="COCO average precision as well.")] = True,
    device: Annotated[str, _Device] = "auto",
) -> None:
    """Score a detector, or a file of predictions, against labels."""
    if (weights is None) == (submission is None):
        misuse("give either --weights or --submission")
    if fold is not None and images is None:
        misuse("--fold needs the file of folds: --images FILE")
    from spica.scoring.evaluation import evaluate as evaluated
    from spica.scoring.rules import rule_named

    by_rule = rule_named(rule)
    labels = _chosen(_labels(data), images, fold, source or ())
    if submission is None:
        detect = _load(cast("Path", weights), device)
        found, recommended = _detected(detect, labels), detect.threshold
    else:
        found, recommended = _submitted(submission, labels, strictly=images is None and not source), 0.0
    threshold = recommended if score is None else score
    evaluation = evaluated(found, labels, threshold, by_rule, average_precision=average_precision)
    show(evaluation)
    if out is not None:
        _write(out, found, labels, evaluation)


def _load(weights: Path, device: str) -> "NetworkDetect":
    with needing_torch():
        from spica.model.checkpoint import load_detect
    return load_detect(weights, device)


def _labels(folder: Path) -> "Labels":
    """Return the sound labels of a folder and say how many problems it has."""
    from spica.labels.folder import read_labels

    labels, problems = read_labels(folder)
    if problems:
        say(f"{folder}: {len(problems)} problem(s), see `spica data check {folder}`")
    return labels


def _chosen(labels: "Labels", images: Path | None, fold: int | None, sources: Sequence[str]) -> "Labels":
    """Return the labels of the images and sources asked for.

    Raises:
        AnnotationError: if one of them is not there, or nothing is left.
    """
    from spica.errors import AnnotationError

    if images is not None:
        asked = _ids(images, fold)
        if missing := sorted(asked - {image.id for image in labels}):
            raise AnnotationError(f"{images}: image {missing[0]!r} is not among the labels; delete it from the file")
        labels = tuple(image for image in labels if image.id in asked)
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
    return {line.partition(",")[0].strip() for line in lines if line.strip()} - {"image_id"}


def _detected(detect: "Detect", labels: "Labels") -> dict[str, "Detections"]:
    from spica.images import read_image

    with progress() as bar:
        photos = bar.track(labels, description="photos")
        return {image.id: detect(read_image(image.path)) for image in photos}


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


def _write(folder: Path, found: Mapping[str, "Detections"], labels: "Labels", evaluation: "Evaluation") -> None:
    from spica.images import write_atomically
    from spica.prediction.results import make_folder
    from spica.scoring.plots import write_plots
    from spica.scoring.rules import rule_named

    make_folder(folder)
    write_atomically(folder / "evaluation.json", evaluation.to_json().encode())
    write_plots(folder, found, labels, evaluation, rule_named(evaluation.rule))
    typer.echo(f"written to {folder}")
