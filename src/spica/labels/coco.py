"""The COCO layout: a JSON file of images and annotations, and the photos in images/ or beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
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
)
from spica.labels.jsonfile import lists_objects, read_json, real_number, short, size_or_none
from spica.labels.labelled import HEAD, Labels
from spica.labels.photofiles import put_photos
from spica.labels.problems import Place, error
from spica.labels.reading import Reading, begun

FILE = "annotations.json"
PHOTOS = "images"


def files(data: Path) -> tuple[Path, ...]:
    """Return the JSON files in a folder and its annotations/, or the file `data`, that name images and annotations."""
    candidates = sorted([*data.glob("*.json"), *data.glob("annotations/*.json")]) if data.is_dir() else [data]
    return tuple(file for file in candidates if file.is_file() and _mentions_labels(file))


def read(data: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of every COCO file of a folder, or those of one file.

    A box with `iscrowd` 1 (or true), a region of many heads or of something that nobody is sure of, is ignored in
    training. The extra fields "source" and "session" of an image are used where they are there. A photo is found by
    `file_name` in `photos` (else in images/, else in the folder), whatever folders stand before it: see `ids_by_name`.

    Raises:
        AnnotationError: if there is no file, or one cannot be read, is not JSON, or has no images or annotations.
    """
    found = files(data)
    if not found:
        raise AnnotationError(f'{data}: no JSON file has "images" and "annotations"; expected {FILE}')
    contents = {file: _content(file) for file in found}
    names = {file: tuple(_names(content)) for file, content in contents.items()}
    exported = {name for file in names if _is_label_studios(contents[file]) for name in names[file]}
    reading = begun(data, PHOTOS, photos, chain.from_iterable(names.values()), exported)
    for file, content in contents.items():
        _read_file(reading, file, content)
    reading.report_unlisted("no JSON file lists the photo, so it is not used", 'add it to "images" if it is labelled')
    return reading.annotations()


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
        "categories": [{"id": 1, "name": HEAD}],
    }
    write_atomically(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8"))


def _entries(labels: Labels) -> list[dict[str, Any]]:
    boxes = [
        (position, box, crowd)
        for position, image in enumerate(labels, start=1)
        for crowd, edges in enumerate((image.boxes, image.ignored))
        for box in corner_and_size_from_boxes(edges).tolist()
    ]
    return [
        {"id": number, "image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
        for number, (image, box, crowd) in enumerate(boxes, start=1)
    ]


def _read_file(reading: Reading, file: Path, content: Mapping[str, Sequence[Any]]) -> None:
    keys: dict[int | str, str] = {}
    categories = _categories(content)
    for position, entry in enumerate(content["images"], start=1):
        _read_image(reading, Place(file, position, "image"), entry, keys)
    for position, entry in enumerate(content["annotations"], start=1):
        _read_box(reading, Place(file, position, "annotation"), entry, keys, categories)


def _content(file: Path) -> Mapping[str, Sequence[Any]]:
    content = read_json(file)
    for name in ("images", "annotations"):
        if not (isinstance(content, dict) and isinstance(content.get(name), list)):
            raise AnnotationError(f'{file}: expected a list "{name}", got none; is it a COCO file of labels?')
    return content  # type: ignore[no-any-return] # both lists were checked


def _is_label_studios(content: Mapping[str, Any]) -> bool:
    """Return whether a file says that Label Studio exported it: it may call a photo images/ LETTERS-name."""
    info = content.get("info")
    return isinstance(info, dict) and info.get("contributor") == "Label Studio"


def _names(content: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield the names of photos in a file; what is no image has none."""
    for entry in content["images"]:
        name = entry.get("file_name") if isinstance(entry, dict) else None
        if isinstance(name, str):
            yield name


def _read_image(reading: Reading, place: Place, entry: Any, keys: dict[int | str, str]) -> None:
    """Add an image, or what is wrong with it."""
    try:
        key, file_name = _key(entry["id"]), _text(entry["file_name"])
        size = size_or_none(entry.get("width")), size_or_none(entry.get("height"))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        text = f"expected id, file_name, and width and height above 0 or none, got {short(entry)}"
        reading.problems.append(error("image", place, "", text, "mend or delete it; it is left out"))
        return
    name = reading.ids[file_name]
    if key in keys or name in reading.images:
        first = reading.images[keys.get(key, name)].place
        text = f"the id or the file name stands in {first}, too"
        reading.problems.append(error("listed twice", place, name, text, "delete one; this one is left out"))
        return
    source, session = str(entry.get("source") or UNKNOWN_SOURCE), str(entry.get("session") or "")
    keys[key] = name
    reading.images[name] = AnnotatedImage(name, reading.photos.path(name), place, *size, source, session)


def _categories(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of categories by their id; what is no category is passed over."""
    listed = content.get("categories")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {str(entry.get("id")): str(entry.get("name", entry.get("id"))) for entry in entries}


def _read_box(
    reading: Reading, place: Place, entry: Any, keys: Mapping[int | str, str], categories: Mapping[str, str]
) -> None:
    """Add a box, or what is wrong with it."""
    try:
        name = keys.get(_key(entry["image_id"]), "")
    except (KeyError, TypeError):
        name = ""
    if not name:
        text = f"no image of the file has the image_id of {short(entry)}"
        reading.problems.append(error("no image", place, "", text, "mend or delete it; it is left out"))
        return
    try:
        label, crowd = str(entry.get("category_id", "")), _is_crowd(entry.get("iscrowd", 0))
        row = BoxRow(name, _box(entry["bbox"]), place, label=categories.get(label, label), ignored=crowd)
        reading.rows.append(row)
    except (KeyError, TypeError, ValueError, OverflowError):
        got = f"{short(entry.get('bbox'))} and {short(entry.get('iscrowd', 0))}"
        text = f"expected bbox [left, top, width, height] and iscrowd 0 or 1, got {got}"
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
    left, top, width, height = (real_number(value) for value in values)
    return left, top, left + width, top + height


def _is_crowd(value: Any) -> bool:
    """Return whether a box is to be ignored.

    Raises:
        ValueError: if the value says neither.
    """
    if value not in (0, 1):  # False and True are, too; the texts "0" and "1" are not
        raise ValueError(f"iscrowd is {value!r}, expected 0 or 1")
    return bool(value)


def _mentions_labels(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except OSError as broken:
        raise AnnotationError(f"{file}: cannot be read ({broken.strerror}); check the rights") from broken
    return b'"images"' in content and b'"annotations"' in content and not lists_objects(content)
