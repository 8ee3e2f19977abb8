"""Which photo a name means: what must be found, and what must never be mixed up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spica.labels.folder import read_labels
from spica.labels.photofiles import Photos, find_photos
from spica.labels.photonames import ids_by_name, misnamed_photos

PutPhoto = Callable[..., Path]


@pytest.mark.parametrize(
    ("photo", "name"),
    [
        pytest.param("a.jpg", "a.jpg", id="the path"),
        pytest.param("a.png", "a.jpg", id="the path but for the ending"),
        pytest.param("a.jpg", "images/a.jpg", id="a folder before"),
        pytest.param("a.jpg", "/home/me/images/a.jpg", id="absolute"),
        pytest.param("day1/a.jpg", "../images/./day1/a.jpg", id="folders before and one in common"),
        pytest.param("day1/a.jpg", "a.jpg", id="a folder that is not told"),
        pytest.param("2026/day1/a.jpg", "day1/a.jpg", id="one of two folders told"),
        pytest.param("day1/a.jpg", "C:\\data\\a.jpg", id="a folder of another machine"),
        pytest.param("day1/plot 7 (n).jpg", "upload/1/0123abcd-plot_7_n.jpg", id="uploaded"),
        pytest.param("0123abcd-a.jpg", "data/upload/1/0123abcd-a.jpg", id="as the upload is called"),
        pytest.param("20230512-plot7.jpg", "images/20230512-plot7.jpg", id="a date before"),
    ],
)
def test_a_name_means_a_photo_whatever_stands_before_it(
    tmp_path: Path, put_photo: PutPhoto, photo: str, name: str
) -> None:
    put_photo(tmp_path / photo)
    assert ids_by_name([name], find_photos(tmp_path)) == {name: Path(photo).with_suffix("").as_posix()}


@pytest.mark.parametrize(
    ("photo", "name"),
    [
        pytest.param("day2/a.jpg", "day1/a.jpg", id="another folder"),
        pytest.param("day2/a.jpg", "images/day1/a.jpg", id="another folder below one"),
        pytest.param("2025/day1/a.jpg", "2026/day1/a.jpg", id="another folder above one"),
        pytest.param("day2/a.png", "a.jpg", id="another ending"),
        pytest.param("plot7.jpg", "20230512-plot7.jpg", id="a date is no upload"),
        pytest.param("plot7.jpg", "images/20230512-plot7.jpg", id="a date below a folder is none"),
        pytest.param("7-plot.jpg", "upload/1/0123abcd-7-0123abcd-plot.jpg", id="letters inside a name"),
    ],
)
def test_a_name_does_not_mean_a_photo_that_it_contradicts(
    tmp_path: Path, put_photo: PutPhoto, photo: str, name: str
) -> None:
    put_photo(tmp_path / photo)
    assert ids_by_name([name], find_photos(tmp_path)) == {name: Path(name).with_suffix("").as_posix()}


@pytest.mark.parametrize(
    ("contributor", "kinds"),
    [
        pytest.param("Label Studio", [], id="Label Studio"),
        pytest.param("me", ["no labels", "missing photo"], id="other"),
    ],
)
def test_uploads_are_known_in_an_export_of_label_studio_to_coco(
    tmp_path: Path, put_photo: PutPhoto, contributor: str, kinds: list[str]
) -> None:
    put_photo(tmp_path / "IMG 1.jpg", 100, 100)
    content = json.loads(coco({"images/20260601-IMG_1.jpg": 10})) | {"info": {"contributor": contributor}}
    (tmp_path / "result.json").write_text(json.dumps(content))
    labels, problems = read_labels(tmp_path)
    assert [image.id for image in labels] == ([] if kinds else ["IMG 1"])
    assert [problem.kind for problem in problems] == kinds


@pytest.mark.parametrize(
    ("photos", "ids"),
    [
        pytest.param(["a.jpg"], {"a.jpg": "a", "images/a.jpg": "images/a"}, id="the path goes first"),
        pytest.param(
            ["day2/a.jpg"],
            {"a.jpg": "a", "/m/day1/a.jpg": "m/day1/a", "/m/day2/a.jpg": "day2/a"},
            id="a longer end goes before a shorter one",
        ),
        pytest.param(["day1/a.jpg", "day2/a.jpg"], {"a.jpg": "a"}, id="two photos of one name"),
        pytest.param(["a.jpg"], {"day1/a.jpg": "day1/a", "day2/a.jpg": "day2/a"}, id="two names for one photo"),
        pytest.param(
            ["2026/day1/a.jpg", "2026/day3/b.jpg"],
            {"/m/day1/a.jpg": "2026/day1/a", "/m/day2/b.jpg": "m/day2/b"},
            id="absolute names below what they share",
        ),
        pytest.param(
            ["x.jpg"],
            {"upload/1/0123abcd-x.jpg": "upload/1/0123abcd-x", "upload/1/4567abcd-x.jpg": "upload/1/4567abcd-x"},
            id="two uploads of one name",
        ),
        pytest.param(["day1/a.jpg"], {"day1/a.jpg": "day1/a", "day1\\a.jpg": "day1/a"}, id="one name in two spellings"),
    ],
)
def test_a_photo_has_one_name(tmp_path: Path, put_photo: PutPhoto, photos: list[str], ids: dict[str, str]) -> None:
    for photo in photos:
        put_photo(tmp_path / photo)
    for names in (list(ids), list(ids)[::-1]):
        assert ids_by_name(names, find_photos(tmp_path)) == ids


def coco(boxes: dict[str, int]) -> str:
    """Return a file of photos with one box each, 50 pixels wide, from its left edge by the name of the photo."""
    images = [{"id": name, "file_name": name} for name in boxes]
    annotations = [{"image_id": name, "bbox": [left, 0, 50, 50]} for name, left in boxes.items()]
    return json.dumps({"images": images, "annotations": annotations})


def label_studio(boxes: dict[str, int]) -> str:
    """Return the same as `coco` does, in percent of a photo of 1000 x 1000."""

    def annotation(left: int) -> dict[str, Any]:
        value = {"x": left / 10, "y": 0, "width": 5, "height": 5}
        return {"result": [{"type": "rectanglelabels", "value": value}]}

    address = "/data/local-files/?d=images/"
    tasks = [{"data": {"image": address + name}, "annotations": [annotation(left)]} for name, left in boxes.items()]
    return json.dumps(tasks)


def cvat(boxes: dict[str, int]) -> str:
    """Return the same as `coco` does."""
    images = [
        f'<image name="{name}"><box label="head" xtl="{left}" ytl="0" xbr="{left + 50}" ybr="50"/></image>'
        for name, left in boxes.items()
    ]
    return f"<annotations><version>1.1</version>{''.join(images)}</annotations>"


@pytest.mark.parametrize(
    ("file", "listing"), [("labels.json", coco), ("tasks.json", label_studio), ("annotations.xml", cvat)]
)
def test_the_boxes_of_a_photo_that_is_gone_go_to_no_other(
    tmp_path: Path, put_photo: PutPhoto, file: str, listing: Callable[[dict[str, int]], str]
) -> None:
    put_photo(tmp_path / "images" / "day2" / "IMG_1.jpg", 1000, 1000)
    (tmp_path / file).write_text(listing({"day1/IMG_1.jpg": 100, "day2/IMG_1.jpg": 300}))
    (image,), problems = read_labels(tmp_path)
    assert (image.id, image.boxes.tolist()) == ("day2/IMG_1", [[300, 0, 350, 50]])
    assert [problem.kind for problem in problems] == ["missing photo"]
    assert "day1/IMG_1.jpg" in problems[0].line()


def test_names_are_told_apart_over_all_files_of_a_folder(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "images" / "IMG_1.jpg", 1000, 1000)
    (tmp_path / "first.json").write_text(coco({"day1/IMG_1.jpg": 100}))
    (tmp_path / "second.json").write_text(coco({"IMG_1.jpg": 300}))
    (image,), problems = read_labels(tmp_path)
    assert image.boxes.tolist() == [[300, 0, 350, 50]]
    assert [(problem.kind, problem.image) for problem in problems] == [("missing photo", "day1/IMG_1")]


def kaggle(folder: Path, name: str) -> None:
    (folder / "train").mkdir()
    (folder / "train.csv").write_text(
        f'image_id,width,height,bbox,source\n{name},1024,1024,"[10, 20, 50, 60]",f\n', encoding="utf-8"
    )


def yolo(folder: Path, name: str) -> None:
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "labels" / f"{name}.txt").write_text("0 .25 .25 .125 .125\n")


@pytest.mark.parametrize(("labels", "photos"), [(kaggle, "train"), (yolo, "images")])
@pytest.mark.parametrize(
    ("name", "photo"),
    [
        pytest.param("a.jpg", "a.jpg", id="with its ending"),
        pytest.param("a.png", "a.jpg", id="with another ending"),
        pytest.param("img_1", "IMG_1.JPG", id="case"),
        pytest.param("caf\u00e9", "cafe\u0301.jpg", id="accents in one letter or two"),
        pytest.param("cafe\u0301.JPG", "CAF\u00c9.jpg", id="all of it"),
    ],
)
def test_a_photo_whose_label_is_misnamed_is_not_one_without_heads(
    tmp_path: Path, put_photo: PutPhoto, labels: Callable[[Path, str], None], photos: str, name: str, photo: str
) -> None:
    labels(tmp_path, name)
    put_photo(tmp_path / photos / photo)
    put_photo(tmp_path / photos / "bare.jpg")
    sound, problems = read_labels(tmp_path)
    assert [(image.id, image.heads) for image in sound] == [("bare", 0)]
    assert {(problem.kind, problem.image) for problem in problems if problem.severity == "error"} == {
        ("other name", Path(photo).stem),
        ("missing photo", name),
    }
    (line,) = [problem.line() for problem in problems if problem.kind == "other name"]
    assert f"the labels have {name} without a photo" in line
    assert line.endswith(f"did you mean it?; write {Path(photo).stem} in the labels; the photo is left out")


def test_a_photo_whose_one_row_is_misnamed_and_cannot_be_read_is_not_one_without_heads(
    tmp_path: Path, put_photo: PutPhoto
) -> None:
    kaggle(tmp_path, "b")
    put_photo(tmp_path / "train" / "b.jpg")
    put_photo(tmp_path / "train" / "IMG_1.jpg")
    with (tmp_path / "train.csv").open("a") as rows:
        rows.write('img_1,wide,1024,"[10, 20, 50, 60]",f\n')
    sound, problems = read_labels(tmp_path)
    assert [image.id for image in sound] == ["b"]
    assert [problem.kind for problem in problems] == ["size", "other name"]


def test_names_that_differ_in_case_alone_are_two_photos_where_both_are_listed(tmp_path: Path) -> None:
    photos = Photos(tmp_path, {name: (tmp_path / f"{name}.jpg",) for name in ("a", "A")})
    assert misnamed_photos({"a", "A"}, photos) == {}
    assert list(misnamed_photos({"a.jpg", "A"}, photos)) == ["a"]
