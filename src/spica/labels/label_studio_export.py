"""What Label Studio exports: tasks, each with a photo and its annotations, from full JSON or JSON-MIN."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from spica.errors import AnnotationError
from spica.images import PHOTO_SUFFIXES
from spica.labels.jsonfile import lists_objects, read_json, short, size_or_none
from spica.labels.problems import Place, Problem, error

IMAGE, SOURCE, SESSION = "image", "source", "session"  # what a task's data may hold

# Kinds of regions that say something and have no place of their own.
SAID = frozenset(
    {"choices", "labels", "text", "textarea", "rating", "number", "taxonomy", "datetime", "pairwise", "relation"}
)

_SIGNS = (b'"annotations"', b'"predictions"', b'"annotation_id"')  # one of them is in every form


@dataclass(frozen=True, slots=True)
class Region:
    """One thing that was said of a photo, or of a place on it; `value` holds what belongs to its `kind`, unchecked.

    `label` is what it is called: several names are one, with commas. `turned` is by how many degrees the photo was
    turned in the tool, `size` the photo's width and height, None where that is not told.
    """

    key: str
    kind: str
    label: str
    value: Mapping[str, Any]
    turned: Any
    size: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What one person said of a task: its number, when it was changed last, the regions, and whether it was skipped."""

    key: str
    changed: datetime
    regions: tuple[Region, ...]
    skipped: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A photo to label, and every annotation of it."""

    place: Place
    data: Mapping[str, Any]
    annotations: tuple[Submitted, ...]


def holds_tasks(file: Path) -> bool:
    """Return whether a file looks like an export of Label Studio, or like tasks for it.

    Raises:
        AnnotationError: if it cannot be read.
    """
    try:
        content = file.read_bytes()
    except OSError as broken:
        raise AnnotationError(f"{file}: cannot be read ({broken.strerror}); check the rights") from broken
    return lists_objects(content) and any(sign in content for sign in _SIGNS)


def read_tasks(file: Path) -> tuple[list[Task], list[Problem]]:
    """Return the tasks of a file, and what is no task.

    In JSON-MIN each annotation has an entry of its own; those of a task are put together.

    Raises:
        AnnotationError: if it cannot be read or is not JSON.
    """
    tasks: dict[str, Task] = {}
    problems = []
    for position, entry in enumerate(read_json(file), start=1):
        place = _place(file, position, entry)
        try:
            task = _full(place, entry) if "data" in entry else _short(place, entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            text = f"expected a task with data and annotations, got {short(entry)}"
            problems.append(error("task", place, "", text, "mend or delete it; it is left out"))
            continue
        key = f"entry {position}" if "data" in entry else str(place)
        before = tasks[key].annotations if key in tasks else ()
        tasks[key] = Task(task.place, task.data, (*before, *task.annotations))
    return list(tasks.values()), problems


def photo_path(data: Mapping[str, Any]) -> str:
    """Return the path of a task's photo, from an address, a local file or an upload.

    Raises:
        ValueError: if the task names no photo, or several.

    >>> photo_path({"image": "/data/local-files/?d=images/day%201/plot.7.jpg"})
    'images/day 1/plot.7.jpg'
    """
    named = {key: _path(value) for key, value in data.items() if isinstance(value, str)}
    photos = {key: path for key, path in named.items() if Path(path).suffix.lower() in PHOTO_SUFFIXES}
    chosen = [photos[IMAGE]] if IMAGE in photos else sorted(set(photos.values()))
    if len(chosen) != 1:
        raise ValueError(f"expected one photo in the data of the task, got {short(dict(data))}")
    return chosen[0]


def _path(address: str) -> str:
    """Return the path in an address, from the host on; that of a local file stands in its query."""
    try:
        parts = urlsplit(address)
    except ValueError:  # a text with brackets is no address
        return address
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path.removeprefix("/") if parts.netloc else parts.path)


def _place(file: Path, position: int, entry: Any) -> Place:
    """Return the place of a task by the number that Label Studio shows, or by its position in the file."""
    number = entry.get("id") if isinstance(entry, dict) else None
    return Place(file, number, "task id") if type(number) is int else Place(file, position, "task")


def _full(place: Place, entry: Mapping[str, Any]) -> Task:
    annotations = tuple(
        Submitted(str(one.get("id", "")), _changed(one), _regions(one["result"]), bool(one.get("was_cancelled")))
        for one in entry.get("annotations") or ()
    )
    return Task(place, dict(entry["data"]), annotations)


def _short(place: Place, entry: Mapping[str, Any]) -> Task:
    """Return a task with the one annotation of this entry; regions stand under the names of the labelling config."""
    lists = [value for value in entry.values() if isinstance(value, list)]
    regions = [region for value in lists for region in value if isinstance(region, dict)]
    return Task(
        place, dict(entry), (Submitted(str(entry["annotation_id"]), _changed(entry), _regions(regions), skipped=False),)
    )


def _regions(entries: list[Any]) -> tuple[Region, ...]:
    return tuple(_region(entry) for entry in entries)


def _region(entry: Any) -> Region:
    """Return a region; what is none is a rectangle without edges, which keeps its position and is told as such."""
    value = entry.get("value", entry) if isinstance(entry, dict) else None  # JSON-MIN has no "value" around it
    if not isinstance(value, dict):
        return Region("", "rectangle", "", {}, 0, (None, None))
    kind = str(entry.get("type") or _kind(value))
    named = value.get("rectanglelabels") or value.get("labels")
    label = ", ".join(str(one) for one in named) if isinstance(named, list) else ""
    size = _size(entry.get("original_width")), _size(entry.get("original_height"))
    return Region(str(entry.get("id", "")), kind, label, value, entry.get("image_rotation"), size)


def _kind(value: Mapping[str, Any]) -> str:
    """Return the kind of a region that does not tell it, as in JSON-MIN: the list of its labels is named after it."""
    named = [key for key, labels in value.items() if isinstance(labels, list) and key != "points"]
    fallback = "rectangle" if "x" in value else "text"
    return next((key for key in named if key.endswith("labels") or key in SAID), fallback)


def _size(value: Any) -> int | None:
    """Return a width or height; None where it is not told or makes no sense, for the photo itself tells it."""
    try:
        return size_or_none(value)
    except (ValueError, OverflowError):
        return None


def _changed(annotation: Mapping[str, Any]) -> datetime:
    """Return when an annotation was changed last; the beginning of time where that is not written down."""
    text = annotation.get("updated_at") or annotation.get("created_at")
    when = datetime.fromisoformat(text) if text else datetime.min
    return when if when.tzinfo else when.replace(tzinfo=UTC)
