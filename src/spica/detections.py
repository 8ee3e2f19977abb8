"""Detections: what a detector found on one photo, and the type of every detector."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from spica.boxes import Boxes, corner_and_size_from_boxes, no_boxes

Image: TypeAlias = UInt8[np.ndarray, "height width 3"]
Scores: TypeAlias = Float32[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found on one photo, with scores in [0, 1], highest first.

    The arrays are copied, sorted by score (ties keep their order) and made read-only.

    Raises:
        ValueError: if the shapes differ, a number is not finite, or a score is outside [0, 1].
    """

    boxes: Boxes
    scores: Scores

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, dtype=np.float32).reshape(-1, 4)
        scores = np.asarray(self.scores, dtype=np.float32)
        if scores.shape != (len(boxes),):
            raise ValueError(f"scores have shape {scores.shape}, expected ({len(boxes)},), one for each box")
        if not np.isfinite(boxes).all():
            raise ValueError("boxes are not finite; the detector that made them is broken")
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("scores are not in [0, 1]; the detector that made them is broken")
        order = np.argsort(-scores, kind="stable")
        boxes, scores = boxes[order], scores[order]
        boxes.flags.writeable = scores.flags.writeable = False
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> "Detections":
        """Return the detections whose score is greater than or equal to `score`.

        >>> boxes = np.array([[0, 0, 4, 4], [5, 5, 9, 9]], dtype=np.float32)
        >>> found = Detections(boxes, np.array([0.9, 0.2], dtype=np.float32))
        >>> len(found.above(0.5))
        1
        """
        return self.first(int((self.scores >= np.float32(score)).sum()))

    def first(self, most: int) -> "Detections":
        """Return the `most` detections with the highest scores."""
        return Detections(self.boxes[:most], self.scores[:most])

    def moved(self, x: float, y: float) -> "Detections":
        """Return the detections moved right by `x` and down by `y` pixels."""
        return Detections(self.boxes + np.array([x, y, x, y], dtype=np.float32), self.scores)

    def to_coco(self, image_id: int | str, category_id: int = 1) -> list[dict[str, Any]]:
        """Return COCO result entries: image_id, category_id, bbox (left, top, width, height), score."""
        rows = corner_and_size_from_boxes(self.boxes).tolist()
        return [
            {"image_id": image_id, "category_id": category_id, "bbox": row, "score": score}
            for row, score in zip(rows, self.scores.tolist(), strict=True)
        ]


def no_detections() -> Detections:
    """Return detections of nothing."""
    return Detections(no_boxes(), np.zeros(0, dtype=np.float32))


Detect: TypeAlias = Callable[[Image], Detections]
