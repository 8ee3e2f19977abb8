"""Labels that look wrong beside what a detector finds: each a suspect to be looked at, not an error."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from spica.boxes import area, iou
from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.pairing import HIT_IOU, paired_heads
from spica.scoring.predictions import Found, aligned

Kind: TypeAlias = Literal["not labelled", "nothing found", "loose", "double", "merged", "split"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MEANINGS: dict[Kind, str] = {
    "not labelled": "a sure box where no head is labelled",
    "nothing found": "a labelled head where nothing is found, at whatever score",
    "loose": "a label that overlaps the sure box on it by an IoU of 0.3 to 0.6 only",
    "double": "two labels on what is found as one head",
    "merged": "one label on what is found as several heads",
    "split": "several labels inside what is found as one head",
}

_Disagreement: TypeAlias = tuple[float, tuple[int, ...], tuple[int, ...]]  # strength in [0, 1], boxes found, labels

_APART = 0.3  # IoU below which a box and a label are of different things
_TIGHT = 0.6  # IoU from which a label counts as well placed; half of the heads are found at 0.8 and more
_INSIDE = 0.75  # part of a box inside another that makes it a part of it
_FAINT = 0.2  # score up to which a box is next to nothing
# Strengths of different kinds in one list: chosen on errors planted in real labels, see docs/data.md. A head on which
# nothing is found is somewhat more often a miss than a sure box beside all labels is a false one.
_OF_NOTHING = 0.93
_LOOSEST = 0.6  # score x (1 - IoU) from which a label is as loose as it can be
_STEEPNESS = 3  # evidence is strength to this power: weak disagreements are many and mean little


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A place on a photo where label and detector disagree: the labels and the boxes found that are meant.

    `evidence` in [0, 1] is how strong the disagreement is, times how well label and detector agree on the rest of the
    photo; it is no chance that the label is wrong. `rows` are the positions of `labels` among those of the image.
    """

    image: LabelledImage
    kind: Kind
    evidence: float
    rows: tuple[int, ...]
    labels: Float32[np.ndarray, "_ 4"]
    found: Float32[np.ndarray, "_ 4"]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the smallest box around what is meant."""
        both = np.vstack([self.labels, self.found]).astype(np.float64)
        (left, top), (right, bottom) = both[:, :2].min(axis=0).tolist(), both[:, 2:].max(axis=0).tolist()
        return left, top, right, bottom


@dataclass(frozen=True, slots=True, eq=False)
class _Photo:
    """One photo with its labels, the n boxes found on it, and how they lie to each other."""

    image: LabelledImage
    found: Detections
    sure: Bool[np.ndarray, " n"]
    overlap: Float[np.ndarray, "n heads"]
    in_label: Float[np.ndarray, "n heads"]  # part of a box found that is inside a label
    in_found: Float[np.ndarray, "n heads"]  # part of a label that is inside a box found


def suspects(found: Found, labels: Sequence[LabelledImage], threshold: float) -> tuple[Suspect, ...]:
    """Return the suspects on labelled images, the strongest first; a box is sure from `threshold` on.

    Give the detections down to a low score: where something was found faintly, a label is no suspect.

    Raises:
        ValueError: if detections and labels are not of the same images.
    """
    listed = [
        suspect
        for image, one in zip(labels, aligned(found, labels), strict=True)
        for suspect in _on_photo(_photo(image, one, threshold))
    ]
    return tuple(sorted(listed, key=lambda suspect: -suspect.evidence))


def _photo(image: LabelledImage, found: Detections, threshold: float) -> _Photo:
    shared = _shared(found.boxes, image.boxes)
    return _Photo(
        image=image,
        found=found,
        sure=found.scores >= np.float32(threshold),
        overlap=iou(found.boxes, image.boxes),
        in_label=shared / np.maximum(area(found.boxes.astype(np.float64)), 1e-9)[:, None],
        in_found=shared / area(image.boxes.astype(np.float64)),
    )


def _shared(first: Float32[np.ndarray, "n 4"], second: Float32[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Return the area that each box of `first` shares with each of `second`, in square pixels."""
    start = np.maximum(first[:, None, :2], second[:, :2]).astype(np.float64)
    end = np.minimum(first[:, None, 2:], second[:, 2:]).astype(np.float64)
    shared: Float[np.ndarray, "n m"] = np.clip(end - start, 0, None).prod(axis=2)
    return shared


