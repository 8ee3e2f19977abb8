"""The layout of the Kaggle competition: train.csv with a row per box, and the photos in train/."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spica.boxes import corner_and_size_from_boxes
from spica.labels.annotations import (
    UNKNOWN_SOURCE,
    AnnotatedImage,
    Annotations,
    BoxRow,
    annotations_without_twins,
    number,
    whole_number,
)
from spica.labels.imagetable import Origin, read_origins, write_origins
from spica.labels.labelled import Labels
from spica.labels.photofiles import Photos, find_photos, put_photos
from spica.labels.photonames import misnamed_photos
from spica.labels.problems import Place, Problem, error, warning
from spica.labels.table import read_table, write_table

TABLE = "train.csv"
PHOTOS = "train"
COLUMNS = ("image_id", "width", "height", "bbox", "source")


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    photos: Photos
    origins: Mapping[str, Origin]
    images: dict[str, AnnotatedImage] = field(default_factory=dict)
    rows: list[BoxRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def is_there(folder: Path) -> bool:
    """Return whether a folder has this layout."""
    return (folder / TABLE).is_file()


def read(folder: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of train.csv, and every photo in train/ without a row as one without heads.

    `photos` is where the photos lie, if not in train/.

    Source and session come from images.csv, too, if it is there: a photo without heads has no row to tell them.

    Raises:
        AnnotationError: if train.csv or images.csv cannot be read or lacks a column.
    """
    origins, problems = read_origins(folder)
    reading = _Reading(find_photos(photos or folder / PHOTOS), origins, problems=list(problems))
    table = read_table(folder / TABLE, COLUMNS, numbers=("width", "height"))
    reading.problems.extend(table.problems)
    for place, row in table.rows:
        problem = _read_row(reading, place, row)
        if problem is not None:
            reading.problems.append(problem)
    _add_images_without_rows(reading)
    return annotations_without_twins(reading.photos, reading.images.values(), reading.rows, reading.problems)


def write(labels: Labels, folder: Path) -> None:
    """Write train.csv exactly as Kaggle has it, the photos into train/, and images.csv beside.

    images.csv holds what train.csv cannot: the session, and the source of a photo without heads.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    put_photos(labels, folder / PHOTOS)
    rows = (
        (image.id, image.width, image.height, str(box), image.source)
        for image in labels
        for box in corner_and_size_from_boxes(image.boxes).tolist()
    )
    write_table(folder / TABLE, COLUMNS, rows)
    write_origins(labels, folder)


def box_from(text: str) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom from Kaggle's "[left, top, width, height]".

    Raises:
        ValueError: if the text is something else; the message says what was expected.

    >>> box_from("[834.0, 222.0, 56.0, 36.0]")
    (834.0, 222.0, 890.0, 258.0)
    """
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise ValueError(f"bbox is {text!r}, expected [left, top, width, height]")
    parts = inner[1:-1].split(",")
    if len(parts) != 4:
        raise ValueError(f"bbox has {len(parts)} numbers ({text!r}), expected 4: [left, top, width, height]")
    try:
        left, top, width, height = (number(part) for part in parts)
    except ValueError as broken:
        raise ValueError(f"bbox is {text!r}, expected four numbers") from broken
    return left, top, left + width, top + height


def _read_row(reading: _Reading, place: Place, row: Mapping[str, str]) -> Problem | None:
    """Add the image and the box of a row; return what is wrong with it."""
    name = row["image_id"]
    if not name:
        return error("no image", place, "", "image_id is empty", "fill it in or delete the row; it is left out")
    try:
        size = whole_number(row["width"]), whole_number(row["height"])
    except ValueError:
        text = f"size is {row['width']} x {row['height']}, expected whole numbers above 0"
        return error("size", place, name, text, "mend the row; it is left out")
    image = reading.images.setdefault(name, _image(reading, place, name, size, row["source"]))
    if (image.width, image.height) != size:
        text = f"size is {size[0]} x {size[1]}, but {image.width} x {image.height} in row {image.place.row}"
        return error("two sizes", place, name, text, "mend one of them; the row is left out")
    try:
        reading.rows.append(BoxRow(name, box_from(row["bbox"]), place))
    except ValueError as broken:
        return error("bbox", place, name, str(broken), "mend or delete the row; it is left out")
    if row["source"] and row["source"] != image.source:
        text = f"source is {row['source']}, but {image.source} in {image.place}"
        return warning("two sources", place, name, text, f"mend one of them; {image.source} is used")
    return None


def _image(reading: _Reading, place: Place, name: str, size: tuple[int, int], source: str) -> AnnotatedImage:
    origin = reading.origins.get(name)
    known = source or (origin.source if origin else UNKNOWN_SOURCE)
    return AnnotatedImage(name, reading.photos.path(name), place, *size, known, origin.session if origin else "")


def _add_images_without_rows(reading: _Reading) -> None:
    """Add the photos without a row; those that no images.csv lists either get a warning, or an error if misnamed."""
    for name, origin in reading.origins.items():
        if name not in reading.images:
            image = AnnotatedImage(name, reading.photos.path(name), origin.place, None, None, *_names(origin))
            reading.images[name] = image
    named = {*reading.images, *(problem.image for problem in reading.problems)}  # in rows that cannot be read, too
    misnamed = misnamed_photos(named, reading.photos)
    reading.problems.extend(misnamed.values())
    for name, paths in reading.photos.by_id.items():
        if name not in reading.images and name not in misnamed:
            place = Place(paths[0])
            reading.images[name] = AnnotatedImage(name, paths[0], place)
            text = f"the photo has no row in {TABLE}, so it counts as a photo without heads"
            reading.problems.append(warning("no labels", place, name, text, "label it if it shows heads"))


def _names(origin: Origin) -> tuple[str, str]:
    return origin.source, origin.session
