"""Tiles: a photo that is larger than a detector can look at, part by part, without losing or doubling a head."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from spica.boxes import Boxes, area, no_boxes
from spica.detections import Detect, Detections, Scores
from spica.image import Image
from spica.prediction.suppression import Pairs, overlapping, taken_out

SAME_HEAD = 0.5  # IoU: one head seen whole in two tiles gives nearly equal boxes
_COVERED = 0.5  # part of a piece that lies in the box of the whole head, or in a larger piece of it
_AT_EDGE = 1 / 160  # of a tile's side: boxes of heads that are cut end within 4 of 640 pixels of the edge


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a photo, in pixels: from `left` and `top` on, `width` x `height`."""

    left: int
    top: int
    width: int
    height: int


def tiled(detect: Detect, side: int, overlap: int) -> Detect:
    """Return a Detect that looks at tiles of at most `side` x `side` pixels, which overlap by `overlap` or more.

    A photo that is no larger is passed on as it is. A box that ends at an edge between tiles is a piece: it goes where
    another tile has found the whole head, and so do all boxes but the best of one head. A head that fits the overlap
    is whole in some tile, so that it is found once, whatever the grid. Of a larger one, that no tile has whole, the
    largest piece is kept, of up to three times the overlap; beyond it several may be, so give an overlap as large as
    the largest heads. Boxes of one tile never take each other out: that is for `detect` to decide.

    A head that several tiles have whole gets the mean of their scores: with the highest of them, more boxes would be
    above a threshold than on photos that are looked at once.

    The result is `capped` if that of a tile is.

    Raises:
        ValueError: if `overlap` is not less than `side`, or below 0.
    """
    if not 0 <= overlap < side:
        raise ValueError(f"overlap is {overlap}, expected at least 0 and less than the side of a tile, {side}")

    def detect_in_tiles(photo: Image) -> Detections:
        height, width, _ = photo.shape
        if max(height, width) <= side:
            return detect(photo)
        tiles = tuple(tiles_of(width, height, side, overlap))
        return joined(tiles, [detect(cut_out(photo, tile)) for tile in tiles], width, height)

    return detect_in_tiles


def tiles_of(width: int, height: int, side: int, overlap: int) -> Iterator[Tile]:
    """Yield the tiles of a photo, row by row: as few as can be, evenly spread; each pixel is in one at least.

    >>> [(tile.left, tile.width) for tile in tiles_of(2500, 900, side=1000, overlap=200)]
    [(0, 1000), (750, 1000), (1500, 1000)]
    """
    for top in _starts(height, side, overlap):
        for left in _starts(width, side, overlap):
            yield Tile(left, top, min(side, width), min(side, height))


def cut_out(photo: Image, tile: Tile) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return the pixels of a tile."""
    return np.ascontiguousarray(photo[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width])


def joined(tiles: tuple[Tile, ...], found: list[Detections], width: int, height: int) -> Detections:
    """Return what was found on the tiles of a photo of `width` x `height` pixels as detections on the photo."""
    moved = [one.moved(tile.left, tile.top) for tile, one in zip(tiles, found, strict=True)]
    boxes = np.concatenate([no_boxes(), *(one.boxes for one in moved)])
    scores = np.concatenate([np.zeros(0, dtype=np.float32), *(one.scores for one in moved)])
    origin = np.repeat(np.arange(len(tiles)), [len(one) for one in moved])
    pieces = pieces_among(boxes, tiles, origin, (width, height))
    order, first, second = rivals(boxes, scores, pieces, origin)
    gone = taken_out(first, second, len(order))
    stay = np.sort(order[~gone])
    scores = mean_scores(scores, pieces, order, (first, second), gone)
    return Detections(boxes[stay], scores[stay], any(one.capped for one in moved))


def pieces_among(
    boxes: Boxes, tiles: tuple[Tile, ...], origin: Int[np.ndarray, " n"], size: tuple[int, int]
) -> Bool[np.ndarray, " n"]:
    """Return which boxes end at an edge of their tile that is none of the photo."""
    edges = np.array([(t.left, t.top, t.left + t.width, t.top + t.height) for t in tiles], dtype=np.float64)
    reach = _AT_EDGE * np.array([max(tile.width, tile.height) for tile in tiles], dtype=np.float64)
    inner = edges != [0, 0, *size]
    near = np.abs(boxes - edges[origin]) <= reach[origin, None]
    pieces: Bool[np.ndarray, " n"] = (near & inner[origin]).any(axis=1)
    return pieces


def rivals(
    boxes: Boxes, scores: Scores, pieces: Bool[np.ndarray, " n"], origin: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Return boxes in the order in which they are chosen, and pairs that are of one head, as places in that order.

    Whole heads come first, by score, then pieces by size; where all is equal, in the order of the tiles, `origin`. The
    first of a pair comes before the second. Boxes of one tile are never of one head.
    """
    areas = area(boxes.astype(np.float64))
    order = np.lexsort((-scores, np.where(pieces, -areas, 0), pieces))
    pairs = overlapping(boxes[order])
    pairs = pairs.where(origin[order][pairs.first] != origin[order][pairs.second])
    same = _same_head(pairs, areas[order], pieces[order])
    return order, pairs.first[same], pairs.second[same]


def mean_scores(
    scores: Scores,
    pieces: Bool[np.ndarray, " n"],
    order: Int[np.ndarray, " n"],
    pairs: tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]],
    gone: Bool[np.ndarray, " n"],
) -> Scores:
    """Return the scores, those of whole heads as means over the boxes that were taken out for them; pieces count not.

    `pairs` and `gone` are of places in `order`, as `rivals` and `taken_out` give them.
    """
    first, second = pairs
    same = ~gone[first] & gone[second] & ~pieces[order[first]] & ~pieces[order[second]]
    totals, counts = scores.astype(np.float64), np.ones(len(scores))
    np.add.at(totals, order[first[same]], scores[order[second[same]]].astype(np.float64))
    np.add.at(counts, order[first[same]], 1)
    return (totals / counts).astype(np.float32)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Return where tiles begin along an axis."""
    count = 1 if length <= side else -((overlap - length) // (side - overlap))
    return [number * (length - side) // max(1, count - 1) for number in range(count)]


def _same_head(pairs: Pairs, areas: Float[np.ndarray, " n"], pieces: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " p"]:
    """Return which pairs are of one head: two boxes nearly equal, or a piece mostly in the other box."""
    covered = pairs.shared / areas[pairs.second] > _COVERED
    return np.where(pieces[pairs.second], covered, pairs.iou(areas) > SAME_HEAD)
