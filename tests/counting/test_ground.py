"""The ground on a photo: areas by hand, and heads in a frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spica.counting.ground import FromAbove, Quadrat, Sampled, border_margin

SQUARE = np.array([[100.0, 100], [500, 100], [500, 500], [100, 500]])


def at(*centres: tuple[float, float]) -> np.ndarray:
    return np.array([[x - 10, y - 6, x + 10, y + 6] for x, y in centres], dtype=np.float32).reshape(-1, 4)


def test_a_photo_has_the_area_of_its_pixels() -> None:
    assert Sampled(0.25).area(4000, 2000) == pytest.approx(0.5)
    assert Sampled(1.0).area(1000, 1000) == pytest.approx(1.0)


def test_height_and_angle_give_the_longer_side_however_the_photo_is_turned() -> None:
    ground = FromAbove(height=1.5, angle=60)  # spans 2 * 1.5 * tan 30 degrees = 1.732 m
    assert ground.area(4000, 3000) == pytest.approx(3 * 0.75)
    assert ground.area(3000, 4000) == pytest.approx(3 * 0.75)


def test_on_a_whole_photo_every_head_counts() -> None:
    assert Sampled(1).holds(at((1, 1), (9000, 3))).tolist() == [True, True]
    assert FromAbove(1, 60).holds(at()).shape == (0,)


def test_a_head_belongs_to_the_frame_that_holds_its_centre() -> None:
    frame = Quadrat(SQUARE, (0.5, 0.5))
    assert frame.area(1024, 768) == 0.25
    held = frame.holds(at((300, 300), (100, 300), (99, 300), (501, 300), (300, 20)))
    assert held.tolist() == [True, True, False, False, False]


def test_a_frame_seen_from_aside_holds_what_is_between_its_edges() -> None:
    frame = Quadrat(np.array([[200.0, 100], [400, 100], [600, 500], [0, 500]]), (1.0, 0.5))
    assert frame.area(1, 1) == 0.5
    assert frame.holds(at((300, 120), (150, 120), (100, 490), (30, 400))).tolist() == [True, False, True, False]


@given(first=st.integers(0, 3), backwards=st.booleans(), seed=st.integers(0, 99))
def test_it_does_not_matter_at_which_corner_and_which_way_round_one_begins(
    first: int, backwards: bool, seed: int
) -> None:
    heads = at(*np.random.default_rng(seed).uniform(0, 600, (20, 2)).tolist())
    corners = np.roll(SQUARE[::-1] if backwards else SQUARE, first, axis=0)
    assert (Quadrat(corners, (0.5, 0.5)).holds(heads) == Quadrat(SQUARE, (0.5, 0.5)).holds(heads)).all()


def test_around_a_photo_lies_a_margin_from_which_heads_reach_into_it() -> None:
    heads = at((50, 50), (90, 80))  # 20 x 12 pixels: with 30 % visible, the centre is a fifth of a side outside
    assert border_margin(heads) == pytest.approx(0.2 * 16)
    assert border_margin(at()) == 0
    assert Sampled(1.0).area(1000, 500, margin=10) == pytest.approx(1.02 * 0.52)
    assert FromAbove(1.0, 90).area(1000, 500, margin=10) == pytest.approx(4 * 1.02 * 0.52)
    assert Quadrat(SQUARE, (0.5, 0.5)).area(1000, 500, margin=10) == 0.25


def test_with_that_margin_densities_are_right() -> None:
    random = np.random.default_rng(5)
    side, size, photo = 40.0, 60_000, 1000
    centres = random.uniform(-200, photo + 200, (size, 2))
    visible = np.clip(np.minimum(centres + side / 2, photo) - np.maximum(centres - side / 2, 0), 0, side).prod(axis=1)
    counted = int((visible >= 0.3 * side**2).sum())
    dense = counted / Sampled(1000.0).area(photo, photo, border_margin(np.array([[0, 0, side, side]], np.float32)))
    assert dense == pytest.approx(size / (photo + 400) ** 2, rel=0.01)


@pytest.mark.parametrize("gsd", [0, -1, float("nan"), float("inf")])
def test_a_distance_on_the_ground_is_above_zero(gsd: float) -> None:
    with pytest.raises(ValueError, match="expected millimetres above 0"):
        Sampled(gsd)


def test_a_camera_has_a_height_and_an_angle() -> None:
    with pytest.raises(ValueError, match="height is 0, expected metres above 0"):
        FromAbove(0, 60)
    with pytest.raises(ValueError, match="angle of view is 180, expected degrees between 0 and 180"):
        FromAbove(1, 180)


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [0, 0, 1, 2]], ids=["crossing", "two at one place"])
def test_corners_are_given_round_the_frame(order: list[int]) -> None:
    with pytest.raises(ValueError, match="one after the other round the frame"):
        Quadrat(SQUARE[order], (0.5, 0.5))


def test_a_frame_has_sides() -> None:
    with pytest.raises(ValueError, match=r"sides of 0 x 0\.5, expected metres above 0"):
        Quadrat(SQUARE, (0.0, 0.5))
