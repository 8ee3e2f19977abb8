"""Label Studio: what its exports say, and what it is given.

`exports/label_studio.json` and `label_studio_min.json` were written by Label Studio 1.23.2 (exports JSON and JSON_MIN)
after tasks that `write_found` makes were imported, one photo was uploaded ("plot 9 (north).jpg"), and annotations were
submitted: one box of two kept; none kept; two annotations, the newer with a turned box; a skipped upload.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spica.detections import Detections
from spica.errors import AnnotationError, OutputError
from spica.labels.folder import LAYOUTS, find_layout, read_labels, write_found, write_labels
from spica.labels.found import found_heads
from spica.labels.labelled import LabelledImage, Labels
from spica.labels.photofiles import find_photos
from spica.labels.photonames import ids_by_name
from spica.labels.problems import Problem

PutPhoto = Callable[..., Path]
EXPORTS = Path(__file__).parent / "exports"


def region(x: float = 10, y: float = 20, **changes: Any) -> dict[str, Any]:
    """Return a rectangle of 5 x 5 percent as Label Studio exports it."""
    value = {"x": x, "y": y, "width": 5, "height": 5, "rotation": 0, "rectanglelabels": ["wheat head"]}
    value |= changes.pop("value", {})
    size = {"original_width": 1024, "original_height": 1024, "image_rotation": 0}
    return {
        "id": "r",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        **size,
        "value": value,
    } | changes


def annotation(*regions: dict[str, Any], day: int = 1, **changes: Any) -> dict[str, Any]:
    when = f"2026-03-{day:02d}T10:00:00.000000Z"
    return {"id": day, "result": list(regions), "was_cancelled": False, "updated_at": when} | changes


def task(number: int, image: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": number, "data": {"image": image}, "annotations": list(annotations), "predictions": []}


def read(folder: Path, tasks: list[Any], **options: Any) -> tuple[Labels, list[Problem]]:
    file = folder / "project-1.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return read_labels(file, **options)


@pytest.fixture
def photos(tmp_path: Path, put_photo: PutPhoto) -> Path:
    for name in ("a.jpg", "b.jpg", "day 1/plot.7 (n).jpg"):
        put_photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


def kinds(problems: list[Problem]) -> list[tuple[str, str, str]]:
    return [(problem.severity, problem.kind, problem.image) for problem in problems if problem.kind != "no labels"]


@pytest.mark.parametrize("export", ["label_studio.json", "label_studio_min.json"])
def test_what_label_studio_exports_is_read(tmp_path: Path, put_photo: PutPhoto, export: str) -> None:
    put_photo(tmp_path / "images" / "day 1" / "plot.7.jpg", 1024, 768)
    put_photo(tmp_path / "images" / "c.jpg", 97, 61)
    for name in ("b.jpg", "plot 9 (north).jpg"):
        put_photo(tmp_path / "images" / name, 640, 480)
    shutil.copy(EXPORTS / export, tmp_path)
    labels, problems = read_labels(tmp_path)
    assert [(image.id, image.heads, image.source, image.session) for image in labels] == [
        ("day 1/plot.7", 1, "north", "may"),
        ("b", 0, "south", ""),
        ("c", 1, "unknown", ""),
    ]
    assert np.array_equal(labels[0].boxes, np.array([[602.3, 339, 677, 400.7]], dtype=np.float32))
    assert np.array_equal(labels[2].boxes, np.array([[3.3, 4.4, 30.1, 22.2]], dtype=np.float32))
    told = [(problem.kind, problem.image) for problem in problems]
    # The short form leaves skipped tasks out.
    skipped = ("no labels" if "min" in export else "not labelled", "plot 9 (north)")
    assert told == [("several annotations", "c"), ("rotated", "c"), skipped]


@pytest.mark.parametrize(
    "address",
    [
        "/data/local-files/?d=photos/day%201/plot.7%20%28n%29.jpg",
        "/data/upload/1/0123abcd-plot.7_n.jpg",
        "https://example.org/data/upload/23/0123abcd-plot.7_n.jpg",
        "https://example.org/wheat/day%201/plot.7%20%28n%29.jpg?token=1",
        "s3://bucket/day 1/plot.7 (n).jpg",
        "C:\\fields\\plot.7 (n).jpg",
    ],
)
def test_a_photo_is_found_by_any_address_that_label_studio_gives_it(photos: Path, tmp_path: Path, address: str) -> None:
    labels, problems = read(tmp_path, [task(1, address, annotation(region()))], photos=photos)
    assert [(image.id, image.heads) for image in labels] == [("day 1/plot.7 (n)", 1)]
    assert kinds(problems) == []


def test_two_photos_that_an_upload_would_name_alike_are_not_guessed(tmp_path: Path, put_photo: PutPhoto) -> None:
    put_photo(tmp_path / "a" / "x.jpg")
    put_photo(tmp_path / "b" / "x.jpg")
    names = ("upload/1/0123abcd-x.jpg", "a/x.jpg")
    assert ids_by_name(names[:1], find_photos(tmp_path)) == {names[0]: "upload/1/0123abcd-x"}
    assert ids_by_name(names[1:], find_photos(tmp_path)) == {names[1]: "a/x"}


def test_the_newest_annotation_that_was_not_skipped_is_used_and_the_others_are_listed(
    photos: Path, tmp_path: Path
) -> None:
    newest = annotation(region(30), region(50), day=9)
    tasks = [task(7, "a.jpg", annotation(region(), day=3), newest, annotation(day=12, was_cancelled=True))]
    labels, problems = read(tmp_path, tasks, photos=photos)
    assert labels[0].heads == 2
    assert kinds(problems) == [("warning", "several annotations", "a")]
    assert "task id 7 (image a): 2 annotations; the newest is used (id 9, 2026-03-09 10:00)" in problems[0].line()
    assert problems[0].line().endswith("left out: 3")


def test_several_annotations_of_the_short_form_are_one_task(photos: Path, tmp_path: Path) -> None:
    old = {
        "id": 1,
        "image": "a.jpg",
        "label": [region()["value"]],
        "annotation_id": 1,
        "updated_at": "2026-01-01T00:00:00Z",
    }
    new = {"id": 1, "image": "a.jpg", "annotation_id": 2, "updated_at": "2026-01-02T00:00:00Z"}
    labels, problems = read(tmp_path, [old, new], photos=photos)
    assert [(image.id, image.heads) for image in labels] == [("a", 0)]
    assert kinds(problems) == [("warning", "several annotations", "a")]


def test_tasks_that_were_skipped_or_not_annotated_are_left_out_and_listed(photos: Path, tmp_path: Path) -> None:
    tasks = [task(1, "a.jpg", annotation(region(), was_cancelled=True)), task(2, "b.jpg")]
    labels, problems = read(tmp_path, tasks, photos=photos)
    assert labels == ()
    assert kinds(problems) == [("warning", "not labelled", "a"), ("warning", "not labelled", "b")]
    assert "was skipped" in problems[0].text
    assert "is not annotated" in problems[1].text


def test_an_annotation_without_regions_is_a_photo_without_heads(photos: Path, tmp_path: Path) -> None:
    labels, problems = read(tmp_path, [task(1, "a.jpg", annotation())], photos=photos)
    assert [(image.id, image.heads) for image in labels] == [("a", 0)]
    assert kinds(problems) == []


@pytest.mark.parametrize(
    ("broken", "kind", "text"),
    [
        (region(value={"rotation": 12.5}), "rotated", "the rectangle is turned by 12.5 degrees"),
        (region(image_rotation=90), "rotated", "the photo was turned by 90 degrees"),
        (region(type="polygonlabels"), "shape", "a region of type polygonlabels, expected a rectangle"),
        (region(type="brushlabels", value={"rle": [1]}), "shape", "a region of type brushlabels"),
        (region(value={"x": "10"}), "box", "expected x, y, width, height and angles as numbers"),
        (region(value={"width": 0}), "no area", "width x height is 0 x 51.2"),
    ],
)
def test_one_broken_region_costs_itself_alone(
    photos: Path, tmp_path: Path, broken: dict[str, Any], kind: str, text: str
) -> None:
    labels, problems = read(tmp_path, [task(5, "a.jpg", annotation(region(60), broken))], photos=photos)
    assert labels[0].heads == 1
    assert kinds(problems) == [("error", kind, "a")]
    (line,) = [problem.line() for problem in problems if problem.kind == kind]
    assert text in line
    assert "project-1.json, task id 5, box 2 (image a): " in line


def test_choices_and_texts_of_a_region_are_no_boxes(photos: Path, tmp_path: Path) -> None:
    said = [region(type=kind, value={kind: ["unsure"]}) for kind in ("choices", "textarea")]
    labels, problems = read(
        tmp_path, [task(1, "a.jpg", annotation(region(), *said, {"type": "relation"}))], photos=photos
    )
    assert labels[0].heads == 1
    assert kinds(problems) == []


def test_a_rectangle_drawn_from_right_to_left_is_the_same_rectangle(photos: Path, tmp_path: Path) -> None:
    backwards = region(15, 25, value={"width": -5, "height": -5})
    labels, _ = read(tmp_path, [task(1, "a.jpg", annotation(backwards))], photos=photos)
    again, _ = read(tmp_path, [task(1, "a.jpg", annotation(region()))], photos=photos)
    assert np.array_equal(labels[0].boxes, again[0].boxes)


def test_other_labels_are_heads_with_a_warning_or_left_out_when_asked(photos: Path, tmp_path: Path) -> None:
    weed = region(60, value={"rectanglelabels": ["weed"]})
    tasks = [task(1, "a.jpg", annotation(region(), weed)), task(2, "b.jpg", annotation(weed))]
    labels, problems = read(tmp_path, tasks, photos=photos)
    assert [image.heads for image in labels] == [2, 1]
    assert "boxes of 2 labels (weed, wheat head) are all taken as heads" in problems[-1].line()
    labels, problems = read(tmp_path, tasks, photos=photos, called=("wheat head",))
    assert [image.heads for image in labels] == [1, 0]  # a photo with weeds alone is one without heads
    assert "2 boxes with the label weed left out, as asked for" in problems[-1].line()


def test_labels_beside_a_plain_rectangle_name_it(photos: Path, tmp_path: Path) -> None:
    plain = region(type="rectangle", value={"rectanglelabels": []})
    named = region(type="labels", value={"labels": ["weed"], "rectanglelabels": []})
    tasks = [task(1, "a.jpg", annotation(plain, named)), task(2, "b.jpg", annotation(region()))]
    labels, _ = read(tmp_path, tasks, photos=photos, called=("wheat head",))
    assert [image.heads for image in labels] == [0, 1]


def test_a_photo_in_two_tasks_is_an_error_and_the_first_stays(photos: Path, tmp_path: Path) -> None:
    tasks = [task(1, "a.jpg", annotation(region())), task(2, "a.jpg", annotation())]
    labels, problems = read(tmp_path, tasks, photos=photos)
    assert [(image.id, image.heads) for image in labels] == [("a", 1)]
    assert kinds(problems) == [("error", "listed twice", "a")]


def test_a_photo_of_another_size_than_its_regions_say_is_left_out(photos: Path, tmp_path: Path) -> None:
    labels, problems = read(tmp_path, [task(1, "a.jpg", annotation(region(original_width=512)))], photos=photos)
    assert labels == ()
    assert kinds(problems) == [("error", "size differs", "a")]


@pytest.mark.parametrize("size", [None, "wide", 0, 10.5])
def test_where_no_size_is_told_the_photo_tells_it(photos: Path, tmp_path: Path, size: object) -> None:
    labels, problems = read(tmp_path, [task(1, "a.jpg", annotation(region(original_width=size)))], photos=photos)
    assert labels[0].boxes.tolist() == [pytest.approx([102.4, 204.8, 153.6, 256.0])]
    assert kinds(problems) == []


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"id": 4, "data": {"text": "no photo"}, "annotations": []}, "expected one photo in the data of the task"),
        ({"id": 4, "data": {"left": "a.jpg", "right": "b.jpg"}, "annotations": []}, "expected one photo"),
        (
            {"id": 4, "data": {"image": "a.jpg"}, "annotations": [{"id": 1}]},
            "expected a task with data and annotations",
        ),
        (["a.jpg"], "expected a task"),
        ({"id": 4, "data": {"image": "http://[a.jpg"}, "annotations": []}, "is not annotated"),
    ],
)
def test_an_entry_that_is_no_task_costs_itself_alone(photos: Path, tmp_path: Path, entry: object, text: str) -> None:
    labels, problems = read(tmp_path, [task(1, "b.jpg", annotation(region())), entry], photos=photos)
    assert [image.id for image in labels] == ["b"]
    assert any(text in problem.line() for problem in problems)


def test_a_photo_that_no_task_shows_is_not_used(photos: Path, tmp_path: Path) -> None:
    _, problems = read(tmp_path, [task(1, "a.jpg", annotation(region())), task(2, "b.jpg")], photos=photos)
    assert [problem.image for problem in problems if problem.kind == "no labels"] == ["day 1/plot.7 (n)"]


def test_sources_may_stand_in_images_csv(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("image_id,source,session\na,north,may\n")
    labels, _ = read(tmp_path, [task(1, "a.jpg", annotation(region()))], photos=photos)
    assert (labels[0].source, labels[0].session) == ("north", "may")


def test_a_folder_of_photos_that_is_not_there_is_refused(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(AnnotationError, match="gone: is not a folder"):
        read(tmp_path, [task(1, "a.jpg", annotation(region()))], photos=photos / "gone")


@given(st.floats(0, 4000, width=32), st.floats(2, 900, width=32), st.integers(1, 5000))
def test_an_edge_in_percent_comes_back_within_a_twentieth_of_a_pixel(left: float, side: float, width: int) -> None:
    """Percent as the tool may round them, to five digits after the point."""
    percent = round(100 * left / width, 5), round(100 * side / width, 5)
    assert abs(sum(percent) / 100 * width - (left + side)) < 0.05
    assert abs(percent[0] / 100 * width - left) < 0.05


@pytest.fixture
def found_images(photos: Path) -> list[tuple[LabelledImage, Detections]]:
    boxes = np.array([[100.5, 200.25, 150, 260], [-3, 10, 40, 60], [2000, 10, 2040, 60]], dtype=np.float32)
    nothing = np.zeros((0, 4), np.float32)
    return [
        (
            LabelledImage("a", photos / "a.jpg", 1024, 1024, nothing),
            Detections(boxes, np.array([0.9, 0.5, 0.4], np.float32)),
        ),
        (LabelledImage("b", photos / "b.jpg", 1024, 1024, nothing), Detections(nothing, np.zeros(0, np.float32))),
    ]


def test_what_was_found_becomes_predictions_with_scores(
    tmp_path: Path, found_images: list[tuple[LabelledImage, Detections]]
) -> None:
    write_found(found_heads(found_images, "wheat.onnx"), tmp_path / "out", "label-studio")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text("utf-8"))
    assert [one["data"]["image"] for one in tasks] == [f"/data/local-files/?d=images/{name}.jpg" for name in "ab"]
    assert "annotations" not in tasks[0]
    prediction = tasks[0]["predictions"][0]
    assert (prediction["model_version"], prediction["score"]) == ("wheat.onnx", pytest.approx(0.7))
    assert [one["score"] for one in prediction["result"]] == [pytest.approx(0.9), pytest.approx(0.5)]
    assert prediction["result"][1]["value"]["x"] == 0  # cut at the border, as labels are; what lies outside is dropped
    assert tasks[1]["predictions"][0] == {"model_version": "wheat.onnx", "score": 0.0, "result": []}
    config = (tmp_path / "out" / "labelling.xml").read_text()
    assert prediction["result"][0]["from_name"] in config
    assert prediction["result"][0]["value"]["rectanglelabels"][0] in config


def test_predictions_alone_are_no_labels(tmp_path: Path, found_images: list[tuple[LabelledImage, Detections]]) -> None:
    write_found(found_heads(found_images, "wheat.onnx"), tmp_path / "out", "label-studio")
    labels, problems = read_labels(tmp_path / "out")
    assert find_layout(tmp_path / "out") == "label-studio"
    assert labels == ()
    assert {problem.kind for problem in problems} == {"not labelled"}


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in {"label-studio", "cvat"}])
def test_what_was_found_is_not_written_as_labels(
    tmp_path: Path, found_images: list[tuple[LabelledImage, Detections]], layout: str
) -> None:
    with pytest.raises(OutputError, match="write it for label-studio or cvat, correct it there"):
        write_found(found_heads(found_images, "m"), tmp_path / "out", layout)


def test_a_source_called_images_is_not_taken_for_coco(tmp_path: Path, photos: Path) -> None:
    image = LabelledImage("a", photos / "a.jpg", 1024, 1024, np.zeros((0, 4), np.float32), "images")
    write_labels((image,), tmp_path / "out", "label-studio")
    assert find_layout(tmp_path / "out") == "label-studio"


KEYS = re.findall(
    r"\w+",
    "id data image annotations annotation_id result type value x y width height rotation image_rotation original_width "
    "updated_at was_cancelled rectanglelabels label",
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 200), st.floats(), st.sampled_from(["a.jpg", "rectanglelabels", "x"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(JSON, max_size=3))
def test_no_json_whatever_does_more_than_raise_problems(photos: Path, tmp_path: Path, entries: list[Any]) -> None:
    sound = task(1, "b.jpg", annotation(region()))
    labels, _ = read(tmp_path, [sound, *entries], photos=photos)
    assert labels[0].id == "b"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=JSON, value=JSON)
def test_no_region_whatever_does_more_than_raise_problems(photos: Path, tmp_path: Path, one: Any, value: Any) -> None:
    odd = annotation(one, region(value={"x": value}), region(original_width=value, image_rotation=value))
    labels, problems = read(tmp_path, [task(1, "a.jpg", odd), task(2, "b.jpg", annotation(region()))], photos=photos)
    assert labels[-1].id == "b"
    assert "task" not in {problem.kind for problem in problems}  # a region costs itself, not its task
