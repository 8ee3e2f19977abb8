"""The named rules."""

import numpy as np
import pytest

from spica.errors import SpicaError
from spica.scoring.rules import ADA, KAGGLE, NUMBA_PLUS1, RULES, Rule, rule_named


def test_every_rule_is_found_by_its_name() -> None:
    assert [rule_named(name).name for name in RULES] == ["kaggle", "numba_plus1", "rsna", "wilds", "ada"]


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(SpicaError, match="'coco' is not known, expected one of kaggle, numba_plus1, rsna, wilds, ada"):
        rule_named("coco")


def test_thresholds_are_the_six_decimals_and_not_start_stop_step() -> None:
    # A public copy passes [0.5, 0.76, 0.05] as the list itself: three thresholds, one of them 0.05.
    assert KAGGLE.thresholds == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75)


@pytest.mark.parametrize("thresholds", [(), (0.0,), (0.5, 1.5)])
def test_thresholds_outside_0_to_1_are_refused(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected one or more in"):
        Rule("odd", "prediction", thresholds=thresholds)


def test_pixel_boxes_are_cut_to_integers_and_one_pixel_larger() -> None:
    found = np.array([[0.9, 0.2, 9.9, 9.1]], dtype=np.float32)  # pixels 0 to 9, a square of 10
    truth = np.array([[0.0, 5.0, 9.0, 14.0]], dtype=np.float32)  # 5 of its 10 rows lie in it: 50 / 150
    assert NUMBA_PLUS1.overlap(found, truth).tolist() == [[50 / 150]]


def test_an_iou_on_the_threshold_is_a_hit_only_where_the_rule_includes_it() -> None:
    on_it = np.array([0.55])
    assert not KAGGLE.is_hit(on_it, 0.55).any()
    assert not ADA.is_hit(on_it, 0.55).any()
    assert NUMBA_PLUS1.is_hit(on_it, 0.55).all()
