"""Which photos are most worth labelling: those on which a detector is in doubt, of many sources."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spica.detections import Detections

_SURE_HEADS = 10  # imaginary ones on every photo: one doubtful box on an empty photo is not the greatest doubt
_AGAIN = 0.8  # by which the worth of a photo falls with each one of its source before it: the next looks alike


@dataclass(frozen=True, slots=True)
class Worth:
    """How worth labelling a photo is.

    `low`, `heads` and `high` count the boxes from half the threshold on, from the threshold on, and from half way
    between the threshold and 1 on. `doubt` in [0, 1) is the share of doubtful ones, those in `low` but not in `high`.
    """

    image: str
    source: str
    doubt: float
    low: int
    heads: int
    high: int


def worth_of(image: str, source: str, found: Detections, threshold: float) -> Worth:
    """Return how worth labelling a photo is; give the detections down to half the threshold at least.

    >>> import numpy as np
    >>> found = Detections(np.array([[0, 0, 9, 9], [20, 0, 29, 9]], np.float32), np.array([0.9, 0.3], np.float32))
    >>> worth_of("a", "field", found, 0.5)
    Worth(image='a', source='field', doubt=0.08333333333333333, low=2, heads=1, high=1)
    """
    low, heads, high = (len(found.above(score)) for score in (threshold / 2, threshold, (1 + threshold) / 2))
    return Worth(image, source, (low - high) / (low + _SURE_HEADS), low, heads, high)


def most_worth(photos: Sequence[Worth]) -> tuple[Worth, ...]:
    """Return the photos in the order in which to label them: the greatest doubt first, and sources by turns.

    Each photo of a source makes the next one of it a fifth less worth.
    """
    left = sorted(photos, key=lambda one: -one.doubt)
    before: Counter[str] = Counter()
    order = []
    while left:
        best = max(left, key=lambda one: one.doubt * _AGAIN ** before[one.source])
        left.remove(best)
        before[best.source] += 1
        order.append(best)
    return tuple(order)
