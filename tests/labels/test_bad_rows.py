"""Rows and files that are wrong: each gives a line that names place and remedy, and costs no sound row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spica.errors import AnnotationError
from spica.labels.folder import read_labels
from spica.labels.problems import Problem

HEADER = "image_id,width,height,bbox,source\n"
GOOD_A = 'a,1024,1024,"[10, 20, 50, 60]",field_1\n'
GOOD_B = 'b,1024,1024,"[300, 320, 50, 60]",field_1\n'


def box(text: str) -> str:
    return f'b,1024,1024,"{text}",field_1'


LEFT_OUT_IN_KAGGLE = [
    pytest.param(box("[nan, 20, 50, 60]"), "nan", "not a number", id="nan"),
    pytest.param(box("[10, 20, nan, 60]"), "nan", "not a number", id="nan width"),
    pytest.param(box("[inf, 20, 50, 60]"), "infinite", "infinite", id="infinite"),
    pytest.param(box("[10, 20, 50, -inf]"), "infinite", "infinite", id="infinite height"),
    pytest.param(box("[10, 20, 1e999, 60]"), "infinite", "infinite", id="number too large for a float"),
    pytest.param(box("[10, 20, -3.0, 60]"), "negative", "width x height is -3 x 60", id="negative width"),
    pytest.param(box("[10, 20, 30, -4]"), "negative", "30 x -4, expected > 0", id="negative height"),
    pytest.param(box("[10, 20, 0, 60]"), "no area", "0 x 60, expected > 0", id="no width"),
    pytest.param(box("[10, 20, 60, 0.0]"), "no area", "60 x 0, expected > 0", id="no height"),
    pytest.param(box("[1e9, 20, 0.00000001, 60]"), "no area", "0 x 60", id="width lost in the float"),
    pytest.param(box("[2000, 20, 50, 60]"), "outside", "outside the photo of 1024 x 1024", id="right of the photo"),
    pytest.param(box("[10, -500, 50, 60]"), "outside", "outside the photo", id="above the photo"),
    pytest.param(box("[1024, 20, 50, 60]"), "outside", "outside the photo", id="just outside"),
    pytest.param(box("[1e300, 1e300, 1e300, 1e300]"), "outside", "outside the photo", id="beyond float32, but finite"),
    pytest.param(box("[0, 0, 1000, 600]"), "huge", "600000 square pixels, more than 200000: not one head", id="huge"),
    pytest.param(box("[-900, 0, 1300, 600]"), "huge", "240000 square pixels, more", id="huge inside"),
    pytest.param(box("[1020, 1000, 90, 9]"), "tiny", "36 square pixels, less than 40", id="a corner of it inside"),
    pytest.param(box("[-90, 9, -3, 60]"), "negative", "-3 x 60, expected > 0", id="negative as written"),
    pytest.param(box("[700, 0, 20, 1]"), "line", "a side is under 2 pixels (20 x 1)", id="line"),
    pytest.param(box("[1022.5, 9, 80, 90]"), "line", "under 2 pixels (1.5 x 90)", id="a line of it inside"),
    pytest.param(box("[700, 100, 6, 5]"), "tiny", "30 square pixels, less than 40: no head", id="tiny"),
    pytest.param(box("[300, 320, 50, 60]"), "duplicate", "the same as in", id="duplicate"),
    pytest.param(box("[10, 20, 50]"), "bbox", "3 numbers", id="three numbers"),
    pytest.param(box("[10, 20, 50, 60, 0.9]"), "bbox", "5 numbers", id="five numbers"),
    pytest.param(box("10 20 50 60"), "bbox", "expected [left, top, width, height]", id="no brackets"),
    pytest.param(box("[10, 20, wide, 60]"), "bbox", "expected four numbers", id="a word"),
    pytest.param(box("[1_0, 20, 50, 60]"), "bbox", "expected four numbers", id="underscore"),
    pytest.param(box("[10; 20; 50; 60]"), "bbox", "1 numbers", id="semicolons"),
    pytest.param(box(""), "bbox", "expected [left, top, width, height]", id="empty"),
    pytest.param(box("[]"), "bbox", "expected 4", id="empty brackets"),
    pytest.param('b,1024,1024,"[10, 20, 50, 60]"', "fields", "4 fields, expected 5", id="a field too few"),
    pytest.param("b,1024,1024,[10, 20, 50, 60],field_1", "fields", "8 fields, expected 5", id="no quotes"),
    pytest.param('b,1024,1024,"[10, 20, 50, 60],field_1', "quotes", "a quote is not closed", id="quote left open"),
    pytest.param('b,1024,1024,"[10, 20, 50, 60]"x,field_1', "quotes", "a quote", id="text after a quote"),
    pytest.param(',1024,1024,"[10, 20, 50, 60]",field_1', "no image", "image_id is empty", id="no image"),
    pytest.param('b,wide,1024,"[10, 20, 50, 60]",field_1', "size", "size is wide x 1024", id="size is a word"),
    pytest.param('b,0,1024,"[10, 20, 50, 60]",field_1', "size", "size is 0 x 1024", id="size is 0"),
    pytest.param('b,1024,-7,"[10, 20, 50, 60]",field_1', "size", "size is 1024 x -7", id="size is negative"),
    pytest.param('b,1024.5,9,"[10, 20, 50, 60]",field_1', "size", "size is 1024.5 x 9", id="size is a fraction"),
    pytest.param('b,512,512,"[10, 20, 50, 60]",field_1', "two sizes", "but 1024 x 1024 in row 3", id="two sizes"),
    pytest.param("caf\udce9,1024,1024,x,field_1", "encoding", "not UTF-8", id="Latin-1"),
]

KEPT_IN_KAGGLE = [
    pytest.param(box("[-5, 20, 50, 60]"), "partly outside", "over the border", id="left border"),
    pytest.param(box("[1000, 1000, 50, 60]"), "partly outside", "over the border", id="corner"),
    pytest.param(box("[100, 100, 400, 300]"), "large", "120000 square pixels, more than 100000", id="large"),
    pytest.param(box("[100, 100, 160, 10]"), "sliver", "15 times the other (160 x 10)", id="sliver"),
    pytest.param(box("[301, 320, 50, 60]"), "double", "one head, labelled twice?", id="nearly the same"),
    pytest.param(
        'b,1024,1024,"[500, 500, 50, 60]",field_2', "two sources", "source is field_2, but field_1", id="two sources"
    ),
]


def kaggle(folder: Path, put_photo: Callable[..., Path], row: str) -> list[Problem]:
    """Write two photos with a sound row each, in rows 2 and 3, and `row` as row 4; return the problems."""
    for name in ("a", "b"):
        put_photo(folder / "train" / f"{name}.jpg")
    content = HEADER + GOOD_A + GOOD_B + row + "\n"
    (folder / "train.csv").write_bytes(content.encode("utf-8", errors="surrogateescape"))
    return read_labels(folder)[1]


def heads(folder: Path) -> dict[str, list[list[float]]]:
    return {image.id: image.boxes.tolist() for image in read_labels(folder)[0]}


@pytest.mark.parametrize(("row", "kind", "text"), LEFT_OUT_IN_KAGGLE)
def test_a_bad_row_is_named_and_left_out_and_the_others_survive(
    tmp_path: Path, put_photo: Callable[..., Path], row: str, kind: str, text: str
) -> None:
    problems = kaggle(tmp_path, put_photo, row)
    assert [(problem.kind, problem.severity) for problem in problems] == [(kind, "error")]
    line = problems[0].line()
    assert line.startswith(f"{tmp_path / 'train.csv'}, row 4")
    assert text in line
    assert problems[0].remedy in line
    assert "left out" in problems[0].remedy
    assert "\n" not in line
    assert heads(tmp_path) == {"a": [[10, 20, 60, 80]], "b": [[300, 320, 350, 380]]}


@pytest.mark.parametrize(("row", "kind", "text"), KEPT_IN_KAGGLE)
def test_a_doubtful_row_is_named_and_kept(
    tmp_path: Path, put_photo: Callable[..., Path], row: str, kind: str, text: str
) -> None:
    problems = kaggle(tmp_path, put_photo, row)
    assert [(problem.kind, problem.severity) for problem in problems] == [(kind, "warning")]
    assert problems[0].line().startswith(f"{tmp_path / 'train.csv'}, row 4 (image b): ")
    assert text in problems[0].line()
    assert len(heads(tmp_path)["b"]) == 2


def test_a_box_over_the_border_is_cut_there(tmp_path: Path, put_photo: Callable[..., Path]) -> None:
    kaggle(tmp_path, put_photo, box("[-5, 1000, 50, 60]"))
    assert heads(tmp_path)["b"][1] == [0, 1000, 45, 1024]


def test_the_size_of_a_box_over_the_border_is_told_as_it_is_inside(
    tmp_path: Path, put_photo: Callable[..., Path]
) -> None:
    problems = kaggle(tmp_path, put_photo, box("[-900, 0, 1300, 300]") + "\n" + box("[600, 1014, 200, 90]"))
    large, sliver, *over = problems
    assert large.text == "the area is 120000 square pixels, more than 100000, rarely one head"
    assert sliver.text == "one side is over 15 times the other (200 x 10), rarely a head"
    assert [problem.kind for problem in over] == ["partly outside", "partly outside"]


def test_decimals_that_round_over_the_border_are_cut_without_a_word(
    tmp_path: Path, put_photo: Callable[..., Path]
) -> None:
    assert kaggle(tmp_path, put_photo, box("[-0.001, 1000, 50, 24.002]")) == []
    assert heads(tmp_path)["b"][1][0] == 0.0


def test_the_wrong_boxes_of_the_competition_are_caught(tmp_path: Path, put_photo: Callable[..., Path]) -> None:
    rows = ["[0, 0, 1000, 529]", "[300, 0, 4, 3]", "[5, 5, 1, 40]"]
    problems = kaggle(tmp_path, put_photo, "\n".join(box(row) for row in rows))
    assert [(problem.kind, problem.row) for problem in problems] == [("line", 6), ("tiny", 5), ("huge", 4)]


def test_limits_of_area_follow_the_size_of_the_photo(tmp_path: Path, put_photo: Callable[..., Path]) -> None:
    put_photo(tmp_path / "train" / "c.jpg", 512, 512)
    rows = [f'c,512,512,"{text}",x' for text in ("[9, 9, 240, 240]", "[300, 300, 4, 5]", "[9, 9, 170, 170]")]
    problems = kaggle(tmp_path, put_photo, "\n".join(rows))
    assert [(problem.kind, problem.row) for problem in problems] == [("huge", 4), ("large", 6)]


def test_a_photo_with_no_sound_row_is_left_out_since_it_is_not_known_to_be_empty(
    tmp_path: Path, put_photo: Callable[..., Path]
) -> None:
    put_photo(tmp_path / "train" / "c.jpg")
    put_photo(tmp_path / "train" / "d.jpg")
    rows = 'c,1024,1024,"[9, 9, -2, 9]",x\nd,1024,1024,"[9, 9'
    problems = kaggle(tmp_path, put_photo, rows)
    assert [problem.kind for problem in problems] == ["quotes", "no labels", "negative", "no sound row", "no sound row"]
    assert sorted(heads(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("bad", ['"[9, 9, 30, 30]",Gr\udce9oux', '"[9, 9, 30, 30]",x,y', '"[9, 9'])
def test_a_photo_whose_only_row_cannot_be_read_is_not_taken_for_empty_wherever_its_column_is(
    tmp_path: Path, put_photo: Callable[..., Path], bad: str
) -> None:
    name = 50 * "c"
    put_photo(tmp_path / "train" / f"{name}.jpg")
    content = f"width,height,image_id,bbox,source\n1024,1024,{name},{bad}\n"
    (tmp_path / "train.csv").write_bytes(content.encode("utf-8", errors="surrogateescape"))
    labels, problems = read_labels(tmp_path)
    assert labels == ()
    assert "no sound row" in [problem.kind for problem in problems]


def test_a_photo_whose_name_is_not_utf8_is_left_out_and_told(tmp_path: Path, put_photo: Callable[..., Path]) -> None:
    put_photo(tmp_path / "train" / "Gr\udce9oux.jpg")
    (problem,) = [one for one in kaggle(tmp_path, put_photo, "") if one.severity == "error"]
    assert (problem.kind, problem.remedy) == ("name", "rename the file")
    assert "Gr\\udce9oux" in problem.line()
    assert sorted(heads(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        pytest.param('c,1024,1024,"[9, 9, 30, 30]",x', "missing photo", "c.jpg", id="missing"),
        pytest.param('small,1024,1024,"[9, 9, 30, 30]",x', "size differs", "the photo is 512 x 300", id="other size"),
        pytest.param('broken,1024,1024,"[9, 9, 30, 30]",x', "unreadable photo", "broken.jpg", id="unreadable"),
        pytest.param(f'{"n" * 300},1024,1024,"[9, 9, 30, 30]",x', "missing photo", "there is no", id="too long a name"),
        pytest.param('empty,1024,1024,"[9, 9, 30, 30]",x', "unreadable photo", "empty.jpg", id="empty"),
        pytest.param('twin,1024,1024,"[9, 9, 30, 30]",x', "two photos", "twin.png has the same id", id="two photos"),
    ],
)
def test_a_bad_photo_is_left_out_with_its_rows(
    tmp_path: Path, put_photo: Callable[..., Path], row: str, kind: str, text: str
) -> None:
    name = row.split(",", 1)[0]
    photos = tmp_path / "train"
    match name:
        case "small":
            put_photo(photos / "small.jpg", 512, 300)
        case "broken":
            put_photo(photos / "broken.jpg").write_bytes(b"no photo at all")
        case "empty":
            put_photo(photos / "empty.jpg").write_bytes(b"")
        case "twin":
            put_photo(photos / "twin.png")
            put_photo(photos / "twin.jpg")
        case _:
            pass
    problems = kaggle(tmp_path, put_photo, row)
    assert [(problem.kind, problem.severity, problem.image) for problem in problems] == [(kind, "error", name)]
    assert text in problems[0].line()
    assert sorted(heads(tmp_path)) == ["a", "b"]


def test_a_photo_that_is_cut_off_is_found_by_decoding_it(tmp_path: Path, put_photo: Callable[..., Path]) -> None:
    kaggle(tmp_path, put_photo, box("[500, 500, 50, 60]"))
    photo = tmp_path / "train" / "b.jpg"
    photo.write_bytes(photo.read_bytes()[:900])
    assert read_labels(tmp_path)[1] == []
    labels, problems = read_labels(tmp_path, deep=True)
    assert [image.id for image in labels] == ["a"]
    assert [(problem.kind, problem.image) for problem in problems] == [("unreadable photo", "b")]
    assert "the photo and its 2 boxes are left out" in problems[0].text


BAD_GWHD = [
    pytest.param("b.jpg,1 2 50,f", "box", "row 3, box 1 (image b): 3 numbers", id="three numbers"),
    pytest.param("b.jpg,300 320 350 380;x 2 50 60,f", "box", "row 3, box 2 (image b): box is", id="a word"),
    pytest.param("b.jpg,300 320 350 380;400 20 350 60,f", "negative", "row 3, box 2", id="xmin over xmax"),
    pytest.param("b.jpg,300 320 350 380;;9 9 50 50,f", "box", "row 3, box 2", id="empty box"),
    pytest.param("b.jpg,,f", "box", "row 3, box 1", id="empty string"),
    pytest.param("b.jpg,nobox,f", "box", "write no_box", id="misspelt"),
    pytest.param("b.jpg,no_box", "fields", "2 fields, expected 3", id="a field too few"),
    pytest.param(",no_box,f", "no image", "image_name is empty", id="no name"),
    pytest.param("a.jpg,no_box,f", "listed twice", "listed in", id="twice"),
    pytest.param("z.jpg,no_box,f", "missing photo", "z.jpg", id="no photo"),
]


@pytest.mark.parametrize(("row", "kind", "text"), BAD_GWHD)
def test_a_bad_row_of_gwhd_is_named_and_the_others_survive(
    tmp_path: Path, put_photo: Callable[..., Path], row: str, kind: str, text: str
) -> None:
    put_photo(tmp_path / "images" / "a.jpg")
    put_photo(tmp_path / "images" / "b.jpg")
    content = f"image_name,BoxesString,domain\na.jpg,10 20 60 80,f\n{row}\n"
    (tmp_path / "competition_val.csv").write_text(content)
    labels, problems = read_labels(tmp_path)
    first = next(problem for problem in problems if problem.severity == "error")
    assert (first.kind, first.row) == (kind, 3)
    assert first.line().startswith(f"{tmp_path / 'competition_val.csv'}, row 3")
    assert text in first.line()
    assert labels[0].id == "a"
    assert labels[0].boxes.tolist() == [[10, 20, 60, 80]]


GOOD_BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 50, 60]}
BAD_COCO = [
    pytest.param({"image_id": 7, "bbox": [1, 2, 30, 40]}, "no image", "no image of the file", id="unknown image"),
    pytest.param({"image_id": "1", "bbox": [1, 2, 30, 40]}, "no image", "no image", id="text for a number"),
    pytest.param({"image_id": True, "bbox": [1, 2, 30, 40]}, "no image", "no image", id="true is no id"),
    pytest.param({"image_id": [1], "bbox": [1, 2, 30, 40]}, "no image", "no image", id="list for an id"),
    pytest.param({"bbox": [1, 2, 30, 40]}, "no image", "no image", id="no image_id"),
    pytest.param([1, 2, 30, 40], "no image", "no image", id="a bare list"),
    pytest.param({"image_id": 1}, "bbox", "expected bbox", id="no bbox"),
    pytest.param({"image_id": 1, "bbox": [1, 2, 30]}, "bbox", "expected bbox", id="three numbers"),
    pytest.param({"image_id": 1, "bbox": ["1", 2, 30, 40]}, "bbox", "expected bbox", id="a text"),
    pytest.param({"image_id": 1, "bbox": [10**400, 2, 30, 40]}, "bbox", "expected bbox", id="a giant"),
    pytest.param({"image_id": 1, "bbox": None}, "bbox", "expected bbox", id="null"),
    pytest.param({"image_id": 1, "bbox": [float("nan"), 2, 30, 40]}, "nan", "not a number", id="nan"),
    pytest.param({"image_id": 1, "bbox": [1, 2, 0, 40], "iscrowd": 1}, "no area", "width x height", id="thin crowd"),
    *(
        pytest.param(
            {"image_id": 1, "bbox": [1, 2, 30, 40], "iscrowd": value},
            "bbox",
            f"iscrowd 0 or 1, got [1, 2, 30, 40] and {json.dumps(value)}",
            id=f"iscrowd {json.dumps(value)}",
        )
        for value in ("0", "1", None, 2, 0.5, [1])
    ),
]


def coco(folder: Path, images: list[Any], annotations: list[Any]) -> None:
    (folder / "labels.json").write_text(json.dumps({"images": images, "annotations": annotations}))


@pytest.mark.parametrize(("entry", "kind", "text"), BAD_COCO)
def test_a_bad_annotation_of_coco_is_named_and_the_others_survive(
    tmp_path: Path, put_photo: Callable[..., Path], entry: Any, kind: str, text: str
) -> None:
    put_photo(tmp_path / "a.jpg")
    coco(tmp_path, [{"id": 1, "file_name": "a.jpg"}], [GOOD_BOX, entry])
    labels, problems = read_labels(tmp_path)
    first = next(problem for problem in problems if problem.severity == "error")
    assert first.kind == kind
    assert first.line().startswith(f"{tmp_path / 'labels.json'}, annotation 2")
    assert text in first.line()
    assert labels[0].boxes.tolist() == [[10, 20, 60, 80]]


@pytest.mark.parametrize(("value", "ignored"), [(0, 0), (False, 0), (1, 1), (True, 1)])
def test_a_crowd_of_coco_is_a_number_or_a_truth_value(
    tmp_path: Path, put_photo: Callable[..., Path], value: int, ignored: int
) -> None:
    put_photo(tmp_path / "a.jpg")
    coco(tmp_path, [{"id": 1, "file_name": "a.jpg"}], [{**GOOD_BOX, "iscrowd": value}])
    (image,), problems = read_labels(tmp_path)
    assert (image.heads, len(image.ignored), problems) == (1 - ignored, ignored, [])


COCO_TEXT = '{"images": [{"id": 1, "file_name": "a.jpg", "source": "%s"}], "annotations": []}'
TASK_TEXT = '[{"data": {"image": "a.jpg", "source": "%s"}, "annotations": [{"result": []}]}]'


@pytest.mark.parametrize("content", [COCO_TEXT, TASK_TEXT])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("G\udce4rten", r"labels\.json: is not UTF-8; save it as UTF-8"),
        (r"\ud83d", r"labels\.json: '\\ud83d' is half a letter, expected both halves"),
        (r"\uDE00\uD83D", r"labels\.json: '\\ude00' is half a letter"),
    ],
)
def test_json_that_is_not_utf8_is_refused(tmp_path: Path, content: str, source: str, message: str) -> None:
    text = content % source
    (tmp_path / "labels.json").write_bytes(text.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(AnnotationError, match=message) as refused:
        read_labels(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", ["Gärten", r"G\u00e4rten", r"\ud83d\uDE00", "\N{EAR OF MAIZE}", r"C:\\ud83d"])
def test_json_in_utf8_is_read_however_it_writes_its_letters(
    tmp_path: Path, put_photo: Callable[..., Path], source: str
) -> None:
    put_photo(tmp_path / "a.jpg")
    text = COCO_TEXT % source
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    assert [image.source for image in read_labels(tmp_path)[0]] == [json.loads(f'"{source}"')]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        pytest.param({"id": 2}, "image", id="no file name"),
        pytest.param({"id": 2, "file_name": ""}, "image", id="empty file name"),
        pytest.param({"id": 2.5, "file_name": "b.jpg"}, "image", id="id is a fraction"),
        pytest.param({"id": 2, "file_name": "b.jpg", "width": -1}, "image", id="negative width"),
        pytest.param({"id": 2, "file_name": "b.jpg", "height": "tall"}, "image", id="height is a word"),
        pytest.param({"id": 2, "file_name": "b.jpg", "height": float("inf")}, "image", id="infinite height"),
        pytest.param("b.jpg", "image", id="a bare name"),
        pytest.param({"id": 1, "file_name": "b.jpg"}, "listed twice", id="id twice"),
        pytest.param({"id": 2, "file_name": "a.jpg"}, "listed twice", id="file twice"),
        pytest.param({"id": 2, "file_name": "b.jpg", "width": 5, "height": 5}, "size differs", id="other size"),
        pytest.param({"id": 2, "file_name": "c.jpg"}, "missing photo", id="missing"),
        pytest.param({"id": 2, "file_name": "../../c.jpg"}, "missing photo", id="outside the folder"),
    ],
)
def test_a_bad_image_of_coco_is_named_and_the_others_survive(
    tmp_path: Path, put_photo: Callable[..., Path], entry: Any, kind: str
) -> None:
    put_photo(tmp_path / "a.jpg")
    put_photo(tmp_path / "b.jpg")
    coco(tmp_path, [{"id": 1, "file_name": "a.jpg"}, entry], [GOOD_BOX])
    labels, problems = read_labels(tmp_path)
    first = next(problem for problem in problems if problem.severity == "error")
    assert first.kind == kind
    assert first.line().startswith(f"{tmp_path / 'labels.json'}, image 2")
    assert [(image.id, image.heads) for image in labels] == [("a", 1)]


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        pytest.param("0 0.5 0.5 0.1", "box", "4 fields, expected 5", id="four fields"),
        pytest.param("0 0.5 0.5 0.1 0.1 0.9", "box", "6 fields, expected 5", id="with a score"),
        pytest.param("0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2", "box", "9 fields", id="polygon"),
        pytest.param("0 half 0.5 0.1 0.1", "box", "expected a class and four numbers", id="a word"),
        pytest.param("0 512 512 90 90", "outside", "outside the photo", id="pixels for fractions"),
        pytest.param("0 0.5 0.5 -0.1 0.1", "negative", "-102.4 x 102.4", id="negative"),
        pytest.param("0 nan 0.5 0.1 0.1", "nan", "not a number", id="nan"),
        pytest.param("0 1e308 0.5 0.1 0.1", "infinite", "infinite", id="too large"),
        pytest.param("0 0.5 0.5 0.1 0.1\udcff", "box", "not UTF-8", id="Latin-1"),
    ],
)
def test_a_bad_line_of_yolo_is_named_and_the_others_survive(
    tmp_path: Path, put_photo: Callable[..., Path], line: str, kind: str, text: str
) -> None:
    put_photo(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    content = f"0 0.25 0.25 0.0625 0.0625\n{line}\n"
    (tmp_path / "labels" / "a.txt").write_bytes(content.encode("utf-8", errors="surrogateescape"))
    labels, problems = read_labels(tmp_path)
    assert [(problem.kind, problem.row) for problem in problems] == [(kind, 2)]
    assert problems[0].line().startswith(f"{tmp_path / 'labels' / 'a.txt'}, row 2 (image a): ")
    assert text in problems[0].line()
    assert labels[0].boxes.tolist() == [[224, 224, 288, 288]]
