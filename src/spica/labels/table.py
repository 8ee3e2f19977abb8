"""CSV files of labels: rows by column name, where one broken row costs that row alone."""

import csv
import io
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spica.errors import AnnotationError
from spica.images import write_atomically
from spica.labels.problems import Place, Problem, error

_DECIMAL_COMMA = re.compile(r"^(-?\d+),(\d+)$")
_UNDECODED = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are not UTF-8


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV file that could be read, each with its place, and the problems of the others."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[Place, Mapping[str, str]], ...]
    problems: tuple[Problem, ...]


def read_table(
    file: Path, required: Sequence[str], *, optional: Sequence[str] = (), numbers: Collection[str] = ()
) -> Table:
    """Return the rows of a CSV file with the columns `required`; further columns are kept, `optional` ones or not.

    Columns asked for are known whatever the case of their letters: "Image" is `image`, and so it is called in rows.
    Every line is a row of its own, so an unclosed quote does not swallow the rest of the file. Empty lines, and rows of
    nothing but separators, are skipped. Where the header has semicolons and no comma, as spreadsheets write it in many
    languages, semicolons part the fields, and a number in one of the columns `numbers` may have a decimal comma, which
    becomes a point; any other "1,5" is a name and stays as it is.

    Raises:
        AnnotationError: if the file cannot be read, is empty, or lacks a column or has it twice.
    """
    lines = read_text(file).split("\n")
    columns, separator = _names(file, lines[0]), _separator(lines[0])
    asked = _asked(file, columns, required, optional)
    decimals = () if separator == "," else [name for name in numbers if name in asked]
    rows: list[tuple[Place, Mapping[str, str]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip(separator + " \t"):
            continue
        place = Place(file, number)
        fields = _fields(place, line, separator, columns, asked[required[0]])
        if isinstance(fields, Problem):
            problems.append(fields)
            continue
        row = dict(zip(columns, fields, strict=True))
        row |= {name: row[column] for name, column in asked.items() if name != column}
        row |= {name: _DECIMAL_COMMA.sub(r"\1.\2", row[name]) for name in decimals}
        rows.append((place, row))
    return Table(file, columns, tuple(rows), tuple(problems))


def columns_of(file: Path) -> tuple[str, ...]:
    """Return the columns of a CSV file; none if its header cannot be read, as in a file of another kind."""
    try:
        return read_columns(file)
    except AnnotationError:
        return ()


def read_columns(file: Path) -> tuple[str, ...]:
    """Return the columns of a CSV file, as its first line names them.

    Raises:
        AnnotationError: if the file or its first line cannot be read.
    """
    return _names(file, read_text(file).split("\n", 1)[0])


def read_text(file: Path) -> str:
    r"""Return a text file with "\n" at every line's end; bytes that are not UTF-8 become lone surrogates.

    Raises:
        AnnotationError: if the file cannot be read or is UTF-16.
    """
    try:
        content = file.read_bytes()
    except OSError as broken:
        raise AnnotationError(f"{file}: cannot be read ({broken.strerror}); check the name and the rights") from broken
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise AnnotationError(f"{file}: is UTF-16, expected UTF-8; save it as UTF-8")
    text = content.decode("utf-8-sig", errors="surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def undecodable(text: str) -> bool:
    """Return whether text from `read_text` was not UTF-8."""
    return not text.isascii() and _UNDECODED.search(text) is not None


def may_replace(file: Path, *known: Sequence[str]) -> bool:
    """Return whether a table may take this name: nothing has it, or what has is empty or a table with columns `known`.

    Anything else, labels say, was not written by whoever writes such tables.
    """
    if not os.path.lexists(file):
        return True
    return file.is_file() and (file.stat().st_size == 0 or columns_of(file) in known)


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically; fields with a comma or a quote are quoted.

    Raises:
        AnnotationError: if a field holds a line break, which a row of labels cannot.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if any("\n" in str(field) or "\r" in str(field) for field in row):
            raise AnnotationError(f"{file}: {row!r} holds a line break, expected one line; rename the source or photo")
        writer.writerow(row)
    write_atomically(file, text.getvalue().encode("utf-8", "backslashreplace"))  # names need not be UTF-8


def _names(file: Path, line: str) -> tuple[str, ...]:
    """Return the names of the columns in the first line.

    Raises:
        AnnotationError: if it is no line of CSV.
    """
    try:
        return tuple(name.strip() for name in next(csv.reader([line], delimiter=_separator(line)), []))
    except csv.Error as broken:
        raise AnnotationError(f"{file}, row 1: is not CSV ({broken}); expected the names of the columns") from broken


def _asked(file: Path, columns: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> dict[str, str]:
    """Return the column that each name asked for means: the one of that name, else of that name in other letters.

    Raises:
        AnnotationError: if there is none for a required name, or several, or a column is there twice.
    """
    found = {name: _columns_named(name, columns) for name in (*required, *optional)}
    if any(not found[name] for name in required):
        tabs = any("\t" in column for column in columns)
        hint = "separate the columns by commas" if tabs else "add or rename the columns"
        expected, got = ", ".join(required), ", ".join(columns) or "an empty line"
        raise AnnotationError(f"{file}, row 1: expected the columns {expected}, got {got}; {hint}")
    if len(set(columns)) < len(columns) or any(len(same) > 1 for same in found.values()):
        raise AnnotationError(f"{file}, row 1: a column is there twice ({', '.join(columns)}); delete one")
    return {name: same[0] for name, same in found.items() if same}


def _columns_named(name: str, columns: Sequence[str]) -> list[str]:
    """Return the column of this name, else those that differ in the case of letters or in blanks around alone.

    >>> _columns_named("image", ["image", "Image"]), _columns_named("image", ["Image", "IMAGE"])
    (['image'], ['Image', 'IMAGE'])
    """
    meant = name.strip().casefold()
    return [name] if name in columns else [column for column in columns if column.casefold() == meant]


def _separator(header: str) -> str:
    return ";" if ";" in header and "," not in header else ","


def _fields(place: Place, line: str, separator: str, columns: Sequence[str], image: str) -> list[str] | Problem:
    """Return the fields of a line, or what is wrong with it, with the best guess at what it has in column `image`."""
    parts = [part.strip('" ') for part in line.split(separator)]
    guess = parts[columns.index(image)] if len(parts) > columns.index(image) else ""
    if undecodable(line):
        return error("encoding", place, guess, "the row is not UTF-8", "save the file as UTF-8; the row is left out")
    try:
        fields = next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return error("quotes", place, guess, "a quote is not closed or stands loose", "mend the row; it is left out")
    if len(fields) != len(columns):
        text = f"{len(fields)} fields, expected {len(columns)}"
        remedy = f"put a field with a {separator} in it in quotes; the row is left out"
        return error("fields", place, guess, text, remedy)
    return fields
