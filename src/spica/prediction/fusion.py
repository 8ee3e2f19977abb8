"""Fusion: what several detectors, or several looks of one, found on a photo, as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from spica.boxes import area, is_valid, no_boxes
from spica.detections import Detect, Detections
from spica.image import Image
from spica.prediction.suppression import suppressed

Combine: TypeAlias = Callable[[Sequence[Detections]], Detections]
Confidence: TypeAlias = Literal["avg", "max", "box_and_model_avg", "absent_model_aware_avg"]

SAME_HEAD = 0.55  # IoU
_LEAST_SHARE = 1e-12  # boxes with a score of 0 have a mean, too


def best_of_each(found: Sequence[Detections], *, iou: float = 0.5, least_score: float = 0.0) -> Detections:
    """Return the best box of those that overlap by more than `iou`: non-maximum suppression over all detections.

    Boxes with a score below `least_score` are left out before, and boxes without area.
    """
    pool = _pooled(found, [1.0] * len(found), least_score)
    stay = ~suppressed(pool.boxes.astype(np.float32), iou)
    return Detections(pool.boxes[stay].astype(np.float32), pool.scores[stay].astype(np.float32), _capped(found))


def averaged(
    found: Sequence[Detections],
    *,
    iou: float = SAME_HEAD,
    least_score: float = 0.0,
    weights: Sequence[float] | None = None,
    confidence: Confidence = "avg",
) -> Detections:
    """Return the means of boxes that overlap: weighted boxes fusion.

    The boxes of all are taken by score. Each joins the mean that it overlaps most, if by more than `iou`, and moves it;
    else it begins one. A mean is weighted by scores times `weights`, one for each of `found`. Boxes with a score below
    `least_score` are left out before, and boxes without area.

    `confidence` is how a mean gets its score, by the names of the library ensemble-boxes. `avg`: the mean of the
    scores, times boxes / detectors where there are fewer boxes than detectors; `max`: the highest;
    `box_and_model_avg`: the mean, times the part of the detectors that found it; `absent_model_aware_avg`: the mean,
    a detector that did not find it counting as 0.

    Source: Solovyev, Wang, Gabruseva, Weighted boxes fusion, Image and Vision Computing 107, 2021.

    Raises:
        ValueError: if there are not as many weights as detections, or one is not above 0.
    """
    shares = [1.0] * len(found) if weights is None else list(weights)
    if len(shares) != len(found) or not all(weight > 0 for weight in shares):
        raise ValueError(f"weights are {shares}, expected {len(found)} numbers above 0, one for each of the detections")
    pool = _pooled(found, shares, least_score)
    means, groups = _grouped(pool, iou)
    scores = _scores(pool, groups, np.array(shares), confidence)
    # Means of scores can end a rounding above 1.
    return Detections(means.astype(np.float32), np.clip(scores, 0, 1).astype(np.float32), _capped(found))


def fused(detects: Sequence[Detect], combine: Combine = averaged) -> Detect:
    """Return a Detect that asks each of `detects` and combines what they find: `averaged`, or `best_of_each`.

    The result is `capped` if one of them is.

    Raises:
        ValueError: if there is none.
    """
    if not detects:
        raise ValueError("there is no detector to fuse, expected at least one")

    def detect(photo: Image) -> Detections:
        return combine([one(photo) for one in detects])

    return detect


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """The boxes of all detections, highest weighted score first; `model` says whose they are."""

    boxes: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]  # times the weight
    weights: Float[np.ndarray, " n"]
    model: Int[np.ndarray, " n"]


def _pooled(found: Sequence[Detections], weights: Sequence[float], least_score: float) -> _Pool:
    boxes = np.concatenate([no_boxes(), *(one.boxes for one in found)])
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(one.scores for one in found)])
    model = np.repeat(np.arange(len(found)), [len(one) for one in found])
    kept = is_valid(boxes) & (scores >= least_score)
    weight = np.array(weights, dtype=np.float64)[model[kept]]
    shares = scores[kept] * weight
    order = np.argsort(-shares, kind="stable")
    return _Pool(boxes[kept][order].astype(np.float64), shares[order], weight[order], model[kept][order])


def _grouped(pool: _Pool, iou: float) -> tuple[Float[np.ndarray, "k 4"], Int[np.ndarray, " n"]]:
    """Return the means, and for each box of the pool the number of its mean."""
    count = 0
    means, sums, totals = np.zeros((4, len(pool.boxes))), np.zeros((4, len(pool.boxes))), np.zeros(len(pool.boxes))
    sizes, areas = np.zeros(len(pool.boxes)), area(pool.boxes)
    groups = np.zeros(len(pool.boxes), dtype=np.int64)
    shares = np.maximum(pool.scores, _LEAST_SHARE)
    for number, (box, size, share) in enumerate(zip(pool.boxes, areas, shares, strict=True)):
        group = _most_overlapped(means[:, :count], sizes[:count], box, size, iou)
        if group < 0:
            group, count = count, count + 1
        sums[:, group] += share * box
        totals[group] += share
        means[:, group] = left, top, right, bottom = sums[:, group] / totals[group]
        sizes[group] = (right - left) * (bottom - top)
        groups[number] = group
    return means[:, :count].T, groups


def _most_overlapped(
    means: Float[np.ndarray, "4 k"],
    sizes: Float[np.ndarray, " k"],
    box: Float[np.ndarray, "4"],
    size: float,
    iou: float,
) -> int:
    """Return which mean the box overlaps most; -1 if none by more than `iou`."""
    if not len(sizes):
        return -1
    width = np.minimum(means[2], box[2]) - np.maximum(means[0], box[0])
    height = np.minimum(means[3], box[3]) - np.maximum(means[1], box[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    overlaps = shared / (sizes + size - shared)
    best = int(overlaps.argmax())
    return best if overlaps[best] > iou else -1


def _scores(
    pool: _Pool, groups: Int[np.ndarray, " n"], weights: Float[np.ndarray, " m"], confidence: Confidence
) -> Float[np.ndarray, " k"]:
    """Return the score of each mean."""
    boxes = np.bincount(groups)
    sums = np.bincount(groups, pool.scores)
    weight = np.bincount(groups, pool.weights)
    seen = np.zeros((len(boxes), len(weights)), dtype=bool)
    seen[groups, pool.model] = True
    mean: Float[np.ndarray, " k"] = sums / boxes * np.minimum(boxes, len(weights)) / weights.sum()
    if confidence == "max":
        mean = np.zeros(len(boxes))
        np.maximum.at(mean, groups, pool.scores / weights.max())
    elif confidence == "box_and_model_avg":
        mean = sums / weight * (seen @ weights) / weights.sum()
    elif confidence == "absent_model_aware_avg":
        mean = sums / (weight + ~seen @ weights)
    return mean


def _capped(found: Sequence[Detections]) -> bool:
    return any(one.capped for one in found)
