"""Detections: what a detector found on one photo, and the type of every detector."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float32

from spica.boxes import Boxes, corner_and_size_from_boxes, no_boxes
from spica.drawing import draw_heads
from spica.errors import MissingExtraError
from spica.image import Image

if TYPE_CHECKING:
    import pandas as pd

Scores: TypeAlias = Float32[np.ndarray, " n"]

COLUMNS = ("left", "top", "right", "bottom", "score")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes found on one photo, with scores in [0, 1], highest first.

    The arrays are copied, sorted by score (ties keep their order) and made read-only. `capped` says that the detector
    gave as many boxes as it can, so that there may be more heads.

    Raises:
        ValueError: if the shapes differ, a number is not finite, or a score is outside [0, 1].
    """

    boxes: Boxes
    scores: Scores
    capped: bool = False

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
        return replace(self, boxes=self.boxes[:most], scores=self.scores[:most])

    def moved(self, x: float, y: float) -> "Detections":
        """Return the detections moved right by `x` and down by `y` pixels."""
        return replace(self, boxes=self.boxes + np.array([x, y, x, y], dtype=np.float32))

    def scaled(self, x: float, y: float) -> "Detections":
        """Return the detections on a photo that is `x` times as wide and `y` times as high."""
        return replace(self, boxes=self.boxes * np.array([x, y, x, y], dtype=np.float32))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield left, top, right, bottom and score of each box as text, as they stand in tables."""
        for box, score in zip(self.boxes.tolist(), self.scores.tolist(), strict=True):
            # A hundredth of a pixel is far below what boxes can be trusted to.
            yield (*(f"{edge:.2f}" for edge in box), f"{score:.5f}")

    def to_csv(self) -> str:
        """Return a table as CSV: a header, then a line for each box.

        >>> print(Detections(np.array([[0, 0, 4, 4.5]], dtype=np.float32), np.array([0.5], dtype=np.float32)).to_csv())
        left,top,right,bottom,score
        0.00,0.00,4.00,4.50,0.50000
        <BLANKLINE>
        """
        return "".join(f"{','.join(row)}\n" for row in (COLUMNS, *self.rows()))

    def to_pandas(self) -> "pd.DataFrame":
        """Return a data frame with the columns left, top, right, bottom and score.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise MissingExtraError("to_pandas needs pandas: pip install pandas") from error
        return pd.DataFrame(np.column_stack([self.boxes, self.scores]), columns=list(COLUMNS))

    def draw(self, image: Image, *, scores: bool = False) -> Image:
        """Return a copy of the photo with a frame around each head and their number in the upper left corner.

        With `scores` each frame carries its score in percent.
        """
        return draw_heads(image, self.boxes, self.scores if scores else None)

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
