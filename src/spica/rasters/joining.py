"""Joining windows row by row: what `spica.prediction.tiles.joined` gives, without all windows in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from jaxtyping import Bool, Int

from spica.boxes import Boxes, clip, no_boxes
from spica.detections import Detections, Scores
from spica.prediction.suppression import taken_out
from spica.prediction.tiles import Tile, mean_scores, pieces_among, rivals


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """Boxes that are not decided yet, in pixels of the whole; `origin` numbers the window of each."""

    boxes: Boxes
    scores: Scores
    pieces: Bool[np.ndarray, " n"]
    origin: Int[np.ndarray, " n"]

    def chosen(self, places: Int[np.ndarray, " m"]) -> "_Open":
        """Return some of them."""
        return _Open(self.boxes[places], self.scores[places], self.pieces[places], self.origin[places])

    def behind(self, before: "_Open") -> "_Open":
        """Return those of `before`, and then these."""
        return _Open(
            np.concatenate([before.boxes, self.boxes]),
            np.concatenate([before.scores, self.scores]),
            np.concatenate([before.pieces, self.pieces]),
            np.concatenate([before.origin, self.origin]),
        )


def joined_in_rows(found: Iterable[tuple[Tile, Detections]], width: int, height: int) -> Iterator[Detections]:
    """Yield what was found on the tiles of a whole of `width` x `height` pixels, in its pixels, row by row of tiles.

    `found` comes in the order of `tiles_of`. All that is yielded is together what `joined` returns for all tiles at
    once: a box is held back as long as a head of the next row may be the same one, or the same as one that is.
    """
    waiting, number = _nothing(), 0
    for top, group in groupby(found, key=lambda one: one[0].top):
        row = list(group)
        closed, waiting = _parted(waiting, float(top))
        yield closed
        waiting = _gathered(row, number, (width, height)).behind(waiting)
        number += len(row)
    yield _parted(waiting, np.inf)[0]


def _nothing() -> _Open:
    empty = np.zeros(0, dtype=np.int64)
    return _Open(no_boxes(), np.zeros(0, dtype=np.float32), np.zeros(0, dtype=bool), empty)


def _gathered(row: list[tuple[Tile, Detections]], number: int, size: tuple[int, int]) -> _Open:
    """Return what was found on a row of tiles, the first of which has that number, in pixels of the whole."""
    inside = [replace(one, boxes=clip(one.boxes, tile.width, tile.height)) for tile, one in row]
    moved = [one.moved(tile.left, tile.top) for one, (tile, _) in zip(inside, row, strict=True)]
    boxes = np.concatenate([no_boxes(), *(one.boxes for one in moved)])
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(one.scores for one in moved)])
    origin = np.repeat(np.arange(len(row)), [len(one) for one in moved])
    return _Open(boxes, scores, pieces_among(boxes, tuple(tile for tile, _ in row), origin, size), origin + number)


def _parted(waiting: _Open, edge: float) -> tuple[Detections, _Open]:
    """Return the heads that nothing below `edge` can change any more, and the boxes that are still open.

    Open is what reaches below the edge, and what is of one head with a box that is open.
    """
    order, first, second = rivals(waiting.boxes, waiting.scores, waiting.pieces, waiting.origin)
    is_open = waiting.boxes[order, 3] > edge
    while (mixed := is_open[first] != is_open[second]).any():
        is_open[first[mixed]] = is_open[second[mixed]] = True
    gone = taken_out(first, second, len(order))
    stay = np.sort(order[~is_open & ~gone])
    scores = mean_scores(waiting.scores, waiting.pieces, order, (first, second), gone)
    return Detections(waiting.boxes[stay], scores[stay]), waiting.chosen(np.sort(order[is_open]))
