"""Boxes: rows of left, top, right, bottom, as edges in pixels of the image they belong to."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32

Boxes: TypeAlias = Float32[np.ndarray, "n 4"]


def no_boxes() -> Boxes:
    """Return an empty array of boxes, shape (0, 4)."""
    return np.zeros((0, 4), dtype=np.float32)


def boxes_from_corner_and_size(rows: Float[np.ndarray, "n 4"]) -> Boxes:
    """Return boxes from rows of left, top, width, height, as Kaggle and COCO write them.

    >>> boxes_from_corner_and_size(np.array([[10.0, 20.0, 5.0, 6.0]])).tolist()
    [[10.0, 20.0, 15.0, 26.0]]
    """
    return np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:]]).astype(np.float32)


def corner_and_size_from_boxes(boxes: Boxes) -> Float[np.ndarray, "n 4"]:
    """Return float64 rows of left, top, width, height; the inverse of `boxes_from_corner_and_size`."""
    rows = boxes.astype(np.float64)
    return np.hstack([rows[:, :2], rows[:, 2:] - rows[:, :2]])


def area(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Return the area of each box in square pixels; 0 where right < left or bottom < top."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas: Float[np.ndarray, " n"] = np.maximum(width, 0) * np.maximum(height, 0)
    return areas


LEAST_FOR_MEDIAN = 3  # boxes: without as many their median side says nothing


def median_side(boxes: Float[np.ndarray, "n 4"]) -> float:
    """Return the side of the median box in pixels, the square root of its area; 0 if there is no box."""
    return float(np.median(np.sqrt(area(boxes)))) if len(boxes) else 0.0


def iou(first: Float[np.ndarray, "n 4"], second: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Return the intersection over union of each box of `first` with each of `second`, in [0, 1].

    Computed in float64. Two boxes without area have an IoU of 0.

    >>> iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3).tolist()
    [[0.333]]
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    width = np.minimum(first[:, None, 2], second[:, 2]) - np.maximum(first[:, None, 0], second[:, 0])
    height = np.minimum(first[:, None, 3], second[:, 3]) - np.maximum(first[:, None, 1], second[:, 1])
    intersection = np.clip(width, 0, None) * np.clip(height, 0, None)
    union = area(first)[:, None] + area(second) - intersection
    ratios: Float[np.ndarray, "n m"] = np.zeros_like(union)
    np.divide(intersection, union, out=ratios, where=union > 0)
    return ratios


def clip(boxes: Boxes, width: int, height: int) -> Boxes:
    """Return the boxes cut at the borders of an image of `width` x `height` pixels."""
    limits = np.array([width, height, width, height], dtype=np.float32)
    inside: Boxes = np.clip(boxes, np.float32(0), limits)
    return inside


def is_valid(boxes: Float[np.ndarray, "n 4"]) -> Bool[np.ndarray, " n"]:
    """Return for each box whether it is finite and has a width and a height above 0."""
    finite = np.isfinite(boxes).all(axis=1)
    valid: Bool[np.ndarray, " n"] = finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return valid
