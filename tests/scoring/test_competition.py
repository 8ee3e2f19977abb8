"""The competition score: by hand, by property, and on the bugs of public copies."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.boxes import Boxes, no_boxes
from spica.detections import Detections, no_detections
from spica.labels.labelled import LabelledImage, Labels
from spica.scoring.competition import competition_score, image_score, image_scores, scores_by_source
from spica.scoring.rules import ADA, KAGGLE, NUMBA_PLUS1, RSNA, RULES, WILDS, Rule


def boxes_of(*rows: Sequence[float]) -> Boxes:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def found_at(*rows: Sequence[float]) -> Detections:
    """Detections from rows of score, left, top, right, bottom."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    return Detections(table[:, 1:], table[:, 0])


def labelled(name: str, boxes: Boxes, source: str = "a") -> LabelledImage:
    return LabelledImage(name, Path(f"{name}.jpg"), 100, 100, boxes, source)


HEAD = boxes_of([10, 10, 20, 20])
HIT, MISS = found_at([0.9, 10, 10, 20, 20]), found_at([0.9, 60, 60, 70, 70])


@st.composite
def photos(draw: st.DrawFn) -> tuple[Labels, list[Detections]]:
    """Up to six photos of three sources with up to five heads and predictions near them."""
    generator = np.random.default_rng(draw(st.integers(0, 100_000)))
    labels, found = [], []
    for number in range(draw(st.integers(1, 6))):
        heads, count = int(generator.integers(0, 6)), int(generator.integers(0, 8))
        corners = generator.integers(0, 60, (heads, 2))
        truth = np.concatenate([corners, corners + generator.integers(5, 30, (heads, 2))], axis=1).astype(np.float32)
        near = truth[generator.integers(0, heads, count)] if heads else np.tile(HEAD, (count, 1))
        boxes = near + generator.integers(-2, 3, (count, 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels.append(labelled(str(number), truth, "abc"[number % 3]))
        found.append(Detections(boxes.astype(np.float32), generator.uniform(0.55, 1, count).astype(np.float32)))
    return tuple(labels), found


# By hand; the same examples stand in docs/metric.md.


def test_worked_example_of_the_kaggle_rule() -> None:
    truth = boxes_of([0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10])
    found = found_at([0.9, 0, 0, 10, 10], [0.8, 20, 0, 30, 6.5], [0.7, 60, 0, 70, 10])  # IoU 1, 0.65, none
    # 0.50, 0.55, 0.60: 2 / (2 + 1 + 1); from 0.65 on: 1 / (1 + 2 + 2)
    assert image_score(found, truth) == pytest.approx((3 * 2 / 4 + 3 * 1 / 5) / 6, abs=1e-12)


def test_worked_example_of_the_numba_plus1_rule() -> None:
    truth = boxes_of([0, 0, 9, 9])  # 10 x 10 pixels
    found = found_at([0.9, 0.7, 0.2, 9.9, 5.9])  # pixels 0 to 9 by 0 to 5: IoU 0.6, which is enough for 0.6
    assert image_score(found, truth, NUMBA_PLUS1) == pytest.approx(3 / 6)


def test_worked_example_of_the_rsna_rule() -> None:
    truth = boxes_of([0, 0, 10, 10], [2, 0, 12, 10])
    found = found_at([0.9, 2, 0, 12, 10], [0.8, 4, 0, 14, 10])
    # Up to 0.65 the first head takes the surer prediction (IoU 2/3), and the second one the other (2/3): all hit.
    # At 0.70 and 0.75 only the second head takes one, that which lies on it.
    assert image_score(found, truth, RSNA) == pytest.approx((4 * 1 + 2 * 1 / 3) / 6, abs=1e-12)
    assert image_score(found, truth, KAGGLE) == pytest.approx(1 / 3, abs=1e-12)


def test_worked_example_of_the_wilds_rule() -> None:
    truth = boxes_of([0, 0, 10, 10], [2, 0, 12, 10])
    found = found_at([0.9, 0, 0, 10, 10], [0.8, 0, 0, 10, 9], [0.5, 2, 0, 12, 10])
    assert image_score(found, truth, WILDS) == 1 / 3  # one hit, one double, one head missed; 0.5 is not above 0.5


def test_worked_example_of_the_ada_rule() -> None:
    labels = (labelled("1", HEAD, "a"), labelled("2", HEAD, "a"), labelled("3", HEAD, "b"))
    found = [HIT, HIT, MISS]
    assert competition_score(found, labels, ADA) == 0.5  # (mean of 1 and 1) and 0
    assert competition_score(found, labels, replace(ADA, mean="images")) == pytest.approx(2 / 3)


def test_an_iou_on_the_threshold_is_no_hit_for_kaggle() -> None:
    half = found_at([0.9, 10, 10, 20, 15])
    assert image_score(half, HEAD, KAGGLE) == 0
    assert image_score(half, HEAD, RSNA) == 1 / 6


# Images without heads, without predictions.


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_image_without_heads_scores_0_if_anything_is_found(rule: Rule) -> None:
    assert image_score(HIT, no_boxes(), rule) == 0


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_image_without_predictions_scores_0_if_there_are_heads(rule: Rule) -> None:
    assert image_score(no_detections(), HEAD, rule) == 0


@pytest.mark.parametrize("rule", [KAGGLE, NUMBA_PLUS1, WILDS, ADA], ids=lambda rule: rule.name)
def test_an_image_without_either_scores_1(rule: Rule) -> None:
    assert image_score(no_detections(), no_boxes(), rule) == 1


def test_rsna_leaves_an_image_without_either_out_of_the_mean() -> None:
    labels = (labelled("empty", no_boxes()), labelled("missed", HEAD), labelled("seen", HEAD))
    found = [no_detections(), no_detections(), HIT]
    assert np.isnan(image_scores(found, labels, RSNA)[0])
    assert competition_score(found, labels, RSNA) == 0.5
    assert competition_score(found, labels, KAGGLE) == pytest.approx(2 / 3)


def test_the_score_is_nan_if_every_image_is_left_out() -> None:
    labels = (labelled("empty", no_boxes()),)
    assert np.isnan(competition_score([no_detections()], labels, RSNA))
    assert np.isnan(scores_by_source([no_detections()], labels, RSNA)["a"])


def test_a_source_that_is_left_out_does_not_make_the_mean_of_sources_nan() -> None:
    labels = (labelled("empty", no_boxes(), "a"), labelled("seen", HEAD, "b"))
    assert competition_score([no_detections(), HIT], labels, replace(RSNA, mean="sources")) == 1


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no labelled images"):
        competition_score([], ())


def test_only_detections_from_the_threshold_on_count() -> None:
    labels = (labelled("1", HEAD),)
    found = [found_at([0.7, 10, 10, 20, 20], [0.3, 60, 60, 70, 70])]
    assert competition_score(found, labels) == 0.5
    assert competition_score(found, labels, threshold=0.7) == 1  # float32 0.7 is below the double 0.7, and counts
    assert competition_score(found, labels, threshold=0.71) == 0


def test_scores_by_source_are_means_of_the_images_of_each() -> None:
    labels = (labelled("1", HEAD, "usask_1"), labelled("2", HEAD, "arvalis_1"), labelled("3", HEAD, "usask_1"))
    assert list(scores_by_source([HIT, HIT, MISS], labels).items()) == [("arvalis_1", 1.0), ("usask_1", 0.5)]


def test_predictions_may_be_given_by_id_in_any_order() -> None:
    labels = (labelled("1", HEAD), labelled("2", no_boxes()))
    assert image_scores({"2": no_detections(), "1": MISS}, labels).tolist() == [0, 1]


# Properties.


@settings(max_examples=60, deadline=None)
@given(photos(), st.sampled_from(list(RULES.values())))
def test_scores_lie_in_0_to_1(case: tuple[Labels, list[Detections]], rule: Rule) -> None:
    labels, found = case
    scores = image_scores(found, labels, rule)
    assert ((scores >= 0) & (scores <= 1))[~np.isnan(scores)].all()


@settings(max_examples=40, deadline=None)
@given(photos(), st.sampled_from(list(RULES.values())), st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(case: tuple[Labels, list[Detections]], rule: Rule, random: object) -> None:
    labels, found = case
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = competition_score([found[i] for i in order], [labels[i] for i in order], rule)
    assert mixed == pytest.approx(competition_score(found, labels, rule), nan_ok=True, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(photos(), st.sampled_from(list(RULES.values())))
def test_perfect_predictions_score_1(case: tuple[Labels, list[Detections]], rule: Rule) -> None:
    labels = tuple(replace(image, boxes=np.unique(image.boxes, axis=0)) for image in case[0])
    perfect = [Detections(image.boxes, np.full(image.heads, 0.9, dtype=np.float32)) for image in labels]
    scores = image_scores(perfect, labels, rule)
    assert (scores[~np.isnan(scores)] == 1).all()


@settings(max_examples=60, deadline=None)
@given(photos(), st.sampled_from(list(RULES.values())), st.floats(0.6, 1))
def test_a_prediction_on_bare_ground_never_raises_a_score(
    case: tuple[Labels, list[Detections]], rule: Rule, score: float
) -> None:
    labels, found = case
    bare = np.array([[94, 94, 99, 99]], dtype=np.float32)  # no head reaches there
    more = [Detections(np.concatenate([one.boxes, bare]), np.append(one.scores, np.float32(score))) for one in found]
    before, after = image_scores(found, labels, rule), image_scores(more, labels, rule)
    assert (after <= np.nan_to_num(before, nan=1.0)).all()
    assert not np.isnan(after).any()


@settings(max_examples=40, deadline=None)
@given(photos(), st.floats(0.01, 0.5))
def test_only_the_order_of_scores_matters(case: tuple[Labels, list[Detections]], factor: float) -> None:
    labels, found = case
    scaled = [Detections(one.boxes, one.scores * np.float32(0.5)) for one in found]
    assert image_scores(scaled, labels).tolist() == image_scores(found, labels).tolist()


# Bugs of public copies.


def test_every_prediction_is_scored_and_not_only_the_first() -> None:
    truth = boxes_of([0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10])
    found = found_at([0.9, 0, 0, 10, 10], [0.8, 20, 0, 30, 10], [0.7, 40, 0, 50, 10])
    assert image_score(found, truth) == 1  # a return inside the loop gives 1 / 3


def test_an_iou_of_one_tenth_is_no_hit_at_any_threshold() -> None:
    tenth = found_at([0.9, 10, 10, 20, 11])
    assert image_score(tenth, HEAD) == 0  # the literal list [0.5, 0.76, 0.05] gives 1 / 3


def test_accuracy_does_not_count_hits_twice() -> None:
    assert image_score(HIT, HEAD, ADA) == 1  # the denominator P + G + TP gives 1 / 3


def test_a_head_with_negative_corner_can_be_hit_and_missed() -> None:
    # A public copy marks matched heads by -1, and takes heads with a negative left edge for matched ones.
    truth = boxes_of([-1, -1, 9, 9], [20, 0, 30, 10])
    assert image_score(found_at([0.9, -1, -1, 9, 9], [0.8, 20, 0, 30, 10]), truth) == 1
    assert image_score(found_at([0.8, 20, 0, 30, 10]), truth) == 0.5


def test_a_head_of_zeros_is_counted_as_missed() -> None:
    truth = boxes_of([0, 0, 0, 0], [20, 0, 30, 10])
    assert image_score(found_at([0.8, 20, 0, 30, 10]), truth) == 0.5  # the sum of coordinates > 0 gives 1
