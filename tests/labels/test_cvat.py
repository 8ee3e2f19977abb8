"""CVAT: what its XML says, and what it is given.

`exports/cvat_task.xml` was written by datumaro 1.13.12 (format cvat), from what `write_labels` makes; `PROJECT` follows
what CVAT 2 writes for a project: subset and task_id, two digits after the point, a rotation where there is one.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spica.detections import Detections
from spica.errors import AnnotationError
from spica.labels.folder import find_layout, read_labels, write_found
from spica.labels.found import FoundHeads, found_heads
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.problems import Problem

PutPhoto = Callable[..., Path]
EXPORTS = Path(__file__).parent / "exports"

PROJECT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><project><id>3</id><name>wheat</name></project></meta>
  <image id="0" name="a.jpg" subset="Train" task_id="4" width="1024" height="1024">
    <box label="wheat head" source="manual" occluded="0" xtl="10.00" ytl="20.55" xbr="60.12" ybr="70.00" z_order="0">
    </box>
    <box label="wheat head" source="auto" occluded="1" xtl="110.00" ytl="20.00" xbr="160.00" ybr="70.00"
      rotation="12.50"
      z_order="2">
    </box>
    <polygon label="wheat head" source="manual" occluded="0" points="1.00,2.00;30.00,4.00;5.00,60.00" z_order="0">
    </polygon>
    <box label="weed" source="manual" occluded="0" xtl="300.00" ytl="20.00" xbr="360.00" ybr="70.00" z_order="0"
      group_id="1">
      <attribute name="score">0.5</attribute>
    </box>
    <tag label="blurred" source="manual"></tag>
  </image>
  <image id="0" name="a.jpg" subset="Validation" task_id="5" width="1024" height="1024">
  </image>
</annotations>
"""


def read(folder: Path, text: str) -> tuple[Labels, list[Problem]]:
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return read_labels(folder)


def one_image(inside: str, attributes: str = 'name="a.jpg" width="1024" height="1024"') -> str:
    return f'<annotations><version>1.1</version><image id="0" {attributes}>{inside}</image></annotations>'


@pytest.fixture
def home(tmp_path: Path, put_photo: PutPhoto) -> Path:
    put_photo(tmp_path / "images" / "a.jpg")
    return tmp_path


BOX = '<box label="wheat head" occluded="0" xtl="300" ytl="20" xbr="360" ybr="70" z_order="0"/>'


def test_what_datumaro_writes_is_read(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "day 1" / "plot.7.jpg", 1024, 768)
    put_photo(tmp_path / "images" / "b.jpg", 640, 480)
    put_photo(tmp_path / "images" / "c.jpg", 97, 61)
    shutil.copy(EXPORTS / "cvat_task.xml", tmp_path / "annotations.xml")
    labels, problems = read_labels(tmp_path)
    assert [(image.id, image.heads) for image in labels] == [("day 1/plot.7", 2), ("b", 0), ("c", 1)]
    assert labels[0].boxes.tolist()[0] == pytest.approx([602.3, 339, 677, 400.7], abs=0.005)
    assert [problem.kind for problem in problems] == ["no boxes"]
    assert "1 photo(s) without a box count as photos without heads" in problems[0].line()


def test_a_project_may_have_one_name_in_two_subsets(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "Train" / "a.jpg")
    put_photo(tmp_path / "images" / "Validation" / "a.jpg")
    labels, problems = read(tmp_path, PROJECT)
    assert [(image.id, image.heads) for image in labels] == [("Train/a", 2), ("Validation/a", 0)]
    assert [(problem.severity, problem.kind) for problem in problems] == [
        ("error", "rotated"),
        ("error", "shape"),
        ("warning", "no boxes"),
        ("warning", "categories"),
    ]
    assert (
        problems[0]
        .line()
        .endswith(
            "annotations.xml, image 1, box 2 (image Train/a): the box is turned by 12.5 degrees, expected 0; "
            "turn it back and fit it to the head; it is left out"
        )
    )


def test_a_photo_of_one_subset_is_not_taken_for_that_of_another(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "Validation" / "a.jpg")
    labels, problems = read(tmp_path, PROJECT)
    assert [(image.id, image.heads) for image in labels] == [("Validation/a", 0)]
    assert [(problem.kind, problem.image) for problem in problems if "photo" in problem.kind] == [
        ("missing photo", "Train/a")
    ]


def test_a_photo_listed_in_two_tasks_is_an_error_and_the_first_stays(home: Path) -> None:
    labels, problems = read(home, PROJECT)
    assert [(image.id, image.heads) for image in labels] == [("a", 2)]
    assert [problem.kind for problem in problems if problem.severity == "error"] == ["rotated", "shape", "listed twice"]


