"""The audit: annotations checked against their photos and against sense; what passes becomes Labels.

An error leaves its row (or photo) out of the labels, a warning keeps it; both name file, row and remedy.
"""

from pathlib import Path

from spica.errors import ImageError
from spica.images import image_size, read_image
from spica.labels.annotations import AnnotatedImage, Annotations, BoxRow
from spica.labels.boxaudit import sound_boxes, sound_regions
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.problems import Problem, error
from spica.labels.table import undecodable


def labels_from(annotations: Annotations, *, deep: bool = False) -> tuple[Labels, list[Problem]]:
    """Return the labels that are sound, in the order of the files, and every problem, those of reading first.

    Photos are opened for their size alone; `deep` decodes them all, which finds files that are cut off.
    A photo all of whose boxes were left out is left out itself: it is not known to be free of heads.
    """
    problems = list(annotations.problems)
    rows: dict[str, list[BoxRow]] = {image.id: [] for image in annotations.images}
    for row in annotations.rows:
        rows[row.image].append(row)
    blamed = {problem.image for problem in problems if problem.severity == "error"}
    labels: list[LabelledImage] = []
    for image in annotations.images:
        size = _size(image, deep=deep)
        if isinstance(size, Problem):
            problems.append(_with_count(size, len(rows[image.id])))
            continue
        heads = [row for row in rows[image.id] if not row.ignored]
        boxes, flaws = sound_boxes(image.id, size, heads)
        ignored, broken = sound_regions(image.id, size, [row for row in rows[image.id] if row.ignored])
        problems.extend([*flaws, *broken])
        if len(boxes) == 0 and (heads or image.id in blamed):
            problems.append(_doubtful(image))
        else:
            labels.append(LabelledImage(image.id, image.path, *size, boxes, image.source, image.session, ignored))
    return tuple(labels), problems


def _doubtful(image: AnnotatedImage) -> Problem:
    text = "none of its rows is sound, so it is not known whether the photo has heads; it is left out"
    return error("no sound row", image.place, image.id, text, "mend its rows")


def _size(image: AnnotatedImage, *, deep: bool) -> tuple[int, int] | Problem:
    """Return width and height of the photo, upright, or what is wrong with it."""
    if undecodable(image.id):
        return error("name", image.place, image.id, "the name of the photo is not UTF-8", "rename the file")
    if not _is_file(image.path):
        remedy = "put the photo there, mend its name, or delete its rows"
        return error("missing photo", image.place, image.id, f"there is no photo {image.path}", remedy)
    try:
        size = _decoded_size(image.path) if deep else image_size(image.path)
    except ImageError as broken:
        return error("unreadable photo", image.place, image.id, str(broken), "replace the photo")
    declared = image.width or size[0], image.height or size[1]
    if declared != size:
        text = f"the photo is {size[0]} x {size[1]}, but its rows say {declared[0]} x {declared[1]}"
        return error("size differs", image.place, image.id, text, "label the photo as it is, or put back the right one")
    return size


def _is_file(path: Path) -> bool:
    """Return whether there is a file; there is none if its name is longer than names can be."""
    try:
        return path.is_file()
    except OSError:
        return False


def _decoded_size(path: Path) -> tuple[int, int]:
    height, width, _ = read_image(path).shape
    return width, height


def _with_count(problem: Problem, boxes: int) -> Problem:
    text = f"{problem.text}; the photo and its {boxes} box{'' if boxes == 1 else 'es'} are left out"
    return Problem(problem.severity, problem.kind, problem.place, problem.image, text, problem.remedy)
