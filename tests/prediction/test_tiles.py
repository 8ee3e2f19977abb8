"""Tiles: no pixel is left out, and no head at a seam is lost or doubled."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spica
from spica.boxes import area, iou
from spica.detections import Detect, Detections, no_detections
from spica.image import Image
from spica.prediction.tiles import Tile, cut_out, joined, tiled, tiles_of

SIDE, OVERLAP = 80, 20


def painted(width: int, height: int, heads: np.ndarray) -> Image:
    """Return a black photo with each head, a row of left, top, right, bottom, in a colour of its own."""
    photo = np.zeros((height, width, 3), dtype=np.uint8)
    for number, (left, top, right, bottom) in enumerate(heads, start=1):
        photo[top:bottom, left:right] = (number // 65536, number // 256 % 256, number % 256)
    return photo


def find_painted(photo: Image) -> Detections:
    """Return the boxes of the painted heads, of those that are cut what can be seen of them; scores tell them apart."""
    red, green, blue = (photo[:, :, channel].astype(np.int64) for channel in range(3))
    numbers = (red * 65536 + green * 256 + blue).ravel()
    places, width = np.arange(len(numbers)), photo.shape[1]
    first, last = np.full((2, int(numbers.max()) + 1), -1)
    # The last of several assignments stays. The first pixel of a rectangle is its upper left corner.
    last[numbers] = places
    first[numbers[::-1]] = places[::-1]
    heads = np.flatnonzero(first[1:] >= 0) + 1
    first, last = first[heads], last[heads]
    edges = [first % width, first // width, last % width + 1, last // width + 1]
    return Detections(np.stack(edges, axis=1).astype(np.float32), (1 - heads / (heads + 50)).astype(np.float32))


def mapped(width: int, height: int) -> Image:
    """Return a photo whose pixels tell where they are."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x % 256, y % 256, x // 256 * 16 + y // 256], axis=-1).astype(np.uint8)


def finder(heads: np.ndarray, least: float = 0.0) -> Detect:
    """Return a Detect for mapped photos: of each of the heads it finds what is seen, if that is more than `least`."""

    def detect(photo: Image) -> Detections:
        x, y, far = photo[0, 0].astype(int)
        left, top = x + far // 16 * 256, y + far % 16 * 256
        height, width, _ = photo.shape
        seen = np.clip(heads - [left, top, left, top], 0, [width, height, width, height])
        sizes, wholes = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (seen, heads))
        kept = sizes > least * wholes
        scores = np.linspace(0.9, 0.1, len(heads))[kept]
        return Detections(seen[kept].astype(np.float32), scores.astype(np.float32))

    return detect


def rows_of(found: Detections) -> set[tuple[float, ...]]:
    rows = np.hstack([found.boxes, found.scores[:, None]]).tolist()
    assert len({tuple(row) for row in rows}) == len(rows)
    return {tuple(row) for row in rows}


def standing_apart(random: np.random.Generator, width: int, height: int, cell: int) -> np.ndarray:
    """Return heads in the cells of a grid, some of which fill their cell and touch their neighbours."""
    corners = np.stack(np.meshgrid(np.arange(0, width, cell), np.arange(0, height, cell)), axis=-1).reshape(-1, 2)
    sizes = np.where(random.random((len(corners), 2)) < 0.5, cell, random.integers(1, cell + 1, (len(corners), 2)))
    start = corners + random.integers(0, cell - sizes + 1)
    heads = np.hstack([start, np.minimum(start + sizes, [width, height])])
    return heads[(heads[:, 2] > heads[:, 0]) & (heads[:, 3] > heads[:, 1])]


# --- the grid


@settings(max_examples=500, deadline=None)
@given(width=st.integers(1, 700), height=st.integers(1, 700), side=st.integers(20, 200), part=st.floats(0, 0.8))
def test_tiles_cover_every_pixel_overlap_enough_and_are_evenly_spread(
    width: int, height: int, side: int, part: float
) -> None:
    overlap = int(part * side)
    tiles = list(tiles_of(width, height, side, overlap))
    for length, along in ((width, [(t.left, t.width) for t in tiles]), (height, [(t.top, t.height) for t in tiles])):
        starts = sorted(set(along))
        assert all(size == min(side, length) for _, size in starts)
        assert starts[0][0] == 0
        assert starts[-1][0] + starts[-1][1] == length
        steps = np.diff([start for start, _ in starts])
        assert (steps <= side - overlap).all()
        assert len(steps) == 0 or steps.max() - steps.min() <= 1
        least = 1 if length <= side else int(np.ceil((length - overlap) / (side - overlap)))
        assert len(starts) == least
    assert len(set(tiles)) == len(tiles)


