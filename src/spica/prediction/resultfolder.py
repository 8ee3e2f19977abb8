"""A result folder read again: the photos, and what was found on each, to be corrected and become labels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spica.boxes import no_boxes
from spica.detections import COLUMNS, Detections
from spica.errors import AnnotationError
from spica.images import image_size, name_photos
from spica.labels.annotations import number, whole_number
from spica.labels.found import FoundHeads, found_heads
from spica.labels.labelled import LabelledImage
from spica.labels.photofiles import find_photos
from spica.labels.photoids import photo_ids
from spica.labels.photonames import photo_names_of
from spica.labels.table import Table, read_table
from spica.prediction.folder import MANIFEST
from spica.prediction.results import COUNTS, DETECTIONS


def is_result_folder(folder: Path) -> bool:
    """Return whether `spica predict` wrote a folder."""
    return (folder / COUNTS).is_file() and (folder / DETECTIONS).is_file()


def read_result_folder(folder: Path, photos: Path | None = None) -> FoundHeads:
    """Return what `spica predict` found, on the photos where they lay then, or in the folder `photos`.

    Photos that could not be counted are not among them.

    Raises:
        AnnotationError: if the folder is not complete, a table makes no sense, or a photo is gone or has another size.
        ImageError: if there are no photos, or one cannot be read.
    """
    manifest = _manifest(folder / MANIFEST)
    counts = _whole(read_table(folder / COUNTS, ("image", "width", "height")))
    found = _found(_whole(read_table(folder / DETECTIONS, ("image", *COLUMNS))))
    names = [row["image"] for _, row in counts.rows]
    paths = _paths(folder, names, manifest, photos)
    ids = photo_ids(paths)
    images = []
    for place, row in counts.rows:
        name = row["image"]
        size = whole_number(row["width"]), whole_number(row["height"])
        if image_size(paths[name]) != size:
            raise AnnotationError(f"{place}: {paths[name]} is no longer {size[0]} x {size[1]}; predict it again")
        image = LabelledImage(ids[name], paths[name], *size, no_boxes())
        images.append((image, found.get(name, Detections(no_boxes(), np.zeros(0, np.float32)))))
    return found_heads(images, str(manifest["model"]))


def _manifest(file: Path) -> Mapping[str, Any]:
    """Return the manifest of a result folder.

    Raises:
        AnnotationError: if it is not there, or is no manifest.
    """
    try:
        content = json.loads(file.read_bytes())
        return {"model": content["model"], "inputs": [Path(path) for path in content["inputs"]]}
    except OSError as absent:
        text = f"{file}: cannot be read ({absent.strerror}), so the results are not complete; predict again"
        raise AnnotationError(text) from absent
    except (ValueError, KeyError, TypeError) as broken:
        raise AnnotationError(f"{file}: is no manifest of results ({broken}); predict again") from broken


def _whole(table: Table) -> Table:
    """Return a table of which every row could be read.

    Raises:
        AnnotationError: if one could not.
    """
    if table.problems:
        raise AnnotationError(table.problems[0].line())
    return table


def _found(table: Table) -> dict[str, Detections]:
    """Return the detections in a table by the name of their photo.

    Raises:
        AnnotationError: if a row is not four edges and a score.
    """
    rows: dict[str, list[list[float]]] = {}
    for place, row in table.rows:
        try:
            rows.setdefault(row["image"], []).append([number(row[column]) for column in COLUMNS])
        except ValueError as broken:
            raise AnnotationError(f"{place}: {broken}, expected four edges and a score; predict again") from broken
    tables = {name: np.array(values, dtype=np.float32) for name, values in rows.items()}
    return {name: Detections(values[:, :4], values[:, 4]) for name, values in tables.items()}


def _paths(folder: Path, names: list[str], manifest: Mapping[str, Any], photos: Path | None) -> dict[str, Path]:
    """Return the path of each named photo.

    Raises:
        AnnotationError: if one is not there.
    """
    if photos is None:
        there: Mapping[str, Path] = name_photos(manifest["inputs"])
    else:
        known = photo_names_of(find_photos(photos))
        there = {name: known.photos.path(known.id_of(name)) for name in names}
    missing = [name for name in names if not (name in there and there[name].is_file())]
    if missing:
        raise AnnotationError(
            f"{folder}: {len(missing)} photo(s) are gone, first {missing[0]}; name their folder by --photos"
        )
    return {name: there[name] for name in names}
