"""The YOLO layout: photos in images/, and in labels/ a text file for each, with a line per box."""

from dataclasses import dataclass, field
from pathlib import Path

from spica.images import files_in, write_atomically
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
from spica.labels.photofiles import find_photos, put_photos
from spica.labels.photonames import misnamed_photos
from spica.labels.problems import Place, Problem, error, warning
from spica.labels.table import read_text, undecodable

PHOTOS = "images"
LABELS = "labels"
SETTINGS = "data.yaml"

_SETTINGS_TEXT = f"path: .\ntrain: {PHOTOS}\nval: {PHOTOS}\nnames:\n  0: wheat head\n"


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    rows: list[BoxRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def is_there(folder: Path, photos: Path | None = None) -> bool:
    """Return whether a folder has this layout; where `photos` lie elsewhere, labels/ with a text file is enough."""
    labels = folder / LABELS
    return labels.is_dir() and ((folder / PHOTOS).is_dir() or (photos is not None and bool(_texts(labels))))


def read(folder: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of labels/; boxes are relative, since only the photo tells its size.

    images/train/a.jpg belongs to labels/train/a.txt. Source and session come from images.csv, if it is there.
    `photos` is where the photos lie, if not in images/.

    Raises:
        AnnotationError: if a file cannot be read.
    """
    files = find_photos(photos or folder / PHOTOS)
    origins, problems = read_origins(folder)
    texts = _texts(folder / LABELS)
    misnamed = misnamed_photos(texts, files)
    reading = _Reading(problems=[*problems, *misnamed.values()])
    images = []
    for name in sorted((files.by_id.keys() | texts.keys()) - misnamed.keys()):
        place = Place(texts.get(name, files.path(name)))
        if name in texts:
            _read_text(reading, name, texts[name])
        else:
            text = f"the photo has no file in {LABELS}/, so it counts as a photo without heads"
            reading.problems.append(warning("no labels", place, name, text, "label it, or add an empty file"))
        images.append(AnnotatedImage(name, files.path(name), place, None, None, *_origin(origins.get(name))))
    return annotations_without_twins(files, images, reading.rows, reading.problems)


def write(labels: Labels, folder: Path) -> None:
    """Write the photos into images/, a text file for each into labels/, data.yaml, and images.csv with the sources.

    Training tools of the YOLO family read all but images.csv. data.yaml names the same photos for training and
    validation; split them before you train.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    put_photos(labels, folder / PHOTOS)
    for image in labels:
        target = folder / LABELS / f"{image.id}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_text(image), encoding="ascii", newline="\n")
    write_atomically(folder / SETTINGS, _SETTINGS_TEXT.encode("ascii"))
    write_origins(labels, folder)


def box_from(line: str) -> Edges:
    """Return left, top, right, bottom, as fractions of the photo, from "class centre-x centre-y width height".

    Raises:
        ValueError: if the line is something else; the message says what was expected.

    >>> box_from("0 0.5 0.5 0.25 0.5")
    (0.375, 0.25, 0.625, 0.75)
    """
    parts = line.split()
    if len(parts) != 5:
        raise ValueError(f"{len(parts)} fields, expected 5: class, centre x, centre y, width, height")
    try:
        x, y, width, height = (number(part) for part in parts[1:])
    except ValueError as broken:
        raise ValueError(f"got {line.strip()!r}, expected a class and four numbers") from broken
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _texts(folder: Path) -> dict[str, Path]:
    """Return the label files below a folder by the id of their photo: searched as photos are.

    Raises:
        ImageError: if a folder cannot be read: its photos would count as photos without heads.
    """
    texts = [path for path in files_in(folder) if path.suffix.lower() == ".txt" and path.name.lower() != "classes.txt"]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in texts}


def _origin(origin: Origin | None) -> tuple[str, str]:
    return (origin.source, origin.session) if origin else (UNKNOWN_SOURCE, "")


def _read_text(reading: _Reading, name: str, file: Path) -> None:
    for row, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        place = Place(file, row)
        try:
            if undecodable(line):
                raise ValueError("the row is not UTF-8")
            reading.rows.append(BoxRow(name, box_from(line), place, relative=True, label=line.split()[0]))
        except ValueError as broken:
            reading.problems.append(error("box", place, name, str(broken), "mend or delete the row; it is left out"))


def _text(image: LabelledImage) -> str:
    """Return a line per box; float64 fractions, from which the float32 edges come back exactly."""
    width, height = image.width, image.height
    lines = [
        f"0 {(left + right) / 2 / width!r} {(top + bottom) / 2 / height!r}"
        f" {(right - left) / width!r} {(bottom - top) / height!r}\n"
        for left, top, right, bottom in image.boxes.astype(float).tolist()
    ]
    return "".join(lines)
