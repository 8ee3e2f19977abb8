"""Which boxes are heads, in files that hold boxes of several kinds of things."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from spica.errors import AnnotationError
from spica.labels.annotations import Annotations, BoxRow
from spica.labels.problems import Place, Problem, warning


def chosen_boxes(annotations: Annotations, called: Collection[str]) -> Annotations:
    """Return the annotations with the boxes alone whose label is in `called`, and a warning for each other label.

    Without any label in `called` all boxes are taken as heads; a warning tells if they have several labels. Boxes of
    layouts that name nothing (Kaggle's, GWHD's) are heads in any case.

    Raises:
        AnnotationError: if boxes have labels, and none has one of those in `called`: photos would pass for bare.
    """
    counts = Counter(row.label for row in annotations.rows if row.label)
    if not called:
        return replace(annotations, problems=(*annotations.problems, *_several(annotations, sorted(counts))))
    if counts and (absent := [label for label in called if label not in counts]):
        raise AnnotationError(
            f"{annotations.folder}: no box has the label {', '.join(map(repr, absent))}, expected one of "
            f"{', '.join(map(repr, sorted(counts)))}; mend --label"
        )
    others = [label for label in sorted(counts) if label not in called]
    rows = tuple(row for row in annotations.rows if row.label not in others)
    problems = [_other(annotations.rows, label, counts[label]) for label in others]
    return replace(annotations, rows=rows, problems=(*annotations.problems, *problems))


def _several(annotations: Annotations, labels: list[str]) -> list[Problem]:
    if len(labels) < 2:
        return []
    text = f"boxes of {len(labels)} labels ({', '.join(labels)}) are all taken as heads"
    place = _place(annotations.rows, labels[1])
    return [warning("categories", place, "", text, "delete what is not a head, or name the heads' label by --label")]


def _other(rows: tuple[BoxRow, ...], label: str, boxes: int) -> Problem:
    text = f"{boxes} box{'' if boxes == 1 else 'es'} with the label {label} left out, as asked for"
    return warning("other label", _place(rows, label), "", text, "name the label by --label if it means heads")


def _place(rows: tuple[BoxRow, ...], label: str) -> Place:
    """Return the file of the first box with a label."""
    return Place(next(row.place.file for row in rows if row.label == label))
