"""Bringing detections into the order of the labels."""

from pathlib import Path

import pytest

from spica.boxes import no_boxes
from spica.detections import no_detections
from spica.labels.labelled import LabelledImage
from spica.scoring.predictions import aligned

LABELS = tuple(LabelledImage(name, Path(name), 10, 10, no_boxes()) for name in "abcde")


def test_detections_by_id_come_in_the_order_of_the_labels() -> None:
    found = {name: no_detections() for name in "edcba"}
    assert aligned(found, LABELS) == tuple(found[name] for name in "abcde")


def test_a_sequence_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1 detections for 5 labelled images"):
        aligned([no_detections()], LABELS)


def test_missing_ids_are_refused_and_the_first_named() -> None:
    with pytest.raises(ValueError, match=r"no detections for 4 image\(s\), first b, c, d;"):
        aligned({"a": no_detections()}, LABELS)


def test_unknown_ids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"detections for unlabelled 1 image\(s\), first x;"):
        aligned({name: no_detections() for name in "abcdex"}, LABELS)
