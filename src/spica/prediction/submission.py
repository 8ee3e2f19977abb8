"""Submissions: the predictions for many images as one CSV file, in the form of either competition.

Kaggle 2020: `image_id,PredictionString`, the string being `score left top width height` repeated.
Challenge 2021: `image_name,PredString,domain`, boxes as `left top right bottom` with `;` between them, no scores.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float64

from spica.boxes import boxes_from_corner_and_size, corner_and_size_from_boxes
from spica.detections import Detections, no_detections
from spica.errors import OutputError, SubmissionError, listed
from spica.images import write_atomically
from spica.labels.labelled import LabelledImage
from spica.labels.photofiles import image_id
from spica.labels.table import may_replace, read_table

KAGGLE_COLUMNS = ("image_id", "PredictionString")
GWHD_COLUMNS = ("image_name", "PredString", "domain")
NO_BOX = "no_box"

Numbers: TypeAlias = Float64[np.ndarray, "n k"]


class ListedImage(NamedTuple):
    """An image as the challenge of 2021 lists it: its name, with or without an ending, and its domain."""

    name: str
    domain: str


def write_submission(path: Path, predictions: Mapping[str, Detections]) -> None:
    """Write predictions in Kaggle's form, in the order given; an image without predictions has an empty string.

    Reading the file gives back the same numbers, for edges that are 0 or at least a thousandth of a pixel.

    Raises:
        ValueError: if an id is empty or a box has a negative size.
    """
    rows = [(name, _kaggle_string(name, detections)) for name, detections in predictions.items()]
    _write(path, KAGGLE_COLUMNS, rows)


def write_gwhd_submission(path: Path, predictions: Mapping[str, Detections], domains: Mapping[str, str]) -> None:
    """Write predictions in the form of the 2021 challenge, in the order given.

    Boxes are rounded to whole pixels and scores are left out, as that form has it: give only detections that count.

    Raises:
        ValueError: if an id is empty, a box has a negative size, or an image has no domain.
    """
    missing = [name for name in predictions if name not in domains]
    if missing:
        raise ValueError(f"{len(missing)} image(s) have no domain, first {listed(missing)}; give one for each")
    rows = [(name, _gwhd_string(name, detections), domains[name]) for name, detections in predictions.items()]
    _write(path, GWHD_COLUMNS, rows)


def read_domains(path: Path) -> dict[str, ListedImage]:
    """Return the images that a table of the challenge of 2021 lists, by their id; columns image_name and domain.

    Raises:
        AnnotationError: if the file cannot be read, or lacks a column.
        SubmissionError: if a row makes no sense, or an image is there twice.
    """
    table = read_table(path, ("image_name", "domain"))
    problems = [f"row {problem.row}: {problem.text}" for problem in table.problems]
    images: dict[str, ListedImage] = {}
    for place, row in table.rows:
        one = ListedImage(row["image_name"].strip(), row["domain"].strip())
        if not all(one) or image_id(one.name) in images:
            problems.append(f"row {place.row}: image {one.name!r} has no name, no domain, or was there before")
        images[image_id(one.name)] = one
    if problems:
        raise SubmissionError(f"{path}: {len(problems)} bad row(s): {listed(problems, '; ')}; mend them")
    return images


def require_place(path: Path, taken: Iterable[Path] = ()) -> None:
    """Do nothing if a submission can be written: there is no other file of that name, and none of `taken` will be.

    Raises:
        OutputError: if its folder does not exist.
        SubmissionError: if there is one, labels say, or will be.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path}: {path.parent} is not a folder; make it first")
    if not may_replace(path, KAGGLE_COLUMNS, GWHD_COLUMNS):
        raise SubmissionError(f"{path}: is there, and no submission; name another file, it would be overwritten")
    if path.resolve() in {other.resolve() for other in taken}:
        raise SubmissionError(f"{path}: the results themselves have a file of that name; name another file")


def read_submission(path: Path) -> dict[str, Detections]:
    """Return the detections on each image of a submission; the columns say which of the two forms it has.

    Boxes in the form of 2021 have no scores: each gets 1, and they keep their order; the ending of a photo's name is no
    part of its id, as in the labels of 2021. Rows are numbered as a spreadsheet
    does, the header being row 1.

    Raises:
        SubmissionError: if the file cannot be read or a row makes no sense; all bad rows are counted, the first listed.
    """
    (_, header), *rows = _rows(path)
    columns = tuple(name.strip() for name in header)
    if set(columns) not in (set(KAGGLE_COLUMNS), set(GWHD_COLUMNS)) or len(set(columns)) != len(columns):
        raise SubmissionError(
            f"{path}: columns are {', '.join(columns)}, expected {', '.join(KAGGLE_COLUMNS)} "
            f"or {', '.join(GWHD_COLUMNS)}; mend the first row"
        )
    found: dict[str, Detections] = {}
    problems: list[str] = []
    for number, row in rows:
        try:
            name, detections = _detections_of_row(columns, row)
        except _BadRowError as problem:
            problems.append(f"row {number}: {problem}")
            continue
        if name in found:
            problems.append(f"row {number}: image {name!r} was there before, expected each image once")
        found[name] = detections
    if problems:
        raise SubmissionError(f"{path}: {len(problems)} bad row(s): {listed(problems, '; ')}; mend or write it again")
    return found


