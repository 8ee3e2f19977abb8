"""Pseudo-labels: what was found on photos without labels, as labels to learn from.

Source: Lee, Pseudo-Label, ICML workshop 2013; with a second threshold as in Sohn et al., STAC, 2020.
"""

from dataclasses import dataclass, replace

from spica.detections import Scores
from spica.labels.found import FoundHeads
from spica.labels.labelled import LabelledImage, Labels


@dataclass(frozen=True, slots=True)
class Certainty:
    """Scores from which a box is taken for a head (`keep`), and from which it is not taken for background (`ignore`).

    Raises:
        ValueError: if they are not 0 <= ignore <= keep <= 1.
    """

    keep: float
    ignore: float

    def __post_init__(self) -> None:
        if not 0 <= self.ignore <= self.keep <= 1:
            raise ValueError(f"keep is {self.keep} and ignore {self.ignore}, expected 0 <= ignore <= keep <= 1")


def pseudo_labels(found: FoundHeads, certainty: Certainty, source: str) -> Labels:
    """Return the photos on which a head is sure: sure boxes as heads, doubtful ones to be ignored, the rest background.

    A photo without a sure head is left out: it may be no photo of wheat at all. All get the given `source`.
    """
    labels = (_labelled(*one, certainty, source) for one in zip(found.images, found.scores, strict=True))
    return tuple(image for image in labels if image.heads)


def _labelled(image: LabelledImage, scores: Scores, certainty: Certainty, source: str) -> LabelledImage:
    sure = scores >= certainty.keep
    doubtful = ~sure & (scores >= certainty.ignore)
    return replace(image, boxes=image.boxes[sure], ignored=image.boxes[doubtful], source=source)