def test_tiles_are_cut_out_where_they_lie() -> None:
    photo = mapped(300, 200)
    for tile in tiles_of(300, 200, 128, 10):
        pixels = cut_out(photo, tile)
        assert pixels.shape == (tile.height, tile.width, 3)
        assert (pixels[0, 0, 0], pixels[0, 0, 1]) == (tile.left % 256, tile.top % 256)


@pytest.mark.parametrize(("side", "overlap"), [(10, 10), (10, 12), (10, -1), (0, 0)])
def test_an_overlap_that_does_not_fit_is_an_error(side: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="at least 0 and less than the side"):
        tiled(find_painted, side, overlap)


@pytest.mark.parametrize(("width", "height"), [(SIDE, SIDE), (SIDE, 3), (1, 1)])
def test_a_photo_that_is_no_larger_is_passed_on_as_it_is(width: int, height: int) -> None:
    asked: list[Image] = []

    def detect(photo: Image) -> Detections:
        asked.append(photo)
        return no_detections()

    photo = np.zeros((height, width, 3), dtype=np.uint8)
    tiled(detect, SIDE, OVERLAP)(photo)
    assert len(asked) == 1
    assert asked[0] is photo


# --- heads that fit the overlap


@settings(max_examples=500, deadline=None)
@given(width=st.integers(1, 260), height=st.integers(1, 260), seed=st.integers(0, 10**6), cell=st.integers(4, OVERLAP))
def test_tiling_changes_nothing_when_heads_fit_the_overlap(width: int, height: int, seed: int, cell: int) -> None:
    photo = painted(width, height, standing_apart(np.random.default_rng(seed), width, height, cell))
    assert rows_of(tiled(find_painted, SIDE, OVERLAP)(photo)) == rows_of(find_painted(photo))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), side=st.integers(100, 400), part=st.floats(0.3, 0.7))
def test_heads_over_one_another_are_found_whatever_the_grid(seed: int, side: int, part: float) -> None:
    random, overlap = np.random.default_rng(seed), int(part * side)
    width, height = random.integers(side, 900, 2).tolist()
    most = overlap - int(np.ceil(2 * side / 160)) - 1  # a box near an edge counts as cut
    heads = random.integers(0, [width, height], (60, 2))
    heads = np.hstack([heads, np.minimum(heads + random.integers(3, most, (60, 2)), [width, height])])
    apart = (np.triu(iou(heads.astype(float), heads.astype(float)), 1) <= 0.5).all(axis=0)
    wide = (heads[:, 2:] > heads[:, :2]).all(axis=1)
    heads = heads[apart & wide]
    photo, detect = mapped(width, height), finder(heads)
    assert rows_of(tiled(detect, side, overlap)(photo)) == rows_of(detect(photo))


@settings(max_examples=200, deadline=None)
@given(
    edge=st.sampled_from(["left", "right"]),
    shift=st.integers(-30, 30),
    width=st.integers(6, OVERLAP),
    loose=st.booleans(),
)
def test_a_head_at_a_seam_is_neither_lost_nor_doubled(edge: str, shift: int, width: int, loose: bool) -> None:
    first, second = list(tiles_of(140, SIDE, SIDE, OVERLAP))
    seam = second.left if edge == "left" else first.left + first.width
    left = min(max(0, seam + shift), 140 - width)
    photo = painted(140, SIDE, np.array([[left, 30, left + width, 45]]))

    def detect(part: Image) -> Detections:
        found = find_painted(part)
        by = 1 / SIDE if loose else 0  # no network finds quite the same box twice; none leaves the tile
        return Detections(np.minimum(found.boxes * np.float32(1 + by), np.float32(SIDE)), found.scores)

    (box,) = tiled(detect, SIDE, OVERLAP)(photo).boxes
    np.testing.assert_allclose(box, [left, 30, left + width, 45], atol=1.5)


def test_neighbours_that_touch_are_not_merged() -> None:
    heads = np.array([[left, top, left + 8, top + 5] for top in range(0, 240, 5) for left in range(0, 240, 8)])
    found = tiled(find_painted, SIDE, OVERLAP)(painted(240, 240, heads))
    assert len(found) == len(heads) == 30 * 48


