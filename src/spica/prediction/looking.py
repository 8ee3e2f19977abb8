"""Looking: how much of a photo a detector sees at once, so that heads have a size that it knows."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

from spica.boxes import LEAST_FOR_MEDIAN, clip, is_valid, median_side
from spica.detections import Detect, Detections, no_detections
from spica.errors import WeightsError
from spica.image import Image
from spica.images import Photo, image_size, read_resized, resized
from spica.prediction.card import Card
from spica.prediction.tiles import Tile, cut_out, tiled, tiles_of

Source: TypeAlias = Path | Image  # where a photo comes from: its file, or the photo itself

HEAD_SIDE = (
    25.0  # mm, root of a box's area: 74 pixels of 0.33 to 0.385 mm, the median of rres_1, see docs/prediction.md
)
_OVERLAP = 0.25  # of a tile: longer than 99 % of the heads of the Global Wheat Head Dataset on photos of 1,024 pixels
_RIGHT_COUNTS = 1 / 3  # of the range of sizes, on a logarithmic scale: counts in tiles are right there
_EDGE_OF_RANGE = 1 / 3  # of the range of sizes, on a logarithmic scale: heads found there are to be looked at again
_CORRECTIONS = 2  # looks after the first: large heads are found in pieces, so the first guess of their size is low
_GLIMPSES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))  # places on a photo, in parts of it
_LEAST_TILE = 0.75  # of the network's side: tiles are enlarged by a third at the most


@dataclass(frozen=True, slots=True)
class Looks:
    """How to look at photos.

    `tile` is the side of what is seen at once, in pixels of the photo; 0 to let the heads decide. `gsd` is what a pixel
    of the photo measures on the field, in mm, from which the tile follows; 0 if that is not known. Where heads of
    `HEAD_SIDE` are in the range of sizes that the model knows on the photo as a whole, the heads decide all the same.

    Raises:
        ValueError: if one of them is below 0, or both are given.
    """

    tile: int = 0
    gsd: float = 0.0

    def __post_init__(self) -> None:
        if self.tile < 0 or not (self.gsd >= 0 and math.isfinite(self.gsd)):
            raise ValueError(f"tile is {self.tile} and gsd {self.gsd}, expected numbers above 0, or 0 for unknown")
        if self.tile and self.gsd:
            raise ValueError("tile and gsd are both given, expected one of them")

    def side(self, card: Card, longer: int | None = None) -> int:
        """Return the side of a tile in pixels of a photo, or of one with that `longer` side; 0 to let heads decide.

        Raises:
            WeightsError: if it is to follow from the size of heads, and the card does not say which the model knows.
        """
        if not self.gsd:
            return self.tile
        if not card.side or card.head_sides is None:
            raise WeightsError(
                "the card of the weights does not say which sizes of heads they know; give a tile, no gsd"
            )
        low, high = card.head_sides
        head = HEAD_SIDE / self.gsd * card.side  # as the network sees it on a tile of one pixel
        if longer and low <= head / longer <= high:
            return 0
        return max(1, round(head / float(low * (high / low) ** _RIGHT_COUNTS)))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A photo as it is looked at: in tiles of `tile` x `tile` pixels of the whole photo.

    `photo` has the pixels that are needed for that: a tile has the network's size, if the file has as many. Of a photo
    that is smaller than a tile the rest is black.
    """

    photo: Photo
    tile: int

    @property
    def longer(self) -> int:
        """Pixels of the whole photo's longer side."""
        return max(self.photo.width, self.photo.height)

    @property
    def side(self) -> int:
        """Side of a tile in pixels of `photo.pixels`."""
        height, width, _ = self.photo.pixels.shape
        return max(1, round(self.tile * int(max(height, width)) / self.longer))

    @property
    def middle(self) -> Image:
        """The pixels of a tile in the middle of the photo."""
        height, width, _ = self.photo.pixels.shape
        top, left = max(0, height - self.side) // 2, max(0, width - self.side) // 2
        return self.photo.pixels[top : top + self.side, left : left + self.side]

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles, in pixels of `photo.pixels`."""
        height, width, _ = self.photo.pixels.shape
        return tuple(tiles_of(width, height, self.side, overlap_of(self.side)))

    @property
    def looks(self) -> int:
        """Number of tiles."""
        return len(self.tiles)

    def detect(self, detect: Detect) -> Detections:
        """Return what is found, in pixels of the whole photo."""
        height, width, _ = self.photo.pixels.shape
        found = tiled(detect, self.side, overlap_of(self.side))(_widened(self.photo.pixels, self.side))
        return _inside(found, width, height).scaled(self.photo.width / width, self.photo.height / height)

    def shows_heads(self, detect: Detect, card: Card) -> bool:
        """Return whether a few tiles, spread over the photo, have heads enough to know their size."""
        (height, width, _), tiles = self.photo.pixels.shape, self.tiles
        chosen = {_around(tiles, x * width, y * height) for x, y in _GLIMPSES}
        found = [detect(cut_out(self.photo.pixels, tile)).above(card.threshold) for tile in chosen]
        return sum(map(len, found)) >= LEAST_FOR_MEDIAN * len(chosen)

    def head_side(self, found: Detections, card: Card) -> float | None:
        """Return the side of the median head as the network sees it, in its pixels; None if there are too few."""
        if len(found) < LEAST_FOR_MEDIAN * self.looks:
            return None
        return median_side(found.boxes) * card.side / self.tile


def first_sight(source: Source, card: Card, looks: Looks) -> Sight:
    """Return a photo for a first look: in tiles if their side is given, else as a whole.

    Raises:
        ImageError: if the photo cannot be read.
        WeightsError: as `Looks.side`.
    """
    if looks.tile or looks.gsd:
        longer = max(_size(source))
        if tile := looks.side(card, longer):
            return _sight(source, card.side, tile, longer)
    photo = _read(source, card.side)
    return Sight(photo, max(photo.width, photo.height))


def seen(detect: Detect, source: Source, sight: Sight, card: Card, looks: Looks) -> tuple[Sight, Detections]:
    """Return how a photo is best looked at, and what is found so, in pixels of the whole photo.

    Unless the tile is given, a photo is looked at as a whole. If the median head is then smaller than the card knows,
    or hardly any is found, it is looked at in tiles that bring it to the middle of the range, of half the side at the
    least, and again so until it is known, as long as the photo has the pixels for it. Where hardly any is found, a few
    tiles tell first whether the others are worth it. If the heads are large, the last looks are at a smaller photo that
    brings them to the middle. If hardly any is found in the tiles either, the look at the whole photo is what counts.

    Raises:
        ImageError: if the photo cannot be read again.
        WeightsError: if the network gives numbers that are not finite.
    """
    found = sight.detect(detect)
    if looks.side(card, sight.longer) or not card.side or card.head_sides is None:
        return sight, found
    first, (low, high), least = (sight, found), card.head_sides, math.ceil(_LEAST_TILE * card.side)
    most = high / (high / low) ** _EDGE_OF_RANGE
    while _is_small(size := sight.head_side(found.above(card.threshold), card), low) and sight.tile > least:
        part = max(0.5, (size or 0) / _middle(card.head_sides))
        sight = _sight(source, card.side, max(least, math.ceil(sight.tile * part)), sight.longer)
        found = sight.detect(detect) if size or sight.shows_heads(detect, card) else no_detections()
    for _ in range(_CORRECTIONS):
        if size is None or size <= most:
            break
        tile = max(least, round(sight.tile * size / _middle(card.head_sides)))
        sight = _sight(source, card.side, tile, sight.longer)
        found = sight.detect(detect)
        size = sight.head_side(found.above(card.threshold), card)
    return first if size is None else (sight, found)


def _sight(source: Source, side: int, tile: int, longer: int) -> Sight:
    """Return a photo with `side` pixels in a tile, or with all that it has; as a whole it has `side` pixels."""
    needed = max(min(1, side), round(longer * side / tile)) if tile > side or tile == longer else 0
    if needed and tile > longer:
        tile = round(longer * side / needed)  # so that the whole, with its black, has `side` pixels
    return Sight(_read(source, needed), tile)


def _read(source: Source, side: int) -> Photo:
    """Return a photo with `side` pixels on its longer side; as it is for 0."""
    if isinstance(source, Path):
        return read_resized(source, side)
    return Photo(resized(source, side) if side else source, *_size(source))


def _size(source: Source) -> tuple[int, int]:
    """Return a photo's width and height."""
    return image_size(source) if isinstance(source, Path) else (source.shape[1], source.shape[0])