def _agreement(photo: _Photo) -> float:
    """Return how well labels and sure boxes agree, from near 0 to 1: hits, of all that is labelled or found."""
    hits = int((paired_heads(photo.found.first(int(photo.sure.sum())), photo.image.boxes) >= 0).sum())
    return (hits + 1) / (int(photo.sure.sum()) + photo.image.heads - hits + 1)


def _on_photo(photo: _Photo) -> Iterator[Suspect]:
    """Yield the suspects of one photo; a label or a box found that belongs to one is part of no other."""
    agreement = _agreement(photo)
    taken_boxes: set[int] = set()
    taken_heads: set[int] = set()
    for kind, find in _FINDERS.items():
        for strength, boxes, heads in find(photo):
            if taken_boxes.isdisjoint(boxes) and taken_heads.isdisjoint(heads):
                taken_boxes.update(boxes)
                taken_heads.update(heads)
                yield Suspect(
                    photo.image,
                    kind,
                    strength**_STEEPNESS * agreement,
                    heads,
                    photo.image.boxes[list(heads)],
                    photo.found.boxes[list(boxes)],
                )


def _merged(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield labels with two or more sure boxes inside and none that fits; strength: the second score."""
    for head in np.flatnonzero(_best(photo.overlap[photo.sure], axis=0) < HIT_IOU).tolist():
        parts = np.flatnonzero(photo.sure & (photo.in_label[:, head] >= _INSIDE) & (_best(photo.overlap) < HIT_IOU))
        if len(parts) > 1:
            yield float(photo.found.scores[parts[1]]), _ints(parts), (head,)


def _split(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield sure boxes with two or more labels inside, of which none is found itself; strength: the score."""
    unfound = _best(photo.overlap[photo.sure], axis=0) < HIT_IOU
    for box in np.flatnonzero(photo.sure & (_best(photo.overlap) < HIT_IOU)).tolist():
        parts = np.flatnonzero(unfound & (photo.in_found[box] >= _INSIDE))
        if len(parts) > 1:
            yield float(photo.found.scores[box]), (box,), _ints(parts)


def _double(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield pairs of labels that share one sure box; strength: their IoU."""
    overlaps = np.triu(iou(photo.image.boxes, photo.image.boxes), k=1)
    for one, other in np.argwhere(overlaps > HIT_IOU).tolist():
        boxes = np.flatnonzero(photo.sure & (photo.overlap[:, [one, other]].max(axis=1, initial=0) > HIT_IOU))
        if len(boxes) == 1:
            yield float(overlaps[one, other]), _ints(boxes), (one, other)


def _loose(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield labels and sure boxes that are the best for each other, yet overlap little; by score x (1 - IoU)."""
    if not photo.overlap.size:
        return
    best_head = photo.overlap.argmax(axis=1)
    best_box = photo.overlap.argmax(axis=0)
    for box in np.flatnonzero(photo.sure).tolist():
        head = int(best_head[box])
        overlap = float(photo.overlap[box, head])
        if best_box[head] == box and _APART <= overlap <= _TIGHT:
            yield min(1.0, float(photo.found.scores[box]) * (1 - overlap) / _LOOSEST), (box,), (head,)


def _nothing_found(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield labels on which there is no box but a faint one; strength: nearly 1 less its score."""
    scores = np.where(photo.overlap >= _APART, photo.found.scores[:, None], 0)
    best = _best(scores, axis=0)
    for head in np.flatnonzero(best < _FAINT).tolist():
        yield _OF_NOTHING * (1 - float(best[head])), (), (head,)


def _not_labelled(photo: _Photo) -> Iterator[_Disagreement]:
    """Yield sure boxes apart from every label; strength: the score."""
    for box in np.flatnonzero(photo.sure & (_best(photo.overlap) < _APART)).tolist():
        yield float(photo.found.scores[box]), (box,), ()


# What is made of several boxes comes first, so that its parts are not named again one by one.
_FINDERS: dict[Kind, Callable[[_Photo], Iterator[_Disagreement]]] = {
    "merged": _merged,
    "split": _split,
    "double": _double,
    "loose": _loose,
    "nothing found": _nothing_found,
    "not labelled": _not_labelled,
}


def _best(values: Float[np.ndarray, "n m"], axis: int = 1) -> Float[np.ndarray, " k"]:
    """Return the highest value of each row, or with `axis` 0 of each column; 0 where there is none."""
    best: Float[np.ndarray, " k"] = values.max(axis=axis, initial=0)
    return best


def _ints(numbers: Int[np.ndarray, " k"]) -> tuple[int, ...]:
    return tuple(numbers.tolist())
