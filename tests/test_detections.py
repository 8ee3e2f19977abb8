"""Detections: validated once, sorted, never changed."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spica.detections import Detections, no_detections
from spica.drawing import draw_heads
from spica.errors import MissingExtraError


def detections(*scores: float) -> Detections:
    boxes = np.array([[10 * index, 0, 10 * index + 5, 5] for index in range(len(scores))], dtype=np.float32)
    return Detections(boxes.reshape(-1, 4), np.array(scores, dtype=np.float32))


def test_the_highest_score_comes_first_and_ties_keep_their_order() -> None:
    found = detections(0.2, 0.9, 0.2, 0.5)
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.5, 0.2, 0.2], np.float32))
    assert found.boxes[:, 0].tolist() == [10, 30, 0, 20]


def test_above_takes_scores_from_the_threshold_on() -> None:
    assert [len(detections(0.2, 0.5, 0.9).above(score)) for score in (0.0, 0.5, 0.51, 1.0)] == [3, 2, 1, 0]


def test_moving_moves_boxes_and_leaves_the_original() -> None:
    found = detections(0.5)
    assert found.moved(3, -2).boxes.tolist() == [[3, -2, 8, 3]]
    assert found.boxes.tolist() == [[0, 0, 5, 5]]


def test_the_arrays_cannot_be_changed_and_do_not_follow_the_callers() -> None:
    boxes, scores = np.zeros((1, 4), np.float32), np.array([0.5], np.float32)
    found = Detections(boxes, scores)
    boxes[:] = 7
    assert found.boxes.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        found.scores[0] = 0


def test_coco_entries_hold_corner_and_size() -> None:
    assert detections(0.5).to_coco("photo") == [
        {"image_id": "photo", "category_id": 1, "bbox": [0.0, 0.0, 5.0, 5.0], "score": 0.5}
    ]


def test_nothing_found_is_a_value_too() -> None:
    assert (len(no_detections()), no_detections().to_coco(1)) == (0, [])


def test_a_score_for_each_box_is_needed() -> None:
    # In tests the declared shapes are checked before the value checks itself.
    with pytest.raises((ValueError, TypeError)):
        Detections(np.zeros((1, 4), np.float32), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        ([[0, 0, np.nan, 1]], [0.5], "boxes are not finite"),
        ([[0, 0, 1, 1]], [np.nan], "not in"),
        ([[0, 0, 1, 1]], [1.5], "not in"),
        ([[0, 0, 1, 1]], [-0.1], "not in"),
    ],
)
def test_broken_numbers_are_refused(boxes: list[list[float]], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Detections(np.array(boxes, np.float32), np.array(scores, np.float32))


# --- what is made of them


def capped(*scores: float) -> Detections:
    return replace(detections(*scores), capped=True)


@pytest.mark.parametrize(
    "made", [lambda d: d.above(0.5), lambda d: d.first(1), lambda d: d.moved(1, 2), lambda d: d.scaled(2, 3)]
)
def test_what_is_made_of_capped_detections_is_capped(made: Callable[[Detections], Detections]) -> None:
    assert made(capped(0.2, 0.9)).capped
    assert not made(detections(0.2, 0.9)).capped


def test_scaling_multiplies_x_by_the_first_and_y_by_the_second_factor() -> None:
    found = Detections(np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32))
    assert found.scaled(2, 0.5).boxes.tolist() == [[2, 1, 6, 2]]
    assert found.boxes.tolist() == [[1, 2, 3, 4]]


def test_the_first_are_those_with_the_highest_scores() -> None:
    assert detections(0.2, 0.9, 0.5).first(2).scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(detections(0.2).first(5)) == 1


def test_a_csv_has_a_header_and_a_line_for_each_box_best_first() -> None:
    assert detections(0.25, 0.123456).moved(0.125, 0.004).to_csv() == (
        "left,top,right,bottom,score\n0.12,0.00,5.12,5.00,0.25000\n10.12,0.00,15.12,5.00,0.12346\n"
    )
    assert no_detections().to_csv() == "left,top,right,bottom,score\n"


def test_rows_are_those_of_the_csv() -> None:
    found = detections(0.25, 0.75)
    assert [",".join(row) for row in found.rows()] == found.to_csv().splitlines()[1:]


def test_a_data_frame_holds_the_numbers_as_they_are() -> None:
    pytest.importorskip("pandas")
    frame = detections(0.25, 0.75).to_pandas()
    assert list(frame.columns) == ["left", "top", "right", "bottom", "score"]
    np.testing.assert_array_equal(frame.to_numpy(), np.array([[10, 0, 15, 5, 0.75], [0, 0, 5, 5, 0.25]]))
    assert list(no_detections().to_pandas().columns) == list(frame.columns)


def test_a_data_frame_without_pandas_is_one_line_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        detections(0.5).to_pandas()


def test_drawing_takes_boxes_and_scores_of_the_detections() -> None:
    photo, found = np.full((160, 200, 3), 60, np.uint8), detections(0.9).scaled(8, 8).moved(100, 60)
    np.testing.assert_array_equal(found.draw(photo), draw_heads(photo, found.boxes))
    np.testing.assert_array_equal(found.draw(photo, scores=True), draw_heads(photo, found.boxes, found.scores))
    assert (found.draw(photo) != found.draw(photo, scores=True)).any()
