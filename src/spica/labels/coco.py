"""The COCO layout: a JSON file of images and annotations, and the photos in images/ or beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from spica.boxes import corner_and_size_from_boxes
from spica.errors import AnnotationError
from spica.images import write_atomically
from spica.labels.annotations import (
    UNKNOWN_SOURCE,
    AnnotatedImage,
    Annotations,
    BoxRow,
    Edges,
    annotations_without_twins,
)
from spica.labels.labelled import Labels
from spica.labels.photofiles import Photos, find_photos, image_id, put_photos
from spica.labels.problems import Place, Problem, error, warning
from spica.labels.table import read_text

FILE = "annotations.json"
PHOTOS = "images"
CATEGORY = "wheat head"


def files(folder: Path) -> tuple[Path, ...]:
    """Return the JSON files in `folder` and in `folder`/annotations that name images and annotations."""
    candidates = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return tuple(file for file in candidates if file.is_file() and _mentions_labels(file))


def read(folder: Path) -> Annotations:
    """Return the annotations of every COCO file of `folder`.

    The extra fields "source" and "session" of an image are used where they are there. A photo is found by `file_name`
    in images/ (or `folder`), failing that by its name alone if no other photo has it.

    Raises:
        AnnotationError: if there is no file, or one cannot be read, is not JSON, or has no images or annotations.
    """
    found = files(folder)
    if not found:
        raise AnnotationError(f'{folder}: no JSON file has "images" and "annotations"; expected {FILE}')
    photos = find_photos(folder / PHOTOS if (folder / PHOTOS).is_dir() else folder)
    reading = _Reading(photos, _by_last_part(photos))
    for file in found:
        _read_file(reading, file)
    _report_unlisted(reading)
    return annotations_without_twins(photos, reading.images.values(), reading.rows, reading.problems)


def write(labels: Labels, folder: Path) -> None:
    """Write annotations.json and the photos into images/; source and session are extra fields of an image.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = put_photos(labels, folder / PHOTOS)
    content = {
        "images": [
            {
                "id": position,
                "file_name": name,
                "width": image.width,
                "height": image.height,
                "source": image.source,
                "session": image.session,
            }
            for position, (name, image) in enumerate(zip(names, labels, strict=True), start=1)
        ],
        "annotations": _entries(labels),
        "categories": [{"id": 1, "name": CATEGORY}],
    }
    write_atomically(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8"))


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    photos: Photos
    by_last_part: Mapping[str, str]
    images: dict[str, AnnotatedImage] = field(default_factory=dict)
    rows: list[BoxRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def _entries(labels: Labels) -> list[dict[str, Any]]:
    boxes = [
        (position, box)
        for position, image in enumerate(labels, start=1)
        for box in corner_and_size_from_boxes(image.boxes).tolist()
    ]
    return [
        {"id": number, "image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for number, (image, box) in enumerate(boxes, start=1)
    ]


def _read_file(reading: _Reading, file: Path) -> None:
    content = _content(file)
    keys: dict[int | str, str] = {}
    for position, entry in enumerate(content["images"], start=1):
        _read_image(reading, Place(file, position, "image"), entry, keys)
    for position, entry in enumerate(content["annotations"], start=1):
        _read_box(reading, Place(file, position, "annotation"), entry, keys)
    categories = {str(entry.get("category_id")) for entry in content["annotations"] if isinstance(entry, dict)}
    if len(categories) > 1:
        names = ", ".join(sorted(categories))
        text = f"boxes of {len(categories)} categories ({names}) are all taken as heads"
        reading.problems.append(warning("categories", Place(file), "", text, "delete what is not a head"))


def _content(file: Path) -> Mapping[str, Sequence[Any]]:
    try:
        content = json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as broken:
        at = f", row {broken.lineno}" if isinstance(broken, json.JSONDecodeError) else ""
        raise AnnotationError(f"{file}{at}: is not JSON ({broken}); mend it or write it anew") from broken
    for name in ("images", "annotations"):
        if not (isinstance(content, dict) and isinstance(content.get(name), list)):
            raise AnnotationError(f'{file}: expected a list "{name}", got none; is it a COCO file of labels?')
    return content  # type: ignore[no-any-return] # both lists were checked


def _read_image(reading: _Reading, place: Place, entry: Any, keys: dict[int | str, str]) -> None:
    """Add an image, or what is wrong with it."""
    try:
        key, file_name = _key(entry["id"]), _text(entry["file_name"])
        size = _size(entry.get("width")), _size(entry.get("height"))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        text = f"expected id, file_name, and width and height above 0 or none, got {_short(entry)}"
        reading.problems.append(error("image", place, "", text, "mend or delete it; it is left out"))
        return
    name = _name(reading, file_name)
    if key in keys or name in reading.images:
        first = reading.images[keys.get(key, name)].place
        text = f"the id or the file name stands in {first}, too"
        reading.problems.append(error("listed twice", place, name, text, "delete one; this one is left out"))
        return
    source, session = str(entry.get("source") or UNKNOWN_SOURCE), str(entry.get("session") or "")
    keys[key] = name
    reading.images[name] = AnnotatedImage(name, reading.photos.path(name), place, *size, source, session)


def _read_box(reading: _Reading, place: Place, entry: Any, keys: Mapping[int | str, str]) -> None:
    """Add a box, or what is wrong with it."""
    try:
        name = keys.get(_key(entry["image_id"]), "")
    except (KeyError, TypeError):
        name = ""
    if not name:
        text = f"no image of the file has the image_id of {_short(entry)}"
        reading.problems.append(error("no image", place, "", text, "mend or delete it; it is left out"))
        return
    if entry.get("iscrowd"):
        text = "iscrowd is set: a region of many heads, not one"
        reading.problems.append(error("crowd", place, name, text, "label the heads one by one; it is left out"))
        return
    try:
        reading.rows.append(BoxRow(name, _box(entry["bbox"]), place))
    except (KeyError, TypeError, ValueError, OverflowError):
        text = f"expected bbox [left, top, width, height], got {_short(entry)}"
        reading.problems.append(error("bbox", place, name, text, "mend or delete it; it is left out"))


def _key(value: Any) -> int | str:
    """Return the id of an image, a number or a text.

    Raises:
        TypeError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"id is {value!r}, expected a number or a text")
    return value


def _text(value: Any) -> str:
    """Return a name.

    Raises:
        TypeError: if it is no text or empty.
    """
    if not isinstance(value, str) or not value:
        raise TypeError(f"file_name is {value!r}, expected a text")
    return value


def _box(values: Any) -> Edges:
    """Return left, top, right, bottom of COCO's left, top, width, height.

    Raises:
        TypeError: if there is something but a number among them.
        ValueError: if there are not four.
    """
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise TypeError(f"bbox is {values!r}, expected four numbers")
    left, top, width, height = (float(value) for value in values)
    return left, top, left + width, top + height


def _size(value: Any) -> int | None:
    """Return a width or height, None where there is none.

    Raises:
        ValueError: if it is not a whole number above 0.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or value != int(value):
        raise ValueError(f"size is {value!r}, expected a whole number above 0")
    return int(value)


def _name(reading: _Reading, file_name: str) -> str:
    """Return the id of the photo that `file_name` means; its own path where there is no such photo."""
    path = PurePosixPath(file_name.replace("\\", "/"))
    name = image_id(path)
    if name in reading.photos.by_id:
        return name
    return reading.by_last_part.get(path.name, name)


def _by_last_part(photos: Photos) -> dict[str, str]:
    """Return the ids of the photos by file name without folder, of those whose name no other photo has."""
    names: dict[str, list[str]] = {}
    for name, paths in photos.by_id.items():
        for path in paths:
            names.setdefault(path.name, []).append(name)
    return {last: ids[0] for last, ids in names.items() if len(ids) == 1}


def _report_unlisted(reading: _Reading) -> None:
    for name, paths in reading.photos.by_id.items():
        if name not in reading.images:
            text, remedy = "no JSON file lists the photo, so it is not used", 'add it to "images" if it is labelled'
            reading.problems.append(warning("no labels", Place(paths[0]), name, text, remedy))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mentions_labels(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except OSError as broken:
        raise AnnotationError(f"{file}: cannot be read ({broken.strerror}); check the rights") from broken
    return b'"images"' in content and b'"annotations"' in content
