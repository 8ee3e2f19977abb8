"""Which boxes are heads, where boxes have several labels."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spica.errors import AnnotationError
from spica.labels.folder import read_labels


@pytest.fixture
def coco(tmp_path: Path, put_photo: Callable[..., Path]) -> Path:
    """Return a data set of a head and a weed on one photo, and nothing on another."""
    for name in ("a", "b"):
        put_photo(tmp_path / "images" / f"{name}.jpg")
    boxes = [{"image_id": 1, "category_id": kind, "bbox": [10 * kind, 20, 50, 60]} for kind in (1, 2)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "wheat head"}, {"id": 2, "name": "weed"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(content))
    return tmp_path


def test_a_label_that_no_box_has_is_refused_with_those_that_there_are(coco: Path) -> None:
    with pytest.raises(AnnotationError, match="no box has the label 'Wheat head', expected one of 'weed', 'wheat he"):
        read_labels(coco, called=("Wheat head",))
    with pytest.raises(AnnotationError, match="no box has the label 'ear', 'spike', expected"):
        read_labels(coco, called=("ear", "wheat head", "spike"))


def test_a_label_that_boxes_have_may_be_named_twice(coco: Path) -> None:
    labels, _ = read_labels(coco, called=("wheat head", "wheat head"))
    assert [image.heads for image in labels] == [1, 0]


def test_without_any_box_no_label_is_missing(coco: Path) -> None:
    content = json.loads((coco / "labels.json").read_text())
    (coco / "labels.json").write_text(json.dumps(content | {"annotations": []}))
    labels, problems = read_labels(coco, called=("wheat head",))
    assert ([image.heads for image in labels], problems) == ([0, 0], [])


def test_boxes_of_a_layout_that_names_nothing_are_heads_whatever_is_asked_for(
    tmp_path: Path, put_photo: Callable[..., Path]
) -> None:
    put_photo(tmp_path / "train" / "a.jpg")
    (tmp_path / "train.csv").write_text('image_id,width,height,bbox,source\na,1024,1024,"[10, 20, 50, 60]",x\n')
    assert [image.heads for image in read_labels(tmp_path, called=("wheat head",))[0]] == [1]
