"""Conversion between layouts: nothing is lost, and each file is in its layout's own form."""

import csv
import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spica.boxes import no_boxes
from spica.errors import AnnotationError, OutputError, SpicaError
from spica.labels.folder import LAYOUTS, find_layout, read_labels, write_labels
from spica.labels.labelled import LabelledImage, Labels

PutPhoto = Callable[..., Path]

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='/\\:*?"<>|.'), min_size=1
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=12)


@st.composite
def plausible_boxes(draw: st.DrawFn, width: int, height: int) -> list[list[float]]:
    """Draw boxes that pass the audit: apart from each other, inside, no slivers; at any fraction of a pixel."""
    boxes = []
    for column in range(draw(st.integers(0, 4))):
        left = column * (width / 4)
        inner = draw(st.floats(0, 0.2)) * width / 4
        top = draw(st.one_of(st.just(0.0), st.floats(0.01, 0.3))) * height
        right = left + width / 4 * draw(st.floats(0.7, 1.0))
        bottom = draw(st.one_of(st.just(1.0), st.floats(0.6, 0.99))) * height
        boxes.append([left + (inner if inner > 0.001 else 0.0), top, right, bottom])
    return boxes


@st.composite
def labels_without_photos(draw: st.DrawFn) -> list[LabelledImage]:
    names = draw(
        st.lists(NAMES.filter(lambda name: len(name.encode()) < 60), min_size=1, max_size=3, unique_by=str.lower)
    )
    images = []
    for name in names:
        width, height = draw(st.sampled_from([(64, 64), (64, 80), (97, 61)]))
        boxes = np.array(draw(plausible_boxes(width, height)), dtype=np.float32).reshape(-1, 4)
        path = Path(f"{name}{draw(st.sampled_from(['.jpg', '.png', '.JPG']))}")
        images.append(LabelledImage(name, path, width, height, boxes, draw(WORDS), draw(st.one_of(st.just(""), WORDS))))
    return images


def with_photos(images: list[LabelledImage], folder: Path, put_photo: PutPhoto) -> Labels:
    """Return the images with a photo each, in `folder`."""
    return tuple(
        LabelledImage(
            image.id,
            put_photo(folder / f"{number}{image.path.suffix}", image.width, image.height),
            image.width,
            image.height,
            image.boxes,
            image.source,
            image.session,
        )
        for number, image in enumerate(images)
    )


def facts(labels: Labels) -> dict[str, tuple[int, int, bytes, str, str]]:
    """Return everything about labels but the place of the photos; boxes bit by bit."""
    return {
        image.id: (image.width, image.height, image.boxes.tobytes(), image.source, image.session) for image in labels
    }


@settings(max_examples=12, deadline=None)
@given(images=labels_without_photos())
@pytest.mark.parametrize("layout", LAYOUTS)
def test_writing_and_reading_loses_nothing(put_photo: PutPhoto, layout: str, images: list[LabelledImage]) -> None:
    with TemporaryDirectory() as name:
        labels = with_photos(images, Path(name) / "photos", put_photo)
        write_labels(labels, Path(name) / "out", layout)
        read, problems = read_labels(Path(name) / "out")
        assert [problem.line() for problem in problems if problem.severity == "error"] == []
        assert facts(read) == facts(labels)


@pytest.fixture
def two_images(tmp_path: Path, put_photo: PutPhoto) -> Labels:
    photos = tmp_path / "photos"
    boxes = np.array([[602, 339, 677, 400], [0, 10.5, 40, 60.25]], dtype=np.float32)
    return (
        LabelledImage("day 1/plot.7", put_photo(photos / "x.jpg"), 1024, 1024, boxes, "field, north", "may"),
        LabelledImage(
            "empty", put_photo(photos / "y.png", 640, 480), 640, 480, np.zeros((0, 4), np.float32), "field_2"
        ),
    )


def test_train_csv_is_in_the_form_of_kaggle(tmp_path: Path, two_images: Labels) -> None:
    write_labels(two_images, tmp_path / "out", "kaggle")
    assert (tmp_path / "out" / "train.csv").read_bytes().decode().split("\n") == [
        "image_id,width,height,bbox,source",
        'day 1/plot.7,1024,1024,"[602.0, 339.0, 75.0, 61.0]","field, north"',
        'day 1/plot.7,1024,1024,"[0.0, 10.5, 40.0, 49.75]","field, north"',
        "",
    ]
    assert sorted(path.name for path in (tmp_path / "out" / "train").rglob("*.*")) == ["empty.png", "plot.7.jpg"]


