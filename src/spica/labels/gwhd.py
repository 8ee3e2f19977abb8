"""The layout of the Global Wheat Head Dataset 2021: a row per photo in CSV files, and the photos in images/."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spica.errors import AnnotationError
from spica.labels.annotations import (
    UNKNOWN_SOURCE,
    AnnotatedImage,
    Annotations,
    BoxRow,
    Edges,
    annotations_without_twins,
    number,
)
from spica.labels.imagetable import Origin, read_origins, write_origins
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.photofiles import Photos, find_photos, image_id, put_photos
from spica.labels.problems import Place, Problem, error, warning
from spica.labels.table import columns_of, read_table, write_table

TABLE = "competition_train.csv"
PHOTOS = "images"
COLUMNS = ("image_name", "BoxesString", "domain")
NO_BOX = "no_box"  # how the data set writes a photo without heads


def tables(folder: Path) -> tuple[Path, ...]:
    """Return the CSV files of `folder` that have the column BoxesString, sorted by name; unreadable ones have none."""
    return tuple(file for file in sorted(folder.glob("*.csv")) if file.is_file() and "BoxesString" in columns_of(file))


def read(folder: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of every table of `folder`: competition_train.csv, competition_val.csv, ...

    The domain of a photo is its source. images.csv, if it is there, tells the session, too. `photos` is where the
    photos lie, if not in images/.

    Raises:
        AnnotationError: if there is no table, or one cannot be read or lacks a column.
    """
    files = tables(folder)
    if not files:
        raise AnnotationError(f"{folder}: no CSV file has the column BoxesString; expected {TABLE}")
    origins, problems = read_origins(folder)
    reading = _Reading(find_photos(photos or folder / PHOTOS), origins, problems=list(problems))
    for file in files:
        table = read_table(file, COLUMNS)
        reading.problems.extend(table.problems)
        for place, row in table.rows:
            _read_row(reading, place, row)
    _report_unlisted(reading)
    return annotations_without_twins(reading.photos, reading.images.values(), reading.rows, reading.problems)


def write(labels: Labels, folder: Path) -> None:
    """Write competition_train.csv, the photos into images/, and images.csv beside for the sessions.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(labels, folder / PHOTOS)
    rows = ((name, _text(image), image.source) for name, image in zip(names, labels, strict=True))
    write_table(folder / TABLE, COLUMNS, rows)
    write_origins(labels, folder)


def box_from(text: str) -> Edges:
    """Return left, top, right, bottom from "xmin ymin xmax ymax".

    Raises:
        ValueError: if the text is something else; the message says what was expected.
    """
    parts = text.split()
    if len(parts) != 4:
        raise ValueError(f"{len(parts)} numbers ({text!r}), expected 4: xmin ymin xmax ymax")
    try:
        left, top, right, bottom = (number(part) for part in parts)
    except ValueError as broken:
        raise ValueError(f"box is {text!r}, expected four numbers") from broken
    return left, top, right, bottom


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    photos: Photos
    origins: Mapping[str, Origin]
    images: dict[str, AnnotatedImage] = field(default_factory=dict)
    rows: list[BoxRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _read_row(reading: _Reading, place: Place, row: Mapping[str, str]) -> None:
    """Add the image of a row and its boxes, or what is wrong with them."""
    name = image_id(row["image_name"])
    if not row["image_name"]:
        reading.problems.append(error("no image", place, "", "image_name is empty", "fill it in; the row is left out"))
        return
    if name in reading.images:
        text = f"the image is listed in {reading.images[name].place}, too"
        reading.problems.append(error("listed twice", place, name, text, "delete one row; this one is left out"))
        return
    origin = reading.origins.get(name)
    session = origin.session if origin else ""
    path, source = reading.photos.path(name), row["domain"] or UNKNOWN_SOURCE
    reading.images[name] = AnnotatedImage(name, path, place, source=source, session=session)
    boxes = row["BoxesString"].strip()
    if boxes == NO_BOX:
        return
    for position, text in enumerate(boxes.removesuffix(";").split(";"), start=1):
        where = replace(place, box=position)
        try:
            reading.rows.append(BoxRow(name, box_from(text), where))
        except ValueError as broken:
            remedy = f"mend it, or write {NO_BOX} for a photo without heads; the box is left out"
            reading.problems.append(error("box", where, name, str(broken), remedy))


def _report_unlisted(reading: _Reading) -> None:
    for name, paths in reading.photos.by_id.items():
        if name not in reading.images:
            text, remedy = "the photo has no row in any table, so it is not used", f"add a row ({NO_BOX}: no heads)"
            reading.problems.append(warning("no labels", Place(paths[0]), name, text, remedy))


def _text(image: LabelledImage) -> str:
    """Return the boxes of an image as the data set writes them; the shortest decimals that give the same float32."""
    boxes = [" ".join(str(edge).removesuffix(".0") for edge in box) for box in image.boxes]
    return ";".join(boxes) or NO_BOX
