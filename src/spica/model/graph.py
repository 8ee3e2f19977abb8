"""The detector as an ONNX graph: what torchvision does around the network, said in ONNX's own operators.

photo -> batch -> (network) -> proposals of each level -> pooled regions -> box head -> boxes

Every function takes and returns nodes of a graph; nothing is computed here. Sizes are (height, width).
Source of the arithmetic: torchvision's RegionProposalNetwork, MultiScaleRoIAlign, RoIHeads and BoxCoder.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Var

from spica.model.heads import REFINE_SUPPRESSION_IOU
from spica.model.maps import Level
from spica.model.photos import PADDING_MULTIPLE
from spica.model.regions import CANONICAL_SIDE, CANONICAL_STRIDE
from spica.model.settings import HeadSettings, PoolingSettings, ProposalSettings

OPSET = 18  # the least with an antialiased Resize
LARGEST_GROWTH = math.log(1000 / 16)  # of a box against its anchor; more would overflow
LEAST_PROPOSAL, LEAST_BOX = 1e-3, 1e-2  # sides in pixels, as torchvision has them

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Look:
    """A photo as the network looks at it: the batch, its size without padding, and what brings boxes back (4,)."""

    batch: Var
    size: Var
    zoom: Var


@dataclass(frozen=True, slots=True)
class Regions:
    """What boxes are pooled from: the maps and their levels, how, and the size of the photo in the batch."""

    maps: Sequence[Var]
    levels: Sequence[Level]
    settings: PoolingSettings
    size: Var


@dataclass(frozen=True, slots=True)
class BoxHead:
    """The weights of a stage of the R-CNN head: two layers, then scores and boxes, each as (matrix, bias)."""

    layers: tuple[tuple[Floats, Floats], ...]
    scores: tuple[Floats, Floats]
    boxes: tuple[Floats, Floats]
    box_weights: tuple[float, float, float, float]


def look_at(photo: Var, side: int, mean: Floats, std: Floats) -> Look:
    """Return a uint8 photo (height, width, 3) resized to `side`, normalised and padded as the network takes it."""
    full = _part(op.shape(photo), 0, 2)
    longest = op.reduce_max(full, keepdims=0)
    rounded = op.div(op.add(op.mul(full, _whole(2 * side)), longest), op.mul(longest, _whole(2)))
    size = op.max([rounded, _whole(1)])  # as spica.images.fitted_size has it
    pixels = op.unsqueeze(op.transpose(op.cast(photo, to=np.float32), perm=[2, 0, 1]), _whole([0]))
    scaled = _resized(_resized(pixels, _part(size, 1, 2), 3), _part(size, 0, 1), 2)
    normal = op.add(op.mul(scaled, op.const(1 / (255 * std))), op.const(-mean / std))
    missing = op.mod(op.neg(size), _whole(PADDING_MULTIPLE))
    batch = op.pad(normal, op.concat([_whole([0] * 6), missing], axis=0), op.const(np.float32(0)))
    zoom = op.div(op.cast(full, to=np.float32), op.cast(size, to=np.float32))
    return Look(batch, size, op.gather(zoom, _whole([1, 0, 1, 0])))


def _resized(pixels: Var, size: Var, axis: int) -> Var:
    """Return pixels resized along one axis and rounded to whole numbers after it, as Pillow and torch do."""
    scaled = op.resize(pixels, sizes=size, axes=[axis], mode="linear", antialias=1)
    return op.floor(op.add(scaled, op.const(np.float32(0.5))))


def propose(
    maps: Sequence[tuple[Var, Var]],
    anchors: Sequence[Floats],
    levels: Sequence[Level],
    size: Var,
    settings: ProposalSettings,
) -> tuple[Var, Var]:
    """Return the best proposals (n, 4) of all levels, and how many there were before the cap.

    `maps` has for each level the objectness (1, anchors, rows, columns) and the deltas (1, 4 * anchors, rows, columns).
    """
    parts = [
        _level_proposals(pair, cells, level, size, settings)
        for pair, cells, level in zip(maps, anchors, levels, strict=True)
    ]
    boxes = op.concat([boxes for boxes, _ in parts], axis=0)
    scores = op.concat([scores for _, scores in parts], axis=0)
    count = op.size(scores)
    _, best = op.top_k(scores, _as_row(op.min([count, _whole(settings.detect)])))
    return op.gather(boxes, best, axis=0), count


def _level_proposals(
    maps: tuple[Var, Var], cells: Floats, level: Level, size: Var, settings: ProposalSettings
) -> tuple[Var, Var]:
    (objectness, deltas), kinds = maps, len(cells)
    # One row for each anchor, cell by cell.
    scores = op.sigmoid(op.reshape(op.transpose(objectness, perm=[0, 2, 3, 1]), _whole([-1])))
    shape = op.shape(objectness)
    apart = op.concat([_whole([kinds, 4]), _part(shape, 2, 4)], axis=0)
    moves = op.reshape(op.transpose(op.reshape(deltas, apart), perm=[2, 3, 0, 1]), _whole([-1, 4]))
    seen = _where(op.greater_or_equal(scores, op.const(np.float32(settings.least_score))))
    most = op.min([op.size(seen), _whole(settings.before_suppression)])
    scores, best = op.top_k(op.gather(scores, seen), _as_row(most))
    chosen = op.gather(seen, best)
    cell = op.div(chosen, _whole(kinds))
    columns = _part(shape, 3, 4)
    place = op.concat([_as_column(op.mod(cell, columns)), _as_column(op.div(cell, columns))], axis=1)
    centres = op.add(
        op.mul(op.cast(place, to=np.float32), op.const(np.float32(level.stride))), op.const(np.float32(level.offset))
    )
    corners = op.gather(op.const(cells), op.mod(chosen, _whole(kinds)), axis=0)
    start = op.add(op.concat([centres, centres], axis=1), corners)
    boxes = _clipped(_moved(start, op.gather(moves, chosen, axis=0), (1.0, 1.0, 1.0, 1.0)), size)
    return _best(*_wide(boxes, scores, LEAST_PROPOSAL), settings.suppression_iou)


def decide(regions: Regions, proposals: Var, stages: Sequence[BoxHead], settings: HeadSettings) -> tuple[Var, Var, Var]:
    """Return boxes (n, 4) in pixels of the batch, their scores, and a number that is finite if the head's outputs are.

    They are the boxes of at least `head.least_score` after suppression, highest score first, not capped. A second stage
    looks again at what the first one found.
    """
    first = settings.refine_score if settings.refine_iou else settings.least_score
    boxes, scores, sound = _looked(regions, proposals, stages[0], first)
    for stage in stages[1:]:
        kept, _ = _best(boxes, scores, REFINE_SUPPRESSION_IOU)
        boxes, scores, again = _looked(regions, kept, stage, settings.least_score)
        sound = total([sound, again])
    found, certain = _best(boxes, scores, settings.suppression_iou)
    if settings.voting_iou < 1:
        found = _voted(found, boxes, scores, settings.voting_iou)
    return found, certain, sound


def _looked(regions: Regions, boxes: Var, stage: BoxHead, least_score: float) -> tuple[Var, Var, Var]:
    """Return where a stage moves boxes, of at least the least score and not too thin, their scores, and a sum."""
    pooled, order = _pool(regions, boxes)
    scores, moves, sound = _judged(pooled, stage)
    kept = _where(op.greater(scores, op.const(np.float32(least_score))))
    start = op.gather(op.gather(boxes, order, axis=0), kept, axis=0)
    moved = _clipped(_moved(start, op.gather(moves, kept, axis=0), stage.box_weights), regions.size)
    return *_wide(moved, op.gather(scores, kept), LEAST_BOX), sound


def _judged(pooled: Var, stage: BoxHead) -> tuple[Var, Var, Var]:
    """Return scores (n,), moves (n, 4), and a number that is finite if all of them are."""
    features = op.flatten(pooled, axis=1)
    for matrix, bias in stage.layers:
        features = op.relu(op.gemm(features, op.const(matrix), op.const(bias), transB=1))
    logits = op.gemm(features, op.const(stage.scores[0]), op.const(stage.scores[1]), transB=1)
    # Of both classes the head alone: its box, and its part of the softmax.
    moves = op.gemm(features, op.const(stage.boxes[0][4:]), op.const(stage.boxes[1][4:]), transB=1)
    scores = op.reshape(_columns(op.softmax(logits, axis=1), 1, 2), _whole([-1]))
    return scores, moves, total([logits, moves])


def _pool(regions: Regions, boxes: Var) -> tuple[Var, Var]:
    """Return the pooled features (n, channels, side, side) of boxes, level by level, and which box each is of."""
    maps, levels = regions.maps, regions.levels
    if len(maps) == 1:
        return _pooled(maps[0], boxes, levels[0], regions.settings), _all_rows(boxes)
    width, height = _sides(boxes)
    sides = op.sqrt(op.max([op.mul(width, height), op.const(np.float32(1e-6))]))
    wanted = op.floor(op.div(op.log(op.mul(sides, op.const(np.float32(CANONICAL_STRIDE / CANONICAL_SIDE)))), _LOG_2))
    strides = op.const(np.log2([level.stride for level in levels]).astype(np.float32)[None])
    nearest = op.arg_min(op.abs(op.sub(_as_column(wanted), strides)), axis=1, keepdims=0)
    rows = [_where(op.equal(nearest, _whole(index))) for index in range(len(maps))]
    pooled = [
        _pooled(grid, op.gather(boxes, own, axis=0), level, regions.settings)
        for grid, own, level in zip(maps, rows, levels, strict=True)
    ]
    return op.concat(pooled, axis=0), op.concat(rows, axis=0)


def _pooled(grid: Var, boxes: Var, level: Level, settings: PoolingSettings) -> Var:
    regions = op.sub(boxes, op.const(np.float32(level.offset)))
    first = op.expand(_whole([0]), op.reshape(op.size(op.gather(boxes, _whole(0), axis=1)), _whole([1])))
    return op.roi_align(
        grid,
        regions,
        first,  # of the batch, which has one photo
        coordinate_transformation_mode="output_half_pixel",
        output_height=settings.side,
        output_width=settings.side,
        sampling_ratio=settings.sampling,
        spatial_scale=1 / level.stride,
    )


def cap(boxes: Var, scores: Var, most: int) -> tuple[Var, Var, Var]:
    """Return the first `most` boxes, which are the best, their scores, and whether there were as many."""
    reached = reaches(op.size(scores), most)
    kept = op.slice(boxes, _whole([0]), _whole([most])), op.slice(scores, _whole([0]), _whole([most]))
    return *kept, reached


def reaches(count: Var, most: int) -> Var:
    """Return whether a count is as high as `most`."""
    return op.greater_or_equal(count, _whole(most))


def either(first: Var, second: Var) -> Var:
    """Return whether one of two things is true."""
    return op.or_(first, second)


def scale(boxes: Var, zoom: Var) -> Var:
    """Return boxes (n, 4) of the network's look in pixels of the photo."""
    return op.mul(boxes, zoom)


