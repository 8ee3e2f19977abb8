"""The page and the tables of suspects."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from spica.detections import Detections
from spica.images import write_image
from spica.labels.audit import labels_from
from spica.labels.folder import read_annotations, write_labels
from spica.labels.labelled import LabelledImage
from spica.labels.places import places_of
from spica.report.crops import crops
from spica.report.suspects import Suspicions, suspect_rows, suspects_page, worth_rows
from spica.scoring.suspects import suspects
from spica.scoring.worth import most_worth, worth_of

SHOWN = np.array([[100, 60, 160, 110], [300, 200, 350, 260]], dtype=np.float32)
MISSING = np.array([[100, 60, 160, 110], [420, 10, 478, 70]], dtype=np.float32)


@pytest.fixture
def said(tmp_path: Path) -> Suspicions:
    """Two photos: on the first the second label is not found and a head at the border is not labelled."""
    images: list[LabelledImage] = []
    for name in ("a", "b<b>"):
        path = tmp_path / "photos" / f"{len(images)}.png"
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.full((320, 480, 3), 90, dtype=np.uint8))
        images.append(LabelledImage(name, path, 480, 320, SHOWN, "field"))
    images[1] = LabelledImage("b_b", images[1].path, 480, 320, SHOWN, "<field>")
    write_labels(tuple(images), tmp_path / "data", "kaggle")
    annotations = read_annotations(tmp_path / "data")
    labels, _ = labels_from(annotations)
    found = {
        "a": Detections(MISSING, np.array([0.9, 0.8], np.float32)),
        "b_b": Detections(SHOWN, np.array([0.9, 0.4], np.float32)),
    }
    worths = most_worth([worth_of(image.id, image.source, found[image.id], 0.5) for image in labels])
    paths = {image.id: image.path for image in labels}
    places = places_of(annotations, labels)
    return Suspicions(suspects(found, labels, 0.5), worths, places, found, paths, found, 0.5, "x & y")


def test_the_tables_say_where_to_mend(said: Suspicions, tmp_path: Path) -> None:
    columns, *rows = suspect_rows(said)
    first, second = (dict(zip(columns, row, strict=True)) for row in rows)
    assert (first["kind"], first["image"], first["labels"]) == (
        "nothing found",
        "a",
        f"{tmp_path}/data/train.csv, row 3",
    )
    assert (second["kind"], second["left"], second["right"], second["labels"]) == (
        "not labelled",
        "420.00",
        "478.00",
        "",
    )
    _, *order = worth_rows(said)
    assert [row[0] for row in order] == ["b_b", "a"]


def test_the_page_holds_everything_and_asks_for_nothing(said: Suspicions) -> None:
    page = suspects_page(said, first=1)
    assert page.count("data:image/jpeg;base64,") == 1 + 2  # a crop, and both photos that may be labelled
    assert "The 1 strongest of 2 places" in page
    assert "train.csv, row 3" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page
    assert "x &amp; y" in page
    assert "&lt;field&gt;" in page


def test_a_crop_stays_on_the_photo_and_its_boxes_stay_where_they_are(said: Suspicions) -> None:
    nothing, border = crops(said.suspects, said.found, 0.5)
    assert border.side == 156  # 2.6 times the longer side
    assert border.found.tolist() == [[96, 10, 154, 70]]  # the crop ends with the photo, at 480
    assert (nothing.labels[0, 2:] - nothing.labels[0, :2]).tolist() == [50, 60]


def test_a_photo_worth_labelling_is_itself_though_a_labelled_one_has_its_id(said: Suspicions, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((100, 200, 3), 30, dtype=np.uint8))
    seen = {"a": Detections(SHOWN[:1] / 4, np.array([0.9], np.float32))}
    worths = [worth_of("a", "north", seen["a"], 0.5)]
    page = suspects_page(replace(said, worths=worths, paths={"a": tmp_path / "a.png"}, seen=seen), first=2)
    assert 'viewBox="0 0 200 100"' in page
    assert "1 boxes, 0 of them doubtful" in page


def test_agreement_is_told_in_words(said: Suspicions) -> None:
    assert "agree everywhere" in suspects_page(replace(said, suspects=()), first=5)


def test_a_photo_that_has_gone_has_no_picture_and_stops_nothing(said: Suspicions) -> None:
    for path in said.paths.values():
        path.unlink()
    assert suspects_page(said, first=5).count("This photo could not be read.") == 4


@pytest.mark.parametrize("layout", ["kaggle", "gwhd", "coco", "yolo", "label-studio", "cvat"])
def test_every_layout_tells_where_its_boxes_stand(tmp_path: Path, layout: str) -> None:
    write_image(tmp_path / "a.png", np.full((320, 480, 3), 90, dtype=np.uint8))
    image = LabelledImage("a", tmp_path / "a.png", 480, 320, SHOWN, "field")
    bare = LabelledImage("b", tmp_path / "a.png", 480, 320, SHOWN[:0], "field")
    write_labels((image, bare), tmp_path / "data", layout)
    annotations = read_annotations(tmp_path / "data")
    labels, _ = labels_from(annotations)
    places = places_of(annotations, labels)
    assert len({str(place) for place in places["a"]}) == 2
    assert places["b"] == ()


def test_a_large_suspect_is_shown_reduced(said: Suspicions) -> None:
    (image,) = {suspect.image.id: suspect.image for suspect in said.suspects}.values()
    large = np.array([[0, 0, 470, 300]], dtype=np.float32)
    label = LabelledImage(image.id, image.path, image.width, image.height, large, image.source)
    (crop,) = crops(
        suspects([Detections(large[:0], large[:0, 0])], [label], 0.5), {"a": Detections(large[:0], large[:0, 0])}, 0.5
    )
    picture = Pillow.open(io.BytesIO(base64.b64decode(crop.address.partition(",")[2])))
    assert (crop.side, picture.size) == (320, (300, 300))
