"""Photos that overlap: painted ground seen through windows whose maps are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spica.counting.overlaps import ALL_PAIRS, candidates, find_overlaps
from spica.counting.registration import Registration, features_of, registered, shared_part
from spica.counting.sharing import View, shares
from spica.images import write_image

SIDE = 300


def ground(seed: int) -> Pillow.Image:
    """Return ground of 700 x 700 pixels with blobs of many sizes, all different."""
    random = np.random.default_rng(seed)
    layers = [random.integers(0, 256, (size, size), dtype=np.uint8) for size in (20, 60, 150)]
    drawn = [np.asarray(Pillow.fromarray(one).resize((700, 700), Pillow.Resampling.BICUBIC), float) for one in layers]
    return Pillow.fromarray(np.mean(drawn, axis=0).astype(np.uint8)).convert("RGB")


def window(
    file: Path, field: Pillow.Image, left: float, top: float, turn: float = 0.0, scale: float = 1.0
) -> np.ndarray:
    """Write a window of the ground, and return the map from its pixels to those of the ground."""
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    map_ = np.array([[cosine, -sine, left], [sine, cosine, top], [0, 0, 1]])
    turned = field.transform(
        (SIDE, SIDE), Pillow.Transform.AFFINE, map_[:2].ravel().tolist(), Pillow.Resampling.BICUBIC
    )
    write_image(file, np.asarray(turned))
    return map_


def shifted(x: float) -> Registration:
    return Registration(np.array([[1.0, 0, x], [0, 1, 0], [0, 0, 1]]), 100)


def boxes(*centres: tuple[float, float]) -> np.ndarray:
    return np.array([[x - 5, y - 5, x + 5, y + 5] for x, y in centres], dtype=np.float32).reshape(-1, 4)


@pytest.mark.parametrize(("turn", "scale"), [(0.0, 1.0), (0.3, 1.1), (np.pi, 0.9)])
def test_two_windows_of_one_ground_are_registered_to_a_pixel(tmp_path: Path, turn: float, scale: float) -> None:
    pytest.importorskip("skimage")
    field = ground(1)
    one = window(tmp_path / "a.png", field, 150, 200)
    back = np.pi * 0.9 < turn
    other = window(tmp_path / "b.png", field, 550 if back else 300, 500 if back else 180, turn, scale)
    found = registered(features_of(tmp_path / "a.png"), features_of(tmp_path / "b.png"))
    assert found is not None
    points = np.array([[200.0, 100], [250, 150], [290, 250]])
    there = np.column_stack([points, np.ones(3)]) @ (np.linalg.inv(other) @ one).T
    assert found.moved(points) == pytest.approx(there[:, :2], abs=1)
    assert found.inverse().moved(found.moved(points)) == pytest.approx(points)


def test_windows_of_different_ground_and_bare_photos_are_not_registered(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    window(tmp_path / "a.png", ground(1), 100, 100)
    window(tmp_path / "b.png", ground(2), 100, 100)
    write_image(tmp_path / "c.png", np.full((SIDE, SIDE, 3), 90, dtype=np.uint8))
    one, other, bare = (features_of(tmp_path / f"{name}.png") for name in "abc")
    assert registered(one, other) is None
    assert len(bare.places) == 0
    assert registered(one, bare) is None


def test_a_pair_that_was_not_tried_is_found_through_its_neighbours(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    field = ground(3)
    for number, left in enumerate((50, 150, 250)):
        window(tmp_path / f"{number}.png", field, left, 100)
    found = find_overlaps([features_of(tmp_path / f"{number}.png") for number in range(3)], [(0, 1), (1, 2)])
    assert sorted(found.links) == [(0, 1), (0, 2), (1, 2)]
    assert shared_part(found.links[0, 2].lies, SIDE, SIDE, (SIDE, SIDE)) == pytest.approx(1 / 3, abs=0.04)


def test_pairs_grow_in_proportion_to_photos() -> None:
    assert len(candidates(ALL_PAIRS, [None] * ALL_PAIRS)) == ALL_PAIRS * (ALL_PAIRS - 1) // 2
    assert len(candidates(1000, [None] * 1000)) < 4_000


def test_photos_above_each_other_in_a_grid_are_candidates_by_their_positions() -> None:
    pytest.importorskip("scipy")
    positions = [(48.0 + row * 1e-5, 2.0 + column * 1e-5) for row in range(10) for column in range(10)]
    assert (0, 10) in candidates(100, positions)
    assert (0, 10) not in candidates(100, [None] * 100)


def test_heads_and_ground_that_two_photos_see_count_half_on_each() -> None:
    # Two photos of 100 x 100, the second 60 to the right: they share 40 columns.
    views = [View(100, 100, boxes((20, 50), (70, 50), (90, 50))), View(100, 100, boxes((10, 50), (30, 50), (80, 50)))]
    first, second = shares(views, {0: {1: shifted(-60)}, 1: {0: shifted(60)}})
    assert (first.heads, second.heads) == (1 + 0.5 + 0.5, 0.5 + 0.5 + 1)
    assert first.part == pytest.approx(0.8, abs=0.02)
    assert (first.part, first.others) == (second.part, 1)


def test_a_photo_without_neighbour_counts_whole_and_one_twin_halves_all() -> None:
    view = View(100, 100, boxes((20, 50), (70, 50)), 3.0)
    assert [(one.heads, one.part) for one in shares([view], {})] == [(2.0, 1.0)]
    twins = shares([view, view], {0: {1: shifted(0)}, 1: {0: shifted(0)}})
    assert [(one.heads, one.part) for one in twins] == [(1.0, 0.5), (1.0, 0.5)]


def test_a_head_in_the_margin_of_another_photo_is_seen_by_both() -> None:
    views = [View(100, 100, boxes((58, 50)), 3.0), View(100, 100, boxes(), 3.0)]
    assert shares(views, {0: {1: shifted(-60)}})[0].heads == 0.5
