"""The named rules by which predictions are compared with truth; docs/metric.md explains each with a worked example."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from spica.boxes import iou
from spica.errors import SpicaError

Order: TypeAlias = Literal["prediction", "truth", "best"]
Mean: TypeAlias = Literal["images", "sources"]

# Written out: the sums of np.arange(0.5, 0.8, 0.05) are off in the last digit, which decides about boxes on the limit.
COMPETITION_THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75)


@dataclass(frozen=True, slots=True)
class Rule:
    """How predictions are matched with truth and how the matches become a score.

    `order` says who chooses: `prediction` - in order of confidence each prediction takes the best still-free head;
    `truth` - in order of the labels each head takes the most confident still-free prediction;
    `best` - each prediction goes to its best head, and of several on one head the most confident keeps it.

    A pair is a hit if its IoU is above a threshold, or equal to it where `inclusive`. With `pixel_boxes` the IoU is
    taken between boxes cut to integers that are one pixel wider and higher. `empty` is the score of an image with
    neither heads nor predictions; None leaves it out. Only predictions with a score greater than `score_above` count,
    if it is given. `mean` is taken over images, or within each source and then over sources.

    Raises:
        ValueError: if there is no threshold, or one is outside (0, 1].
    """

    name: str
    order: Order
    thresholds: tuple[float, ...] = COMPETITION_THRESHOLDS
    inclusive: bool = False
    pixel_boxes: bool = False
    empty: float | None = 1.0
    score_above: float | None = None
    mean: Mean = "images"

    def __post_init__(self) -> None:
        if not self.thresholds or not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise ValueError(f"rule {self.name}: thresholds are {self.thresholds}, expected one or more in (0, 1]")

    def overlap(self, found: Float[np.ndarray, "n 4"], truth: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
        """Return the IoU of each prediction with each head, in the way of this rule."""
        if not self.pixel_boxes:
            return iou(found, truth)
        return iou(_pixel_edges(found), _pixel_edges(truth))

    def is_hit(self, overlap: Float[np.ndarray, "..."], threshold: float) -> Bool[np.ndarray, "..."]:
        """Return where an IoU is enough for `threshold`."""
        return overlap >= threshold if self.inclusive else overlap > threshold


KAGGLE = Rule("kaggle", "prediction")
NUMBA_PLUS1 = Rule("numba_plus1", "prediction", inclusive=True, pixel_boxes=True)
RSNA = Rule("rsna", "truth", inclusive=True, empty=None)
WILDS = Rule("wilds", "best", thresholds=(0.5,), inclusive=True, score_above=0.5, mean="sources")
ADA = Rule("ada", "prediction", thresholds=(0.5,), mean="sources")

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in (KAGGLE, NUMBA_PLUS1, RSNA, WILDS, ADA)})


def rule_named(name: str) -> Rule:
    """Return the rule of that name.

    >>> rule_named("kaggle").thresholds
    (0.5, 0.55, 0.6, 0.65, 0.7, 0.75)

    Raises:
        SpicaError: if there is none; the message lists the known ones.
    """
    if name not in RULES:
        raise SpicaError(f"rule {name!r} is not known, expected one of {', '.join(RULES)}")
    return RULES[name]


def _pixel_edges(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Return boxes cut to integers, right and bottom taken as the last pixel inside: edges lie one further."""
    edges = np.trunc(boxes.astype(np.float64))
    edges[:, 2:] += 1
    return edges
