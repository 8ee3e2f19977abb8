"""COCO's average precision, against pycocotools."""

import contextlib
import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from spica.boxes import corner_and_size_from_boxes, no_boxes
from spica.detections import Detections, no_detections
from spica.errors import MissingExtraError
from spica.labels.labelled import LabelledImage, Labels
from spica.scoring.average_precision import average_precision, average_precision_by_source

SIZES = (12, 40, 120)  # small, medium, large in COCO's words


def field(seed: int, images: int = 12, most: int = 60) -> tuple[Labels, list[Detections]]:
    generator = np.random.default_rng(seed)
    labels, found = [], []
    for number in range(images):
        heads = int(generator.integers(0, most)) if number else 0
        corners = generator.uniform(0, 800, (heads, 2))
        truth = np.concatenate([corners, corners + generator.choice(SIZES, (heads, 1))], axis=1).astype(np.float32)
        seen = truth[generator.random(heads) < 0.8]
        bare = np.tile(generator.uniform(0, 800, (10, 1)), (1, 4)) + np.array([0, 0, 40, 40])
        boxes = np.concatenate([seen + generator.normal(0, 2, seen.shape), bare]).astype(np.float32)
        scores = generator.random(len(boxes)).round(2).astype(np.float32)
        labels.append(LabelledImage(f"photo {number}", Path("x"), 1024, 1024, truth, "ab"[number % 2]))
        found.append(Detections(boxes, scores))
    return tuple(labels), found


def reference(labels: Labels, found: list[Detections]) -> list[float]:
    """What pycocotools says, at its 100 detections an image."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        rows = [
            (n, row) for n, image in enumerate(labels, 1) for row in corner_and_size_from_boxes(image.boxes).tolist()
        ]
        truth.dataset = {
            "images": [{"id": n, "width": 1024, "height": 1024} for n in range(1, len(labels) + 1)],
            "categories": [{"id": 1, "name": "wheat head"}],
            "annotations": [
                {"id": i, "image_id": n, "category_id": 1, "bbox": row, "area": row[2] * row[3], "iscrowd": 0}
                for i, (n, row) in enumerate(rows, 1)
            ],
        }
        truth.createIndex()
        results = truth.loadRes([entry for n, one in enumerate(found, 1) for entry in one.to_coco(n)])
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats[:6])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_pycocotools_at_100_detections(seed: int) -> None:
    labels, found = field(seed)
    ours = average_precision(found, labels, most_detections=100)
    values = [ours.ap, ours.ap50, ours.ap75, ours.small, ours.medium, ours.large]
    assert values == pytest.approx(reference(labels, found), abs=1e-9)
    assert 0.05 < ours.ap < ours.ap50 < 0.95


def test_more_than_100_heads_on_a_photo_all_count() -> None:
    corners = 20.0 * np.stack(np.meshgrid(np.arange(20), np.arange(15)), axis=-1).reshape(-1, 2)
    truth = np.concatenate([corners, corners + 15], axis=1).astype(np.float32)
    labels = (LabelledImage("dense", Path("x"), 1024, 1024, truth),)
    found = [Detections(truth, np.linspace(1, 0.5, 300).astype(np.float32))]
    assert average_precision(found, labels).ap == pytest.approx(1)
    assert average_precision(found, labels, most_detections=100).ap < 0.4


def test_average_precision_by_source_is_that_of_its_images() -> None:
    labels, found = field(5)
    by_source = average_precision_by_source(found, labels)
    assert list(by_source) == ["a", "b"]
    assert by_source["b"] == average_precision(found[1::2], labels[1::2])


def test_without_heads_there_is_no_average_precision() -> None:
    bare = (LabelledImage("1", Path("x"), 9, 9, no_boxes()),)
    assert math.isnan(average_precision([no_detections()], bare).ap)


def test_without_detections_it_is_0_and_nan_for_sizes_that_do_not_occur() -> None:
    small = np.array([[0, 0, 9, 9]], dtype=np.float32)
    nothing = average_precision([no_detections()], (LabelledImage("1", Path("x"), 9, 9, small),))
    assert (nothing.ap, nothing.ap50, nothing.ap75, nothing.small) == (0, 0, 0, 0)
    assert math.isnan(nothing.medium)
    assert math.isnan(nothing.large)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    labels, found = field(1)
    average_precision(found, labels)
    assert capfd.readouterr() == ("", "")


def test_the_labels_and_detections_stay_as_they_are() -> None:
    labels, found = field(1)
    first = average_precision(found, labels)
    assert average_precision(found, labels) == first


def test_a_missing_library_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    labels, found = field(1)
    with pytest.raises(MissingExtraError, match=r"pip install 'spica-wheat\[evaluate\]'"):
        average_precision(found, labels)
    with pytest.raises(MissingExtraError, match=r"pip install 'spica-wheat\[evaluate\]'"):
        average_precision_by_source(found, labels)