def test_the_table_of_gwhd_is_in_its_form(tmp_path: Path, two_images: Labels) -> None:
    write_labels(two_images, tmp_path / "out", "gwhd")
    with (tmp_path / "out" / "competition_train.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["image_name", "BoxesString", "domain"],
            ["day 1/plot.7.jpg", "602 339 677 400;0 10.5 40 60.25", "field, north"],
            ["empty.png", "no_box", "field_2"],
        ]


def test_the_json_of_coco_has_numbers_for_ids_and_one_category(tmp_path: Path, two_images: Labels) -> None:
    write_labels(two_images, tmp_path / "out", "coco")
    content = json.loads((tmp_path / "out" / "annotations.json").read_text("utf-8"))
    assert [image["id"] for image in content["images"]] == [1, 2]
    assert content["images"][1]["file_name"] == "empty.png"
    assert content["annotations"][0]["bbox"] == [602, 339, 75, 61]
    assert content["annotations"][0]["area"] == 75 * 61
    assert {entry["category_id"] for entry in content["annotations"]} == {content["categories"][0]["id"]}


def test_yolo_has_a_text_file_for_a_photo_without_heads_too(tmp_path: Path, two_images: Labels) -> None:
    write_labels(two_images, tmp_path / "out", "yolo")
    assert (tmp_path / "out" / "labels" / "empty.txt").read_bytes() == b""
    first = (tmp_path / "out" / "labels" / "day 1" / "plot.7.txt").read_text().split("\n")[0].split()
    assert [float(part) * 1024 for part in first[1:]] == [639.5, 369.5, 75, 61]
    assert "names:\n  0: wheat head\n" in (tmp_path / "out" / "data.yaml").read_text()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_is_found_again_as_its_layout_and_its_only_one(
    tmp_path: Path, two_images: Labels, layout: str
) -> None:
    write_labels(two_images, tmp_path / "out", layout)
    assert find_layout(tmp_path / "out") == layout
    assert facts(read_labels(tmp_path / "out")[0]) == facts(two_images)


@pytest.mark.parametrize(("first", "second"), list(permutations(LAYOUTS, 2)))
def test_converting_to_another_layout_and_back_loses_nothing(
    tmp_path: Path, two_images: Labels, first: str, second: str
) -> None:
    write_labels(two_images, tmp_path / "first", first)
    write_labels(read_labels(tmp_path / "first")[0], tmp_path / "second", second)
    write_labels(read_labels(tmp_path / "second")[0], tmp_path / "back", first)
    assert facts(read_labels(tmp_path / "back")[0]) == facts(two_images)
    for file in (tmp_path / "first").rglob("*.*"):
        assert (tmp_path / "back" / file.relative_to(tmp_path / "first")).read_bytes() == file.read_bytes()


def test_photos_are_hard_links_where_the_disk_allows_it(tmp_path: Path, two_images: Labels) -> None:
    write_labels(two_images, tmp_path / "out", "kaggle")
    assert (tmp_path / "out" / "train" / "empty.png").samefile(two_images[1].path)


