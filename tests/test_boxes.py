"""Boxes: arithmetic by hand and by property."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spica.boxes import (
    area,
    boxes_from_corner_and_size,
    clip,
    corner_and_size_from_boxes,
    iou,
    is_valid,
    no_boxes,
)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


coordinates = st.integers(0, 100)
any_box = st.tuples(coordinates, coordinates, st.integers(1, 50), st.integers(1, 50))


@given(st.lists(any_box, max_size=5), st.lists(any_box, max_size=5))
def test_iou_is_symmetric_in_range_and_one_for_a_box_with_itself(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> None:
    one, other = (
        boxes_from_corner_and_size(np.array(rows, dtype=np.float64).reshape(-1, 4)) for rows in (first, second)
    )
    overlaps = iou(one, other)
    assert overlaps.shape == (len(one), len(other))
    assert ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_array_equal(overlaps, iou(other, one).T)
    np.testing.assert_array_equal(np.diag(iou(one, one)), np.ones(len(one)))


def test_iou_of_worked_examples() -> None:
    square = boxes((0, 0, 10, 10))
    others = boxes((0, 0, 10, 5), (5, 5, 15, 15), (10, 0, 20, 10), (2, 2, 2, 8))
    np.testing.assert_allclose(iou(square, others), [[0.5, 25 / 175, 0, 0]])


def test_boxes_without_area_have_no_overlap_and_no_warning() -> None:
    point = boxes((3, 3, 3, 3))
    assert iou(point, point).tolist() == [[0]]
    assert area(boxes((5, 5, 3, 9))).tolist() == [0]


@given(st.lists(any_box, max_size=5))
def test_corner_and_size_come_back(rows: list[tuple[int, int, int, int]]) -> None:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    np.testing.assert_array_equal(corner_and_size_from_boxes(boxes_from_corner_and_size(table)), table)


def test_clipping_cuts_at_the_borders() -> None:
    assert clip(boxes((-5, 2, 30, 40)), 20, 10).tolist() == [[0, 2, 20, 10]]


def test_only_finite_boxes_with_an_area_are_valid() -> None:
    rows = boxes((0, 0, 1, 1), (1, 0, 1, 1), (2, 0, 1, 1), (0, np.nan, 1, 1), (0, 0, np.inf, 1))
    assert is_valid(rows).tolist() == [True, False, False, False, False]
    assert is_valid(no_boxes()).tolist() == []
