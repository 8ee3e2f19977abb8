"""Errors in bins, by hand."""

from pathlib import Path

import numpy as np
import pytest

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.labels.labelled import LabelledImage
from spica.scoring.breakdown import BoxBin, breakdown, quantile_cuts
from spica.scoring.evaluation import evaluate
from spica.scoring.rules import ADA, RULES, Rule

INF = float("inf")
UNKNOWN = float("nan")


def squares(*sides: float, top: float = 0) -> np.ndarray:
    """Boxes of these sides in a row, 100 pixels apart."""
    rows = [[100 * place, top, 100 * place + side, top + side] for place, side in enumerate(sides)]
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def photo(name: str, heads: np.ndarray, source: str = "a") -> LabelledImage:
    return LabelledImage(name, Path("x"), 2000, 2000, heads, source)


def sure(boxes: np.ndarray, score: float = 0.9) -> Detections:
    return Detections(boxes, np.full(len(boxes), score, dtype=np.float32))


def test_missed_and_false_boxes_are_counted_in_bins_of_head_size() -> None:
    # Ten heads of 10, 20 ... 100 pixels: fifths begin at 30, 50, 70, 90. The three smallest are missed.
    sides = [10.0 * number for number in range(1, 11)]
    heads = squares(*sides)
    # One false box of 4 pixels below all, one of 55, one of 500.
    found = sure(np.concatenate([heads[3:], squares(4, 55, 500, top=1000)]))
    result = breakdown([found], [photo("p", heads)], 0.5, np.array([UNKNOWN]))
    assert result.missed == (
        BoxBin(-INF, 30, 2, 2),
        BoxBin(30, 50, 2, 1),
        BoxBin(50, 70, 2, 0),
        BoxBin(70, 90, 2, 0),
        BoxBin(90, INF, 2, 0),
    )
    assert [(one.boxes, one.wrong) for one in result.false] == [(1, 1), (1, 0), (3, 1), (2, 0), (3, 1)]
    assert [one.share for one in result.missed] == [1, 0.5, 0, 0, 0]


def test_boxes_below_the_threshold_hit_nothing_and_are_not_false() -> None:
    heads = squares(20, 20)
    found = Detections(np.concatenate([heads, squares(20, top=900)]), np.array([0.9, 0.4, 0.3], dtype=np.float32))
    result = breakdown([found], [photo("p", heads)], 0.5, np.array([UNKNOWN]))
    assert result.missed == (BoxBin(-INF, INF, 2, 1),)
    assert result.false == (BoxBin(-INF, INF, 1, 0),)


def test_counts_are_compared_in_quarters_of_density_and_of_sharpness() -> None:
    # 1 to 8 heads; one too few is found on the four dense photos, which are the blurred ones.
    labels = [photo(str(number), squares(*[20.0] * number)) for number in range(1, 9)]
    found = [sure(image.boxes[: image.heads - (image.heads > 4)]) for image in labels]
    sharpness = np.array([0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2])
    result = breakdown(found, labels, 0.5, sharpness)
    assert [(one.low, one.high) for one in result.density] == [(-INF, 3), (3, 5), (5, 7), (7, INF)]
    assert [one.counts.images for one in result.density] == [2, 2, 2, 2]
    assert [one.counts.relative_bias for one in result.density] == [0, 0, -1 / 5.5, -1 / 7.5]
    assert [one.score for one in result.density[:2]] == [1, 1]
    assert result.density[2].score == pytest.approx((4 / 5 + 5 / 6) / 2)
    blurred, sharp = result.sharpness
    assert (blurred.low, blurred.high, sharp.high) == (-INF, 0.4, INF)
    assert (blurred.counts.bias, sharp.counts.bias) == (-1, 0)
    assert (blurred.counts.heads, blurred.counts.found) == (26, 22)


def test_photos_of_unknown_sharpness_are_in_no_bin_of_it() -> None:
    labels = [photo("p", squares(20)), photo("q", squares(30))]
    found = [sure(image.boxes) for image in labels]
    one = breakdown(found, labels, 0.5, np.array([UNKNOWN, 0.3]))
    assert [part.counts.images for part in one.sharpness] == [1]
    assert breakdown(found, labels, 0.5, np.full(2, UNKNOWN)).sharpness == ()


def test_photos_without_heads_and_without_boxes_are_bins_too() -> None:
    labels = [photo("bare", no_boxes()), photo("also bare", no_boxes())]
    result = breakdown([no_detections()] * 2, labels, 0.5, np.full(2, UNKNOWN))
    assert result.missed == (BoxBin(-INF, INF, 0, 0),)
    assert np.isnan(result.missed[0].share)
    assert [one.counts.images for one in result.density] == [2]
    assert result.density[0].score == 1


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_bins_hold_every_box_and_every_photo_and_agree_with_the_evaluation(rule: Rule) -> None:
    generator = np.random.default_rng(1)
    labels = [photo(str(n), squares(*generator.uniform(10, 60, n % 7)), "ab"[n % 2]) for n in range(30)]
    found = [sure(image.boxes + generator.normal(0, 3, image.boxes.shape).astype(np.float32), 0.8) for image in labels]
    overall = evaluate(found, labels, 0.5, rule, average_precision=False).overall
    result = breakdown(found, labels, 0.5, generator.uniform(0, 1, 30), rule)
    assert sum(one.boxes for one in result.missed) == overall.heads
    assert sum(one.boxes for one in result.false) == overall.found
    hits = overall.heads - sum(one.wrong for one in result.missed)
    assert hits == overall.found - sum(one.wrong for one in result.false)
    assert hits / overall.heads == pytest.approx(overall.recall)
    for bins in (result.density, result.sharpness):
        assert sum(one.counts.images for one in bins) == 30
        assert sum(one.counts.found for one in bins) == overall.found
    if rule.mean == "images" and rule.empty is not None:
        weighted = sum(one.score * one.counts.images for one in result.density) / 30
        assert weighted == pytest.approx(overall.score)


def test_cuts_are_written_as_they_are_used() -> None:
    values = np.linspace(0, 1, 101) ** 2
    assert quantile_cuts(values, 4, digits=2) == (0.06, 0.25, 0.56)
    assert quantile_cuts(np.zeros(9), 4, digits=2) == ()
    assert quantile_cuts(np.array([0.1, 0.2]), 4, digits=0) == ()


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="0 images"):
        breakdown([], [], 0.5, np.zeros(0))
    with pytest.raises(ValueError, match="one for each"):
        breakdown([no_detections()], [photo("p", squares(20))], 0.5, np.zeros(2), ADA)