def test_a_head_that_two_tiles_have_whole_gets_the_mean_of_their_scores() -> None:
    """With the better of both, more heads would be above a threshold than on a photo that is looked at once."""
    tiles = (Tile(0, 0, 100, 100), Tile(50, 0, 100, 100))
    seen = [np.array([[60, 20, 80, 40]], np.float32), np.array([[10, 20, 30, 41], [70, 70, 80, 80]], np.float32)]
    scores = [np.array([0.3], np.float32), np.array([0.1, 0.8], np.float32)]
    found = joined(tiles, [Detections(*one) for one in zip(seen, scores, strict=True)], 150, 100)
    np.testing.assert_allclose(found.boxes, [[120, 70, 130, 80], [60, 20, 80, 40]])
    np.testing.assert_allclose(found.scores, [0.8, 0.2], atol=1e-6)


# --- heads that do not


def pieces_of(photo: Image) -> list[float]:
    """Return how much each tile sees of the one head that is painted, in square pixels, where it sees any."""
    height, width, _ = photo.shape
    seen = [int(cut_out(photo, tile).any(axis=2).sum()) for tile in tiles_of(width, height, SIDE, OVERLAP)]
    return [float(size) for size in seen if size]


@settings(max_examples=200, deadline=None)
@given(left=st.integers(0, 200), top=st.integers(0, 200), across=st.integers(21, 60), down=st.integers(21, 60))
def test_of_a_head_larger_than_the_overlap_the_largest_piece_is_kept(
    left: int, top: int, across: int, down: int
) -> None:
    photo = painted(260, 260, np.array([[left, top, left + across, top + down]]))
    found = tiled(find_painted, SIDE, OVERLAP)(photo)
    assert area(found.boxes).max() == max(pieces_of(photo))


@pytest.mark.parametrize("across", range(21, 59, 2))
def test_a_head_of_up_to_three_overlaps_is_one_piece(across: int) -> None:
    for left in range(30, 110, 3):
        photo = painted(200, 50, np.array([[left, 10, left + across, 20]]))
        assert len(tiled(find_painted, SIDE, OVERLAP)(photo)) == 1


def test_a_piece_stays_if_no_other_tile_finds_the_head() -> None:
    photo = painted(140, SIDE, np.array([[65, 30, 85, 45]]))

    def only_left(part: Image) -> Detections:
        found = find_painted(part)
        return found if found.boxes[0, 0] == 65 else no_detections()

    assert [tile.left for tile in tiles_of(140, SIDE, SIDE, OVERLAP)] == [0, 60]
    assert tiled(only_left, SIDE, OVERLAP)(photo).boxes.tolist() == [[65, 30, 80, 45]]
    assert tiled(find_painted, SIDE, OVERLAP)(photo).boxes.tolist() == [[65, 30, 85, 45]]


# --- what else is carried


def test_boxes_of_one_tile_are_the_detectors_own_business() -> None:
    twice = np.array([[20, 20, 50, 50], [21, 20, 50, 50], [25, 25, 45, 45]], dtype=np.float32)

    def detect(photo: Image) -> Detections:
        found = photo[0, 0, 0] == 9
        return Detections(twice, np.array([0.9, 0.8, 0.7], np.float32)) if found else no_detections()

    photo = np.zeros((100, 300, 3), dtype=np.uint8)
    photo[0, 0] = 9
    assert len(tiled(detect, SIDE, OVERLAP)(photo)) == 3


@pytest.mark.parametrize("capped", [False, True])
def test_a_cap_in_one_tile_is_carried(capped: bool) -> None:
    photo = np.zeros((100, 300, 3), dtype=np.uint8)
    photo[:, 290:] = 1

    def detect(part: Image) -> Detections:
        return replace(no_detections(), capped=capped and bool(part[0, -1, 0]))

    assert tiled(detect, SIDE, OVERLAP)(photo).capped == capped


def test_twenty_thousand_heads_take_little_memory() -> None:
    left, top = np.meshgrid(np.arange(0, 3600, 24), np.arange(0, 3200, 24))
    corners = np.stack([left, top], axis=-1).reshape(-1, 2)
    heads = np.hstack([corners, corners + 30])  # they overlap
    photo, detect = mapped(3640, 3240), finder(heads)
    tracemalloc.start()
    found = tiled(detect, 1024, 128)(photo)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == len(heads) > 20_000
    assert peak < 200e6  # all pairs would be 3.2 GB


def test_the_package_offers_it() -> None:
    assert spica.tiled is tiled
