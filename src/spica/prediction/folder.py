"""Many photos through one detector into a folder of results; one bad photo does not stop the others."""

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import spica
from spica.detections import Detect, Detections
from spica.errors import OutputError, SpicaError, SubmissionError
from spica.images import ASPECT_SIDE, make_folder, name_photos, read_photo, resized, write_atomically
from spica.labels.photoids import photo_ids
from spica.prediction.card import Card
from spica.prediction.flags import border_flag, flags
from spica.prediction.journal import Journal, Outcome, is_unfinished
from spica.prediction.looking import Looks, Sight, first_sight, seen
from spica.prediction.overlap import in_order
from spica.prediction.results import (
    COUNTS,
    DETECTIONS,
    ERRORS,
    HEADS_GEOJSON,
    HEADS_GPKG,
    PICTURES,
    delete_picture,
    draw_picture,
    make_pictures,
    picture_name,
    write_tables,
)
from spica.prediction.runtime import Detector, Facts
from spica.prediction.submission import ListedImage, require_place, write_gwhd_submission, write_submission

MANIFEST = "manifest.json"
STAMPS = "photos.json"  # of results that can be renewed: `spica.prediction.renewal`
RESULT_NAMES = (COUNTS, DETECTIONS, ERRORS, MANIFEST, STAMPS, HEADS_GPKG, HEADS_GEOJSON, PICTURES)
_LIBRARIES = ("numpy", "pillow", "simplejpeg")  # their versions can change a result
_SHOWN = 3  # names in a message
_DRAWN_SIDES = 2  # a picture has at least twice the pixels that the network looks at, if the photo does
_PUBLISHED_EVERY, _PUBLISHED_PART = 10.0, 0.05  # seconds, and most of the time, spent on tables that a kill leaves


@dataclass(frozen=True, slots=True)
class Order:
    """What to predict and where the results go.

    `paths` are photos and folders of photos. Boxes from `score` on are counted and written. `submission` is the file of
    a submission to be written as well: Kaggle's, or with the `domains` of all images by their id that of the challenge
    of 2021. `model` and `facts` say in the manifest what the detector is and what
    runs it; `card` says which photos it knows. It is asked about `workers` photos at once, in tiles as `looks` says.

    Raises:
        ValueError: if the score is not in [0, 1], or there is no worker.
    """

    paths: Sequence[Path]
    out: Path
    score: float
    pictures: bool = True
    submission: Path | None = None
    domains: Mapping[str, ListedImage] | None = None
    model: str = "unnamed"
    facts: Facts = field(default_factory=dict)
    card: Card | None = None
    workers: int = 1
    looks: Looks = field(default_factory=Looks)

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score is {self.score}, expected a number from 0 to 1")
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}, expected 1 or more")

    @property
    def side(self) -> int:
        """Pixels of the longer side at which the network looks at photos; 0 if that is not known."""
        return 0 if self.card is None else self.card.side

    @property
    def known(self) -> Card:
        """What is known of the detector: its card, or one that says nothing."""
        return Card() if self.card is None else self.card

    def description(self) -> dict[str, object]:
        """Return what the results depend on, but for the photos themselves."""
        versions = {"spica": spica.__version__, "python": platform.python_version(), **_versions()}
        return {
            "model": self.model,
            "score": self.score,
            "inputs": [_seen_from(self.out, path) for path in self.paths],
            "pictures": self.pictures,
            "tile": self.looks.tile,
            "gsd": self.looks.gsd,
            **self.facts,
            "versions": versions,
        }