def test_photos_are_copied_where_links_are_impossible(
    tmp_path: Path, two_images: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr("os.link", refuse)
    write_labels(two_images, tmp_path / "out", "kaggle")
    copy = tmp_path / "out" / "train" / "empty.png"
    assert not copy.samefile(two_images[1].path)
    assert copy.read_bytes() == two_images[1].path.read_bytes()


def image_named(name: str, photo: Path) -> LabelledImage:
    return LabelledImage(name, photo, 64, 64, np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a//b", ".", "", ".hidden", "a\nb", "a\\b", "c:x", "a/../b"])
def test_an_id_that_is_no_file_name_is_refused_and_nothing_is_left(
    tmp_path: Path, put_photo: PutPhoto, name: str
) -> None:
    photo = put_photo(tmp_path / "photos" / "x.jpg", 64, 64)
    with pytest.raises(AnnotationError, match=r"x\.jpg: image id .*; give the photo another name"):
        write_labels((image_named(name, photo),), tmp_path / "out", "kaggle")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_two_images_with_one_id_are_refused_and_both_are_named(tmp_path: Path, put_photo: PutPhoto) -> None:
    images = [image_named("x", put_photo(tmp_path / name, 64, 64)) for name in ("x.jpg", "x.png")]
    with pytest.raises(AnnotationError, match=r"two images have the id 'x', .*: \S*x\.jpg and \S*x\.png; rename one"):
        write_labels(tuple(images), tmp_path / "out", "coco")


def test_a_photo_that_has_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"gone\.jpg: the photo of x is missing"):
        write_labels((image_named("x", tmp_path / "gone.jpg"),), tmp_path / "out", "yolo")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_photo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a photo ends in \.bmp"):
        write_labels((image_named("x", tmp_path / "x.gif"),), tmp_path / "out", "yolo")


def test_a_line_break_in_a_source_is_refused(tmp_path: Path, put_photo: PutPhoto) -> None:
    photo = put_photo(tmp_path / "photos" / "x.jpg", 64, 64)
    image = LabelledImage("x", photo, 64, 64, np.zeros((0, 4), np.float32), "field\n1")
    with pytest.raises(AnnotationError, match="holds a line break"):
        write_labels((image,), tmp_path / "out", "kaggle")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_folder_without_a_name_is_refused(two_images: Labels) -> None:
    with pytest.raises(OutputError, match="has no name of its own; name a new folder"):
        write_labels(two_images, Path(), "kaggle")


def test_a_full_folder_is_never_written_to(tmp_path: Path, two_images: Labels) -> None:
    with pytest.raises(OutputError, match="not empty; name a new folder"):
        write_labels(two_images, tmp_path / "photos", "kaggle")


def test_an_empty_folder_is_taken(tmp_path: Path, two_images: Labels) -> None:
    (tmp_path / "out").mkdir()
    write_labels(two_images, tmp_path / "out", "yolo")
    assert find_layout(tmp_path / "out") == "yolo"


def test_a_folder_below_a_file_is_an_error_of_the_user(tmp_path: Path, two_images: Labels) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SpicaError, match="cannot be written"):
        write_labels(two_images, tmp_path / "file" / "out", "yolo")


def test_an_unknown_layout_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of kaggle, gwhd, coco, yolo, label-studio, cvat"):
        write_labels((), tmp_path / "out", "voc")


def test_boxes_to_be_ignored_are_crowds_of_coco_and_no_other_layout_has_them(
    tmp_path: Path, put_photo: PutPhoto
) -> None:
    heads, doubtful = np.array([[1, 2, 21, 22]], dtype=np.float32), np.array([[0, 0, 60, 60]], dtype=np.float32)
    image = LabelledImage("a", put_photo(tmp_path / "a.jpg", 64, 64), 64, 64, heads, ignored=doubtful)
    write_labels((image,), tmp_path / "coco", "coco")
    (again,), problems = read_labels(tmp_path / "coco")
    assert problems == []  # large as it is: a crowd is not one head
    assert (again.boxes.tolist(), again.ignored.tolist()) == (heads.tolist(), doubtful.tolist())
    crowds = [entry["iscrowd"] for entry in json.loads((tmp_path / "coco/annotations.json").read_text())["annotations"]]
    assert crowds == [0, 1]
    for layout in set(LAYOUTS) - {"coco"}:
        with pytest.raises(AnnotationError, match="1 boxes are to be ignored"):
            write_labels((image,), tmp_path / layout, layout)


def test_a_photo_with_nothing_but_what_is_to_be_ignored_is_kept(tmp_path: Path, put_photo: PutPhoto) -> None:
    ignored = np.array([[5, 5, 30, 30]], dtype=np.float32)
    image = LabelledImage("a", put_photo(tmp_path / "a.jpg", 64, 64), 64, 64, no_boxes(), ignored=ignored)
    write_labels((image,), tmp_path / "coco", "coco")
    assert [(one.heads, len(one.ignored)) for one in read_labels(tmp_path / "coco")[0]] == [(0, 1)]
