"""Counts of photos and plots, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from spica.counting.counts import Part, count, held
from spica.counting.ground import Quadrat
from spica.counting.intervals import CountModel

MODEL = CountModel(correction=1.25, between=0.0, within=0.5, reach_90=2.0, reach_95=3.0)
PART = Part("12", "a.jpg", found=4, area=2.0)


def test_a_photo_has_corrected_heads_their_interval_and_their_density() -> None:
    row = count([PART], MODEL)
    assert (row.plot, row.image, row.photos, row.found) == ("12", "a.jpg", 1, 4)
    reach = 2 * 0.5 * np.sqrt(5 + 1)
    assert (row.heads, row.low, row.high) == pytest.approx((5, 5 - reach, 5 + reach))
    assert (row.density, row.density_low, row.density_high) == pytest.approx((2.5, (5 - reach) / 2, (5 + reach) / 2))
    assert (count([PART], MODEL, level=0.95).high or 0) == pytest.approx(5 + 1.5 * reach)


def test_only_heads_in_the_frame_count() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]], dtype=np.float32)
    frame = Quadrat(np.array([[15.0, 0], [50, 0], [50, 40], [15, 40]]), (0.5, 0.5))
    assert held(boxes, frame) == 2
    assert held(boxes, None) == 4


def test_what_is_not_known_is_left_out() -> None:
    row = count([replace(PART, area=None)], None)
    assert row.found == 4
    assert {row.heads, row.low, row.high, row.area, row.density, row.density_low} == {None}
    dense = count([PART], None)
    assert (dense.density, dense.density_low) == (2.0, None)


def test_a_plot_is_the_sum_of_its_photos() -> None:
    row = count([PART, replace(PART, image="c.jpg", flags=("cap", "blur"))], MODEL)
    reach = 2 * 0.5 * np.sqrt(10 + 2)
    assert (row.plot, row.image, row.photos, row.found) == ("12", "", 2, 8)
    assert (row.heads, row.high) == pytest.approx((10, 10 + reach))
    assert (row.area, row.density) == pytest.approx((4.0, 2.5))
    assert row.flags == ("blur", "cap")


def test_one_photo_with_heads_of_unknown_size_widens_the_interval_of_its_plot() -> None:
    sure, unsure = (count([PART, replace(PART, known=known)], MODEL) for known in (True, False))
    assert (sure.high or 0) < (unsure.high or 0)
    assert sure.heads == unsure.heads


def test_a_plot_has_no_area_if_one_of_its_photos_has_none() -> None:
    row = count([PART, replace(PART, area=None)], MODEL)
    assert (row.found, row.area, row.density) == (8, None, None)


@pytest.mark.parametrize("parts", [[], [PART, replace(PART, plot="3")]], ids=["none", "two plots"])
def test_parts_are_of_one_plot(parts: list[Part]) -> None:
    with pytest.raises(ValueError, match="expected those of one plot"):
        count(parts, MODEL)