def total(numbers: Sequence[Var]) -> Var:
    """Return the sum of everything: it is finite if all of it is."""
    return op.sum([op.reduce_sum(number, keepdims=0) for number in numbers])


def _wide(boxes: Var, scores: Var, least_side: float) -> tuple[Var, Var]:
    """Return the boxes that are not too thin."""
    width, height = _sides(boxes)
    wide = _where(op.greater_or_equal(op.min([width, height]), op.const(np.float32(least_side))))
    return op.gather(boxes, wide, axis=0), op.gather(scores, wide)


def _best(boxes: Var, scores: Var, iou: float) -> tuple[Var, Var]:
    """Return the boxes that overlap no better one by more than `iou`, best first."""
    rows = op.non_max_suppression(
        op.unsqueeze(boxes, _whole([0])),
        op.unsqueeze(scores, _whole([0, 1])),
        op.unsqueeze(op.size(scores), _whole([0])),
        op.const(np.array([iou], dtype=np.float32)),
    )
    kept = op.reshape(_columns(rows, 2, 3), _whole([-1]))
    return op.gather(boxes, kept, axis=0), op.gather(scores, kept)


def _voted(kept: Var, boxes: Var, scores: Var, iou: float) -> Var:
    """Return for each box kept (m, 4) the mean of all boxes (n, 4) that overlap it by more than `iou`, by score.

    Without a product of matrices: a runtime in bfloat16 would round pixels in one.
    """
    near = op.greater(_overlaps(kept, boxes), op.const(np.float32(iou)))
    shares = op.where(near, scores, op.const(np.float32(0)))
    sums = op.reduce_sum(op.mul(op.unsqueeze(shares, _whole([2])), boxes), _whole([1]), keepdims=0)
    return op.div(sums, op.reduce_sum(shares, _whole([1]), keepdims=1))


