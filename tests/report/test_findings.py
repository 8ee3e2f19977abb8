"""Everything that a page says, against the functions that say each part, and by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spica.boxes import no_boxes
from spica.detections import Detections, no_detections
from spica.labels.labelled import LabelledImage, Labels
from spica.report import Findings, findings
from spica.scoring.breakdown import breakdown
from spica.scoring.competition import competition_score
from spica.scoring.curves import best_threshold
from spica.scoring.evaluation import evaluate
from spica.scoring.rules import ADA, KAGGLE, RSNA, Rule

HEADS = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=np.float32)
ASIDE = np.array([[70, 0, 80, 10]], dtype=np.float32)


def fields() -> tuple[Labels, list[Detections]]:
    """Two photos of field a, on which all is found, one of b with a hit of 0.9, one of 0.3 and a false box of 0.6."""
    labels = [LabelledImage(name, Path("gone"), 100, 100, HEADS, name[0]) for name in ("a1", "a2", "b1")]
    sure = Detections(HEADS, np.full(3, 0.8, dtype=np.float32))
    unsure = Detections(np.concatenate([HEADS[:2], ASIDE]), np.array([0.9, 0.3, 0.6], dtype=np.float32))
    return tuple(labels), [sure, sure, unsure]


def said(labels: Labels, found: list[Detections], rule: Rule = KAGGLE) -> Findings:
    evaluation = evaluate(found, labels, 0.5, rule, average_precision=False)
    return findings(found, labels, evaluation, np.full(len(labels), np.nan), rule)


def test_counts_are_those_from_the_threshold_on() -> None:
    result = said(*fields())
    assert result.ids == ("a1", "a2", "b1")
    assert result.sources == ("a", "a", "b")
    assert result.heads.tolist() == [3, 3, 3]
    assert result.found.tolist() == [3, 3, 2]
    assert result.unread == 3


def test_precision_and_recall_at_each_threshold_by_hand() -> None:
    curves = said(*fields()).thresholds
    at = {round(t, 2): place for place, t in enumerate(curves.thresholds.tolist())}
    # Boxes: six hits of 0.8, hits of 0.9 and 0.3, a false one of 0.6; nine heads.
    assert curves.precision[at[0.3]] == 8 / 9
    assert curves.recall[at[0.3]] == 8 / 9
    assert curves.precision[at[0.31]] == 7 / 8
    assert curves.precision[at[0.6]] == 7 / 8  # a score equal to the threshold counts
    assert curves.precision[at[0.61]] == 1
    assert curves.recall[at[0.85]] == 1 / 9
    assert np.isnan(curves.precision[at[0.95]])
    assert curves.recall[at[0.95]] == 0


@pytest.mark.parametrize("rule", [KAGGLE, ADA, RSNA])
def test_the_score_at_a_threshold_is_the_score_of_the_rule(rule: Rule) -> None:
    labels, found = fields()
    result = said(labels, found, rule)
    assert result.thresholds.score[49] == pytest.approx(competition_score(found, labels, rule, threshold=0.5))
    assert result.best == best_threshold(found, labels, rule)


def test_each_source_of_five_photos_has_the_interval_of_its_own_score() -> None:
    labels, found = fields()
    five = tuple(replace(labels[2], id=f"b{number}") for number in range(5))
    intervals = said((*labels[:2], *five), [*found[:2], *[found[2]] * 5]).intervals
    assert intervals["b"] == (1 / 4, 1 / 4)  # all photos alike: a hit, a false box, two missed
    assert np.isnan(intervals["a"]).all()


def test_the_breakdown_is_by_the_same_threshold() -> None:
    labels, found = fields()
    bins, expected = said(labels, found).breakdown, breakdown(found, labels, 0.5, np.full(3, np.nan))
    assert (bins.missed, bins.false) == (expected.missed, expected.false)
    assert [one.score for one in bins.density] == [one.score for one in expected.density]


def test_photos_without_heads_on_which_nothing_is_found_can_be_spoken_of() -> None:
    bare = (LabelledImage("bare", Path("gone"), 9, 9, no_boxes()),)
    result = said(bare, [no_detections()], RSNA)
    assert np.isnan(result.best)
    assert np.isnan(result.thresholds.precision).all()


def test_an_evaluation_by_another_rule_is_refused() -> None:
    labels, found = fields()
    evaluation = evaluate(found, labels, 0.5, ADA, average_precision=False)
    with pytest.raises(ValueError, match="by rule ada, expected kaggle"):
        findings(found, labels, evaluation, np.zeros(3), KAGGLE)