def order_for(detector: Detector, paths: Sequence[Path], out: Path, score: float | None = None) -> Order:
    """Return the order to look at photos with a detector; by default from the score on that its card recommends."""
    return Order(
        paths,
        out,
        detector.card.threshold if score is None else score,
        model=detector.name,
        facts=detector.facts,
        card=detector.card,
        workers=detector.workers,
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """All photos: how many there were, how many were counted, and what is to be said of them.

    A photo failed if it is listed in errors.csv: it could not be counted, or its picture not be drawn. `flagged` says
    how many photos have each flag. `skipped` are folders of drawn pictures, not searched for photos, `unread` files in
    formats that Spica does not read, but for those beside a photo of their name that it does. `seconds` are
    those of this run, in which `now` photos were done; the others had been done before.
    """

    photos: int
    now: int
    counted: int
    failed: int
    heads: int
    flagged: dict[str, int]
    seconds: float
    skipped: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()


def predict_photos(detect: Detect, photos: Mapping[str, Path], order: Order) -> Iterator[Outcome]:
    """Return what is found on each of the named photos, from `order.score` on; one that fails comes with its error.

    Reading, detecting and drawing overlap, each in threads of its own; pictures are written if `order.pictures`.
    """
    read = in_order(partial(_read, order), photos.items(), threads=1)
    found = in_order(partial(_detected, detect, order), read, threads=order.workers)
    return in_order(partial(_drawn, order, photos), found, threads=1)


def predict_folder(
    detect: Detect, order: Order, *, told: Callable[[Outcome, int, int], None] = lambda _outcome, _done, _all: None
) -> Summary:
    """Write the result folder and return its summary; `told` gets each photo's outcome, how many are done, of how many.

    The folder holds `counts.csv` (image, heads, width, height, flags: several are parted by spaces), `detections.csv`
    (image, left, top, right, bottom, score; edges in pixels of the upright photo), `pictures/`, `errors.csv` (image,
    error; only if a photo failed) and `manifest.json`, which is written last: with it the folder is complete. Photos
    are named by their path from the folder given, in a submission as `photo_ids` says. Pictures of earlier results are
    no photos. A photo whose picture cannot be drawn is counted and listed in `errors.csv`.

    What was interrupted goes on where it stopped, and ends with the same files: photos that failed, or were replaced
    since, are looked at again, and those that are gone are forgotten. After an exception the tables hold all that was
    done; after a kill they are whole, and lack the last seconds. Boxes are not kept in memory, but for a submission or
    what was interrupted.

    Raises:
        OutputError: if the folder holds other results or cannot be written; errors of photos are listed instead.
        ImageError: if there are no photos.
        SubmissionError: if two photos of a submission have the same id, or it would overwrite another file.
        WeightsError: if `order.looks` do not fit the detector.
    """
    order.looks.side(order.known)  # before any work
    skipped: list[Path] = []
    unread: list[Path] = []
    photos = name_photos(order.paths, skipped=skipped.append, unread=unread.append)
    ids = photo_ids(photos) if order.submission is not None else {}
    _check_names(photos, ids, order)
    journal = open_journal(order)
    clock = time.perf_counter()
    before = {one.name: _still_holds(one, photos) for one in journal}
    done = {name for name, holds in before.items() if holds}
    left = {name: path for name, path in photos.items() if name not in done}
    try:
        if len(done) < len(before):
            journal.keep(sorted(done))
            for name in before.keys() - done:
                delete_picture(order.out, name)
        for number, outcome in enumerate(_published(predict_photos(detect, left, order), journal, order.out), start=1):
            told(outcome, len(done) + number, len(photos))
        if before:
            journal.keep(list(photos))  # in their order, as if nothing had been interrupted
    finally:
        write_tables(order.out, journal)
        journal.close()
    if order.submission is not None:
        _submit({ids[one.name]: one.found for one in journal if one.found is not None}, order.submission, order.domains)
    summary = replace(
        _summary(journal),
        photos=len(photos),
        now=len(left),
        skipped=tuple(skipped),
        unread=_alone(unread, photos.values()),
    )
    write_manifest(order, summary)
    journal.remove()
    return replace(summary, seconds=round(time.perf_counter() - clock, 3))


def _read(order: Order, named: tuple[str, Path]) -> tuple[Path, Sight | None, Outcome]:
    """Return a photo for a first look and an outcome with nothing but its size, or with the error."""
    name, path = named
    try:
        stamp = stamp_of(path)
        sight = first_sight(path, order.known, order.looks)
    except SpicaError as error:
        return path, None, Outcome(name, error=_one_line(error))
    return path, sight, Outcome(name, sight.photo.width, sight.photo.height, stamp=stamp)


def _detected(detect: Detect, order: Order, photo: tuple[Path, Sight | None, Outcome]) -> Outcome:
    """Return the outcome with what was found, in pixels of the whole photo."""
    path, sight, outcome = photo
    if sight is None:
        return outcome
    try:
        sight, found = seen(detect, path, sight, order.known, order.looks)
        counted = found.above(order.score)
        part = sight.middle if order.side else resized(sight.middle, ASPECT_SIDE)
        cut = border_flag(counted, outcome.width, outcome.height)
        raised = (*flags(part, counted, order.card, order.side / sight.tile), *cut)
    except SpicaError as error:
        return Outcome(outcome.name, error=_one_line(error))
    return replace(outcome, found=counted, flags=raised)


def _drawn(order: Order, photos: Mapping[str, Path], outcome: Outcome) -> Outcome:
    """Write the picture, from the photo read again with more pixels, and return the outcome."""
    if outcome.found is None or not order.pictures:
        return outcome
    try:
        pixels = read_photo(photos[outcome.name], _DRAWN_SIDES * order.side or None).pixels
    except SpicaError as error:
        return replace(outcome, error=_one_line(error))
    height, width, _ = pixels.shape
    shown = outcome.found.scaled(width / outcome.width, height / outcome.height)
    return replace(outcome, error=draw_picture(order.out, outcome.name, pixels, shown))


def _published(outcomes: Iterable[Outcome], journal: Journal, out: Path) -> Iterator[Outcome]:
    """Write down each outcome, and the tables from time to time, so that a kill leaves them readable."""
    due = time.monotonic() + _PUBLISHED_EVERY
    for outcome in outcomes:
        journal.add(outcome)
        if (now := time.monotonic()) >= due:
            write_tables(out, journal)
            spent = time.monotonic() - now
            due = time.monotonic() + max(_PUBLISHED_EVERY, spent / _PUBLISHED_PART)
        yield outcome


def open_journal(order: Order) -> Journal:
    """Make the result folder, see that nothing is in the way, and open its journal.

    Raises:
        OutputError: if it holds results, or a folder cannot be made or does not exist.
        SubmissionError: if a file that is no submission has the name of the one to be written, or a result will.
    """
    if order.submission is not None:
        require_place(order.submission, taken=[order.out / name for name in RESULT_NAMES])
    make_folder(order.out)
    there = [name for name in RESULT_NAMES if (order.out / name).exists()]
    if there and not is_unfinished(order.out):
        raise OutputError(
            f"{order.out}: holds {', '.join(there)} already; name another folder or delete the old results"
        )
    journal = Journal(order.out, order.description())
    if order.pictures:
        make_pictures(order.out)
    return journal


def _submit(found: Mapping[str, Detections], file: Path, domains: Mapping[str, ListedImage] | None) -> None:
    """Write what was found on each image, by its id, as Kaggle's submission; with `domains` as that of 2021."""
    if domains is None:
        write_submission(file, found)
    else:
        named = {domains[name].name: detections for name, detections in found.items()}
        write_gwhd_submission(file, named, dict(domains.values()))


def _check_names(photos: Mapping[str, Path], ids: Mapping[str, str], order: Order) -> None:
    """Find photos that would overwrite each other, before any work.

    Raises:
        SubmissionError: if two photos have the same id, or one has no domain.
        OutputError: if two pictures would have the same name.
    """
    if order.submission is not None and (doubled := _doubled(ids.values())):
        raise SubmissionError(
            f"{order.submission}: several photos have the id {doubled}, expected one each (a photo's id is its "
            "path in the photo folder without the ending); predict their folders apart, or rename them"
        )
    if order.domains is not None and (without := [name for name in ids.values() if name not in order.domains]):
        raise SubmissionError(
            f"{order.submission}: {len(without):,} photo(s) have no domain, first {without[0]}; add them to the table "
            "of domains, or predict without them"
        )
    if order.pictures and (doubled := _doubled(map(picture_name, photos))):
        raise OutputError(f"{order.out}: several pictures would be named {doubled}; rename the photos")


def _alone(unread: Iterable[Path], photos: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files without a photo of the same name: cameras write raw files beside JPEGs."""
    named = {photo.with_suffix("") for photo in photos}
    return tuple(file for file in unread if file.with_suffix("") not in named)


def _still_holds(outcome: Outcome, photos: Mapping[str, Path]) -> bool:
    """Return whether a photo that was done before needs no other look: it did not fail, and its file is the same."""
    path = photos.get(outcome.name)
    return path is not None and not outcome.error and outcome.stamp == stamp_of(path)


def stamp_of(path: Path) -> str:
    """Return what tells a file from a later one of that name; "" if there is none."""
    try:
        state = path.stat()
    except OSError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns}"


def _seen_from(out: Path, path: Path) -> str:
    """Return a path from the result folder on, so that it leads there from any working folder, or after a move."""
    try:
        return Path(os.path.relpath(path, os.path.realpath(out))).as_posix()
    except ValueError:  # on another drive
        return str(path.absolute())


def _doubled(names: Iterable[str]) -> str:
    """Return the first few names that are there several times, "" if there are none."""
    counts = Counter(names)
    return ", ".join([one for one, count in counts.items() if count > 1][:_SHOWN])


def _summary(outcomes: Iterable[Outcome]) -> Summary:
    totals: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    for one in outcomes:
        totals["counted"] += one.found is not None
        totals["failed"] += bool(one.error)
        totals["heads"] += len(one.found or ())
        flagged.update(one.flags)
    ordered = dict(sorted(flagged.items()))
    return Summary(0, 0, totals["counted"], totals["failed"], totals["heads"], ordered, 0.0)


def write_manifest(order: Order, summary: Summary) -> None:
    """Write what was done and how; no times, so that the same photos give the same folder."""
    known = order.known
    content = {
        **order.description(),
        "skipped": [str(folder) for folder in summary.skipped],
        "unread": [str(file) for file in summary.unread],
        "photos": summary.photos,
        "counted": summary.counted,
        "failed": summary.failed,
        "heads": summary.heads,
        "flagged": summary.flagged,
        # What is known of counts holds at the recommended threshold alone.
        "counts": asdict(known.counts) if known.counts and order.score == known.threshold else None,
    }
    write_atomically(order.out / MANIFEST, (json.dumps(content, indent=2) + "\n").encode())


def _one_line(error: SpicaError) -> str:
    return str(error).replace("\n", " ")


def _versions() -> dict[str, str]:
    """Return the versions of the libraries that are in use."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
