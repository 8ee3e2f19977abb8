"""Fusion: the reference library's numbers, and what it leaves to us: limits, order, caps."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spica
from spica.boxes import iou
from spica.detections import Detections, no_detections
from spica.image import Image
from spica.prediction.fusion import Combine, Confidence, averaged, best_of_each, fused
from spica.prediction.suppression import overlapping, suppressed

SIDE = 1000.0
PHOTO = np.zeros((8, 8, 3), dtype=np.uint8)
CONFIDENCES: tuple[Confidence, ...] = ("avg", "max", "box_and_model_avg", "absent_model_aware_avg")


def crowd(random: np.random.Generator, models: int) -> list[Detections]:
    """Return what several detectors found: some heads, each seen by some of them, loosely and sometimes twice."""
    heads = random.uniform(0, 800, (int(random.integers(1, 9)), 2))
    heads = np.hstack([heads, heads + random.uniform(30, 200, (len(heads), 2))])
    found = []
    for _ in range(models):
        seen = heads[random.integers(0, len(heads), int(random.integers(0, 2 * len(heads))))]
        boxes = np.clip(seen + random.normal(0, 4, seen.shape), 0, SIDE).astype(np.float32)
        found.append(Detections(boxes, random.uniform(0.01, 1, len(boxes)).astype(np.float32)))
    return found


def reference(found: Sequence[Detections]) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Return detections as the reference library takes them: normalised boxes, scores, labels."""
    boxes = [one.boxes.astype(np.float64) / SIDE for one in found]
    return boxes, [one.scores.astype(np.float64) for one in found], [np.zeros(len(one)) for one in found]


def require_equal(found: Detections, boxes: np.ndarray, scores: np.ndarray) -> None:
    """Require the same boxes and scores, whatever the order of equal scores."""
    assert len(found) == len(scores)
    np.testing.assert_allclose(found.scores, np.sort(np.clip(scores, 0, 1))[::-1], atol=1e-5)
    rows = np.hstack([found.boxes / SIDE, found.scores[:, None]])
    expected = np.hstack([boxes, np.clip(scores, 0, 1)[:, None]])
    for one in (rows, expected):
        one[:] = one[np.argsort(one[:, 0], kind="stable")]
    np.testing.assert_allclose(rows, expected, atol=2e-5)


# --- equal to ensemble-boxes


@pytest.mark.parametrize("seed", range(500))
def test_means_are_those_of_the_reference_library(seed: int) -> None:
    library = pytest.importorskip("ensemble_boxes")
    random = np.random.default_rng(seed)
    models = int(random.integers(1, 9))
    found = crowd(random, models)
    if not any(len(one) for one in found):
        return
    limit, least = float(random.uniform(0.3, 0.8)), float(random.choice([0.0, 0.2]))
    weights = random.uniform(0.5, 3, models).tolist() if seed % 2 else None
    confidence = CONFIDENCES[seed % 4]
    boxes, scores, _ = library.weighted_boxes_fusion(
        *reference(found), weights=weights, iou_thr=limit, skip_box_thr=least, conf_type=confidence
    )
    require_equal(averaged(found, iou=limit, least_score=least, weights=weights, confidence=confidence), boxes, scores)


@pytest.mark.parametrize("seed", range(500))
def test_the_best_boxes_are_those_of_the_reference_library(seed: int) -> None:
    library = pytest.importorskip("ensemble_boxes")
    random = np.random.default_rng(seed)
    found = crowd(random, int(random.integers(1, 9)))
    if not any(len(one) for one in found):
        return
    limit = float(random.uniform(0.2, 0.8))
    boxes, scores, _ = library.nms(*reference(found), iou_thr=limit)
    require_equal(best_of_each(found, iou=limit), boxes, scores)


# --- suppression


def slowly_suppressed(boxes: np.ndarray, limit: float) -> list[bool]:
    gone = [False] * len(boxes)
    overlaps = iou(boxes, boxes)
    for one in range(len(boxes)):
        for other in range(one + 1, len(boxes)):
            gone[other] |= not gone[one] and bool(overlaps[one, other] > limit)
    return gone


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2), max_size=40),
    limit=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_suppression_is_that_of_a_plain_loop(rows: list[tuple[int, int, int, int]], limit: float) -> None:
    boxes = np.array(rows, dtype=np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    assert suppressed(boxes, limit).tolist() == slowly_suppressed(boxes, limit)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), most=st.sampled_from([1, 7, 10**6]))
