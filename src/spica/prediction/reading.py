"""A result folder, read again: what was found on each photo, and what is known of its counts."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from spica.boxes import no_boxes
from spica.counting.intervals import CountModel
from spica.counting.naming import KnownPhotos
from spica.detections import COLUMNS, Detections
from spica.errors import AnnotationError, SubmissionError
from spica.images import name_photos, named_from
from spica.labels.problems import Place
from spica.labels.table import read_table
from spica.prediction.folder import MANIFEST, Order
from spica.prediction.journal import Outcome
from spica.prediction.results import COUNTS, DETECTIONS, ERRORS


@dataclass(frozen=True, slots=True)
class Results:
    """What `spica predict` found: on each photo that could be counted, in the order of the folder.

    `counts` is what is known of the counts, None if nothing; `gsd` the millimetres of ground in a pixel, 0 if unknown.
    `inputs` are the photos and folders that were given, `model` names what looked at them; boxes of a lower score than
    `score` are not there. `failed` are the photos that could not be counted; `raster` says that it is one raster and no
    photos, `place` where that lay (`Raster.place`), "" if it said nothing of it.
    """

    photos: tuple[Outcome, ...]
    counts: CountModel | None
    gsd: float
    inputs: tuple[Path, ...] = ()
    model: str = "unnamed"
    score: float = 0.0
    failed: tuple[str, ...] = ()
    raster: bool = False
    place: str = ""


def known_photos(results: Results) -> KnownPhotos:
    """Return the photos of results as tables may name them."""
    folder = named_from(results.inputs).as_posix() if results.inputs else ""
    return KnownPhotos([photo.name for photo in results.photos], results.failed, folder)


def is_result_folder(path: Path) -> bool:
    """Return whether a path is a folder of results that is complete."""
    return (path / MANIFEST).is_file()


def read_results(folder: Path) -> Results:
    """Return what is in a complete result folder.

    Raises:
        SubmissionError: if it is not complete, or a file in it does not make sense.
    """
    manifest = _manifest(folder / MANIFEST)
    try:
        boxes = dict(_boxes(folder / DETECTIONS))
        errors = _errors(folder / ERRORS)
        rows = _rows(folder / COUNTS, ("image", "width"))
        photos = tuple(_outcome(place, row, boxes, errors) for place, row in rows)
        counted = {photo.name for photo in photos}
        model = manifest.get("counts")
        return Results(
            photos,
            CountModel(**model) if model else None,
            float(manifest.get("gsd", 0)),
            tuple(Path(os.path.normpath(folder.resolve() / path)) for path in manifest["inputs"]),
            str(manifest["model"]),
            float(manifest["score"]),
            tuple(name for name in errors if name not in counted),  # the others have no picture
            "raster" in manifest,
            str(manifest.get("place", "")),
        )
    except (AnnotationError, KeyError, TypeError, ValueError) as broken:
        raise SubmissionError(f"{folder}: is not what spica predict wrote ({broken}); predict again") from broken


def differences(folder: Path, order: Order) -> list[str]:
    """Return in what a complete result folder differs from what an order would give, pictures and photos aside.

    Raises:
        SubmissionError: if its manifest is damaged.
    """
    before, now = _manifest(folder / MANIFEST), json.loads(json.dumps(order.description()))
    return [key for key in now if key != "pictures" and before.get(key) != now[key]]


def paths_of(results: Results) -> Mapping[str, Path]:
    """Return where each photo lies, by its name; none if what was given to be predicted is not all there any more."""
    return name_photos(results.inputs) if all(path.exists() for path in results.inputs) else {}


def _manifest(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        raise SubmissionError(
            f"{file}: is missing or damaged, expected results of spica predict; predict again"
        ) from broken
    return content


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """Yield the rows of a table.

    Raises:
        ValueError: if one of them cannot be read.
    """
    table = read_table(file, columns, numbers=COLUMNS)
    if table.problems:
        raise ValueError(table.problems[0].line())
    yield from table.rows


def _boxes(file: Path) -> Iterator[tuple[str, Detections]]:
    for name, group in groupby(_rows(file, ("image", *COLUMNS)), key=lambda row: row[1]["image"]):
        numbers = np.array([[float(row[column]) for column in COLUMNS] for _, row in group], dtype=np.float32)
        yield name, Detections(numbers[:, :4], numbers[:, 4])


def _errors(file: Path) -> dict[str, str]:
    """Return what went wrong with photos, by their names; nothing if there is no such table."""
    return {row["image"]: row["error"] for _, row in _rows(file, ("image", "error"))} if file.exists() else {}


def _outcome(
    place: Place, row: Mapping[str, str], boxes: Mapping[str, Detections], errors: Mapping[str, str]
) -> Outcome:
    name, size = row["image"], (int(row["width"]), int(row["height"]))
    found = boxes.get(name, Detections(no_boxes(), np.zeros(0, dtype=np.float32)))
    if len(found) != int(row["heads"]):
        raise ValueError(f"{place}: {row['heads']} heads, but {len(found)} boxes in {DETECTIONS}")
    return Outcome(name, *size, found, tuple(row["flags"].split()), errors.get(name, ""))
