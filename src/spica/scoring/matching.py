"""Which predictions hit a head, for all images and all IoU thresholds of a rule in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from spica.detections import Detections
from spica.scoring.rules import Rule

Heads: TypeAlias = Sequence[Float32[np.ndarray, "_ 4"]]  # boxes for each image, on each of them another number


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Which of the n predictions on some images hit a head, at each of the rule's t thresholds.

    Under every rule, dropping the predictions below a score leaves the hits of the others as they are. One matching
    thus serves all score thresholds.
    """

    hits: Bool[np.ndarray, "n t"]
    scores: Float32[np.ndarray, " n"]
    image: Int[np.ndarray, " n"]  # position of the image of each prediction
    heads: Int[np.ndarray, " images"]  # number of heads on each image

    def above(self, score: float) -> "Matching":
        """Return the matching of the predictions whose score is greater than or equal to `score`."""
        kept = self.scores >= np.float32(score)
        return replace(self, hits=self.hits[kept], scores=self.scores[kept], image=self.image[kept])

    @property
    def found(self) -> Int[np.ndarray, " images"]:
        """Number of predictions on each image."""
        return np.bincount(self.image, minlength=len(self.heads))

    @property
    def true_positives(self) -> Int[np.ndarray, "images t"]:
        """Number of hits on each image at each threshold."""
        counts = [np.bincount(self.image[hit], minlength=len(self.heads)) for hit in self.hits.T]
        return np.stack(counts, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of a prediction and a head that overlap enough for the lowest threshold; numbered over all images."""

    prediction: Int[np.ndarray, " p"]
    head: Int[np.ndarray, " p"]
    overlap: Float[np.ndarray, " p"]


def match(found: Sequence[Detections], truth: Heads, rule: Rule) -> Matching:
    """Return the matching of the predictions on each image with its heads.

    >>> from spica.scoring.rules import KAGGLE
    >>> head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    >>> boxes = np.array([[0, 0, 10, 7], [0, 0, 10, 9]], dtype=np.float32)
    >>> twice = Detections(boxes, np.array([0.9, 0.8], dtype=np.float32))
    >>> match([twice], [head], KAGGLE).hits.astype(int).tolist()
    [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]

    Raises:
        ValueError: if there are not as many detections as arrays of boxes.
    """
    if len(found) != len(truth):
        raise ValueError(f"there are {len(found)} detections for {len(truth)} images, expected as many")
    if rule.score_above is not None:
        found = [detections.first(int((detections.scores > rule.score_above).sum())) for detections in found]
    found_counts = np.array([len(detections) for detections in found], dtype=np.int64)
    heads = np.array([len(boxes) for boxes in truth], dtype=np.int64)
    pairs = _in_order(_candidates(found, truth, rule), rule)
    hits = np.zeros((int(found_counts.sum()), len(rule.thresholds)), dtype=bool)
    threshold, pair = np.nonzero([rule.is_hit(pairs.overlap, threshold) for threshold in rule.thresholds])
    # Each threshold is a matching of its own: the same boxes, numbered anew.
    prediction, head = pairs.prediction[pair], pairs.head[pair]
    taken = first_come_first_served(prediction + threshold * len(hits), head + threshold * int(heads.sum()))
    hits[prediction[taken], threshold[taken]] = True
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(detections.scores for detections in found)])
    return Matching(hits, scores, np.repeat(np.arange(len(found)), found_counts), heads)


def first_come_first_served(left: Int[np.ndarray, " p"], right: Int[np.ndarray, " p"]) -> Bool[np.ndarray, " p"]:
    """Return which pairs are taken if each, in order, is taken unless its left or right one already is.

    Works in rounds instead of a loop over pairs: a pair that is the first of those left over for both its sides is
    certain to be taken, and takes its rivals out. Few heads overlap, so a handful of rounds is enough.

    >>> first_come_first_served(np.array([0, 0, 1]), np.array([5, 6, 5])).tolist()
    [True, False, False]
    """
    taken = np.zeros(len(left), dtype=bool)
    first_of_left = np.zeros(left.max(initial=-1) + 1, dtype=np.int64)
    first_of_right = np.zeros(right.max(initial=-1) + 1, dtype=np.int64)
    rest = np.arange(len(left))
    while len(rest):
        # NumPy assigns in order, so that the last one stays: backwards, the first one does.
        first_of_left[left[rest][::-1]] = rest[::-1]
        first_of_right[right[rest][::-1]] = rest[::-1]
        certain = (first_of_left[left[rest]] == rest) & (first_of_right[right[rest]] == rest)
        taken[rest[certain]] = True
        rest = rest[~(taken[first_of_left[left[rest]]] | taken[first_of_right[right[rest]]])]
    return taken


def _candidates(found: Sequence[Detections], truth: Heads, rule: Rule) -> _Pairs:
    lowest = min(rule.thresholds)
    predictions, heads, overlaps = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    first_prediction = first_head = 0
    for detections, boxes in zip(found, truth, strict=True):
        if len(detections) and len(boxes):
            overlap = rule.overlap(detections.boxes, boxes)
            enough = rule.is_hit(overlap, lowest)
            if rule.order == "best":
                enough &= overlap.argmax(axis=1)[:, None] == np.arange(len(boxes))
            prediction, head = np.nonzero(enough)
            predictions.append(prediction + first_prediction)
            heads.append(head + first_head)
            overlaps.append(overlap[prediction, head])
        first_prediction += len(detections)
        first_head += len(boxes)
    return _Pairs(np.concatenate(predictions), np.concatenate(heads), np.concatenate(overlaps))


def _in_order(pairs: _Pairs, rule: Rule) -> _Pairs:
    """Return the pairs in the order in which the rule looks at them; predictions are numbered by confidence."""
    if rule.order == "prediction":
        order = np.lexsort((pairs.head, -pairs.overlap, pairs.prediction))
    elif rule.order == "truth":
        order = np.lexsort((pairs.prediction, pairs.head))
    else:
        order = np.argsort(pairs.prediction, kind="stable")
    return _Pairs(pairs.prediction[order], pairs.head[order], pairs.overlap[order])
