"""Facts about frames found on photos: four bars are, nothing else is."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage", reason="needs the extra frame: scikit-image")

from painted_frames import COLOURS, paint_frame
from spica.counting.framelines import lengths, plausible
from spica.counting.frames import find_frame
from spica.counting.ground import Quadrat
from spica.image import Image
from spica.images import photos_in, read_image
from spica.labels.fields import render_field


def field(seed: int, side: int = 640) -> Image:
    photo, _ = render_field(seed, side=side)
    return photo


def off(found: np.ndarray | None, truth: np.ndarray) -> float:
    """Return how far the worst corner is off, in parts of the shorter side."""
    assert found is not None, "no frame found"
    orders = [np.roll(way, first, axis=0) for way in (found, found[::-1]) for first in range(4)]
    return float(min(np.linalg.norm(order - truth, axis=1).max() for order in orders) / lengths(truth).min())


@pytest.mark.parametrize("colour", list(COLOURS)[::2])  # each takes seconds; benchmarks/frames.py has all
def test_the_inner_corners_are_found_to_a_hundredth_of_a_side(colour: str) -> None:
    painted, truth = paint_frame(field(1), np.random.default_rng(3), colour)
    assert off(find_frame(painted, (0.5, 0.5)), truth) < 0.01


def test_leaves_may_lie_over_the_bars() -> None:
    for seed in range(2):
        painted, truth = paint_frame(field(seed), np.random.default_rng(seed), "white", hidden=0.3)
        assert off(find_frame(painted, (1.0, 1.0)), truth) < 0.01


def test_corners_are_in_pixels_of_a_large_photo() -> None:
    painted, truth = paint_frame(field(2, side=1500)[:1200], np.random.default_rng(1), "red", ratio=1.5)
    assert off(find_frame(painted, (0.5, 0.75)), truth) < 0.01


def test_corners_go_round_the_frame_so_that_they_make_a_quadrat() -> None:
    painted, truth = paint_frame(field(4), np.random.default_rng(4), "blue")
    found = find_frame(painted, (0.5, 0.5))
    assert found is not None
    middle = truth.mean(axis=0)
    assert Quadrat(found, (0.5, 0.5)).holds(np.array([[*middle - 1, *middle + 1]], dtype=np.float32)).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_field_is_no_frame(seed: int) -> None:
    assert find_frame(field(seed), (0.5, 0.5)) is None


@pytest.mark.parametrize("sides", [1, 2, 3])
def test_less_than_four_bars_are_no_frame(sides: int) -> None:
    painted, _ = paint_frame(field(5), np.random.default_rng(5), "white", sides=sides)
    assert find_frame(painted, (0.5, 0.5)) is None


def test_a_frame_of_another_shape_is_not_the_one_asked_for() -> None:
    painted, truth = paint_frame(field(6), np.random.default_rng(6), "yellow", ratio=1.5)
    assert off(find_frame(painted, (0.75, 0.5)), truth) < 0.01
    assert find_frame(painted, (0.5, 0.5)) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 40, 3), (200, 200, 3)])
def test_a_photo_without_anything_on_it_has_no_frame(shape: tuple[int, int, int]) -> None:
    assert find_frame(np.full(shape, 120, dtype=np.uint8), (0.5, 0.5)) is None


def test_the_shape_of_the_frame_is_known_but_for_the_tilt() -> None:
    square = np.array([[0.0, 0], [100, 0], [100, 90], [0, 90]])
    assert plausible(square[None], 1.0).all()
    assert not plausible(square[None], 2.0).any()
    slanted = np.array([[0.0, 0], [100, 0], [70, 100], [30, 100]])  # 100 beside 40
    assert not plausible(slanted[None], 1.0).any()


@pytest.mark.skipif("SPICA_GWHD" not in os.environ, reason="SPICA_GWHD does not name a folder of real photos")
def test_on_real_photos_frames_are_found_and_nothing_else() -> None:
    photos = photos_in(Path(os.environ["SPICA_GWHD"]))[5::130]
    colours, distances = list(COLOURS), []
    for number, path in enumerate(photos):
        photo = read_image(path)
        painted, truth = paint_frame(photo, np.random.default_rng(number), colours[number % 5])  # but for wood on straw
        assert find_frame(photo, (0.5, 0.5)) is None
        found = find_frame(painted, (0.5, 0.5))
        if found is not None:
            distances.append(off(found, truth))
    assert max(distances) < 0.02
    assert len(distances) > len(photos) / 2
