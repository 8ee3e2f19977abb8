"""Many photos through one detector into a folder of results; one bad photo does not stop the others."""

import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import spica
from spica.detections import Detect, Detections
from spica.errors import OutputError, SpicaError, SubmissionError
from spica.images import make_folder, name_photos, read_image, write_atomically
from spica.labels.photoids import photo_ids
from spica.prediction.results import PICTURES, Outcome, Results, picture_name
from spica.prediction.submission import write_submission

RESULT_NAMES = ("counts.csv", "detections.csv", "errors.csv", "manifest.json", PICTURES)
_LIBRARIES = ("numpy", "pillow", "torch", "torchvision")  # their versions can change a result
_SHOWN = 3  # names in a message


@dataclass(frozen=True, slots=True)
class Order:
    """What to predict and where the results go.

    `paths` are photos and folders of photos. Boxes from `score` on are counted and written. `submission` is the file of
    a Kaggle submission to be written as well. `model` says in the manifest what the detector is. `most_boxes` is how
    many boxes the detector can give for a photo, None if it knows no limit: photos that reach it are flagged.

    Raises:
        ValueError: if the score is not in [0, 1], or `most_boxes` is not positive.
    """

    paths: Sequence[Path]
    out: Path
    score: float
    pictures: bool = True
    submission: Path | None = None
    model: str = "unnamed"
    most_boxes: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score is {self.score}, expected a number from 0 to 1")
        if self.most_boxes is not None and self.most_boxes < 1:
            raise ValueError(f"most_boxes is {self.most_boxes}, expected 1 or more, or None")


@dataclass(frozen=True, slots=True)
class Summary:
    """All photos: how many there were, how many were counted, and what is to be said of them.

    A photo failed if it is listed in errors.csv: it could not be counted, or its picture not be drawn. `capped` photos
    reached the most boxes that the detector gives. `skipped` are folders of drawn pictures, not searched for photos.
    """

    photos: int
    counted: int
    failed: int
    capped: int
    heads: int
    seconds: float
    skipped: tuple[Path, ...] = ()


def predict_photos(
    detect: Detect, photos: Mapping[str, Path], score: float, most_boxes: int | None = None
) -> Iterator[Outcome]:
    """Yield what is found on each of the named photos, from `score` on; one that fails is yielded with its error.

    A photo with `most_boxes` boxes of any score, all that the detector can give, is yielded as capped.
    """
    for name, path in photos.items():
        try:
            photo = read_image(path)
            found = detect(photo)
            capped = most_boxes is not None and len(found) >= most_boxes
            outcome = Outcome(name, photo, found.above(score), capped=capped)
        except SpicaError as error:
            outcome = Outcome(name, None, None, str(error).replace("\n", " "))
        yield outcome


def predict_folder(
    detect: Detect, order: Order, *, told: Callable[[Outcome, int], None] = lambda _outcome, _photos: None
) -> Summary:
    """Write the result folder and return its summary; `told` gets each photo's outcome and the number of photos.

    The folder holds `counts.csv` (image, heads, width, height, flags: empty, or "cap" for a photo that reached
    `most_boxes`), `detections.csv` (image, left, top, right, bottom, score; edges in pixels of the upright photo),
    `pictures/`, `errors.csv` (image, error; only if a photo failed) and `manifest.json`, which is written last: with it
    the folder is complete. Photos are named by their path from the folder given, in a submission as `photo_ids` says.
    Pictures of earlier results are no photos. A photo whose picture cannot be drawn is counted and listed in
    `errors.csv`. Boxes are not kept in memory, but for a submission.

    Raises:
        OutputError: if the folder holds results already or cannot be written; errors of photos are listed instead.
        ImageError: if there are no photos.
        SubmissionError: if two photos of a submission have the same id.
    """
    skipped: list[Path] = []
    photos = name_photos(order.paths, skipped=skipped.append)
    ids = photo_ids(photos) if order.submission is not None else {}
    _check_names(photos, ids, order)
    _prepare(order)
    started, clock = datetime.now(UTC), time.perf_counter()
    totals: Counter[str] = Counter()
    submitted: dict[str, Detections] = {}
    with ExitStack() as stack:
        results = Results(stack, order.out, pictures=order.pictures)
        for predicted in predict_photos(detect, photos, order.score, order.most_boxes):
            outcome = results.add(predicted)
            totals["counted"] += outcome.found is not None
            totals["failed"] += bool(outcome.error)
            totals["capped"] += outcome.capped
            totals["heads"] += len(outcome.found or ())
            if order.submission is not None and outcome.found is not None:
                submitted[ids[outcome.name]] = outcome.found
            told(outcome, len(photos))
    if order.submission is not None:
        write_submission(order.submission, submitted)
    seconds = round(time.perf_counter() - clock, 3)
    numbers = {name: totals[name] for name in ("counted", "failed", "capped", "heads")}
    summary = Summary(photos=len(photos), **numbers, seconds=seconds, skipped=tuple(skipped))
    _write_manifest(order, summary, started)
    return summary


def _check_names(photos: Mapping[str, Path], ids: Mapping[str, str], order: Order) -> None:
    """Find photos that would overwrite each other, before any work.

    Raises:
        SubmissionError: if two photos have the same id.
        OutputError: if two pictures would have the same name.
    """
    if order.submission is not None and (doubled := _doubled(ids.values())):
        raise SubmissionError(
            f"{order.submission}: several photos have the id {doubled}, expected one each (a photo's id is its "
            "path in the photo folder without the ending); predict their folders apart, or rename them"
        )
    if order.pictures and (doubled := _doubled(map(picture_name, photos))):
        raise OutputError(f"{order.out}: several pictures would be named {doubled}; rename the photos")


def _doubled(names: Iterable[str]) -> str:
    """Return the first few names that are there several times, "" if there are none."""
    counts = Counter(names)
    return ", ".join([one for one, count in counts.items() if count > 1][:_SHOWN])


def _prepare(order: Order) -> None:
    """Make the result folder and see that nothing is in the way.

    Raises:
        OutputError: if it holds results, or a folder cannot be made or does not exist.
    """
    make_folder(order.out)
    there = [name for name in RESULT_NAMES if (order.out / name).exists()]
    if there:
        raise OutputError(
            f"{order.out}: holds {', '.join(there)} already; name another folder or delete the old results"
        )
    if order.submission is not None and not order.submission.parent.is_dir():
        raise OutputError(f"{order.submission}: {order.submission.parent} is not a folder; make it first")


def _write_manifest(order: Order, summary: Summary, started: datetime) -> None:
    content = {
        "model": order.model,
        "score": order.score,
        "inputs": [str(path) for path in order.paths],
        "skipped": [str(folder) for folder in summary.skipped],
        "most_boxes": order.most_boxes,
        "photos": summary.photos,
        "counted": summary.counted,
        "failed": summary.failed,
        "capped": summary.capped,
        "heads": summary.heads,
        "seconds": summary.seconds,
        "started": started.isoformat(timespec="seconds"),
        "versions": {"spica": spica.__version__, "python": platform.python_version(), **_versions()},
    }
    write_atomically(order.out / "manifest.json", (json.dumps(content, indent=2) + "\n").encode())


def _versions() -> dict[str, str]:
    """Return the versions of the libraries that are in use."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
