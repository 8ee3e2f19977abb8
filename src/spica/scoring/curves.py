"""How scores and counts depend on the score threshold, and which threshold to take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from spica.labels.labelled import LabelledImage
from spica.scoring.competition import mean_score, scores_of_matching
from spica.scoring.counting import head_counts
from spica.scoring.matching import match
from spica.scoring.predictions import Found, aligned
from spica.scoring.rules import KAGGLE, Rule

# 0.01 to 0.99; a quotient is the number that the literal gives, a sum of steps is not.
GRID = tuple(hundredth / 100 for hundredth in range(1, 100))


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision, recall and F1 over all images, counting the detections with a score of at least each threshold.

    The thresholds are the distinct scores of the detections, highest first; empty if nothing was found. Recall is NaN
    if there are no heads.
    """

    thresholds: Float[np.ndarray, " n"]
    precision: Float[np.ndarray, " n"]
    recall: Float[np.ndarray, " n"]
    f1: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCurve:
    """The competition score at each score threshold, lowest threshold first."""

    thresholds: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How far a score can be read as the chance that the box is right, in bins of equal width from 0 to 1.

    `boxes` is how many fall into each bin, `scores` their mean score and `hits` the part that hit a head; NaN where a
    bin is empty. `error` is the expected calibration error: the mean of |hits - scores| over all boxes; NaN if there
    are none.
    """

    boxes: Int[np.ndarray, " bins"]
    scores: Float[np.ndarray, " bins"]
    hits: Float[np.ndarray, " bins"]
    error: float


def reliability(found: Found, labels: Sequence[LabelledImage], *, iou: float = 0.5, bins: int = 10) -> Reliability:
    """Return how often boxes of each score hit a head by an IoU above `iou`.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    matching = match(aligned(found, labels), [image.boxes for image in labels], replace(KAGGLE, thresholds=(iou,)))
    places = np.minimum((matching.scores.astype(np.float64) * bins).astype(np.int64), bins - 1)
    boxes = np.bincount(places, minlength=bins)
    sums = [np.bincount(places, weights, minlength=bins) for weights in (matching.scores, matching.hits[:, 0])]
    error = float(np.abs(sums[0] - sums[1]).sum() / boxes.sum()) if boxes.sum() else float("nan")
    scores, hits = (np.divide(total, boxes, out=np.full(bins, np.nan), where=boxes > 0) for total in sums)
    return Reliability(boxes, scores, hits, error)


def precision_recall(found: Found, labels: Sequence[LabelledImage], *, iou: float = 0.5) -> PrecisionRecall:
    """Return precision, recall and F1 against the score threshold; a hit is an IoU above `iou`.

    Every detection counts once, on whichever image it is. One sort serves all thresholds.
    """
    rule = replace(KAGGLE, thresholds=(iou,))
    matching = match(aligned(found, labels), [image.boxes for image in labels], rule)
    order = np.argsort(-matching.scores, kind="stable")
    scores = matching.scores[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, dtype=np.int64)
    hits, counts, heads = np.cumsum(matching.hits[order, 0])[last], last + 1, int(matching.heads.sum())
    recall = hits / heads if heads else np.full(len(last), np.nan)
    return PrecisionRecall(scores[last].astype(np.float64), hits / counts, recall, 2 * hits / (counts + heads))


def score_curve(
    found: Found, labels: Sequence[LabelledImage], rule: Rule = KAGGLE, *, thresholds: Sequence[float] = GRID
) -> ScoreCurve:
    """Return the competition score at each of the score thresholds; boxes are matched once for all of them.

    Raises:
        ValueError: if there are no images.
    """
    if not labels:
        raise ValueError("there are no labelled images, expected at least one")
    matching = match(aligned(found, labels), [image.boxes for image in labels], rule)
    sources = [image.source for image in labels]
    grid = sorted(thresholds)
    scores = [mean_score(scores_of_matching(matching.above(threshold), rule), sources, rule) for threshold in grid]
    return ScoreCurve(np.array(grid, dtype=np.float64), np.array(scores, dtype=np.float64))


def best_threshold(found: Found, labels: Sequence[LabelledImage], rule: Rule = KAGGLE) -> float:
    """Return the score threshold, in hundredths, at which the competition score is highest.

    If several in a row are equally good, it is the middle one: the farthest from doing harm on other photos.

    Raises:
        ValueError: if there are no images, or the rule leaves every one of them out at every threshold.
    """
    curve = score_curve(found, labels, rule)
    if np.isnan(curve.scores).all():
        raise ValueError(f"rule {rule.name} leaves every image out, so that no threshold is best; label some heads")
    best = curve.scores == np.nanmax(curve.scores)
    first = int(best.argmax())
    length = int(np.append(best[first:], False).argmin())  # of the first run of equally good thresholds
    return float(curve.thresholds[first + (length - 1) // 2])


def unbiased_threshold(found: Found, labels: Sequence[LabelledImage]) -> float:
    """Return the score threshold at which as many heads are found as there are, over all images.

    As near to it as the scores allow; if two are equally near, the higher one. It lies between two scores wherever it
    can, so that writing it with fewer digits changes nothing. Fewer detections than heads give 0.
    """
    heads = int(head_counts(labels).sum())
    scores = np.concatenate(
        [np.zeros(0, dtype=np.float32), *(detections.scores for detections in aligned(found, labels))]
    )
    distinct, counts = np.unique(scores, return_counts=True)
    if heads >= len(scores):
        return 0.0
    # kept[i]: detections left over by a threshold between distinct[i - 1] and distinct[i]; the last lets none through.
    kept = np.append(len(scores) - np.cumsum(counts) + counts, 0)
    nearest = int(np.flatnonzero(np.abs(kept - heads) == np.abs(kept - heads).min())[-1])
    edges = np.concatenate([[0.0], distinct.astype(np.float64), [np.nextafter(np.float32(1), np.float32(2))]])
    middle = np.float32((edges[nearest] + edges[nearest + 1]) / 2)
    return float(middle if middle > edges[nearest] else np.float32(edges[nearest + 1]))