def _widened(pixels: Image, side: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return a photo whose longer side is at least `side`, black to the right and below where it was not.

    It keeps its shape: the network is compiled for each one. Beside grey, boxes were worse (docs/experiments.md).
    """
    height, width, _ = pixels.shape
    zoom = side / max(height, width)
    if zoom <= 1:
        return pixels
    right, below = round(width * zoom) - width, round(height * zoom) - height
    return np.pad(pixels, ((0, below), (0, right), (0, 0)))


def _inside(found: Detections, width: int, height: int) -> Detections:
    """Return the boxes cut at the borders of a photo, without those beside it."""
    boxes = clip(found.boxes, width, height)
    there = is_valid(boxes)
    return Detections(boxes[there], found.scores[there], found.capped)


def _around(tiles: tuple[Tile, ...], x: float, y: float) -> Tile:
    """Return the tile whose middle is next to a point."""
    return min(tiles, key=lambda tile: math.hypot(tile.left + tile.width / 2 - x, tile.top + tile.height / 2 - y))


def _is_small(size: float | None, least: float) -> bool:
    return size is None or size < least


def _middle(sides: tuple[float, float]) -> float:
    return math.sqrt(sides[0] * sides[1])


def overlap_of(side: int) -> int:
    """Return by how many pixels tiles of that side overlap."""
    return round(_OVERLAP * side)
