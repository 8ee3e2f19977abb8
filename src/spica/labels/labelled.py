"""A labelled image: one photo, where it comes from, and the box of every head on it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from spica.boxes import Boxes, is_valid, no_boxes
from spica.errors import AnnotationError

HEAD = "wheat head"  # what a head is called in files that name what is in a box
LEAST_VISIBLE = 0.3  # a head of which less is seen was not labelled in the public data set, nor in labels made here


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """One photo and the boxes of its heads, possibly none.

    `ignored` are boxes in which nobody knows whether or where heads are: training learns nothing there, neither heads
    nor background. Scoring knows no such boxes; what is found there counts as on the rest of the photo.
    `source` is the field or data set part that a photo comes from ("usask_1"); `session` a day or camera inside it.
    Photos of one source look alike, so honest validation leaves whole sources out.

    Raises:
        ValueError: if the size is not positive, or a box is not finite, has no area or is not inside the image.
    """

    id: str
    path: Path
    width: int
    height: int
    boxes: Boxes
    source: str = "unknown"
    session: str = ""
    ignored: Float32[np.ndarray, "m 4"] = field(default_factory=no_boxes)

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"{self.id}: size is {self.width} x {self.height}, expected > 0")
        for name in ("boxes", "ignored"):
            object.__setattr__(self, name, self._frozen(getattr(self, name)))

    def _frozen(self, edges: Boxes) -> Boxes:
        boxes = np.array(edges, dtype=np.float32).reshape(-1, 4)
        limits = np.array([self.width, self.height, self.width, self.height], dtype=np.float32)
        if not (is_valid(boxes).all() and (boxes >= 0).all() and (boxes <= limits).all()):
            raise ValueError(f"{self.id}: boxes must be finite, inside the image and have an area; audit them first")
        boxes.flags.writeable = False
        return boxes

    @property
    def heads(self) -> int:
        """Number of heads on the photo."""
        return len(self.boxes)


Labels: TypeAlias = tuple[LabelledImage, ...]


def require_distinct_ids(labels: Labels) -> None:
    """Do nothing if every image has an id of its own.

    Raises:
        AnnotationError: if two have the same; it names both photos.
    """
    seen: dict[str, Path] = {}
    for image in labels:
        if image.id in seen:
            raise AnnotationError(
                f"two images have the id {image.id!r}, expected different ones: {seen[image.id]} and {image.path}; "
                "rename one of them or leave it out"
            )
        seen[image.id] = image.path
