"""Combinations: one detector of several, with one card."""

from dataclasses import replace

import numpy as np
import pytest

from spica.counting.intervals import CountModel
from spica.detections import Detections
from spica.image import Image
from spica.loading import load_detector, load_ensemble
from spica.prediction.card import Card
from spica.prediction.combination import THRESHOLDS, combined
from spica.prediction.runtime import Detector, Facts

PHOTO = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


class Fake:
    """A detector that finds one head, with a score of its own."""

    def __init__(self, card: Card, score: float = 0.8, name: str = "fake", workers: int = 2) -> None:
        self.card, self.score, self.name, self.workers = card, score, name, workers
        self.facts: Facts = {"runtime": "fake"}

    def __call__(self, photo: Image) -> Detections:
        return Detections(np.array([[0, 0, 8, 8]], np.float32), np.array([self.score], np.float32))


def test_one_detector_and_one_view_are_that_detector() -> None:
    fake = Fake(Card())
    assert combined([fake]) is fake


def test_several_detectors_know_what_they_are_together() -> None:
    cards = [
        Card(threshold=0.4, side=640, head_sides=(30.0, 90.0), trained_on="a"),
        Card(threshold=0.5, side=320, head_sides=(10.0, 40.0), trained_on="b"),
    ]
    both = combined([Fake(cards[0], 0.8, "one", 2), Fake(cards[1], 0.4, "two", 1)])
    assert isinstance(both, Detector)
    assert (both.name, both.workers, both.facts) == ("one + two", 1, {"runtime": "fake", "views": 1})
    assert both.card == replace(cards[0], threshold=0.45, head_sides=(30.0, 80.0), trained_on="a; b")
    np.testing.assert_allclose(both(PHOTO).scores, [0.6], rtol=1e-6)


def test_detectors_that_know_no_common_size_know_none() -> None:
    cards = [Card(side=640, head_sides=(30.0, 40.0)), Card(side=640, head_sides=(50.0, 90.0)), Card(side=640)]
    assert combined([Fake(card) for card in cards[:2]]).card.head_sides is None
    assert combined([Fake(card) for card in cards[1:]]).card.head_sides == (50, 90)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_more_views_recommend_a_lower_threshold(views: int) -> None:
    assert combined([Fake(Card(threshold=0.5))], views).card.threshold == pytest.approx(0.5 * THRESHOLDS[views])


def test_what_is_known_of_counts_holds_for_several_views_but_not_for_several_detectors() -> None:
    known = Card(counts=CountModel(1.0, 0.02, 0.45, 1.6, 2.2))
    assert combined([Fake(known)], 4).card.counts == known.counts
    assert combined([Fake(known), Fake(known)]).card.counts is None


def test_no_detector_is_an_error() -> None:
    with pytest.raises(ValueError, match="no detector to combine"):
        combined([])


def test_the_shipped_model_is_loaded_with_views() -> None:
    one, eight = load_detector(), load_ensemble(views=8)
    assert load_ensemble().name == eight.name == one.name
    assert eight.facts["views"] == 8
    assert eight.facts["runtime"] == one.facts["runtime"]
    assert len(eight(PHOTO)) >= 0
