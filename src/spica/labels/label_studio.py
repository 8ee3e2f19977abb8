"""Label Studio: tasks in its JSON, full or JSON-MIN, with rectangles in percent; and the photos in images/."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from spica.errors import AnnotationError
from spica.labels.annotations import (
    UNKNOWN_SOURCE,
    AnnotatedImage,
    Annotations,
    BoxRow,
    Edges,
)
from spica.labels.jsonfile import real_number, short
from spica.labels.label_studio_export import (
    SAID,
    SESSION,
    SOURCE,
    Region,
    Submitted,
    Task,
    holds_tasks,
    photo_path,
    read_tasks,
)
from spica.labels.problems import Place, error, warning
from spica.labels.reading import Reading, begun_with_origins

FILE = "tasks.json"
PHOTOS = "images"

_RECTANGLES = frozenset({"rectanglelabels", "rectangle"})
_LEFT_OUT = "it is left out"


def files(data: Path) -> tuple[Path, ...]:
    """Return the JSON files in a folder, or the file `data`, that hold tasks of Label Studio."""
    candidates = sorted(data.glob("*.json")) if data.is_dir() else [data]
    return tuple(file for file in candidates if file.is_file() and holds_tasks(file))


def read(data: Path, photos: Path | None = None) -> Annotations:
    """Return the annotations of every file of tasks in a folder, or of one file.

    Of several annotations of a task the newest that was not skipped is used. Tasks without one are left out: it is not
    known whether their photos show heads. A photo lies in `photos` (else in images/, else beside the file); uploads
    are known by their name after the letters that Label Studio puts before it.

    Raises:
        AnnotationError: if there is no such file, or one cannot be read or is not JSON.
    """
    found = files(data)
    if not found:
        raise AnnotationError(f"{data}: no JSON file holds tasks of Label Studio; expected {FILE}")
    contents = [read_tasks(file) for file in found]
    listed = [task for tasks, _ in contents for task in tasks]
    reading, passed_over = begun_with_origins(data, PHOTOS, photos, _names(listed)), set[str]()
    reading.problems.extend(problem for _, broken in contents for problem in broken)
    for task in listed:
        _read_task(reading, task, passed_over)
    text, remedy = "no task shows the photo, so it is not used", "import it into Label Studio, and label it"
    reading.report_unlisted(text, remedy, told=passed_over)
    return reading.annotations()


def _names(tasks: Iterable[Task]) -> Iterator[str]:
    """Yield the names of photos in tasks; a task without one has none."""
    for task in tasks:
        with suppress(ValueError):
            yield photo_path(task.data)


def _read_task(reading: Reading, task: Task, passed_over: set[str]) -> None:
    """Add the photo of a task and the boxes of its newest annotation, or say why not, and that it is passed over."""
    try:
        name = reading.ids[photo_path(task.data)]
    except ValueError as broken:
        reading.problems.append(error("no image", task.place, "", str(broken), f"name its photo; {_LEFT_OUT}"))
        return
    chosen = _chosen(reading, task, name)
    if chosen is None:
        passed_over.add(name)
        return
    if name in reading.images:
        text = f"the photo stands in {reading.images[name].place}, too"
        remedy = "delete one of the tasks; this one is left out"
        reading.problems.append(error("listed twice", task.place, name, text, remedy))
        return
    reading.images[name] = _image(reading, task, name, chosen)
    beside = {region.key: region.label for region in chosen.regions if region.kind == "labels"}
    for position, region in enumerate(chosen.regions, start=1):
        _read_region(reading, name, replace(task.place, box=position), region, beside)


def _chosen(reading: Reading, task: Task, name: str) -> Submitted | None:
    """Return the newest annotation that was not skipped, and list the others; None if there is none."""
    done = [one for one in task.annotations if not one.skipped]
    if not done:
        said = "was skipped" if task.annotations else "is not annotated"
        text, remedy = f"the task {said}, so the photo is not used", "annotate it and submit it"
        reading.problems.append(warning("not labelled", task.place, name, text, remedy))
        return None
    newest = max(done, key=lambda one: one.changed)
    if len(done) > 1:
        text = f"{len(done)} annotations; the newest is used (id {newest.key}, {newest.changed:%Y-%m-%d %H:%M})"
        others = ", ".join(one.key for one in done if one is not newest)
        remedy = f"delete the one that is wrong; left out: {others}"
        reading.problems.append(warning("several annotations", task.place, name, text, remedy))
    return newest


def _image(reading: Reading, task: Task, name: str, chosen: Submitted) -> AnnotatedImage:
    """Return the photo of a task, of the size that its regions tell."""
    sizes = [region.size for region in chosen.regions if region.kind in _RECTANGLES]
    size = sizes[0] if sizes else (None, None)
    origin = reading.origins.get(name)
    source = task.data.get(SOURCE) or (origin.source if origin else UNKNOWN_SOURCE)
    session = task.data.get(SESSION) or (origin.session if origin else "")
    return AnnotatedImage(name, reading.photos.path(name), task.place, *size, str(source), str(session))


def _read_region(reading: Reading, name: str, place: Place, region: Region, beside: Mapping[str, str]) -> None:
    """Add the box of a region, or what is wrong with it; what has no place on the photo is passed over.

    `beside` are labels that stand apart from their rectangle, by its key.
    """
    if region.kind in SAID:
        return
    if region.kind not in _RECTANGLES:
        text, remedy = f"a region of type {region.kind}, expected a rectangle", f"draw a rectangle instead; {_LEFT_OUT}"
        reading.problems.append(error("shape", place, name, text, remedy))
        return
    try:
        edges = _edges(region.value)
        turned, photo = (real_number(angle or 0) % 360 for angle in (region.value.get("rotation"), region.turned))
    except (KeyError, TypeError):
        text = f"expected x, y, width, height and angles as numbers, got {short(region.value)}"
        reading.problems.append(error("box", place, name, text, f"mend or delete it; {_LEFT_OUT}"))
        return
    if turned or photo:
        what = f"the rectangle is turned by {turned:g}" if turned else f"the photo was turned by {photo:g}"
        remedy = f"turn it back and fit it to the head; {_LEFT_OUT}"
        reading.problems.append(error("rotated", place, name, f"{what} degrees, expected 0", remedy))
        return
    label = region.label or beside.get(region.key, "")
    reading.rows.append(BoxRow(name, edges, place, relative=True, label=label))


def _edges(value: Mapping[str, Any]) -> Edges:
    """Return left, top, right, bottom as fractions of the photo.

    Older versions write a negative width or height where a rectangle was drawn from right to left or upwards.
    """
    x, y, width, height = (real_number(value[key]) for key in ("x", "y", "width", "height"))
    (left, right), (top, bottom) = sorted((x, x + width)), sorted((y, y + height))
    return left / 100, top / 100, right / 100, bottom / 100