def check_submission(predictions: Mapping[str, Detections], labels: Sequence[LabelledImage]) -> list[str]:
    """Return a line for each way in which the images of a submission are not the labelled ones; empty if they are."""
    known = {image.id for image in labels}
    missing = [image.id for image in labels if image.id not in predictions]
    unknown = [name for name in predictions if name not in known]
    lines = []
    if missing:
        lines.append(f"{len(missing)} labelled image(s) are missing: {listed(missing)}; give each a row")
    if unknown:
        lines.append(f"{len(unknown)} image(s) are not labelled: {listed(unknown)}; take their rows out")
    return lines


class _BadRowError(Exception):
    """What is wrong with one row."""


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8", "backslashreplace"))  # names need not be UTF-8


def _check_written(name: str, detections: Detections) -> None:
    if not name.strip():
        raise ValueError("the id of an image is empty, expected a name")
    sizes = detections.boxes[:, 2:] - detections.boxes[:, :2]
    if (sizes < 0).any():
        raise ValueError(f"image {name!r} has a box with a negative size; the detector that made it is broken")


def _kaggle_string(name: str, detections: Detections) -> str:
    _check_written(name, detections)
    rows = corner_and_size_from_boxes(detections.boxes)
    start, end = detections.boxes[:, :2], detections.boxes[:, 2:]
    size = rows[:, 2:]
    # The fewest digits that give the same edge when added to the other one; float32 has about 7, float64 17.
    short = size.astype(np.float32).astype(str)
    exact = (start.astype(np.float64) + short.astype(np.float64)).astype(np.float32) == end
    texts = [detections.scores[:, None].astype(str), start.astype(str), np.where(exact, short, size.astype(str))]
    return " ".join(np.concatenate(texts, axis=1).ravel().tolist())


def _gwhd_string(name: str, detections: Detections) -> str:
    _check_written(name, detections)
    rows = np.rint(detections.boxes).astype(np.int64).tolist()
    return ";".join(" ".join(str(edge) for edge in row) for row in rows) or NO_BOX


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file, but for blank lines, with their numbers from 1; at least one.

    Raises:
        SubmissionError: if it cannot be read, is not CSV, or is empty.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SubmissionError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{path}: byte {error.start} is not UTF-8; save the file as CSV in UTF-8") from error
    try:
        with _fields_up_to(len(text)):
            reader = csv.reader(io.StringIO(text, newline=""), strict=True)
            rows = [(number, row) for number, row in enumerate(reader, 1) if row]
    except csv.Error as error:
        raise SubmissionError(f"{path}: is not CSV ({error}); write it again") from error
    if not rows:
        raise SubmissionError(f"{path}: is empty, expected a row {', '.join(KAGGLE_COLUMNS)} and one for each image")
    return rows


@contextmanager
def _fields_up_to(length: int) -> Iterator[None]:
    """Let the CSV reader take fields of that length: by default it refuses one of about 2,000 boxes."""
    before = csv.field_size_limit(max(length, csv.field_size_limit()))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _detections_of_row(columns: Sequence[str], row: Sequence[str]) -> tuple[str, Detections]:
    if len(row) != len(columns):
        raise _BadRowError(f"has {len(row)} fields, expected {len(columns)}")
    fields = dict(zip(columns, (field.strip() for field in row), strict=True))
    if "image_id" in fields:
        name, detections = fields["image_id"], _from_kaggle_string(fields["PredictionString"])
    else:
        name, detections = image_id(fields["image_name"]), _from_gwhd_string(fields["PredString"])
    if not name:
        raise _BadRowError("the image has no name")
    return name, detections


def _from_kaggle_string(text: str) -> Detections:
    words = text.split()
    if len(words) % 5:
        raise _BadRowError(f"has {len(words)} numbers, expected 5 for each box: score left top width height")
    rows = _numbers(words, 5)
    scores, rows = rows[:, 0], rows[:, 1:]
    if not ((scores >= 0) & (scores <= 1)).all():
        outside = scores[(scores < 0) | (scores > 1)][0]
        raise _BadRowError(f"a score is {outside:g}, expected 0 to 1")
    if (rows[:, 2:] < 0).any():
        raise _BadRowError(f"a width or height is {rows[:, 2:].min():g}, expected 0 or more")
    # Left and top were written as float32; only from the same number does adding the width give the same edge.
    rows[:, :2] = rows[:, :2].astype(np.float32)
    return Detections(boxes_from_corner_and_size(rows), scores.astype(np.float32))


def _from_gwhd_string(text: str) -> Detections:
    if text in ("", NO_BOX):
        return no_detections()
    words = [box.split() for box in text.split(";")]
    if not all(len(box) == 4 for box in words):
        raise _BadRowError("a box has not 4 numbers, expected left top right bottom and ; between boxes")
    rows = _numbers([word for box in words for word in box], 4)
    if (rows[:, 2:] < rows[:, :2]).any():
        raise _BadRowError("a box has a negative width or height, expected left top right bottom")
    return Detections(rows.astype(np.float32), np.ones(len(rows), dtype=np.float32))


def _numbers(words: Sequence[str], columns: int) -> Numbers:
    try:
        rows = np.array([float(word) for word in words], dtype=np.float64).reshape(-1, columns)
    except ValueError as error:
        raise _BadRowError(f"{str(error).split(': ')[-1]} is not a number") from error
    if not (np.abs(rows) < np.finfo(np.float32).max / 2).all():  # half: left + width must be finite, too
        raise _BadRowError("a number is not finite, expected pixels and scores")
    return rows
