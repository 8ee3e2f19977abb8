"""Suppression: the best of boxes that overlap, for any number of boxes in little memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from spica.boxes import Boxes, area

_MOST_PAIRS = 1_000_000  # looked at in one go: about 100 MB


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of boxes that overlap: their places, first below second, and the area that both cover."""

    first: Int[np.ndarray, " p"]
    second: Int[np.ndarray, " p"]
    shared: Float[np.ndarray, " p"]

    def iou(self, areas: Float[np.ndarray, " n"]) -> Float[np.ndarray, " p"]:
        """Return the intersection over union of each pair, from the areas of all boxes."""
        ratio: Float[np.ndarray, " p"] = self.shared / (areas[self.first] + areas[self.second] - self.shared)
        return ratio

    def where(self, chosen: Bool[np.ndarray, " p"]) -> "Pairs":
        """Return some of the pairs."""
        return Pairs(self.first[chosen], self.second[chosen], self.shared[chosen])


def suppressed(boxes: Boxes, iou: float) -> Bool[np.ndarray, " n"]:
    """Return which boxes go, if each takes out those behind it that it overlaps by more than `iou`; the best is first.

    >>> suppressed(np.array([[0, 0, 9, 9], [0, 0, 9, 8], [9, 0, 18, 9]], dtype=np.float32), 0.5).tolist()
    [False, True, False]
    """
    pairs = overlapping(boxes)
    pairs = pairs.where(pairs.iou(area(boxes.astype(np.float64))) > iou)
    return taken_out(pairs.first, pairs.second, len(boxes))


def overlapping(boxes: Float32[np.ndarray, "n 4"]) -> Pairs:
    """Return all pairs of boxes that share some area, in float64."""
    edges = boxes.astype(np.float64)
    nothing = np.zeros(0, dtype=np.int64)
    parts = [Pairs(nothing, nothing, np.zeros(0)), *_swept(edges)]
    first, second = np.concatenate([one.first for one in parts]), np.concatenate([one.second for one in parts])
    shared = np.concatenate([one.shared for one in parts])
    return Pairs(np.minimum(first, second), np.maximum(first, second), shared)


def taken_out(first: Int[np.ndarray, " p"], second: Int[np.ndarray, " p"], count: int) -> Bool[np.ndarray, " count"]:
    """Return which of `count` things go, if each that stays takes out the second of every pair that it is the first of.

    The first comes before the second in each pair. Works in rounds instead of a loop: what has no rival before it
    stays, and takes out its rivals behind. Chains of overlapping heads are short, so a handful of rounds is enough.
    """
    gone = np.zeros(count, dtype=bool)
    while len(first):
        challenged = np.zeros(count, dtype=bool)
        challenged[second] = True
        gone[second[~challenged[first]]] = True
        rest = ~gone[first] & ~gone[second]
        first, second = first[rest], second[rest]
    return gone


def _swept(edges: Float[np.ndarray, "n 4"]) -> Iterator[Pairs]:
    """Yield the pairs of boxes that overlap, from left to right, a bounded number in one go."""
    order = np.argsort(edges[:, 0], kind="stable")
    left, top, right, bottom = edges[order].T
    # Behind each box in this order come those that begin before it ends.
    counts = np.maximum(np.searchsorted(left, right, side="left") - np.arange(1, len(left) + 1), 0)
    sums = np.cumsum(counts)
    start = 0
    while start < len(left):
        before = int(sums[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(sums, before + _MOST_PAIRS, side="right")))
        here = counts[start:end]
        first = np.repeat(np.arange(start, end), here)
        second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(here) - here, here)
        width = np.minimum(right[first], right[second]) - left[second]
        height = np.minimum(bottom[first], bottom[second]) - np.maximum(top[first], top[second])
        both = (width > 0) & (height > 0)
        yield Pairs(order[first[both]], order[second[both]], width[both] * height[both])
        start = end
