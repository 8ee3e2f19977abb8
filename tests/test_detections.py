"""Detections: validated once, sorted, never changed."""

import numpy as np
import pytest

from spica.detections import Detections, no_detections


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
