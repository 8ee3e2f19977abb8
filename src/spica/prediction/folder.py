"""Many photos through one detector into a folder of results; one bad photo does not stop the others."""

import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

import spica
from spica.detections import Detect, Detections
from spica.errors import OutputError, SpicaError, SubmissionError
from spica.images import name_photos, read_image, write_atomically
from spica.prediction.results import PICTURES, Outcome, Results, make_folder, picture_name
from spica.prediction.submission import write_submission

RESULT_NAMES = ("counts.csv", "detections.csv", "errors.csv", "manifest.json", PICTURES)
_LIBRARIES = ("numpy", "pillow", "torch", "torchvision")  # their versions can change a result
_SHOWN = 3  # names in a message


@dataclass(frozen=True, slots=True)
class Order:
    """What to predict and where the results go.

    `paths` are photos and folders of photos. Boxes from `score` on are counted and written. `submission` is the file of
    a Kaggle submission to be written as well. `model` says in the manifest what the detector is.

    Raises:
        ValueError: if the score is not in [0, 1].
    """

    paths: Sequence[Path]
    out: Path
    score: float
    pictures: bool = True
    submission: Path | None = None
    model: str = "unnamed"

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score is {self.score}, expected a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class Summary:
    """All photos: how many there were, how many of them failed, and how many heads are on the others."""

    photos: int
    failed: int
    heads: int
    seconds: float


def predict_photos(detect: Detect, photos: Mapping[str, Path], score: float) -> Iterator[Outcome]:
    """Yield what is found on each of the named photos, from `score` on; one that fails is yielded with its error."""
    for name, path in photos.items():
        try:
            photo = read_image(path)
            outcome = Outcome(name, photo, detect(photo).above(score))
        except SpicaError as error:
            outcome = Outcome(name, None, None, str(error).replace("\n", " "))
        yield outcome


def predict_folder(
    detect: Detect, order: Order, *, told: Callable[[Outcome, int], None] = lambda _outcome, _photos: None
) -> Summary:
    """Write the result folder and return its summary; `told` gets each photo's outcome and the number of photos.

    The folder holds `counts.csv` (image, heads, width, height), `detections.csv` (image, left, top, right, bottom,
    score; edges in pixels of the upright photo), `pictures/`, `errors.csv` (image, error; only if a photo failed) and
    `manifest.json`, which is written last: with it the folder is complete. Photos are named by their path from the
    folder given. Boxes are not kept in memory, but for a submission.

    Raises:
        OutputError: if the folder holds results already or cannot be written; errors of photos are listed instead.
        ImageError: if there are no photos.
        SubmissionError: if two photos of a submission have the same id.
    """
    photos = name_photos(order.paths)
    _check_names(photos, order)
    _prepare(order)
    started, clock = datetime.now(UTC), time.perf_counter()
    totals: Counter[str] = Counter()
    submitted: dict[str, Detections] = {}
    with ExitStack() as stack:
        results = Results(stack, order.out, pictures=order.pictures)
        for outcome in predict_photos(detect, photos, order.score):
            results.add(outcome)
            totals["failed"] += outcome.found is None
            totals["heads"] += len(outcome.found or ())
            if order.submission is not None and outcome.found is not None:
                submitted[_image_id(outcome.name)] = outcome.found
            told(outcome, len(photos))
    if order.submission is not None:
        write_submission(order.submission, submitted)
    summary = Summary(len(photos), totals["failed"], totals["heads"], round(time.perf_counter() - clock, 3))
    _write_manifest(order, summary, started)
    return summary


def _check_names(photos: Mapping[str, Path], order: Order) -> None:
    """Find photos that would overwrite each other, before any work.

    Raises:
        SubmissionError: if two photos have the same id.
        OutputError: if two pictures would have the same name.
    """
    if order.submission is not None and (doubled := _doubled(photos, _image_id)):
        raise SubmissionError(
            f"{order.submission}: several photos have the id {doubled}, expected one each (a photo's id is its file "
            "name without suffix); predict their folders apart"
        )
    if order.pictures and (doubled := _doubled(photos, picture_name)):
        raise OutputError(f"{order.out}: several pictures would be named {doubled}; rename the photos")


def _doubled(names: Mapping[str, Path], key: Callable[[str], str]) -> str:
    """Return the first few keys that several names share, "" if there are none."""
    counts = Counter(map(key, names))
    return ", ".join([one for one, count in counts.items() if count > 1][:_SHOWN])


def _image_id(name: str) -> str:
    return PurePosixPath(name).stem


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
        "photos": summary.photos,
        "failed": summary.failed,
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
