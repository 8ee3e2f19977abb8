"""What is wrong with a label file, and where: values that turn into one clear line each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a label file.

    `row` is the line of a text file as an editor or a spreadsheet numbers it: the header of a CSV file is row 1.
    In JSON it is the position in the list that `unit` names, from 1. `box` is the position inside a row, from 1.

    >>> str(Place(Path("train.csv"), 7))
    'train.csv, row 7'
    >>> str(Place(Path("labels.json"), 2, "annotation"))
    'labels.json, annotation 2'
    """

    file: Path
    row: int | None = None
    unit: str = "row"
    box: int | None = None

    def __str__(self) -> str:
        row = "" if self.row is None else f", {self.unit} {self.row}"
        return f"{self.file}{row}" + ("" if self.box is None else f", box {self.box}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a data set.

    An `error` names what was left out: a row, or a photo with all its rows. A `warning` names what was kept
    and deserves a look. `kind` is a short fixed word to count by ("huge", "outside"); `image` is "" for a whole file.
    """

    severity: Severity
    kind: str
    place: Place
    image: str
    text: str
    remedy: str

    @property
    def file(self) -> Path:
        """The file that the problem stands in."""
        return self.place.file

    @property
    def row(self) -> int | None:
        """The row that the problem stands in, None for a whole file or photo."""
        return self.place.row

    def line(self) -> str:
        """Return the problem as one line: place, image, what is wrong, what to do.

        >>> Problem("error", "negative", Place(Path("train.csv"), 7), "a1", "width is -3.0", "mend the row").line()
        'train.csv, row 7 (image a1): width is -3.0; mend the row'
        """
        image = f" (image {self.image})" if self.image else ""
        line = f"{self.place}{image}: {self.text}; {self.remedy}".replace("\n", " ")
        return line.encode("utf-8", "backslashreplace").decode()  # names of files need not be UTF-8


def error(kind: str, place: Place, image: str, text: str, remedy: str) -> Problem:
    """Return a problem whose row or photo was left out."""
    return Problem("error", kind, place, image, text, remedy)


def warning(kind: str, place: Place, image: str, text: str, remedy: str) -> Problem:
    """Return a problem whose row or photo was kept."""
    return Problem("warning", kind, place, image, text, remedy)