def _overlaps(first: Var, second: Var) -> Var:
    """Return the IoU (m, n) of boxes (m, 4) and (n, 4)."""
    one = op.unsqueeze(first, _whole([1]))
    low = op.max([_columns(one, 0, 2, axis=2), _columns(second, 0, 2)])
    high = op.min([_columns(one, 2, 4, axis=2), _columns(second, 2, 4)])
    both = op.reduce_prod(op.max([op.sub(high, low), op.const(np.float32(0))]), _whole([2]), keepdims=0)
    areas = [op.mul(*_sides(boxes)) for boxes in (first, second)]
    return op.div(both, op.sub(op.add(_as_column(areas[0]), areas[1]), both))


def _moved(boxes: Var, deltas: Var, weights: tuple[float, float, float, float]) -> Var:
    """Return boxes (n, 4) moved and stretched by deltas (n, 4) in units of their own size."""
    scaled = op.div(deltas, op.const(np.array(weights, dtype=np.float32)))
    low, high = _columns(boxes, 0, 2), _columns(boxes, 2, 4)
    sides = op.sub(high, low)
    half = op.const(np.float32(0.5))
    centres = op.add(op.add(low, op.mul(sides, half)), op.mul(_columns(scaled, 0, 2), sides))
    growth = op.exp(op.min([_columns(scaled, 2, 4), op.const(np.float32(LARGEST_GROWTH))]))
    reach = op.mul(op.mul(sides, growth), half)
    return op.concat([op.sub(centres, reach), op.add(centres, reach)], axis=1)


