"""Errors of counts, against hand-computed numbers."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.counting import (
    count_errors,
    counting_errors,
    counting_errors_by_source,
    found_counts,
    head_counts,
)


def heads(count: int) -> np.ndarray:
    corners = np.arange(count, dtype=np.float32)[:, None] * np.ones((1, 2), dtype=np.float32)
    return np.concatenate([corners, corners + 1], axis=1)


def labelled(name: str, count: int, source: str) -> LabelledImage:
    return LabelledImage(name, Path(name), 100, 100, heads(count), source)


def found(*scores: float) -> Detections:
    return Detections(heads(len(scores)), np.array(scores, dtype=np.float32))


LABELS = (labelled("1", 2, "b"), labelled("2", 4, "b"), labelled("3", 0, "a"))
FOUND = [found(0.9, 0.8, 0.5), found(0.9, 0.2), found()]


def test_errors_equal_those_worked_out_by_hand() -> None:
    errors = count_errors(np.array([8, 12, 10]), np.array([10, 10, 13]))
    assert (errors.images, errors.heads, errors.found) == (3, 33, 30)
    assert errors.mae == pytest.approx(7 / 3)
    assert errors.rmse == pytest.approx(math.sqrt(17 / 3))
    assert errors.relative_rmse == pytest.approx(math.sqrt(17 / 3) / 11)
    assert errors.bias == pytest.approx(-1)
    assert errors.relative_bias == pytest.approx(-1 / 11)
    assert errors.r2 == pytest.approx(1 - 17 / 6)


def test_r2_is_1_for_right_counts_and_0_for_the_mean() -> None:
    true = np.array([1, 2, 3])
    assert count_errors(true, true).r2 == 1
    assert count_errors(np.array([2, 2, 2]), true).r2 == 0


def test_what_does_not_exist_is_nan() -> None:
    errors = count_errors(np.array([1, 0]), np.array([0, 0]))
    assert math.isnan(errors.relative_rmse)
    assert math.isnan(errors.relative_bias)
    assert math.isnan(errors.r2)
    assert errors.mae == 0.5


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        count_errors(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def test_detections_on_the_threshold_are_counted() -> None:
    assert found_counts(FOUND, LABELS, 0.2).tolist() == [3, 2, 0]
    assert found_counts(FOUND, LABELS, 0.5).tolist() == [3, 1, 0]
    assert head_counts(LABELS).tolist() == [2, 4, 0]


def test_errors_over_all_images_count_images_without_heads() -> None:
    errors = counting_errors(FOUND, LABELS, 0.5)
    assert errors.images == 3
    assert errors.mae == pytest.approx(4 / 3)
    assert errors.bias == pytest.approx(-2 / 3)


def test_errors_by_source_are_those_of_its_images() -> None:
    errors = counting_errors_by_source(FOUND, LABELS, 0.5)
    assert list(errors) == ["a", "b"]
    assert errors["b"].bias == -1
    assert errors["a"].rmse == 0


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=20))
def test_no_error_is_larger_than_the_rmse(pairs: list[tuple[int, int]]) -> None:
    errors = count_errors(np.array([one for one, _ in pairs]), np.array([other for _, other in pairs]))
    assert abs(errors.bias) <= errors.mae + 1e-9
    assert errors.mae <= errors.rmse + 1e-9
