"""Suspects: each kind of fault by a photo with that fault alone, and none on a photo without."""

from pathlib import Path

import numpy as np
import pytest

from spica.detections import Detections
from spica.labels.labelled import LabelledImage
from spica.scoring.suspects import KINDS, MEANINGS, Suspect, suspects

HEAD = (100, 100, 160, 150)
OTHER = (300, 300, 350, 360)
Rows = list[tuple[float, float, float, float]]


def photo(rows: Rows, name: str = "a") -> LabelledImage:
    return LabelledImage(name, Path("a.jpg"), 1024, 1024, np.array(rows, np.float32).reshape(-1, 4), "field")


def found(rows: Rows, scores: list[float]) -> Detections:
    return Detections(np.array(rows, np.float32).reshape(-1, 4), np.array(scores, np.float32))


def listed(labels: Rows, boxes: Rows, scores: list[float]) -> list[Suspect]:
    return list(suspects([found(boxes, scores)], [photo(labels)], 0.5))


def test_labels_that_are_found_as_they_are_raise_no_suspect() -> None:
    assert listed([HEAD, OTHER], [HEAD, OTHER], [0.9, 0.6]) == []
    assert listed([], [], []) == []


@pytest.mark.parametrize(
    ("labels", "boxes", "scores", "kind", "rows"),
    [
        ([OTHER], [OTHER, HEAD], [0.9, 0.8], "not labelled", ()),
        ([OTHER, HEAD], [OTHER], [0.9], "nothing found", (1,)),
        ([OTHER, HEAD], [OTHER, HEAD], [0.9, 0.1], "nothing found", (1,)),  # next to nothing
        ([OTHER, HEAD], [OTHER, (130, 100, 190, 150)], [0.9, 0.8], "loose", (1,)),  # IoU 1/3
        ([HEAD, (102, 102, 162, 150)], [HEAD], [0.9], "double", (0, 1)),
        ([(100, 100, 200, 150)], [(100, 100, 148, 150), (152, 100, 200, 150)], [0.9, 0.8], "merged", (0,)),
        ([(100, 100, 148, 150), (152, 100, 200, 150)], [(95, 95, 205, 155)], [0.9], "split", (0, 1)),
    ],
)
def test_a_fault_of_each_kind_is_named_once(
    labels: Rows, boxes: Rows, scores: list[float], kind: str, rows: tuple[int, ...]
) -> None:
    (suspect,) = listed(labels, boxes, scores)
    assert (suspect.kind, suspect.rows) == (kind, rows)
    assert np.array_equal(suspect.labels, np.array(labels, np.float32).reshape(-1, 4)[list(rows)])
    assert 0 < suspect.evidence <= 1


def test_what_is_found_faintly_is_neither_missed_nor_sure() -> None:
    assert listed([OTHER, HEAD], [OTHER, HEAD], [0.9, 0.3]) == []
    assert listed([OTHER], [OTHER, HEAD], [0.9, 0.3]) == []


def test_evidence_grows_with_the_score_and_with_the_agreement_on_the_rest_of_the_photo() -> None:
    (weak,) = listed([OTHER], [OTHER, HEAD], [0.9, 0.6])
    (strong,) = listed([OTHER], [OTHER, HEAD], [0.9, 0.8])
    (alone,) = listed([], [HEAD], [0.8])
    # (hits + 1) / (labelled + sure - hits + 1): 2/3, and 1/2 on the photo where nothing agrees
    assert strong.evidence == pytest.approx(0.8**3 * 2 / 3)
    assert weak.evidence == pytest.approx(0.6**3 * 2 / 3)
    assert alone.evidence == pytest.approx(0.8**3 / 2)


def test_the_strongest_come_first_over_all_photos() -> None:
    images = [photo([OTHER], "a"), photo([OTHER], "b")]
    both = {"b": found([OTHER, HEAD], [0.9, 0.95]), "a": found([OTHER, HEAD], [0.9, 0.7])}
    assert [suspect.image.id for suspect in suspects(both, images, 0.5)] == ["b", "a"]


def test_the_box_of_a_suspect_holds_labels_and_boxes() -> None:
    (suspect,) = listed([OTHER, HEAD], [OTHER, (125, 95, 185, 145)], [0.9, 0.8])
    assert suspect.box == (100, 95, 185, 150)


def test_every_kind_has_a_meaning() -> None:
    assert set(MEANINGS) == set(KINDS)
