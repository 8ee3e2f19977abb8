"""Everything that the page of an evaluation says, as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spica.labels.labelled import LabelledImage
from spica.scoring.breakdown import Breakdown, breakdown
from spica.scoring.competition import image_scores
from spica.scoring.counting import found_counts, head_counts
from spica.scoring.curves import (
    GRID,
    PrecisionRecall,
    Reliability,
    best_threshold,
    precision_recall,
    reliability,
    score_curve,
)
from spica.scoring.evaluation import Evaluation
from spica.scoring.intervals import score_interval
from spica.scoring.predictions import Found
from spica.scoring.rules import KAGGLE, Rule

_LEAST_PHOTOS = 5  # of a source with an interval: fewer, drawn again and again, would seem too sure


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """Score of the rule, precision and recall (IoU above 0.5) at score thresholds of 0.01 to 0.99, lowest first.

    NaN where a number does not exist, as the precision where no box is left.
    """

    thresholds: Float[np.ndarray, " t"]
    score: Float[np.ndarray, " t"]
    precision: Float[np.ndarray, " t"]
    recall: Float[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found out about a detector on some photos, at one score threshold.

    `intervals` holds the limits of the 95 % bootstrap interval of the score of each source; (NaN, NaN) with fewer than
    five photos. `ids`, `sources`, `heads` (labelled) and `found` have an entry for each photo. `best` is the threshold
    with the highest score on these photos, NaN if the rule leaves all of them out. `unread` is the number of photos
    that could not be read, so that they have no sharpness and no picture.
    """

    evaluation: Evaluation
    intervals: Mapping[str, tuple[float, float]]
    ids: tuple[str, ...]
    sources: tuple[str, ...]
    heads: Int[np.ndarray, " images"]
    found: Int[np.ndarray, " images"]
    thresholds: Thresholds
    best: float
    reliability: Reliability
    breakdown: Breakdown
    unread: int


def findings(
    found: Found,
    labels: Sequence[LabelledImage],
    evaluation: Evaluation,
    sharpness: Float[np.ndarray, " images"],
    rule: Rule = KAGGLE,
) -> Findings:
    """Return what there is to say about detections on labelled images, of which `evaluation` is by the same rule.

    `sharpness` is that of each photo, NaN where it could not be read.

    Raises:
        ValueError: if there are no images, or not one sharpness for each, or the rule is another one.
    """
    if evaluation.rule != rule.name:
        raise ValueError(f"the evaluation is by rule {evaluation.rule}, expected {rule.name}; evaluate by that")
    threshold, curves = evaluation.threshold, _thresholds(found, labels, rule)
    return Findings(
        evaluation=evaluation,
        intervals=_intervals(found, labels, threshold, rule),
        ids=tuple(image.id for image in labels),
        sources=tuple(image.source for image in labels),
        heads=head_counts(labels),
        found=found_counts(found, labels, threshold),
        thresholds=curves,
        best=np.nan if np.isnan(curves.score).all() else best_threshold(found, labels, rule),
        reliability=reliability(found, labels),
        breakdown=breakdown(found, labels, threshold, sharpness, rule),
        unread=int(np.isnan(sharpness).sum()),
    )


def _intervals(
    found: Found, labels: Sequence[LabelledImage], threshold: float, rule: Rule
) -> dict[str, tuple[float, float]]:
    scores = image_scores(found, labels, rule, threshold=threshold)
    sources = np.array([image.source for image in labels], dtype=object)
    intervals = {}
    for name in sorted(set(sources.tolist())):
        own = scores[sources == name]
        few = len(own) < _LEAST_PHOTOS
        intervals[name] = (np.nan, np.nan) if few else score_interval(own, [name] * len(own), rule)
    return intervals


def _thresholds(found: Found, labels: Sequence[LabelledImage], rule: Rule) -> Thresholds:
    curve, boxes = score_curve(found, labels, rule, thresholds=GRID), precision_recall(found, labels)
    return Thresholds(curve.thresholds, curve.scores, *_at(curve.thresholds, boxes))


def _at(
    thresholds: Float[np.ndarray, " t"], boxes: PrecisionRecall
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """Return precision and recall at the thresholds: those of the lowest score that is not below each."""
    if not len(boxes.thresholds):
        return np.full(len(thresholds), np.nan), np.zeros(len(thresholds))
    wanted = thresholds.astype(np.float32).astype(np.float64)  # scores are kept in float32
    kept = (boxes.thresholds[:, None] >= wanted).sum(axis=0)
    place = np.maximum(kept - 1, 0)
    recall_of_nothing = np.where(np.isnan(boxes.recall[0]), np.nan, 0.0)
    return np.where(kept > 0, boxes.precision[place], np.nan), np.where(
        kept > 0, boxes.recall[place], recall_of_nothing
    )