def _clipped(boxes: Var, size: Var) -> Var:
    """Return boxes cut at the borders of a photo of `size`, (height, width)."""
    limits = op.gather(op.cast(size, to=np.float32), _whole([1, 0, 1, 0]))
    return op.min([op.max([boxes, op.const(np.float32(0))]), limits])


def _sides(boxes: Var) -> tuple[Var, Var]:
    sides = op.sub(_columns(boxes, 2, 4), _columns(boxes, 0, 2))
    return op.gather(sides, _whole(0), axis=1), op.gather(sides, _whole(1), axis=1)


def _where(condition: Var) -> Var:
    """Return the indices at which a row of truths is true."""
    return op.reshape(op.non_zero(condition), _whole([-1]))


def _part(row: Var, start: int, end: int) -> Var:
    return op.slice(row, _whole([start]), _whole([end]))


def _columns(rows: Var, start: int, end: int, *, axis: int = 1) -> Var:
    return op.slice(rows, _whole([start]), _whole([end]), _whole([axis]))


def _all_rows(boxes: Var) -> Var:
    """Return the numbers 0 to n - 1 for boxes (n, 4)."""
    return op.range(_whole(0), op.size(op.gather(boxes, _whole(0), axis=1)), _whole(1))


def _as_row(number: Var) -> Var:
    return op.reshape(number, _whole([1]))


def _as_column(row: Var) -> Var:
    return op.unsqueeze(row, _whole([1]))


def _whole(value: int | list[int]) -> Var:
    return op.const(np.array(value, dtype=np.int64))


_LOG_2 = op.const(np.float32(math.log(2)))
