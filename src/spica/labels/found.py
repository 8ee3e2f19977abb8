"""What a detector found on photos, on its way to be corrected: boxes as on a labelled image, and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spica.boxes import clip, is_valid
from spica.detections import Detections
from spica.labels.labelled import LabelledImage, Labels

Scores = Float32[np.ndarray, "_"]


@dataclass(frozen=True, slots=True, eq=False)
class FoundHeads:
    """Photos with the boxes that `model` found on them; `scores` has an array for each, in the order of its boxes.

    Raises:
        ValueError: if there is not one score for each box.
    """

    images: Labels
    scores: tuple[Scores, ...]
    model: str

    def __post_init__(self) -> None:
        counts = [(image.heads, len(scores)) for image, scores in zip(self.images, self.scores, strict=True)]
        if any(boxes != scores for boxes, scores in counts):
            raise ValueError(f"numbers of boxes and scores are {counts}, expected as many scores as boxes")

    def on(self, images: Labels) -> "FoundHeads":
        """Return what was found on some of the images."""
        scores = dict(zip((image.path for image in self.images), self.scores, strict=True))
        return FoundHeads(images, tuple(scores[image.path] for image in images), self.model)


def found_heads(images: Sequence[tuple[LabelledImage, Detections]], model: str) -> FoundHeads:
    """Return what was found on photos, each box cut at the border of its photo; `images` say which photos these are.

    A box of which nothing is inside is dropped: there is nothing to correct.
    """
    cut, scores = [], []
    for image, found in images:
        boxes = clip(found.boxes, image.width, image.height)
        inside = is_valid(boxes)
        cut.append(
            LabelledImage(image.id, image.path, image.width, image.height, boxes[inside], image.source, image.session)
        )
        scores.append(found.scores[inside])
    return FoundHeads(tuple(cut), tuple(scores), model)