def test_other_labels_are_left_out_when_asked(home: Path) -> None:
    (home / "annotations.xml").write_text(PROJECT)
    labels, problems = read_labels(home / "annotations.xml", photos=home / "images", called=("wheat head",))
    assert labels[0].heads == 1
    assert "1 box with the label weed left out" in problems[-1].line()


@pytest.mark.parametrize(
    "attributes", ['name="a.jpg"', 'name="a.jpg" width="" height=""', 'name="a.jpg" width="x" height="0"']
)
def test_where_no_size_is_told_the_photo_tells_it(home: Path, attributes: str) -> None:
    labels, problems = read(home, one_image(BOX, attributes))
    assert (labels[0].width, labels[0].heads, problems) == (1024, 1, [])


def test_a_photo_of_another_size_is_left_out(home: Path) -> None:
    labels, problems = read(home, one_image(BOX, 'name="a.jpg" width="512" height="512"'))
    assert (labels, [problem.kind for problem in problems]) == ((), ["size differs"])


@pytest.mark.parametrize("broken", ['<box xtl="1" ytl="2" xbr="50"/>', '<box xtl="1" ytl="2" xbr="50" ybr="n"/>'])
def test_one_broken_box_costs_itself_alone(home: Path, broken: str) -> None:
    labels, problems = read(home, one_image(BOX + broken))
    assert labels[0].heads == 1
    assert [(problem.kind, problem.place.box) for problem in problems] == [("box", 2)]


def test_an_image_without_a_name_is_reported(home: Path) -> None:
    _, problems = read(home, one_image(BOX, 'width="1024"'))
    assert [problem.kind for problem in problems] == ["no image", "no labels"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><version>1.1</version>", "is not XML"),
        ("<annotations><version>1.0</version></annotations>", "expected version 1.1 of CVAT's XML, got 1.0"),
        ("<annotations/>", "got none"),
        ('<annotations><version>1.1</version><track id="0"/></annotations>', 'is "CVAT for video"'),
        ("<annotations>\udcff</annotations>", "is not UTF-8"),
    ],
)
def test_an_xml_of_another_kind_is_refused(home: Path, text: str, message: str) -> None:
    (home / "annotations.xml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(AnnotationError, match=message):
        read_labels(home)


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><annotations><version>&y;</version></annotations>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations><version>&x;</version></annotations>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_entities_are_refused_before_anything_is_parsed(home: Path, text: str) -> None:
    with pytest.raises(AnnotationError, match="declares a document type"):
        read(home, text)


def test_an_encoding_that_the_file_only_claims_changes_nothing(home: Path) -> None:
    labels, _ = read(home, f'<?xml version="1.0" encoding="utf-16"?>{one_image(BOX)}')
    assert labels[0].heads == 1


@pytest.fixture
def found(home: Path) -> FoundHeads:
    boxes = np.array([[100.5, 200.25, 150, 260], [300, 10, 340, 60]], dtype=np.float32)
    image = LabelledImage("a", home / "images" / "a.jpg", 1024, 1024, np.zeros((0, 4), np.float32))
    return found_heads([(image, Detections(boxes, np.array([0.9, 0.45678], np.float32)))], "wheat.onnx")


def test_what_was_found_is_boxes_with_scores_that_become_labels_once_corrected(
    tmp_path: Path, found: FoundHeads
) -> None:
    write_found(found, tmp_path / "out", "cvat")
    text = (tmp_path / "out" / "annotations.xml").read_text("utf-8")
    assert 'source="auto"' in text
    assert '<attribute name="score">0.45678</attribute>' in text
    assert find_layout(tmp_path / "out") == "cvat"
    assert np.array_equal(read_labels(tmp_path / "out")[0][0].boxes, found.images[0].boxes)


def test_the_specification_of_labels_names_what_the_boxes_use(tmp_path: Path, found: FoundHeads) -> None:
    write_found(found, tmp_path / "out", "cvat")
    (label,) = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))
    text = (tmp_path / "out" / "annotations.xml").read_text("utf-8")
    assert f'label="{label["name"]}"' in text
    assert f'<attribute name="{label["attributes"][0]["name"]}">' in text


def test_found_heads_need_a_score_for_each_box(found: FoundHeads) -> None:
    with pytest.raises(ValueError, match="expected as many scores as boxes"):
        FoundHeads(found.images, (np.zeros(1, np.float32),), "m")
