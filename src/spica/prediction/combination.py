"""Combinations: several detectors, and several views of each photo, as one detector with a card of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from spica.detections import Detect, Detections
from spica.image import Image
from spica.prediction.card import Card
from spica.prediction.fusion import averaged, fused
from spica.prediction.runtime import Detector, Facts
from spica.prediction.views import mirrored

SAME_HEAD = 0.6  # IoU; 0.55 to 0.65 score the same, see docs/experiments.md
# Of the threshold of one view, so that counts keep their bias: what only some views find gets a lower score.
THRESHOLDS: Mapping[int, float] = MappingProxyType({1: 1.0, 2: 0.93, 4: 0.9, 8: 0.91})


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """A Detect made of detectors, with what a `Detector` knows of itself."""

    detect: Detect
    name: str
    card: Card
    facts: Facts
    workers: int

    def __call__(self, photo: Image) -> Detections:
        """Return every box above the least score, in pixels of the photo."""
        return self.detect(photo)


def combined(detectors: Sequence[Detector], views: int = 1) -> Detector:
    """Return the detectors as one that looks at some views of each photo, by weighted boxes fusion of all it finds.

    Its card is that of the first one, with the threshold to be expected after fusion. What is known of counts is that
    of one view, which holds for several (docs/counting.md); of several detectors nothing is known. One
    detector and one view are that detector.

    Raises:
        ValueError: if there is no detector, or `views` is not 1, 2, 4 or 8.
    """
    combine = partial(averaged, iou=SAME_HEAD)
    if not detectors:
        raise ValueError("there is no detector to combine, expected at least one")
    looks = [mirrored(detector, views, combine) for detector in detectors]
    first = detectors[0]
    if len(detectors) == views == 1:
        return first
    return Combination(
        detect=looks[0] if len(looks) == 1 else fused(looks, combine),
        name=" + ".join(detector.name for detector in detectors),
        card=_card([detector.card for detector in detectors], views),
        facts={**first.facts, "views": views},
        workers=min(detector.workers for detector in detectors),
    )


def _card(cards: Sequence[Card], views: int) -> Card:
    """Return the card of the first, with the mean threshold, and the sizes of heads that all know."""
    side = max(card.side for card in cards)
    ranges = [
        (low * side / card.side, high * side / card.side)
        for card in cards
        if card.side and card.head_sides is not None
        for low, high in [card.head_sides]
    ]
    low, high = max((one[0] for one in ranges), default=0.0), min((one[1] for one in ranges), default=0.0)
    threshold = sum(card.threshold for card in cards) / len(cards) * THRESHOLDS[views]
    trained_on = "; ".join(dict.fromkeys(card.trained_on for card in cards))
    sides = (low, high) if low < high else None
    counts = cards[0].counts if len(cards) == 1 else None
    known = replace(cards[0], counts=counts, side=side, head_sides=sides, trained_on=trained_on)
    return replace(known, threshold=round(threshold, 3))
