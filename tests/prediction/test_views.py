"""Views: eight ways to lay down a photo, and boxes that come back to where they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spica
from spica.detections import Detections, no_detections
from spica.image import Image
from spica.prediction.fusion import best_of_each
from spica.prediction.views import brought_back, mirrored, viewed

PHOTO = np.random.default_rng(0).integers(1, 200, (20, 30, 3), dtype=np.uint8)


def find_white(photo: Image) -> Detections:
    """Return the box of what is white, if anything is."""
    rows, columns = np.nonzero((photo == 255).all(axis=2))
    if not len(rows):
        return no_detections()
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return Detections(np.array([box], dtype=np.float32), np.array([0.7], dtype=np.float32))


def test_the_eight_views_are_all_different_and_the_first_is_the_photo() -> None:
    views = [viewed(PHOTO, view) for view in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    np.testing.assert_array_equal(views[0], PHOTO)
    assert [view.shape[:2] for view in views] == [(20, 30)] * 4 + [(30, 20)] * 4


def test_the_eight_views_are_the_quarter_turns_and_their_mirror_images() -> None:
    views = {viewed(PHOTO, view).tobytes() for view in range(8)}
    turns = [np.rot90(photo, turn) for photo in (PHOTO, PHOTO[:, ::-1]) for turn in range(4)]
    assert {np.ascontiguousarray(turn).tobytes() for turn in turns} == views


@settings(max_examples=200, deadline=None)
@given(
    view=st.integers(0, 7),
    left=st.integers(0, 29),
    top=st.integers(0, 19),
    across=st.integers(1, 30),
    down=st.integers(1, 20),
)
def test_a_box_found_on_a_view_is_that_of_the_photo_exactly(
    view: int, left: int, top: int, across: int, down: int
) -> None:
    photo = PHOTO.copy()
    photo[top : top + down, left : left + across] = 255
    found = brought_back(find_white(viewed(photo, view)).boxes, view, width=30, height=20)
    assert found.tolist() == find_white(photo).boxes.tolist()


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_what_a_detector_finds_on_every_view_is_found_once_with_its_score(views: int) -> None:
    photo = PHOTO.copy()
    photo[3:9, 11:17] = 255
    asked: list[bytes] = []

    def detect(view: Image) -> Detections:
        asked.append(view.tobytes())
        return find_white(view)

    found = mirrored(detect, views)(photo)
    np.testing.assert_allclose(found.boxes, [[11, 3, 17, 9]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.7], rtol=1e-6)
    assert len(set(asked)) == len(asked) == views


@pytest.mark.parametrize("views", [2, 4])
def test_fewer_views_are_turns_evenly_spread(views: int) -> None:
    asked: list[bytes] = []

    def detect(view: Image) -> Detections:
        asked.append(view.tobytes())
        return no_detections()

    mirrored(detect, views)(PHOTO)
    turns = [np.rot90(PHOTO, turn) for turn in range(0, 4, 4 // views)]
    assert set(asked) == {np.ascontiguousarray(turn).tobytes() for turn in turns}


def test_one_view_is_the_detector_itself() -> None:
    assert mirrored(find_white, 1) is find_white


def test_views_can_be_combined_in_another_way() -> None:
    photo = PHOTO.copy()
    photo[3:9, 11:17] = 255

    def sure_of_the_photo_only(view: Image) -> Detections:
        found = find_white(view)
        return Detections(found.boxes, found.scores * np.float32(1 if view.tobytes() == photo.tobytes() else 0.5))

    assert mirrored(sure_of_the_photo_only, 2, best_of_each)(photo).scores.tolist() == [np.float32(0.7)]


def test_a_cap_on_one_view_is_carried() -> None:
    full = Detections(no_detections().boxes, no_detections().scores, capped=True)
    asked = iter([no_detections(), full])
    assert mirrored(lambda _: next(asked), 2)(PHOTO).capped


@pytest.mark.parametrize("views", [0, 3, 16, -1])
def test_another_number_of_views_is_an_error(views: int) -> None:
    with pytest.raises(ValueError, match="expected 1, 2, 4 or 8"):
        mirrored(find_white, views)


def test_the_package_offers_it() -> None:
    assert spica.mirrored is mirrored
