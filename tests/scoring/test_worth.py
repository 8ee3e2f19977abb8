"""Which photos to label first."""

import numpy as np

from spica.detections import Detections
from spica.scoring.worth import Worth, most_worth, worth_of


def scored(*scores: float) -> Detections:
    boxes = np.array([[20 * n, 0, 20 * n + 10, 10] for n in range(len(scores))], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32))


def test_doubt_is_the_share_of_boxes_between_the_low_and_the_high_threshold() -> None:
    one = worth_of("a", "field", scored(0.9, 0.8, 0.75, 0.7, 0.5, 0.4, 0.26, 0.2), 0.5)
    assert (one.low, one.heads, one.high) == (7, 5, 3)
    assert one.doubt == (7 - 3) / (7 + 10)


def test_a_photo_on_which_nothing_or_only_sure_heads_are_found_raises_no_doubt() -> None:
    assert worth_of("a", "f", scored(), 0.5).doubt == 0
    assert worth_of("a", "f", scored(0.9, 0.95), 0.5).doubt == 0


def test_one_doubtful_box_is_less_than_many() -> None:
    assert worth_of("a", "f", scored(0.5), 0.5).doubt < worth_of("b", "f", scored(*[0.5] * 20, *[0.9] * 20), 0.5).doubt


def test_sources_take_turns_where_their_doubts_are_near() -> None:
    doubts = [("a", "x", 0.5), ("b", "x", 0.49), ("c", "x", 0.48), ("d", "y", 0.42), ("e", "y", 0.1)]
    order = most_worth([Worth(name, source, doubt, 1, 1, 1) for name, source, doubt in doubts])
    assert [one.image for one in order] == ["a", "d", "b", "c", "e"]
    assert most_worth([]) == ()
