"""Curves over the score threshold, and the choice of one, against scoring at each threshold anew."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.labels.labelled import LabelledImage, Labels
from spica.scoring.competition import competition_score
from spica.scoring.counting import counting_errors
from spica.scoring.curves import (
    GRID,
    best_threshold,
    precision_recall,
    reliability,
    score_curve,
    unbiased_threshold,
)
from spica.scoring.matching import match
from spica.scoring.rules import ADA, KAGGLE, RSNA, RULES, Rule


def field(seed: int, images: int = 5) -> tuple[Labels, list[Detections]]:
    """Photos with heads on a grid; most are found, surer the better they are hit, and some bare ground with them."""
    generator = np.random.default_rng(seed)
    labels, found = [], []
    for number in range(images):
        corners = 20.0 * generator.permutation(16)[: generator.integers(0, 10), None] * np.ones((1, 2)) + 5
        truth = np.concatenate([corners, corners + 12], axis=1).astype(np.float32)
        seen = truth[: len(truth) * 3 // 4] + generator.normal(0, 1.2, (len(truth) * 3 // 4, 4))
        bare = np.array([[400, 400, 412, 412]]) + 20 * np.arange(generator.integers(0, 4))[:, None]
        scores = np.concatenate([generator.beta(5, 2, len(seen)), generator.beta(2, 4, len(bare))]).round(2)
        boxes = np.concatenate([seen, bare]).astype(np.float32)
        labels.append(LabelledImage(str(number), Path("x"), 1000, 1000, truth, "ab"[number % 2]))
        found.append(Detections(boxes, scores.astype(np.float32)))
    return tuple(labels), found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(RULES.values())))
def test_the_score_curve_equals_scoring_at_each_threshold(seed: int, rule: Rule) -> None:
    labels, found = field(seed)
    thresholds = [0.9, 0.07, 0.5, 0.29]
    curve = score_curve(found, labels, rule, thresholds=thresholds)
    again = [competition_score([one.above(t) for one in found], labels, rule) for t in sorted(thresholds)]
    assert curve.thresholds.tolist() == sorted(thresholds)
    assert curve.scores == pytest.approx(again, nan_ok=True, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_precision_and_recall_equal_counting_at_each_threshold(seed: int) -> None:
    labels, found = field(seed)
    curve = precision_recall(found, labels)
    heads = sum(image.heads for image in labels)
    assert curve.thresholds.tolist() == sorted({float(s) for one in found for s in one.scores}, reverse=True)
    for number, threshold in enumerate(curve.thresholds):
        kept = [one.above(float(threshold)) for one in found]
        hits = int(match(kept, [image.boxes for image in labels], ADA).hits.sum())
        count = sum(len(one) for one in kept)
        assert curve.precision[number] == hits / count
        assert curve.f1[number] == 2 * hits / (count + heads)
        if heads:
            assert curve.recall[number] == hits / heads


def test_precision_and_recall_by_hand() -> None:
    head = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], dtype=np.float32)
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10], [20, 0, 30, 10]], dtype=np.float32)
    found = Detections(boxes, np.array([0.75, 0.5, 0.5], dtype=np.float32))
    curve = precision_recall([found], (LabelledImage("1", Path("x"), 100, 100, head),))
    assert curve.thresholds.tolist() == [0.75, 0.5]
    assert curve.precision.tolist() == [1, 2 / 3]
    assert curve.recall.tolist() == [0.5, 1]
    assert curve.f1.tolist() == [2 / 3, 4 / 5]


def test_recall_is_nan_without_heads_and_the_curve_empty_without_detections() -> None:
    bare = (LabelledImage("1", Path("x"), 100, 100, no_boxes()),)
    one = Detections(np.array([[0, 0, 1, 1]], dtype=np.float32), np.array([0.5], dtype=np.float32))
    assert np.isnan(precision_recall([one], bare).recall).all()
    assert precision_recall([no_detections()], bare).thresholds.size == 0


@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_of_the_grid_beats_the_best(seed: int) -> None:
    labels, found = field(seed, images=3)
    best = competition_score(found, labels, threshold=best_threshold(found, labels))
    assert best == max(competition_score(found, labels, threshold=t) for t in GRID)


def test_of_equally_good_thresholds_the_middle_one_is_taken() -> None:
    head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    boxes = np.concatenate([head, head + 50])
    found = Detections(boxes, np.array([0.805, 0.205], dtype=np.float32))  # right from 0.21 to 0.80
    labels = (LabelledImage("1", Path("x"), 100, 100, head),)
    assert best_threshold([found], labels) == 0.5


def test_there_is_no_best_threshold_if_every_image_is_left_out() -> None:
    bare = (LabelledImage("1", Path("x"), 100, 100, no_boxes()),)
    with pytest.raises(ValueError, match="leaves every image out"):
        best_threshold([no_detections()], bare, RSNA)
    assert best_threshold([no_detections()], bare, KAGGLE) == 0.5


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no labelled images"):
        score_curve([], ())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(0, 8))
def test_no_threshold_counts_nearer_to_the_truth_than_the_unbiased_one(seed: int, count: int, heads: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.choice([0.0, 0.25, 0.5, 0.5000001, 0.75, 1.0], count).astype(np.float32)
    boxes = np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (count, 1))
    truth = np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (heads, 1))
    found, labels = [Detections(boxes, scores)], (LabelledImage("1", Path("x"), 9, 9, truth),)
    chosen = abs(counting_errors(found, labels, unbiased_threshold(found, labels)).bias)
    others = [0.0, *scores.tolist(), *(np.nextafter(scores, np.float32(2)).tolist())]
    assert chosen == min(abs(counting_errors(found, labels, other).bias) for other in others)


def test_the_unbiased_threshold_lies_between_the_scores_that_it_parts() -> None:
    head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    found = Detections(np.concatenate([head, head]), np.array([0.75, 0.25], dtype=np.float32))
    assert unbiased_threshold([found], (LabelledImage("1", Path("x"), 10, 10, head),)) == 0.5


def test_fewer_detections_than_heads_are_all_counted() -> None:
    head = np.array([[0, 0, 10, 10]], dtype=np.float32)
    assert unbiased_threshold([no_detections()], (LabelledImage("1", Path("x"), 10, 10, head),)) == 0


def test_reliability_counts_hits_of_each_score() -> None:
    head = np.array([[10, 10, 30, 30], [50, 50, 70, 70]], dtype=np.float32)
    labels = (LabelledImage("a", Path("x"), 100, 100, head, "s"),)
    boxes = np.concatenate([head, head + 25]).astype(np.float32)[[0, 1, 3]]
    found = [Detections(boxes, np.array([1.0, 0.75, 0.72], dtype=np.float32))]
    bins = reliability(found, labels, bins=4)
    assert bins.boxes.tolist() == [0, 0, 1, 2]
    np.testing.assert_allclose(bins.scores, [np.nan, np.nan, 0.72, 0.875], rtol=1e-6)
    np.testing.assert_array_equal(bins.hits, [np.nan, np.nan, 0, 1])
    assert bins.error == pytest.approx((0.72 + 0.25) / 3, abs=1e-6)
    assert np.isnan(reliability([no_detections()], labels).error)