def test_overlapping_pairs_are_all_pairs_that_share_area(seed: int, most: int) -> None:
    random = np.random.default_rng(seed)
    boxes = random.integers(0, 30, (int(random.integers(0, 60)), 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + random.integers(1, 12, (len(boxes), 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spica.prediction.suppression._MOST_PAIRS", most)
        pairs = overlapping(boxes)
    first, second = np.nonzero(np.triu(iou(boxes, boxes), 1))
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == set(
        zip(first.tolist(), second.tolist(), strict=True)
    )
    assert len(pairs.first) == len(first)


# --- what the library leaves open


def test_one_detector_and_nothing_that_overlaps_is_unchanged_by_either() -> None:
    boxes = np.array([[0, 0, 9, 9], [9, 0, 18, 9], [40, 3, 50, 9]], dtype=np.float32)
    found = Detections(boxes, np.array([0.9, 0.5, 0.2], dtype=np.float32))
    for combine in (averaged, best_of_each):
        same = combine([found])
        np.testing.assert_allclose(same.boxes, boxes, rtol=1e-6)
        np.testing.assert_allclose(same.scores, found.scores, rtol=1e-6)


def test_what_all_find_keeps_its_score_and_what_half_find_has_half_of_it() -> None:
    rows = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], dtype=np.float32)
    both, one = Detections(rows, np.array([0.8, 0.6], np.float32)), Detections(rows[:1], np.array([0.8], np.float32))
    np.testing.assert_allclose(averaged([both, one]).scores, [0.8, 0.3], rtol=1e-6)


def test_a_mean_is_weighted_by_scores() -> None:
    found = [
        Detections(np.array([[0, 0, 10, 10 + extra]], np.float32), np.array([score], np.float32))
        for extra, score in ((0, 0.75), (4, 0.25))
    ]
    assert averaged(found).boxes.tolist() == [[0, 0, 10, 11]]


@pytest.mark.parametrize("combine", [averaged, best_of_each])
def test_nothing_found_and_boxes_without_score_or_area_are_no_trouble(combine: Combine) -> None:
    flat = Detections(np.array([[3, 3, 3, 9]], np.float32), np.array([0.5], np.float32))
    unsure = Detections(np.array([[0, 0, 4, 4]], np.float32), np.zeros(1, np.float32))
    assert len(combine([no_detections(), flat])) == 0
    assert combine([unsure, unsure]).boxes.tolist() == [[0, 0, 4, 4]]


@pytest.mark.parametrize("combine", [averaged, best_of_each])
def test_a_cap_is_carried_and_none_is_added(combine: Combine) -> None:
    rows = np.stack(np.meshgrid(np.arange(0, 800, 10), np.arange(0, 400, 10)), axis=-1).reshape(-1, 2)
    boxes = np.hstack([rows, rows + 8]).astype(np.float32)
    full = Detections(boxes, np.full(len(boxes), 0.5, np.float32), capped=True)
    together = combine([full, no_detections()])
    assert together.capped
    assert len(together) == len(boxes) == 3200
    assert not combine([no_detections()]).capped


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_are_one_for_each_and_above_0(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="expected 2 numbers above 0"):
        averaged([no_detections()] * 2, weights=weights)


# --- fused


def finding(box: list[float], score: float) -> Detections:
    return Detections(np.array([box], dtype=np.float32), np.array([score], dtype=np.float32))


def test_fused_asks_every_detector_about_the_same_photo() -> None:
    asked = []

    def detect(photo: Image, left: float) -> Detections:
        asked.append(photo is PHOTO)
        return finding([left, 0, left + 10, 10], 0.5)

    found = fused([partial(detect, left=0), partial(detect, left=2), partial(detect, left=40)])(PHOTO)
    assert asked == [True] * 3
    np.testing.assert_allclose(found.boxes, [[1, 0, 11, 10], [40, 0, 50, 10]], rtol=1e-5)
    best = fused([lambda _: finding([0, 0, 9, 9], 0.4), lambda _: finding([0, 0, 9, 8], 0.6)], best_of_each)(PHOTO)
    assert best.boxes.tolist() == [[0, 0, 9, 8]]


def test_no_detector_is_an_error() -> None:
    with pytest.raises(ValueError, match="no detector to fuse"):
        fused([])


def test_the_package_offers_it() -> None:
    assert spica.fused is fused
